"""R15: whatever jump a host clock makes around a command, nothing opens early or counts as on time.

In process: the procedures of R10 over the platform's real clock, whose hands are moved at the
source, from a day back to 400 days ahead, before commands and between reading and commit. Judged by
an oracle that alone knows the true time: 0 early openings, 0 late deposits taken as on time, 0
reversals; and every reading that is given holds the true time.

Then a server in a process of its own under libfaketime, its clock set by another process (H9).
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest
from doubles.jumps import JUMPS, SECOND, Jumping
from doubles.oracle import Violation
from doubles.planted import planted_bugs
from doubles.proofs import Proof
from doubles.simulator import simulate
from doubles.sizes import sized

from api.adapters.clock import SourcedClock, quorum_reading

SEEDS = sized(push=800, full=20_000, night=700_000)
SHARDS = 2
PATIENCE = 600
"""So many seeds find every planted bug."""
FOUND = {"≥ for > at O": 370, "opening by the latest": 190, "silence is consent": 180}
"""Where the search for the rarest ones begins at push size: each bug leaves a seed."""
AROUND = (
    "start_transmission",
    "announce_envelope",
    "seal_deposit",
    "withdraw",
    "extend",
    "suspend",
    "resume",
    "reach_deadline",
    "convene_opening",
    "record_presence",
    "fix_opening_plan",
    "anchor_plan",
    "open_envelopes",
    "open_deposit",
)
REACHED = {
    "EnvelopeOpened": 100,
    "DepositSealed": 100,
    "LateDepositRecorded": 100,
    "DeadlineExtended": 5,
    "clock.distrusted": 1_000,
    "clock.went-back": 20,
    "opening.too-early": 100,
    "slept": 20,
    "crept": 100,
}
"""What 300 seeds reach at least: a harness in which nothing ever opens proves nothing."""


class Judged(Jumping):
    """The same, told by what was recorded alone, so that a control fails for the goal's reasons."""

    STRICT = False

    def judge_attempt(self, outcome: str, early: bool) -> None:
        """Let any answer pass: what it led to is judged."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_jumps_open_nothing_early_and_turn_nothing_round(shard: int, proof: Proof) -> None:
    reached: Counter[str] = Counter()
    seeds = range(shard, SEEDS, SHARDS)
    for seed in seeds:
        reached.update(simulate(seed, Jumping))
    for word, floor in REACHED.items():
        assert reached[word] * 300 >= floor * len(seeds) * 0.5, (word, reached[word])
    jumped = {word.partition(" at ")[0] for word in reached if " at " in word}
    assert jumped >= set(AROUND)
    far = {word for word in reached if word.endswith(f"{JUMPS[-1] // SECOND:+} s")}
    assert {"reach_deadline", "fix_opening_plan", "open_envelopes", "seal_deposit"} <= {
        word.partition(" at ")[0] for word in far
    }
    around = sum(count for word, count in reached.items() if " at " in word)
    counted = f"{len(seeds)} seeds, {around} commands under a wrong clock"
    opened = f"{reached['EnvelopeOpened']} openings"
    proof(f"R15 shard {shard + 1}/{SHARDS}", f"{counted}, {opened}; 0 early, 0 late, 0 reversed")


# -- positive controls ---------------------------------------------------------------------------


def believed(previous: Any, elapsed: int, reading: Any, **_: Any) -> Any:
    """Drop the step check."""
    return reading


def of_those_who_answer(reads: Any, quorum: int) -> Any:
    """Take silence for consent."""
    return quorum_reading(reads, len(reads) // 2 + 1)


def blind(self: SourcedClock, sample: Any, counter: int) -> None:
    """Go on with what was said before a sleep that nobody counted."""


CLOCKS = {
    "step check dropped": patch("api.adapters.clock.step_check", believed),
    "silence is consent": patch("api.adapters.clock.quorum_reading", of_those_who_answer),
    "a sleep goes unseen": patch.object(SourcedClock, "_watch", blind),
}
RULES = ("≥ for > at O", "opening by the latest", "floor ignored", "D reached by the latest")
PLANTED = {mutant.name: mutant.planted for mutant in planted_bugs().MUTANTS}


@pytest.mark.parametrize("name", [*RULES, *CLOCKS])
def test_each_planted_bug_is_found(name: str, proof: Proof) -> None:
    with PLANTED[name]() if name in RULES else CLOCKS[name]:
        first = FOUND.get(name, 0) if sized(push=1, full=0, night=0) else 0
        for seed in range(first, first + PATIENCE):
            try:
                simulate(seed, Judged)
            except Violation as found:
                reason = str(found).partition("\n")[0]
                proof(f"R15 control {name}", f"found by seed {seed}: {reason[:90]}")
                break
        else:
            pytest.fail(f"{name} survived {PATIENCE} seeds")
    simulate(seed, Judged)
