"""Opening is recovery: whatever does not continue what was signed is refused, with what to do."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doubles.counter import Counter
from doubles.ledger import START, Bench, MemoryHighWater, SeedSigner, check_ledger

from crypto import notes
from crypto.log_errors import IndexOutside
from crypto.notes import Checkpoint, parse_checkpoint, parse_note
from ledger.application import Ledger
from ledger.creation import adopt, create, succeed
from ledger.entry import parse
from ledger.errors import (
    AnotherHistory,
    ForeignKey,
    LedgerAbsent,
    LedgerError,
    LedgerExists,
    LedgerHalted,
    LedgerLocked,
    MarkMissing,
    MarkUnexpected,
    OlderBackup,
    StartRefused,
    StoreDamaged,
    WitnessAhead,
)
from ledger.opened_store import OpenedStore, check_unlocked

DIGEST = hashlib.sha256(b"").digest()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "home", witnesses=1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()


def grown(bench: Bench, count: int, first: int = 0) -> None:
    """Open, record that many counters, close."""
    ledger = bench.open()
    names = [f"n{number}" for number in range(first, first + count)]
    ledger.save(f"grow {first}", DIGEST, [Counter(name=n, timestamp=START, meta={}) for n in names])
    ledger.close()


def refused(bench: Bench, kind: type[LedgerError], match: str) -> None:
    """Expect a refusal that leaves everything as it was, and the lock free."""
    mark = bench.high_water.load()
    with pytest.raises(kind, match=match):
        bench.open()
    assert bench.high_water.load() == mark
    assert not bench.halts


def test_a_new_log_is_signed_at_size_one(bench: Bench) -> None:
    bench.create()
    note = bench.high_water.load()
    assert parse_checkpoint(parse_note(note).text).size == 1
    ledger = bench.open()
    entry = parse(ledger.row(0).entry)
    assert entry.data == {
        "beat_s": 3600,
        "clock": "simulated",
        "format": "pli-entry/1",
        "keys": [str(bench.signer.key)],
        "origin": bench.signer.name,
        "pad": 16,
    }
    ledger.close()
    assert check_ledger(bench) == 1
    with pytest.raises(LedgerExists):
        bench.create()


def test_a_log_is_never_created_by_opening(bench: Bench) -> None:
    refused(bench, LedgerAbsent, "pli ledger init")
    (bench.folder / "ledger.db").touch()
    refused(bench, LedgerAbsent, "pli ledger init")


def test_an_interrupted_creation_is_finished(bench: Bench) -> None:
    bench.high_water.fails = [OSError(5, "cut here")]
    with pytest.raises(LedgerHalted):
        bench.create()
    bench.halts.clear()
    refused(bench, MarkMissing, "adopt")
    bench.create()
    bench.open().close()
    assert check_ledger(bench) == 1


def test_a_creation_beside_a_mark_or_without_one_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.create()
    grown(bench, 2)
    lost = Bench(bench.folder)
    with pytest.raises(MarkMissing):
        lost.create()
    (tmp_path / "fresh").mkdir()
    fresh = Bench(tmp_path / "fresh")
    fresh.high_water = bench.high_water
    with pytest.raises(MarkUnexpected):
        fresh.create()
    refused(fresh, MarkUnexpected, "0 entries")


def test_a_real_clock_is_named_in_entry_zero(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    create(tmp_path, bench.ports())
    with OpenedStore(tmp_path, bench.ports()) as store:
        data = parse(store.reader.row(0).entry).data
    assert (data["clock"], data["pad"]) == ("real", 256)


def test_an_older_backup_is_named_with_what_is_missing(bench: Bench, tmp_path: Path) -> None:
    bench.create()
    grown(bench, 3)
    shutil.copytree(bench.folder, tmp_path / "backup")
    grown(bench, 4, first=3)
    shutil.copy(tmp_path / "backup" / "ledger.db", bench.folder / "ledger.db")
    refused(bench, OlderBackup, r"entries 4\.\.7 are missing")


def test_an_older_backup_that_was_refilled_is_another_history(bench: Bench, tmp_path: Path) -> None:
    """T02: the chain of the refilled store is valid; the mark is what tells."""
    bench.create()
    mark = bench.high_water.load()
    shutil.copytree(bench.folder, tmp_path / "backup")
    grown(bench, 4)
    signed = bench.high_water.load()
    shutil.copy(tmp_path / "backup" / "ledger.db", bench.folder / "ledger.db")
    bench.high_water.note = mark
    grown(bench, 5, first=10)
    bench.high_water.note = signed
    refused(bench, AnotherHistory, "at size 5")


def test_a_lost_mark_is_adopted_from_a_checkpoint(bench: Bench) -> None:
    bench.create()
    grown(bench, 3)
    note = bench.high_water.load()
    grown(bench, 2, first=3)
    bench.high_water.note = None
    refused(bench, MarkMissing, "beside a log of 6 entries")
    adopt(bench.folder, bench.ports(), note=note, reason="disk replaced")
    ledger = bench.open()
    entry = parse(ledger.row(6).entry)
    assert (entry.kind, entry.version) == ("LogAdopted", 2)
    checkpoint = parse_checkpoint(parse_note(note).text)
    assert entry.data == {"reason": "disk replaced", "root": checkpoint.root.hex(), "size": 4}
    ledger.close()
    check_ledger(bench)
    with pytest.raises(MarkUnexpected):
        adopt(bench.folder, bench.ports(), note=note, reason="again")


def test_only_an_ancestor_signed_by_the_log_is_adopted(bench: Bench) -> None:
    bench.create()
    grown(bench, 3)
    bench.high_water.note = None

    def note(signer: SeedSigner, size: int) -> bytes:
        head = Checkpoint(bench.signer.name, size, bytes(32))
        return notes.note(head, [notes.sign(head, signer.name, signer.seed)])

    for given, refusal in (
        (note(bench.signer, 9), OlderBackup),
        (note(bench.signer, 2), AnotherHistory),
        (note(SeedSigner(seed=bytes(32)), 2), ForeignKey),
    ):
        with pytest.raises(refusal):
            adopt(bench.folder, bench.ports(), note=given, reason="wrong")
    assert bench.high_water.load() is None


def test_another_key_is_refused(bench: Bench) -> None:
    bench.create()
    good = bench.signer
    bench.signer = SeedSigner(seed=bytes(32))
    bench.witnesses = []
    refused(bench, ForeignKey, "no key of entry 0")
    bench.signer = SeedSigner(name="other.example/log")
    bench.high_water.note = None
    with pytest.raises(ForeignKey, match="entry 0"):
        bench.create()
    bench.signer = good


def test_a_witness_that_knows_more_refuses_the_start(bench: Bench, tmp_path: Path) -> None:
    """Mark and store restored together from one backup: the witness remembers."""
    bench.create()
    mark = bench.high_water.load()
    shutil.copytree(bench.folder, tmp_path / "backup")
    ledger = bench.open()
    ledger.publish()
    ledger.close()
    shutil.copy(tmp_path / "backup" / "ledger.db", bench.folder / "ledger.db")
    bench.high_water.note = mark
    refused(bench, WitnessAhead, "cosigned size 16, the store has 1")
    grown_store = Bench(bench.folder)
    grown_store.high_water = bench.high_water
    grown(grown_store, 20, first=50)
    bench.high_water = grown_store.high_water
    refused(bench, AnotherHistory, "witness")
    bench.witnesses[0].stored = None
    bench.open().close()
    bench.witnesses[0].down = True
    ledger = bench.open()
    assert ledger.silent_witnesses == ["witness.example/w1"]
    ledger.close()


UPDATE_ENTRY = "UPDATE events SET entry = x'00' WHERE position = {}"


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("UPDATE head SET size = 4", "head says 4"),
        ("DELETE FROM events WHERE position = 7", "rows, positions up to"),
        ("UPDATE head SET edge = zeroblob(length(edge))", "edge"),
        ("DELETE FROM tiles WHERE level = 0 AND n = 1", "tile 0/1 is missing"),
        (UPDATE_ENTRY.format(599), "position 599"),
        ("UPDATE events SET leaf = zeroblob(32) WHERE position = 598", "edge|position 598"),
        (UPDATE_ENTRY.format(0), "entry 0"),
    ],
)
def test_a_store_that_does_not_agree_with_itself_is_refused(
    bench: Bench, sql: str, match: str
) -> None:
    bench.create()
    grown(bench, 599)
    raw = bench.raw()
    for table in ("events", "tiles"):
        for verb in ("update", "delete"):
            raw.execute(f"DROP TRIGGER {table}_no_{verb}")
    raw.execute(sql)
    raw.close()
    refused(bench, StoreDamaged, match)


def test_an_entry_zero_that_is_no_beginning_is_refused(tmp_path: Path) -> None:
    from ledger.entry import Draft, checked_state, instant_text
    from ledger.queue import Save

    bench = Bench(tmp_path)
    state = checked_state(instant_text(START), {"origin": bench.signer.name}, 1)
    with OpenedStore(tmp_path, bench.ports(), create=True) as store:
        store.sequencer.submit(Save("c", b"", [Draft("log", 1, "LogCreated", state)]))
    with pytest.raises(StoreDamaged, match="does not say"):
        bench.create()


def test_upper_tiles_are_compared(tmp_path: Path) -> None:
    """65,536 leaves make the first full tile of level 1; damage is found in it."""
    from ledger.recovery import load_levels
    from ledger.tree import Levels

    leaves = [hashlib.sha256(bytes([n >> 8, n & 255])).digest() for n in range(65_536)]
    levels = Levels()
    growth = levels.grow(leaves)
    assert [(level, n) for level, n, _ in growth.tiles[-2:]] == [(0, 255), (1, 0)]

    class Stored:
        upper = growth.tiles[-1][2]

        def head(self) -> object:
            from ledger.store import Head

            return Head(65_536, growth.edge, "")

        def counted(self) -> tuple[int, int]:
            return 65_536, 65_536

        def tiles(self, level: int, start: int, end: int) -> dict[int, bytes]:
            if level == 0:
                return {n: hashes for at, n, hashes in growth.tiles if at == 0 and start <= n < end}
            return {0: self.upper}

        def leaves(self, start: int, end: int) -> list[bytes]:
            return leaves[start:end]

        def rows(self, start: int, end: int) -> list[object]:
            return []

    with pytest.raises(IndexOutside):
        Levels().hash_at(0, 0)
    assert load_levels(Stored()).root(65_536) == growth.edge  # type: ignore[arg-type]
    Stored.upper = bytes(8192)
    with pytest.raises(StoreDamaged, match="tile 1/0"):
        load_levels(Stored())  # type: ignore[arg-type]


def test_every_refusal_of_a_start_has_its_code() -> None:
    codes = {kind.code for kind in StartRefused.__subclasses__()}
    assert len(codes) == len(StartRefused.__subclasses__())


def test_a_second_writer_is_refused_in_another_process(bench: Bench) -> None:
    bench.create()
    ledger: Ledger = bench.open()
    program = (
        "import fcntl, sys\n"
        "from pathlib import Path\n"
        "from doubles.ledger import Bench\n"
        "from ledger.errors import LedgerLocked\n"
        "try:\n"
        "    Bench(Path(sys.argv[1])).open()\n"
        "except LedgerLocked as locked:\n"
        "    sys.exit(3 if locked.code == 'ledger.locked' else 1)\n"
    )
    root = Path(__file__).parents[2]
    paths = f"import sys; sys.path[:0] = {[str(root), str(root / 'tests' / 'shared')]!r}\n"
    run = [sys.executable, "-c", paths + program, str(bench.folder)]
    assert subprocess.run(run, check=False).returncode == 3
    with pytest.raises(LedgerLocked):
        bench.open()
    with pytest.raises(LedgerLocked):
        check_unlocked(bench.folder)
    ledger.close()
    check_unlocked(bench.folder)
    bench.open().close()


def test_a_mark_in_memory_is_a_faithful_double() -> None:
    from ledger.errors import HighWaterMoved

    mark = MemoryHighWater()
    mark.swap(None, b"a")
    with pytest.raises(HighWaterMoved):
        mark.swap(None, b"b")


def test_a_successor_names_the_log_before_it_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    before = Checkpoint("old.example/log", 300, b"\x01" * 32)
    succeed(bench.folder, bench.ports(), before, "the disk died")
    ledger = bench.open()
    entry = parse(ledger.row(1).entry)
    assert (entry.stream, entry.version, entry.kind) == ("log", 2, "LogAdopted")
    assert entry.data == {
        "reason": "successor of old.example/log: the disk died",
        "root": "01" * 32,
        "size": 300,
    }
    ledger.close()
    check_ledger(bench)
    with pytest.raises(LedgerExists):
        succeed(bench.folder, bench.ports(), before, "again")
