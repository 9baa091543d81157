"""A commit without an entry: what a save needs of the store is tried, and nothing is left of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from doubles.ledger import Bench
from doubles.postgres import ON_SQLITE

from ledger.errors import LedgerHalted, StorageFull
from ledger.postgres import PostgresDatabase
from ledger.store import TRIED

FULL, IOERR = 13, 10 | (1 << 8)


@pytest.fixture
def bench(tmp_path: Path, database: PostgresDatabase | None) -> Bench:
    return Bench(tmp_path, database=database).create()


def test_nothing_is_left_of_it(bench: Bench) -> None:
    with closing(bench.open()) as ledger:
        size = ledger.head()
        for _ in range(3):
            ledger.confirm()
        assert ledger.head() == size
        with ledger.reader.snapshot() as reads:
            assert reads.command(str(TRIED[0])) is None
            assert reads.head().size == size
    with closing(bench.open()) as again:
        assert again.head() == size


@ON_SQLITE
def test_the_commit_reaches_the_file(bench: Bench) -> None:
    """Writing the value that is there already would change no page, and no byte would be synced."""
    with closing(bench.open()) as ledger:
        wal = bench.folder / "ledger.db-wal"
        before = wal.stat().st_size
        ledger.confirm()
        assert wal.stat().st_size > before


@ON_SQLITE
@pytest.mark.parametrize("statement", ["INSERT INTO commands", "DELETE FROM commands", "COMMIT"])
def test_a_full_disk_is_told_and_survived(bench: Bench, statement: str) -> None:
    with closing(bench.open()) as ledger:
        bench.faults.append((statement, False, FULL))
        with pytest.raises(StorageFull):
            ledger.confirm()
        ledger.confirm()


@ON_SQLITE
@pytest.mark.parametrize("statement", ["INSERT INTO commands", "COMMIT"])
def test_a_broken_disk_stops_the_ledger_as_a_save_does(bench: Bench, statement: str) -> None:
    ledger = bench.open()
    bench.faults.append((statement, False, IOERR))
    with pytest.raises(LedgerHalted):
        ledger.confirm()
    assert bench.halts
    with pytest.raises(LedgerHalted):
        ledger.confirm()
    ledger.close()
