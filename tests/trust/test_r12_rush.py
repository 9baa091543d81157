"""R12, T05, T20: the rush before a deadline, calm and then with kills: none lost, none doubled.

Deposits of 64 KiB come in a Poisson stream to ``pli serve`` in a process of its own; some clients
lose their line before an answer. The offline verifier alone judges what is left. The controls: a
server that acknowledges before anything is durable, clients that take a new key after an accident.
Times are told, never asserted: they are those of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.postgres import server as postgres
from doubles.proofs import Proof
from doubles.rush import Told
from doubles.rush_place import KILLS, Place
from doubles.rush_stock import Bid
from doubles.rush_verdict import Verdict
from doubles.sizes import sized

pytestmark = pytest.mark.alone

RATE = 33
SECONDS = sized(push=15, full=60, night=60)
COUNT = 2 * RATE * SECONDS
CUTS = 0.1
FEW = 60
"""Envelopes of the control."""
EARLY = """
import threading
from api.own_transmissions import OwnTransmission
kept = OwnTransmission.accept_chunk
def early(self, *chunk):
    threading.Timer(0.2, kept, (self, *chunk)).start()
    return True
def told(self):
    row = self._platform.ledger.stream("transmission/" + self._upload.transmission)[-1]
    receipt = self._platform.ledger.receipt(row.position).decode()
    return {"transmission": self._upload.transmission, "receipt": receipt}
OwnTransmission.accept_chunk, OwnTransmission.state = early, told
"""
"""A server that answers the last chunk 0.2 s before it is durable: the planted bug."""


def other_key(bid: Bid, attempt: int) -> str:
    """Return the key of a client that forgets the one before: the planted bug."""
    return f"deposit-{bid.deposit}-{attempt}"


def told_of(told: Told) -> str:
    """Return what the clients of a rush saw, as a row of the proofs says it."""
    p99, slowest = told.p99(0, 0.5), told.slowest(0, 0.5)
    bound = 5
    within = f"all within {bound} s" if told.slowest() <= bound else f"not all within {bound} s"
    return (
        f"calm p99 {1000 * p99:.0f} ms, max {1000 * slowest:.0f} ms; with {len(told.restarts)} "
        f"kills the slowest {told.slowest():.1f} s ({within}); {told.retries} retries, "
        f"{told.broken} calls broken by kills, {told.peak // 2**20} MiB"
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, list[Bid]]]:
    made = Place(tmp_path_factory.mktemp("rush"))
    bids = made.sealed(COUNT + FEW)
    made.ready()
    yield made, bids
    made.close()


def sound(told: Told, verdict: Verdict) -> None:
    """Assert that a rush ended as it must."""
    assert not told.refusals
    assert verdict.clean, verdict
    assert told.broken, "no kill fell among the requests: this run proves nothing"
    assert told.cut, "no client lost its line: this run proves nothing"


def test_a_rush_calm_and_with_kills_loses_and_doubles_nothing(
    place: tuple[Place, list[Bid]], proof: Proof
) -> None:
    stage, bids = place
    told, verdict = stage.rush(bids[:COUNT], RATE, KILLS, cuts=CUTS)
    sound(told, verdict)
    proof("R12", f"{COUNT} sent = receipts = entries at {RATE}/s, all verified; {told_of(told)}")


@pytest.mark.postgres
@pytest.mark.skipif(os.environ.get("PLI_SIZE", "push") == "push", reason="a rush of its own")
def test_a_rush_into_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proof: Proof
) -> None:
    database = postgres().database()
    monkeypatch.setenv("PLI_DATABASE_URL", postgres().url)
    monkeypatch.setenv("PLI_DATABASE_SCHEMA", database.schema)
    stage = Place(tmp_path)
    bids = stage.sealed(COUNT)
    stage.ready()
    told, verdict = stage.rush(bids, RATE, KILLS, cuts=CUTS)
    stage.close()
    sound(told, verdict)
    proof(
        "R12 PostgreSQL",
        f"{COUNT} sent = receipts = entries at {RATE}/s, all verified; {told_of(told)}",
    )


def test_early_answers_and_forgotten_keys_are_seen(
    place: tuple[Place, list[Bid]], proof: Proof
) -> None:
    """The control, both bugs at once: each is seen by a count that the other leaves at zero.

    What was acknowledged when the server was killed is not in the log; a second key of the same
    deposit begins a second transmission.
    """
    stage, bids = place
    told, verdict = stage.rush(bids[COUNT:], RATE, [0.7], cuts=0.5, before=EARLY, key_of=other_key)
    assert verdict.lost
    assert verdict.doubled
    proof(
        "R12 control",
        f"of {FEW} deposits {len(verdict.lost)} acknowledged and lost by one kill, "
        f"{len(verdict.doubled)} begun twice after {told.cut} lost lines",
    )
