"""Names are durable once told; a store whose folder cannot be synced does not open."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from doubles.ledger import Bench

from ledger.errors import LedgerHalted, StorageFull, StoreDamaged
from ledger.files import SystemFiles
from ledger.high_water import FolderHighWater


def test_a_folder_that_cannot_be_synced_is_refused_at_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()

    def broken(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    bench.files = SystemFiles(broken)
    with pytest.raises(LedgerHalted):
        bench.open()
    assert len(bench.halts) == 1


def test_another_store_that_fails_stops_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    ledger = bench.open(pause=3600)
    ledger.stop(LedgerHalted("the vault"))
    assert len(bench.halts) == 1
    for read in (lambda: ledger.row(0), ledger.head, lambda: ledger.covering(0)):
        with pytest.raises(LedgerHalted):
            read()
    ledger.close()


def test_a_mark_without_room_keeps_the_one_before(tmp_path: Path) -> None:
    full: list[int] = []

    def sync(handle: int) -> None:
        if full:
            raise OSError(full.pop(), "no")

    mark = FolderHighWater(tmp_path / "a" / "highwater", SystemFiles(sync))
    mark.swap(None, b"one")
    full.append(errno.ENOSPC)
    with pytest.raises(StorageFull):
        mark.swap(b"one", b"two")
    assert mark.load() == b"one"
    full.append(errno.EIO)
    with pytest.raises(OSError, match="no"):
        mark.swap(b"one", b"two")
    mark.swap(b"one", b"two")
    assert mark.load() == b"two"


def test_what_is_stored_without_its_type_is_damage(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    with bench.raw() as raw:
        raw.execute("DELETE FROM head")
    raw.close()
    with pytest.raises(StoreDamaged):
        bench.open()
