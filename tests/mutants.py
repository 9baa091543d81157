"""Planted bugs of the domain: each replaces one rule by a plausible wrong one (H17).

``Mutant.planted()`` puts the wrong rule in place for the length of a ``with`` block. The simulator
must find every one of them; a harness that kills nothing proves nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from domain import plan as plan_rules
from domain.clock import Reading, Verdicts, rule_verdicts
from domain.commands.unlocking import Table
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import DeadlinePassed
from domain.opening import OpeningSession
from domain.plan import Plan, PlanDeposit

Change = tuple[str, Any]
VERDICTS = "domain.consultation.rule_verdicts"
PLANS = (
    "domain.commands.fix_opening_plan.compute_plan",
    "domain.commands.superseding.compute_plan",
)


@dataclass(frozen=True)
class Mutant:
    """A wrong rule and the places where it stands in for the right one."""

    name: str
    changes: tuple[Change, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for target, wrong in self.changes:
                module, _, attribute = target.rpartition(".")
                stack.enter_context(patch.object(_owner(module), attribute, wrong))
            yield


def _owner(path: str) -> Any:
    """Return a module, or a class in it."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def verdicts(change: Callable[..., dict[str, Any]]) -> tuple[Change, ...]:
    """Return a wrong ``rule_verdicts``: the right one, then what ``change`` says."""

    def wrong(**facts: Any) -> Verdicts:
        return replace(rule_verdicts(**facts), **change(**facts))

    return ((VERDICTS, wrong),)


def opening_at_o(**facts: Any) -> dict[str, Any]:
    known = max(facts["earliest"], facts["floor"])
    return {"opening": facts["reached"] and known >= facts["opens"]}


def opening_by_latest(**facts: Any) -> dict[str, Any]:
    return {"opening": facts["reached"] and facts["latest"] > facts["opens"]}


def opening_unreached(**facts: Any) -> dict[str, Any]:
    return {"opening": facts["earliest"] > facts["opens"]}


def late_by_latest(**facts: Any) -> dict[str, Any]:
    late = facts["reached"] or facts["latest"] > facts["deadline"]
    return {"deposit": "late" if late else "on-time"}


def late_at_d(**facts: Any) -> dict[str, Any]:
    known = max(facts["earliest"], facts["floor"])
    return {"deposit": "late" if facts["reached"] or known >= facts["deadline"] else "on-time"}


def withdrawal_always(**facts: Any) -> dict[str, Any]:
    return {"withdrawal": True}


def extension_always(**facts: Any) -> dict[str, Any]:
    return {"extension": True}


def reach_by_latest(**facts: Any) -> dict[str, Any]:
    return {"reach": not facts["reached"] and facts["latest"] > facts["deadline"]}


def floor_ignored() -> tuple[Change, ...]:
    def wrong(**facts: Any) -> Verdicts:
        return rule_verdicts(**{**facts, "floor": facts["earliest"]})

    def reading(desk: Any, *loaded: Any) -> Reading:
        return desk.clock.now()  # type: ignore[no-any-return]

    return ((VERDICTS, wrong), ("domain.ports.Desk.reading", reading))


def planning(change: Callable[[PlanDeposit], PlanDeposit]) -> tuple[Change, ...]:
    """Return a wrong plan: computed over deposits that were changed before."""

    def wrong(lot: str, complements: Any, deposits: Any) -> Plan:
        return plan_rules.compute_plan(lot, complements, [change(one) for one in deposits])

    return tuple((place, wrong) for place in PLANS)


def complement_supersedes(one: PlanDeposit) -> PlanDeposit:
    return replace(one, intent="REPLACE") if one.intent == "COMPLEMENT" else one


def superseded_by_time() -> tuple[Change, ...]:
    def wrong(lot: str, complements: Any, deposits: Any) -> Plan:
        newest: dict[tuple[str, str], str] = {}
        changed = []
        for one in deposits:
            key = (one.bidder, one.kind)
            goal = newest.get(key)
            changed.append(replace(one, intent="REPLACE", target=goal) if goal else one)
            newest[key] = one.deposit
        return plan_rules.compute_plan(lot, complements, changed)

    return tuple((place, wrong) for place in PLANS)


def revived_by_withdrawal() -> tuple[Change, ...]:
    def wrong(lot: str, complements: Any, deposits: Any) -> Plan:
        live = [one for one in deposits if one.withdrawn_no is None]
        found = plan_rules.compute_plan(lot, complements, live)
        gone = tuple(sorted(one.deposit for one in deposits if one.withdrawn_no is not None))
        return replace(found, withdrawn=gone)

    return ((PLANS[0], wrong),)


def foreign_target(one: PlanDeposit) -> PlanDeposit:
    return replace(one, bidder="anybody")


def quorum_less_one() -> tuple[Change, ...]:
    right = Table.laid

    def laid(*given: Any) -> Table:
        table = right(*given)
        table.keyset = replace(table.keyset, k=table.keyset.k - 1)
        return table

    return (("domain.commands.unlocking.Table.laid", laid),)


def register_forgets_late() -> tuple[Change, ...]:
    right = Consultation.close_register

    def wrong(self: Any, meta: Any, rows: Any, *rest: Any) -> None:
        right(self, meta, [row for row in rows if row.on_time], *rest)

    return (("domain.consultation.Consultation.close_register", wrong),)


def command_forgotten() -> tuple[Change, ...]:
    return (("domain.ports.Desk.earlier", lambda desk, act, command: None),)


def deadline_earlier() -> tuple[Change, ...]:
    def wrong(self: Any, now: Any, deadline: Any) -> None:
        if not self.verdicts(now).extension:
            raise DeadlinePassed(self.deadline)

    return (("domain.consultation.Consultation.check_movable", wrong),)


def begin_for_received() -> tuple[Change, ...]:
    right = SealedEnvelope.seal

    def wrong(self: Any, meta: Any, facts: Any, deadline: Any, *, late: bool) -> None:
        early = replace(meta.clock, earliest=facts.started_at, latest=facts.started_at)
        right(self, replace(meta, clock=early), facts, deadline, late=late)

    return (("domain.envelope.SealedEnvelope.seal", wrong),)


def unplanned_opened() -> tuple[Change, ...]:
    right = OpeningSession.fix

    def wrong(self: Any, meta: Any, kind: Any, plan: Plan, opens: tuple[str, ...]) -> None:
        right(self, meta, kind, plan, (*opens, *plan.undetermined))

    return (("domain.opening.OpeningSession.fix", wrong),)


def asked_early() -> tuple[Change, ...]:
    return (("domain.commands.open_envelopes._by_hour_or_role", lambda *facts: None),)


MUTANTS = (
    Mutant("≥ for > at O", verdicts(opening_at_o)),
    Mutant("opening by the latest", verdicts(opening_by_latest)),
    Mutant("opening before DeadlineReached", verdicts(opening_unreached)),
    Mutant("late by the latest", verdicts(late_by_latest)),
    Mutant("late at D itself", verdicts(late_at_d)),
    Mutant("withdrawal after D", verdicts(withdrawal_always)),
    Mutant("extension after DeadlineReached", verdicts(extension_always)),
    Mutant("D reached by the latest", verdicts(reach_by_latest)),
    Mutant("D moved earlier", deadline_earlier()),
    Mutant("floor ignored", floor_ignored()),
    Mutant("late in a plan", planning(lambda one: replace(one, late=False))),
    Mutant("withdrawn in a plan", planning(lambda one: replace(one, withdrawn_no=None))),
    Mutant("complement supersedes", planning(complement_supersedes)),
    Mutant("superseded by time", superseded_by_time()),
    Mutant("revived by withdrawal", revived_by_withdrawal()),
    Mutant("foreign target accepted", planning(foreign_target)),
    Mutant("undetermined opened", unplanned_opened()),
    Mutant("share released early", asked_early()),
    Mutant("quorum k-1", quorum_less_one()),
    Mutant("register forgets the late", register_forgets_late()),
    Mutant("command done twice", command_forgotten()),
    Mutant("received_at = begin", begin_for_received()),
)
