"""Each entry has its effect exactly once; a hole is an alarm; two runners never both write."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from doubles.entries import HandLedger, HandRow
from doubles.procedures import MEL, Teller
from sqlalchemy import Engine, func, select

from projections import store
from projections.changes import Change
from projections.errors import AnotherRunner, GapFound, NotCaughtUp
from projections.facts import Fact
from projections.rebuild import dump_of
from projections.runner import FOLDS, Runner
from projections.tables import buyers, story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    made = store.writer(path)
    yield made
    made.dispose()


def test_the_views_do_not_depend_on_where_batches_end(
    told: Teller, tmp_path: Path, engine: Engine, path: Path
) -> None:
    Runner(told.ledger, engine).catch_up()
    whole = dump_of(path)
    for batch in (1, 7, 64):
        beside = tmp_path / f"by-{batch}.db"
        other = store.writer(beside)
        runner = Runner(told.ledger, other, batch=batch)
        while runner.step():
            assert runner.stored() <= len(told.ledger.rows)
        other.dispose()
        assert dump_of(beside) == whole


def test_a_runner_that_comes_back_goes_on_where_the_views_stand(
    told: Teller, engine: Engine, path: Path
) -> None:
    first = Runner(told.ledger, engine, batch=11)
    first.step()
    assert Runner(told.ledger, engine).stored() == 10
    assert Runner(told.ledger, engine).catch_up() == len(told.ledger.rows) - 1
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(buyers)).scalar_one() == 2


def test_a_hole_in_the_positions_is_an_alarm_and_nothing_is_written(
    told: Teller, engine: Engine, path: Path
) -> None:
    class Holed(HandLedger):
        def read(self, after: int, limit: int) -> list[HandRow]:
            return [row for row in told.ledger.read(after, limit) if row.position != 5]

    before = dump_of(path)
    with pytest.raises(GapFound, match="position 5 was due") as found:
        Runner(Holed(), engine).catch_up()
    assert (found.value.expected, found.value.found) == (5, 6)
    assert dump_of(path) == before


def test_the_runner_that_comes_second_writes_nothing(
    told: Teller, engine: Engine, path: Path
) -> None:
    slow, quick = Runner(told.ledger, engine, batch=20), Runner(told.ledger, engine, batch=20)
    quick.step()
    before = dump_of(path)
    with pytest.raises(AnotherRunner):
        slow.step()
    assert dump_of(path) == before


def test_a_fold_that_fails_leaves_rows_and_position_together(
    told: Teller, engine: Engine, path: Path
) -> None:
    def fragile(fact: Fact) -> Iterable[Change]:
        if fact.position == 30:
            raise LookupError("planted")
        return ()

    runner = Runner(told.ledger, engine, batch=20, folds=(*FOLDS, fragile))
    runner.step()
    before = dump_of(path)
    with pytest.raises(LookupError):
        runner.step()
    assert dump_of(path) == before
    assert runner.stored() == 19


def test_kinds_that_nobody_reads_only_move_the_position(engine: Engine) -> None:
    teller = Teller()
    teller.by("PA", MEL, MEL)("anchors/main", "SomethingNew", amount=3)
    teller.ledger.publish()
    runner = Runner(teller.ledger, engine)
    assert runner.catch_up() == len(teller.ledger.rows) - 1
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(story)).scalar_one() == 0


def test_a_reader_can_wait_for_its_own_write(engine: Engine) -> None:
    teller = Teller()
    runner = Runner(teller.ledger, engine)
    thread = threading.Thread(target=runner.follow)
    thread.start()
    try:
        teller.buyer(MEL, "Métropole")
        runner.wait(len(teller.ledger.rows) - 1)
        with engine.connect() as connection:
            assert connection.execute(select(buyers.c.name)).scalars().all() == ["Métropole"]
        with pytest.raises(NotCaughtUp, match="position 99 was wanted"):
            runner.wait(99, timeout=0)
    finally:
        runner.stop()
        thread.join()


def test_a_follower_takes_over_from_another_runner(engine: Engine) -> None:
    teller = Teller()
    behind, ahead = Runner(teller.ledger, engine), Runner(teller.ledger, engine)
    teller.buyer(MEL, "Métropole")
    ahead.catch_up()
    thread = threading.Thread(target=behind.follow)
    thread.start()
    try:
        behind.wait(len(teller.ledger.rows) - 1)
    finally:
        behind.stop()
        thread.join()
    assert behind.stored() == ahead.stored()
