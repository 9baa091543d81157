"""R10: whole procedures from seeds, with faults at every edge; the oracle finds nothing false."""

from __future__ import annotations

from collections import Counter

import pytest
from doubles.proofs import Proof
from doubles.simulator import STEPS, simulate
from doubles.sizes import sized

SEEDS = sized(push=5_000, full=20_000, night=20_000_000)
SHARDS = 4
REACHED = {
    "EnvelopeOpened": 300,
    "LateDepositRecorded": 300,
    "DepositSuperseded": 40,
    "DepositWithdrawn": 100,
    "EnvelopeUnreadable": 40,
    "LateDepositAdmitted": 50,
    "CustodyQuorumMissed": 10,
    "CustodianRefused": 10,
    "OpeningRefused": 1_000,
    "DeadlineExtended": 100,
    "ConsultationResumed": 50,
    "OpeningCompleted": 1_000,
    "TransmissionFailed": 100,
    "clock.went-back": 100,
    "deadline.not-later": 50,
    "deadline.passed": 20,
    "deadline.not-passed": 100,
    "deposit.complement-not-allowed": 20,
    "deposit.frozen": 50,
    "deposit.intent-required": 50,
    "deposit.target-superseded": 50,
    "deposit.too-large": 30,
    "envelope.commitment": 50,
    "opening.not-allowed": 50,
    "opening.not-in-plan": 100,
    "opening.order": 1_000,
    "opening.too-early": 1_000,
    "opening.wrong-state": 100,
}
"""What a thousand seeds reach at least: a simulator that never opens proves nothing (H3)."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_false_is_ever_recorded(shard: int, proof: Proof) -> None:
    reached: Counter[str] = Counter()
    seeds = range(shard, SEEDS, SHARDS)
    for seed in seeds:
        reached.update(simulate(seed))
    for word, floor in REACHED.items():
        assert reached[word] * 1_000 >= floor * len(seeds) * 0.5, (word, reached[word])
    counted = f"{len(seeds)} seeds of {STEPS} steps, {sum(reached.values())} answers and events"
    proof(f"R10 shard {shard + 1}/{SHARDS}", f"{counted}, 0 false")


def test_a_seed_is_repeatable() -> None:
    assert simulate(7) == simulate(7)
