"""Personal data lies beside the log, under keys that are wrapped by a key outside the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.ledger import Fault, FaultyConnection
from doubles.rng import SeededRng

from crypto import blinding
from crypto.log_errors import BlindingRefused
from ledger.errors import LedgerHalted, NoSuchEntry, StorageFull
from ledger.sqlite import connect
from ledger.store import Connection
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

    made = Subjects(path, key=KEY, rng=SeededRng(1), connect=faulty, halt=halts.append)
    yield made
    made.close()


def again(path: Path, key: bytes = KEY) -> Subjects:
    return Subjects(path, key=key, rng=SeededRng(2), connect=connect)


def test_a_value_is_revealed_by_its_commitment(subjects: Subjects, path: Path) -> None:
    one = subjects.remember("person", "Jeanne Œuvrard", "jeanne")
    assert subjects.reveal(one) == "Jeanne Œuvrard"
    assert subjects.reveal("0" * 64) is None
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
    for file in path.parent.glob("private.db*"):
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
    stranger = again(path, bytes(32))
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
