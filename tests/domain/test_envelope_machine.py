"""A state machine over the life of envelopes; what it must reach is counted and asserted (P11).

Rules and oracle are those of the simulator; Hypothesis chooses the acts and shrinks what it finds.
"""

from __future__ import annotations

from collections import Counter

from doubles.clock import NOON
from doubles.oracle import EPOCH, TICK, Oracle, expected_plan, ticks
from doubles.platform import FIRST, SECOND, Platform, deposit_id
from doubles.sizes import sized
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.clock import ClockSource, Reading
from domain.commands.open_envelopes import OpenEnvelopes, open_envelopes
from domain.commands.reach_deadline import ReachDeadline, reach_deadline
from domain.commands.withdraw import WithdrawDeposit, withdraw
from domain.envelope import SealedEnvelope
from domain.errors import DomainError
from domain.events.consultation import Complements
from domain.events.transmission import Intent
from domain.ports import StoredEnvelope

EDGES = (-1_000, -1, 0, 1, 1_000)
REACHED: Counter[str] = Counter()
WANTED = {
    "OPENED",
    "LATE",
    "SUPERSEDED",
    "WITHDRAWN",
    "UNREADABLE",
    "deadline.not-passed",
    "deposit.frozen",
    "deposit.intent-required",
    "deposit.target-superseded",
    "deposit.wrong-state",
    "opening.not-allowed",
    "opening.not-in-plan",
    "opening.order",
    "opening.too-early",
    "object.not-found",
}


class LifeOfEnvelopes(RuleBasedStateMachine):
    """One consultation without lots, two companies, one true time."""

    @initialize()
    def publish(self) -> None:
        self.platform = Platform()
        self.platform.published(complements=Complements.ALL, cool_down_s=1)
        self.oracle = Oracle("C1", Complements.ALL, 1_000_000)
        self.now = ticks(NOON) + 1
        self.count = 0
        self.read = 0
        self.look()

    def look(self, width: int = 0) -> None:
        self.now += 1
        self.oracle.now = self.now
        at = EPOCH + self.now * TICK
        reading = Reading(ClockSource.QUORUM, at - width * TICK, at + width * TICK)
        self.platform.clock.now = lambda: reading  # type: ignore[method-assign]

    def attempt(self, do: object, *given: object) -> bool:
        try:
            do(*given)  # type: ignore[operator]
        except DomainError as refusal:
            REACHED[refusal.code] += 1
            return False
        return True

    @rule(edge=st.sampled_from(EDGES), width=st.sampled_from((0, 1, 1_000)))
    def time_passes(self, edge: int, width: int) -> None:
        goal = self.oracle.opens() if self.oracle.reached else self.oracle.deadline
        self.now = max(self.now, goal + edge)
        self.look(width)

    @rule(
        org=st.sampled_from((FIRST, SECOND)),
        intent=st.sampled_from((Intent.INITIAL, Intent.REPLACE, Intent.COMPLEMENT)),
        back=st.integers(1, 3),
    )
    def deposit(self, org: str, intent: Intent, back: int) -> None:
        self.count += 1
        self.look()
        target = None if intent == Intent.INITIAL else f"d{max(self.count - back, 0)}"
        name = f"d{self.count}"

        def whole() -> None:
            self.platform.deposit(name, org, target=target, intent=intent)

        self.attempt(whole)

    @rule(org=st.sampled_from((FIRST, SECOND)), back=st.integers(0, 3))
    def take_back(self, org: str, back: int) -> None:
        self.look()
        command = WithdrawDeposit(deposit_id(f"d{max(self.count - back, 1)}"))
        self.attempt(withdraw, self.platform.desk, self.platform.company(org), command)

    @rule()
    def close(self) -> None:
        self.look()
        command = ReachDeadline("C1")
        self.attempt(reach_deadline, self.platform.desk, self.platform.act("PA"), command)

    @rule(back=st.integers(0, 3))
    def lose_bytes(self, back: int) -> None:
        name = deposit_id(f"d{max(self.count - back, 1)}")
        self.platform.unsealing.stored[name] = StoredEnvelope("missing", head_ok=False)

    @precondition(lambda self: self.oracle.reached)
    @rule()
    def convene_and_plan(self) -> None:
        self.now = max(self.now, self.oracle.opens())
        self.look()
        self.attempt(self.platform.convene)
        self.attempt(self.platform.plan)

    @rule(role=st.sampled_from(("BU", "CU", "PA")), one=st.booleans(), back=st.integers(0, 3))
    def open(self, role: str, one: bool, back: int) -> None:
        self.look()
        name = deposit_id(f"d{max(self.count - back, 1)}") if one else None
        command = OpenEnvelopes("C1", "0", name)
        self.attempt(open_envelopes, self.platform.desk, self.platform.act(role), command)

    @invariant()
    def nothing_false_is_recorded(self) -> None:
        if not hasattr(self, "oracle"):
            return
        rows = self.platform.files.rows
        for position in range(self.read, len(rows)):
            self.oracle.take(rows[position], position)
        self.read = len(rows)

    def teardown(self) -> None:
        if not hasattr(self, "oracle"):
            return
        for name in self.oracle.deposits:
            envelope = self.platform.load(SealedEnvelope, name)
            REACHED[envelope.state] += 1
            rebuilt = self.platform.files.rebuilt(envelope.id)
            assert rebuilt == self.platform.files.live[envelope.id]
        plan = expected_plan("0", "ALL", list(self.oracle.deposits.values()))
        assert set().union(*plan.values()) == set(self.oracle.deposits)


def test_the_life_of_envelopes_reaches_everything_and_nothing_false() -> None:
    REACHED.clear()
    examples = sized(push=150, full=1_000, night=20_000)
    run_state_machine_as_test(
        LifeOfEnvelopes,
        settings=settings(max_examples=examples, stateful_step_count=40, deadline=None),
    )
    missing = {word for word in WANTED if not REACHED[word]}
    assert not missing, (missing, REACHED)
