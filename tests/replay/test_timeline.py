"""Any state at any position: what replay shows is what the commands then saw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from doubles.bench import Bench
from sqlalchemy import Connection

from api.wiring import open_reader
from domain.consultation import Consultation
from ledger.entry import Row, leaf
from ledger.readers import LogReader
from projections.rebuild import seen
from projections.runner import stored_position
from replay import timeline
from replay.fold import NotProven
from replay.rebuild import compare


@pytest.fixture
def bench(tmp_path: Path):
    made = Bench(tmp_path)
    made.register()
    yield made
    made.close()


def test_each_position_shows_the_prefix_of_the_stream(bench: Bench) -> None:
    bench.publish()
    live = bench.platform.desk.files.find(Consultation, "consultation/lille-1")
    assert live is not None
    with open_reader(bench.home) as log:
        rows = log.stream("consultation/lille-1")
        versions = []
        for row in rows:
            shown = timeline.state_at(log, "consultation/lille-1", row.position, log.event_of)
            versions.append(shown["version"])
        last = timeline.state_at(log, "consultation/lille-1", log.head() - 1, log.event_of)
    assert versions == [row.version for row in rows]
    assert last["state"] == live.state
    assert {key for key in timeline.shown(live)} == {key for key in last if key != "kinds"}
    with open_reader(bench.home) as log, pytest.raises(timeline.NothingThere):
        timeline.state_at(log, "consultation/none", 10**6, log.event_of)


def test_an_instant_is_the_last_position_recorded_by_then(bench: Bench) -> None:
    size = bench.platform.ledger.head()
    bench.clock.forward(timedelta(hours=1))
    bench.publish()
    with open_reader(bench.home) as log:
        before = timeline.moment_of(log, datetime.fromisoformat("2026-11-02T09:30:00+00:00"))
        after = timeline.moment_of(log, datetime.fromisoformat("2030-01-01T00:00:00+00:00"))
        never = timeline.moment_of(log, datetime.fromisoformat("2000-01-01T00:00:00+00:00"))
        assert before.position == size - 1
        assert after.position == log.head() - 1
        assert never.position == -1


def test_the_views_of_then_hold_nothing_that_came_later(bench: Bench, tmp_path: Path) -> None:
    at = bench.draft()
    drafted = bench.platform.ledger.head() - 1
    bench.done(f"{at}/ceremony", bench.tokens.buyer)
    bench.done(f"{at}/canary", bench.tokens.buyer)
    bench.done(f"{at}/publication", bench.tokens.buyer, {})
    with open_reader(bench.home) as log:
        then = timeline.views_at(log, drafted, tmp_path / "then.db", "lille-1")
        now = timeline.views_at(log, log.head() - 1, tmp_path / "now.db", "lille-1")
    assert then != now
    assert "PUBLISHED" in str(now)
    assert "PUBLISHED" not in str(then)


def test_live_views_equal_rebuilt_ones_and_a_changed_row_is_seen(
    bench: Bench, tmp_path: Path
) -> None:
    import sqlite3

    bench.publish()
    bench.platform.views.catch_up()
    with open_reader(bench.home) as log:
        assert compare(log.reader, bench.home.views, tmp_path / "a.db").equal
        changed = sqlite3.connect(bench.home.views)
        changed.execute("UPDATE consultations SET object = 'autre'")
        changed.commit()
        changed.close()
        assert not compare(log.reader, bench.home.views, tmp_path / "b.db").equal


class Moving:
    """A log beside a server: whenever it is read, somebody has just appended and been shown it."""

    def __init__(self, log: LogReader, bench: Bench) -> None:
        self.log = log
        self.root = log.root
        self.bench = bench
        self.names = iter(("lille-2", "lille-3"))

    def read(self, after: int, limit: int) -> Sequence[Row]:
        if (name := next(self.names, None)) is not None:
            self.bench.draft(name)
            self.bench.platform.views.catch_up()
        return self.log.read(after, limit)


def test_live_views_are_compared_while_a_server_moves_them(bench: Bench, tmp_path: Path) -> None:
    bench.publish()
    bench.platform.views.catch_up()
    before = bench.platform.views.stored()
    with open_reader(bench.home) as log:
        found = compare(Moving(log.reader, bench), bench.home.views, tmp_path / "a.db")
    assert found.equal
    assert found.position == before
    assert bench.platform.views.stored() > before, "the control: they did move meanwhile"


class Changed:
    """A log whose row at a position was changed, with or without its leaf."""

    def __init__(self, log: LogReader, position: int, *, restated: bool) -> None:
        self.log = log
        self.root = log.root
        self.position = position
        self.restated = restated

    def read(self, after: int, limit: int) -> Sequence[Row]:
        return [self.given(row) for row in self.log.read(after, limit)]

    def given(self, row: Row) -> Row:
        if row.position != self.position:
            return row
        entry = row.entry[:7] + b"1999" + row.entry[11:]
        return row._replace(entry=entry, leaf=leaf(entry) if self.restated else row.leaf)


@pytest.mark.parametrize("restated", [False, True])
def test_no_view_is_made_of_a_row_that_is_not_proven(
    bench: Bench, tmp_path: Path, *, restated: bool
) -> None:
    bench.publish()
    bench.platform.views.catch_up()
    with open_reader(bench.home) as log:
        last = bench.platform.views.stored()
        assert log.reader.root(last + 1) == log.reader.root(log.head())
        changed = Changed(log.reader, last, restated=restated)
        with pytest.raises(NotProven):
            compare(changed, bench.home.views, tmp_path / "a.db")


def test_position_and_dump_of_live_views_are_of_one_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner writes between the first table and the next: neither is torn from the other."""
    bench.publish()
    bench.platform.views.catch_up()
    whole = seen(bench.home.views)

    def moving(connection: Connection) -> int:
        position = stored_position(connection)
        bench.draft("lille-2")
        bench.platform.views.catch_up()
        return position

    monkeypatch.setattr("projections.rebuild.stored_position", moving)
    assert seen(bench.home.views) == whole
    monkeypatch.undo()
    assert seen(bench.home.views) != whole
