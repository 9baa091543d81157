"""Personal data lies beside the log, under keys that are wrapped by a key outside the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from doubles.ledger import Fault, FaultyConnection
from doubles.rng import SeededRng
from doubles.wrapping import MemoryWrapping

from crypto import blinding
from crypto.log_errors import BlindingRefused
from ledger.errors import LedgerHalted, NoSuchEntry, StorageFull, SubjectKeysLocked, WipeBlocked
from ledger.sqlite import connect
from ledger.store import Connection
from ledger.subject_keys import SubjectKeys, _key_id
from ledger.subjects import Subjects

KEY = bytes(range(32))
SIRET = "siret:21590512200017"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private.db"


@pytest.fixture
def faults() -> list[Fault]:
    return []


@pytest.fixture
def halts() -> list[LedgerHalted]:
    return []


@pytest.fixture
def subjects(path: Path, faults: list[Fault], halts: list[LedgerHalted]) -> Iterator[Subjects]:
    def faulty(address: str) -> Connection:
        return FaultyConnection(connect(address), faults)

    keys = keys_of(path, MemoryWrapping([KEY]), seed=1)
    made = Subjects(path, keys=keys, rng=SeededRng(1), connect=faulty, halt=halts.append)
    yield made
    made.close()


def keys_of(path: Path, wrapping: MemoryWrapping, seed: int = 2, **ports: Any) -> SubjectKeys:
    place = path.with_name("subjects.db")
    return SubjectKeys(
        place, wrapping=wrapping, rng=SeededRng(seed + 10), **{"connect": connect, **ports}
    )


def again(path: Path, wrapping: MemoryWrapping | None = None) -> Subjects:
    keys = keys_of(path, wrapping or MemoryWrapping([KEY]))
    return Subjects(path, keys=keys, rng=SeededRng(2), connect=connect)


def test_a_value_is_revealed_by_its_commitment(subjects: Subjects, path: Path) -> None:
    one = subjects.remember("person", "Jeanne Œuvrard", "jeanne")
    assert subjects.reveal(one) == "Jeanne Œuvrard"
    assert subjects.reveal("0" * 64) is None
    proven = subjects.personal(one)
    assert proven is not None
    assert (proven.field, proven.value) == ("person", "Jeanne Œuvrard")
    assert proven.commitment().hex() == one
    assert subjects.personal("0" * 64) is None
    # what was committed keeps its commitment, another field or subject has its own
    assert subjects.remember("person", "Jeanne Œuvrard", "jeanne") == one
    others = {
        subjects.remember("member", "Jeanne Œuvrard", "jeanne"),
        subjects.remember("person", "Jeanne Œuvrard", "another"),
        subjects.remember("person", "Jean Œuvrard", "jeanne"),
    }
    assert len(others | {one}) == 4
    subjects.close()
    reopened = again(path)
    assert reopened.reveal(one) == "Jeanne Œuvrard"
    assert reopened.remember("person", "Jeanne Œuvrard", "jeanne") == one
    reopened.close()


def test_the_file_alone_names_nobody(subjects: Subjects, path: Path) -> None:
    subjects.remember("person", "Jeanne Œuvrard", "jeanne.oeuvrard@example")
    subjects.bidder_tag("2026-07", SIRET)
    subjects.close()
    for file in [*path.parent.glob("private.db*"), *path.parent.glob("subjects.db*")]:
        content = file.read_bytes()
        for secret in ("Jeanne", "jeanne.oeuvrard", SIRET, "21590512200017"):
            assert secret.encode() not in content
            assert secret.encode().hex().encode() not in content
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()


def test_another_key_opens_nothing(subjects: Subjects, path: Path) -> None:
    one = subjects.remember("person", "Jeanne", "jeanne")
    subjects.close()
    with pytest.raises(SubjectKeysLocked):
        again(path, MemoryWrapping([bytes(32)]))
    # and a file that says otherwise is not believed
    with closing(sqlite3.connect(path.with_name("subjects.db"))) as raw:
        raw.execute("UPDATE wrapping SET key_id = ?", (_key_id(bytes(32)),))
        raw.commit()
    stranger = again(path, MemoryWrapping([bytes(32)]))
    with pytest.raises(BlindingRefused):
        stranger.reveal(one)
    stranger.close()


def test_a_bidder_has_one_tag_a_consultation(subjects: Subjects, path: Path) -> None:
    tag = subjects.bidder_tag("2026-07", SIRET)
    assert subjects.bidder_tag("2026-07", SIRET) == tag
    assert subjects.bidder_tag("2026-08", SIRET) != tag
    assert subjects.operator_of("2026-07", tag) == SIRET
    salt = bytes.fromhex(subjects.bidder_salt("2026-07", SIRET))
    assert blinding.bidder_tag("2026-07", salt, SIRET) == tag
    with pytest.raises(NoSuchEntry):
        subjects.operator_of("2026-08", tag)
    # a person remembered under the operator does not disturb the operator's rows
    subjects.remember("person", "Jeanne", SIRET)
    subjects.close()
    reopened = again(path)
    assert reopened.bidder_tag("2026-07", SIRET) == tag
    assert reopened.remember("person", "Jeanne", SIRET)
    reopened.close()


def test_every_row_opens_to_its_commitment(subjects: Subjects) -> None:
    one = subjects.remember("person", "Jeanne", "jeanne")
    subjects.bidder_tag("2026-07", SIRET)
    rows = list(subjects.private_rows())
    assert len(rows) == 2
    for row in rows:
        opened = blinding.open_row(row.commitment, row.subject_key, row.nonce, row.ciphertext)
        assert opened.commitment() == row.commitment
    assert bytes.fromhex(one) in {row.commitment for row in rows}


def test_a_full_disk_leaves_nothing_and_passes(
    subjects: Subjects, faults: list[Fault], halts: list[LedgerHalted]
) -> None:
    for statement in ("BEGIN", "INSERT INTO rows", "COMMIT"):
        faults.append((statement, False, 13))
        with pytest.raises(StorageFull):
            subjects.remember("person", "Jeanne", "jeanne")
    assert list(subjects.private_rows()) == []
    assert subjects.reveal(subjects.remember("person", "Jeanne", "jeanne")) == "Jeanne"
    assert not halts


def test_a_failing_disk_stops(
    subjects: Subjects, faults: list[Fault], halts: list[LedgerHalted]
) -> None:
    faults.append(("COMMIT", False, 10))
    with pytest.raises(LedgerHalted):
        subjects.remember("person", "Jeanne", "jeanne")
    assert len(halts) == 1
    with pytest.raises(LedgerHalted):
        subjects.reveal("0" * 64)


# erasing


def erase(subjects: Subjects, subject: str, tag: str = "a1" * 16) -> None:
    erasure = subjects.begin_erasure(tag, subject, "asked for")
    subjects.erase(erasure)
    subjects.settled(erasure)


def test_what_is_held_is_told_and_then_gone(subjects: Subjects, path: Path) -> None:
    one = subjects.remember("person", "Jeanne", SIRET)
    other = subjects.remember("person", "Paul", "paul")
    tag = subjects.bidder_tag("2026-07", SIRET)
    held = {row.field: row for row in subjects.held(SIRET)}
    assert set(held) == {"person", "bidder"}
    assert (held["person"].commitment, held["person"].value) == (one, "Jeanne")
    assert (held["bidder"].tag, held["bidder"].consultation) == (tag, "2026-07")
    assert subjects.held("nobody") == []
    begun = subjects.begin_erasure("a1" * 16, SIRET, "asked for")
    assert begun.commitments == tuple(sorted(row.commitment for row in held.values()))
    assert subjects.pending() == [begun]
    subjects.erase(begun)
    subjects.settled(begun)
    assert subjects.pending() == []
    assert subjects.reveal(one) is None
    assert subjects.held(SIRET) == []
    with pytest.raises(NoSuchEntry):
        subjects.operator_of("2026-07", tag)
    assert subjects.reveal(other) == "Paul"
    assert subjects.remember("person", "Paul", "paul") == other
    # who comes again is somebody new
    assert subjects.remember("person", "Jeanne", SIRET) != one
    assert subjects.bidder_tag("2026-07", SIRET) != tag


def test_erasing_nobody_changes_nothing(subjects: Subjects) -> None:
    one = subjects.remember("person", "Jeanne", "jeanne")
    erase(subjects, "nobody")
    assert subjects.pending() == []
    assert subjects.reveal(one) == "Jeanne"


def test_the_wrapping_key_is_another_one_after_each_erasure(path: Path) -> None:
    wrapping = MemoryWrapping([KEY])
    subjects = again(path, wrapping)
    subjects.remember("person", "Jeanne", "jeanne")
    other = subjects.remember("person", "Paul", "paul")
    subjects.close()
    copies = {name: path.with_name(name).read_bytes() for name in ("private.db", "subjects.db")}
    subjects = again(path, wrapping)
    erase(subjects, "jeanne")
    subjects.close()
    assert len(wrapping.held) == 1
    assert wrapping.held != [KEY]
    # an older copy of the rows: the living are read, the erased are known for what they are
    path.write_bytes(copies["private.db"])
    subjects = again(path, wrapping)
    assert subjects.reveal(other) == "Paul"
    assert len(list(subjects.private_rows())) == 1
    assert (subjects.sweep(), subjects.sweep()) == (1, 0)
    subjects.close()
    # an older copy of the keys: no key that is left opens it
    path.with_name("subjects.db").write_bytes(copies["subjects.db"])
    with pytest.raises(SubjectKeysLocked):
        again(path, wrapping)


def test_a_row_whose_key_is_lost_is_told(subjects: Subjects, path: Path) -> None:
    one = subjects.remember("person", "Jeanne", "jeanne")
    subjects.close()
    path.with_name("subjects.db").unlink()
    bare = again(path)
    assert [row.subject_key for row in bare.private_rows()] == [b""]
    assert bare.reveal(one) is None
    bare.close()


STEPS = ("BEGIN", "DELETE FROM subjects", "UPDATE wrapping", "INSERT OR IGNORE INTO erased")


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("statement", [*STEPS, "COMMIT", "VACUUM", "PRAGMA wal_checkpoint"])
def test_an_erasure_cut_short_in_the_keys_goes_on(
    path: Path, statement: str, carried_out: bool
) -> None:
    wrapping, faults = MemoryWrapping([KEY]), list[Fault]()
    keys = keys_of(
        path, wrapping, connect=lambda address: FaultyConnection(connect(address), faults)
    )
    subjects = Subjects(path, keys=keys, rng=SeededRng(2), connect=connect)
    one = subjects.remember("person", "Jeanne", "jeanne")
    other = subjects.remember("person", "Paul", "paul")
    begun = subjects.begin_erasure("a1" * 16, "jeanne", "asked for")
    faults.append((statement, carried_out, 10))
    with pytest.raises(LedgerHalted):
        subjects.erase(begun)
    subjects.close()
    finish(path, wrapping, one, other)


@pytest.mark.parametrize("statement", ["BEGIN", "DELETE FROM rows", "COMMIT", "VACUUM"])
def test_an_erasure_cut_short_in_the_rows_goes_on(path: Path, statement: str) -> None:
    wrapping, faults = MemoryWrapping([KEY]), list[Fault]()
    keys = keys_of(path, wrapping)
    subjects = Subjects(
        path,
        keys=keys,
        rng=SeededRng(2),
        connect=lambda address: FaultyConnection(connect(address), faults),
    )
    one = subjects.remember("person", "Jeanne", "jeanne")
    other = subjects.remember("person", "Paul", "paul")
    begun = subjects.begin_erasure("a1" * 16, "jeanne", "asked for")
    faults.append((statement, False, 10))
    with pytest.raises(LedgerHalted):
        subjects.erase(begun)
    subjects.close()
    finish(path, wrapping, one, other)


@pytest.mark.parametrize("step", ["add", "keep"])
def test_an_erasure_cut_short_in_the_key_file_goes_on(path: Path, step: str) -> None:
    wrapping = MemoryWrapping([KEY])
    subjects = again(path, wrapping)
    one = subjects.remember("person", "Jeanne", "jeanne")
    other = subjects.remember("person", "Paul", "paul")
    begun = subjects.begin_erasure("a1" * 16, "jeanne", "asked for")
    wrapping.fails = step
    with pytest.raises(OSError, match=step):
        subjects.erase(begun)
    subjects.close()
    finish(path, wrapping, one, other)


def finish(path: Path, wrapping: MemoryWrapping, erased: str, living: str) -> None:
    """Open again, do the same steps again: the erased is gone, the living is there."""
    subjects = again(path, wrapping)
    (begun,) = subjects.pending()
    subjects.erase(begun)
    subjects.erase(begun)
    subjects.settled(begun)
    assert subjects.reveal(erased) is None
    assert subjects.reveal(living) == "Paul"
    assert len(wrapping.held) == 1
    subjects.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM rows").fetchone() == (1,)


def impatient(address: str) -> Connection:
    opened = connect(address)
    opened.execute("PRAGMA busy_timeout=20")
    return opened


def test_who_reads_meanwhile_holds_up_the_wiping_only(path: Path) -> None:
    keys = keys_of(path, MemoryWrapping([KEY]), connect=impatient)
    subjects = Subjects(path, keys=keys, rng=SeededRng(2), connect=impatient)
    subjects.remember("person", "Jeanne", "jeanne")
    begun = subjects.begin_erasure("a1" * 16, "jeanne", "asked for")
    with closing(sqlite3.connect(path, isolation_level=None)) as reading:
        reading.execute("PRAGMA query_only=1")
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM rows").fetchall()
        with pytest.raises(WipeBlocked):
            subjects.erase(begun)
        assert subjects.pending() == [begun]
        reading.execute("ROLLBACK")
    subjects.erase(begun)
    subjects.settled(begun)
    assert subjects.held("jeanne") == []
    subjects.close()


def test_what_was_asked_once_waits_for_nobody_who_writes(subjects: Subjects) -> None:
    commitment = subjects.remember("person", "ada", "ada")
    asked: list[tuple[Callable[..., object], tuple[str, ...]]] = [
        (subjects.remember, ("person", "ada", "ada")),
        (subjects.reveal, (commitment,)),
        (subjects.bidder_tag, ("c-1", SIRET)),
    ]
    before = [ask(*given) for ask, given in asked]
    with ThreadPoolExecutor(1) as pool, subjects._lock:
        after = [pool.submit(ask, *given).result(20) for ask, given in asked]
    assert after == before


def test_an_erasure_leaves_no_answer_in_memory(subjects: Subjects) -> None:
    commitment = subjects.remember("person", "ada", "ada")
    tag = subjects.bidder_tag("c-1", SIRET)
    assert subjects.reveal(commitment) == "ada"
    for number, subject in enumerate(("ada", SIRET)):
        subjects.erase(subjects.begin_erasure(f"e-{number}", subject, "asked"))
    assert subjects.reveal(commitment) is None
    assert subjects.remember("person", "ada", "ada") != commitment
    assert subjects.bidder_tag("c-1", SIRET) != tag


def test_answers_in_memory_are_bounded(subjects: Subjects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.subjects.MOST_ANSWERS", 2)
    tags = {name: subjects.bidder_tag(name, SIRET) for name in ("c-1", "c-2", "c-3")}
    assert len(subjects._tags) == 1
    assert {name: subjects.bidder_tag(name, SIRET) for name in tags} == tags
