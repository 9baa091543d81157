"""A closing head below its quorum is completed later; a witness is never asked to go back."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles.ledger import Bench, check_ledger
from doubles.postgres import ON_SQLITE

from crypto.log_errors import QuorumNotMet
from crypto.policies import Policy
from ledger.errors import NotPublished, StorageFull
from ledger.postgres import PostgresDatabase

DISK_FULL = 13


def names(bench: Bench, note: bytes | None) -> set[str]:
    assert note is not None
    return set(Policy.parse(bench.policy).without_quorum().verify(note).cosignatures)


@pytest.fixture
def bench(tmp_path: Path, database: PostgresDatabase | None) -> Bench:
    """Three witnesses, two of them are the quorum."""
    return Bench(tmp_path, witnesses=3, database=database).create()


def test_one_witness_down_still_publishes_with_the_quorum(bench: Bench) -> None:
    ledger = bench.open()
    bench.witnesses[2].down = True
    assert names(bench, ledger.publish(closing=True)) == {"w1", "w2"}
    ledger.close()
    assert check_ledger(bench) == 16


def test_a_closing_head_below_its_quorum_is_completed_before_anything_larger(
    bench: Bench,
) -> None:
    ledger = bench.open()
    for each in bench.witnesses[1:]:
        each.down = True
    with pytest.raises(QuorumNotMet):
        ledger.publish(closing=True)
    assert names(bench, ledger.published_covering(0)) == {"w1"}
    with pytest.raises(QuorumNotMet):
        ledger.complete(0)
    # the next beat asks who comes back for the closing head first
    bench.witnesses[1].down = False
    assert names(bench, ledger.publish()) == {"w1", "w2"}
    assert names(bench, ledger.published_covering(0)) == {"w1", "w2"}
    ledger.complete(0)
    assert not {"witness.example/w1", "witness.example/w2"} & set(ledger._publisher.silent)
    # settled: a third line is not asked for any more, and the third goes on with the newest
    bench.witnesses[2].down = False
    assert names(bench, ledger.publish()) == {"w1", "w2", "w3"}
    assert names(bench, ledger.published_covering(0)) == {"w1", "w2"}
    ledger.close()
    assert check_ledger(bench) == 48


def test_a_closing_head_is_completed_after_a_restart(bench: Bench) -> None:
    ledger = bench.open()
    for each in bench.witnesses[1:]:
        each.down = True
    with pytest.raises(QuorumNotMet):
        ledger.publish(closing=True)
    ledger.close()
    ledger = bench.open()
    bench.witnesses[2].down = False
    ledger.complete(0)
    ledger.complete(0)
    assert names(bench, ledger.published_covering(0)) == {"w1", "w3"}
    with pytest.raises(NotPublished):
        ledger.complete(16)
    ledger.close()
    assert check_ledger(bench) == 16


def test_a_witness_that_went_further_is_not_asked_to_go_back(bench: Bench) -> None:
    ledger = bench.open()
    for each in bench.witnesses:
        each.down = True
    ledger.publish()  # no closing head: nothing is owed
    bench.witnesses[2].down = False
    ledger.publish()
    with pytest.raises(QuorumNotMet):
        ledger.complete(0)
    assert "cosigned size 32" in ledger._publisher.silent["witness.example/w3"]
    bench.witnesses[0].down = bench.witnesses[1].down = False
    ledger.complete(0)
    assert names(bench, ledger.published_covering(0)) == {"w1", "w2"}
    ledger.close()
    assert check_ledger(bench) == 32


def test_witnesses_are_asked_once_for_all_that_is_owed(bench: Bench) -> None:
    """Each silent one costs its patience: sixteen heads must not cost it sixteen times."""
    ledger = bench.open()
    for each in bench.witnesses[1:]:
        each.down = True
    for _ in range(3):
        with pytest.raises(QuorumNotMet):
            ledger.publish(closing=True)
    ledger.close()
    ledger = bench.open()
    asked = []
    right = ledger._publisher._cosign
    ledger._publisher._cosign = lambda wanted: asked.append(len(wanted)) or right(wanted)  # type: ignore[method-assign, func-returns-value]
    with pytest.raises(QuorumNotMet):
        ledger.complete(0, 16, 32)
    bench.witnesses[1].down = False
    ledger.complete(0, 16, 32)
    ledger.complete(0, 16, 32)
    ledger.complete()
    assert asked == [3, 3]
    for position in (0, 16, 32):
        assert names(bench, ledger.published_covering(position)) == {"w1", "w2"}
    ledger.close()
    assert check_ledger(bench) == 48


@ON_SQLITE
def test_late_cosignatures_on_a_full_disk_are_stored_later(bench: Bench) -> None:
    ledger = bench.open()
    for each in bench.witnesses[1:]:
        each.down = True
    with pytest.raises(QuorumNotMet):
        ledger.publish(closing=True)
    bench.witnesses[1].down = False
    bench.faults.append(("INSERT INTO cosignatures", False, DISK_FULL))
    with pytest.raises(StorageFull):
        ledger.complete(0)
    ledger.complete(0)
    assert names(bench, ledger.published_covering(0)) == {"w1", "w2"}
    ledger.close()
    assert check_ledger(bench) == 16
