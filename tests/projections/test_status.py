"""A views file says where it stands, and how far the log has gone beyond it."""

from __future__ import annotations

from pathlib import Path

from doubles.procedures import Teller

from projections import store
from projections.runner import Runner
from projections.status import Status, status


def test_a_projection_tells_its_lag_in_entries_and_in_their_time(
    told: Teller, tmp_path: Path
) -> None:
    path, size = tmp_path / "views.db", len(told.ledger.rows)
    engine = store.writer(path)
    runner = Runner(told.ledger, engine, batch=20)
    assert status(told.ledger, size, path)[0].lag_entries == size
    runner.step()
    (behind,) = status(told.ledger, size, path)
    assert (behind.position, behind.lag_entries) == (19, size - 20)
    assert behind.lag_seconds > 0
    seen: list[int] = []
    runner.catch_up(seen.append)
    engine.dispose()
    assert seen[-1] == size - 1
    level = Status(store.NAME, store.VERSION, size - 1, 0, 0.0)
    assert status(told.ledger, size, path) == (level,)
    assert status(told.ledger, size - 5, path)[0].lag_entries == 0


def test_without_views_there_is_nothing_to_tell(told: Teller, tmp_path: Path) -> None:
    assert status(told.ledger, 1, tmp_path / "views.db") == ()
    (tmp_path / "views.db").touch()
    assert status(told.ledger, 1, tmp_path / "views.db") == ()
