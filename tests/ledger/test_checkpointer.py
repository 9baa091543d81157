"""Nothing is signed before two paths agree and the mark allows it; any doubt stops everything."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from doubles.counter import Counter
from doubles.kill_child import save_of
from doubles.ledger import (
    START,
    Bench,
    LocalWitness,
    MemoryHighWater,
    SeedSigner,
    check_ledger,
)
from doubles.postgres import ON_SQLITE

from crypto import merkle, notes
from crypto.notes import Checkpoint, parse_checkpoint, parse_note
from ledger.application import Ledger
from ledger.errors import HighWaterMoved, LedgerHalted, NoSuchEntry, PathsDisagree, StorageFull
from ledger.high_water import FolderHighWater
from ledger.postgres import PostgresDatabase
from ledger.second_path import SecondPath
from ledger.tree import Growth

DIGEST = hashlib.sha256(b"").digest()


def counters(*names: str) -> list[Counter]:
    return [Counter(name=name, timestamp=START, meta={}) for name in names]


@pytest.fixture
def bench(tmp_path: Path, database: PostgresDatabase | None) -> Bench:
    return Bench(tmp_path, database=database).create()


@pytest.fixture
def ledger(bench: Bench) -> Iterator[Ledger]:
    opened = bench.open()
    opened.covering(0)
    yield opened
    opened.close()


def size_of(note: bytes) -> int:
    return parse_checkpoint(parse_note(note).text).size


def test_a_covered_position_is_signed_and_marked_before_it_is_shown(
    ledger: Ledger, bench: Bench
) -> None:
    ledger.save("c1", DIGEST, counters("a", "b"))
    note = ledger.covering(2)
    assert size_of(note) == 3
    assert bench.high_water.load() == note
    # nothing moved: the same note again
    assert ledger._checkpointer.sign_head().note == note
    with pytest.raises(NoSuchEntry):
        ledger.covering(3)


def test_the_signed_bytes_are_those_of_the_published_form(ledger: Ledger, bench: Bench) -> None:
    ledger.save("c1", DIGEST, counters("a"))
    root = merkle.root([row.leaf for row in ledger.read(-1, 10)])
    checkpoint = Checkpoint(bench.signer.name, 2, root)
    assert ledger.covering(1) == notes.note(checkpoint, [bench.signer.sign(checkpoint)])


FLIP = (
    "UPDATE events SET {0} = CAST(substr({0}, 1, 20) || x'00' || substr({0}, 22) AS BLOB)"
    " WHERE position = {1}"
)


@pytest.mark.parametrize("column", ["entry", "leaf"])
@pytest.mark.parametrize("position", [3, 300])
def test_a_flipped_stored_bit_is_never_signed(bench: Bench, column: str, position: int) -> None:
    """The positive control of the second path: full tile and partial one, entry and leaf."""
    ledger = bench.open(pause=3600)
    signed = ledger._checkpointer
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters(*(f"n{number}" for number in range(310))))
    bench.damage(FLIP.format(column, position))
    mark = bench.high_water.load()
    with pytest.raises(LedgerHalted, match=f"position {position}"):
        signed.sign_head()
    assert bench.high_water.load() == mark
    assert len(bench.halts) == 1
    for call in (ledger.head, ledger.published, lambda: ledger.save("c2", DIGEST, counters("z"))):
        with pytest.raises(LedgerHalted):
            call()
    ledger.close()


def test_a_flipped_tile_and_a_lost_row_are_never_signed(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.save("c1", DIGEST, counters(*(f"n{number}" for number in range(310))))
    bench.damage("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0", "tiles")
    reader = bench.reader()
    with reader.snapshot() as reads:
        assert SecondPath([bytes(32)]).root(reads, 256) == bytes(32)
        with pytest.raises(PathsDisagree, match="tile 0"):
            SecondPath().root(reads, 311)
        with pytest.raises(PathsDisagree, match="positions 256 to 319 are not all there"):
            SecondPath([bytes(32)]).root(reads, 320)
    reader.close()
    ledger.close()


def test_a_running_state_that_differs_is_never_signed(bench: Bench) -> None:
    """The other side of the control: entries are right, the edge in the head is not."""
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    bench.damage("UPDATE head SET edge = zeroblob(32)", "head")
    with pytest.raises(LedgerHalted, match="root of size 2"):
        ledger._checkpointer.sign_head()
    ledger.close()


@ON_SQLITE
def test_a_stored_value_of_another_type_is_never_signed(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    bench.damage("UPDATE events SET entry = 'text' WHERE position = 1")
    with pytest.raises(LedgerHalted, match="nothing is signed"):
        ledger._checkpointer.sign_head()
    ledger.close()


def test_a_mark_of_another_history_stops_everything(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    other = Checkpoint(bench.signer.name, 1, bytes(32))
    bench.high_water.note = notes.note(other, [bench.signer.sign(other)])
    with pytest.raises(LedgerHalted, match="nothing is signed"):
        ledger._checkpointer.sign_head()
    ledger.close()


def test_a_foreign_mark_stops_everything(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    foreign = SeedSigner(seed=bytes(32))
    head = Checkpoint(foreign.name, 1, bytes(32))
    bench.high_water.note = notes.note(head, [foreign.sign(head)])
    with pytest.raises(LedgerHalted, match="the mark"):
        ledger._checkpointer.sign_head()
    ledger.close()


def test_a_moved_mark_is_read_again_and_in_the_end_believed(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    bench.high_water.fails = [HighWaterMoved()]
    assert ledger._checkpointer.sign_head().checkpoint.size == 2
    ledger.save("c2", DIGEST, counters("b"))
    bench.high_water.fails = [HighWaterMoved() for _ in range(9)]
    with pytest.raises(LedgerHalted, match="another process signs"):
        ledger._checkpointer.sign_head()
    ledger.close()


@ON_SQLITE
def test_a_store_that_fails_under_a_signature_is_told_as_it_is(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    ledger.save("c1", DIGEST, counters("a"))
    bench.faults.append(("SELECT events.position", False, 10))
    with pytest.raises(LedgerHalted, match="nothing is signed: injected failure 10"):
        ledger._checkpointer.sign_head()
    assert len(bench.halts) == 1
    ledger.close()


@ON_SQLITE
def test_a_reader_that_cannot_be_opened_stops_everything(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    with ExitStack() as held:
        while ledger._store.readers._idle:
            held.enter_context(ledger._store.readers.snapshot())
        bench.faults.append(("PRAGMA query_only", False, 14))
        with pytest.raises(LedgerHalted, match="open a reader"):
            ledger.published()
    ledger.close()


def test_a_disk_that_fails_under_the_mark_stops_everything(bench: Bench) -> None:
    ledger = bench.open()
    ledger.covering(0)
    bench.high_water.fails = [OSError(5, "Input/output error")]
    ledger.save("c1", DIGEST, counters("a"))
    with pytest.raises(LedgerHalted):
        ledger.covering(1)
    assert len(bench.halts) == 1
    ledger.close()


def test_many_receipts_wait_for_one_signature(ledger: Ledger, bench: Bench) -> None:
    covered: list[int] = []

    def work(number: int) -> None:
        place = ledger.save(f"c{number}", DIGEST, counters(f"n{number}")).first
        covered.append(size_of(ledger.covering(place)) - place)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(covered) == 20
    assert min(covered) >= 1


def test_a_commit_that_its_leader_has_not_noted_yet_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between COMMIT and the tree in memory a reader sees the larger head (found by R2)."""
    ledger = bench.open(pause=3600)
    ledger.covering(0)
    levels = ledger._store.sequencer.levels
    committed, go_on = threading.Event(), threading.Event()
    adopt = levels.adopt

    def late(growth: Growth) -> None:
        committed.set()
        go_on.wait(60)
        adopt(growth)

    monkeypatch.setattr(levels, "adopt", late)
    saving = threading.Thread(target=ledger.save, args=("c1", DIGEST, counters("a")))
    saving.start()
    committed.wait(60)
    covered: list[bytes] = []
    waiting = [
        threading.Thread(target=lambda: covered.append(ledger.covering(1))),
        threading.Thread(target=ledger._checkpointer.sign_head),
    ]
    for thread in waiting:
        thread.start()
    while len(ledger._store.sequencer._queue._waiting) < 2:
        pass
    go_on.set()
    for thread in (saving, *waiting):
        thread.join()
    assert [size_of(note) for note in covered] == [2]
    assert not bench.halts
    ledger.close()


@ON_SQLITE
def test_publishing_a_full_disk_or_a_broken_one(bench: Bench) -> None:
    ledger = bench.open(pause=3600)
    ledger.publish()
    bench.faults.append(("INSERT INTO checkpoints", False, 10))
    with pytest.raises(LedgerHalted):
        ledger.publish()
    ledger.close()


def test_witnesses_keep_what_they_cosigned(tmp_path: Path) -> None:
    bench = Bench(tmp_path, witnesses=2).create()
    ledger = bench.open()
    first, second = ledger.publish(), ledger.publish()
    assert first.count(b"witness.example") == second.count(b"witness.example") == 2
    # the log knew the size of each: one request was enough
    assert [each.asked for each in bench.witnesses] == [2, 2]
    ledger.close()
    check_ledger(bench)


def test_a_mark_in_a_folder_is_swapped_only_from_what_is_expected(tmp_path: Path) -> None:
    mark = FolderHighWater(tmp_path / "highwater")
    assert mark.load() is None
    mark.swap(None, b"one")
    with pytest.raises(HighWaterMoved):
        mark.swap(None, b"two")
    mark.swap(b"one", b"two")
    assert FolderHighWater(tmp_path / "highwater").load() == b"two"


def test_a_real_home_keeps_its_mark_in_a_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.high_water = FolderHighWater(tmp_path / "highwater")
    ledger = bench.create().open()
    ledger.save("c1", DIGEST, counters("a"))
    note = ledger.covering(1)
    ledger.close()
    assert (tmp_path / "highwater" / "mark").read_bytes() == note
    check_ledger(bench)


def test_a_local_witness_is_a_real_one() -> None:
    witness = LocalWitness()
    assert witness.add_checkpoint(b"nonsense").status == 400
    assert witness.checkpoint() is None


class FullHighWater(MemoryHighWater):
    """A mark on a disk that is full as long as it is told so."""

    full = False

    def swap(self, expected: bytes | None, new: bytes) -> None:
        if self.full:
            raise StorageFull
        super().swap(expected, new)


def test_a_full_disk_under_the_mark_is_told_and_passes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.high_water = FullHighWater()
    bench.create()
    ledger = bench.open(pause=0.0)
    ledger.covering(0)
    bench.high_water.full = True
    save = save_of("full", 0, 1)
    ledger._store.sequencer.submit(save)
    for _ in range(2):
        with pytest.raises(StorageFull):
            ledger.covering(1)
    assert ledger.row(1).version == 1
    assert not bench.halts
    bench.high_water.full = False
    assert ledger.covering(1)
    ledger.close()
    assert check_ledger(bench) == 2
