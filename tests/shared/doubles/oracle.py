"""The oracle of the simulator: what must be true, worked out from recorded facts alone.

It shares no rule with the domain. It reads events and readings as integers of microseconds, keeps
its own deadline, floors and deposits, and complains with ``Violation``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class Violation(AssertionError):
    """Something happened that must never happen."""


def ticks(at: datetime) -> int:
    return (at - EPOCH) // TICK


def must(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


@dataclass
class Known:
    """One deposit as the events tell it."""

    name: str
    event: Any
    position: int
    late: bool
    admitted: bool = False
    withdrawn: int | None = None
    opened: bool = False
    failed: bool = False

    @property
    def order(self) -> tuple[datetime, int]:
        return self.event.received_at, self.position


def expected_plan(lot: str, policy: str, deposits: list[Known]) -> dict[str, set[str]]:
    """Walk every deposit's path of ancestors; written apart from ``domain.plan``."""
    paths: dict[str, list[str]] = {}
    acting: dict[str, Known] = {}
    gone: set[str] = set()
    odd: set[str] = set()
    here = sorted((one for one in deposits if lot in one.event.lots), key=lambda one: one.order)
    for one in here:
        if one.late and not one.admitted:
            continue
        paths[one.name] = [one.name]
        if one.event.intent != "INITIAL":
            goal = acting.get(str(one.event.target))
            if goal is None or not fits(one, goal, gone) or not permitted(one, policy):
                odd.add(one.name)
            elif one.event.intent == "REPLACE":
                gone |= {name for name, path in paths.items() if goal.name in path}
                paths[one.name] = [*paths[goal.name][:-1], one.name]
            else:
                paths[one.name] = [*paths[goal.name], one.name]
        acting[one.name] = one
    firsts: dict[tuple[str, str, int], set[str]] = {}
    for one in acting.values():
        plain = one.event.intent == "INITIAL" and one.withdrawn is None
        if plain and one.name not in gone | odd:
            key = (one.event.bidder, one.event.kind, one.event.round)
            firsts.setdefault(key, set()).add(one.name)
    odd |= {name for names in firsts.values() if len(names) > 1 for name in names}
    found: dict[str, set[str]] = {
        word: set() for word in ("withdrawn", "late", "superseded", "undetermined", "open")
    }
    for one in here:
        found[word_for(one, gone, odd)].add(one.name)
    return found


def fits(one: Known, goal: Known, gone: set[str]) -> bool:
    mine, its = one.event, goal.event
    same = (mine.bidder, mine.kind, mine.round) == (its.bidder, its.kind, its.round)
    left = goal.withdrawn is not None and goal.withdrawn < one.position
    return same and not left and goal.name not in gone


def permitted(one: Known, policy: str) -> bool:
    if one.event.intent == "REPLACE" or policy == "ALL":
        return True
    return policy == "APPLICATION" and one.event.kind == "APPLICATION"


def word_for(one: Known, gone: set[str], odd: set[str]) -> str:
    if one.withdrawn is not None:
        return "withdrawn"
    if one.late and not one.admitted:
        return "late"
    if one.name in gone:
        return "superseded"
    return "undetermined" if one.name in odd else "open"


class Oracle:
    """Follows one consultation; ``now`` is the true time, which nobody else knows."""

    def __init__(self, consultation: str, policy: str, cool_down: int) -> None:
        self.stream = f"consultation/{consultation}"
        self.policy = policy
        self.cool_down = cool_down
        self.now = 0
        self.deadline = 0
        self.suspended = False
        self.reached = False
        self.floors: dict[str, int] = {}
        self.deposits: dict[str, Known] = {}
        self.plans: dict[str, list[Any]] = {}
        self.seen: dict[str, int] = {}

    # --- what the law says now

    def opens(self) -> int:
        return self.deadline + self.cool_down

    def floor(self, *streams: str) -> int:
        return max(self.floors.get(stream, 0) for stream in (self.stream, *streams))

    def before(self, earliest: int, *streams: str) -> bool:
        known = max(earliest, self.floor(*streams))
        return not self.reached and (self.suspended or known <= self.deadline)

    # --- what was recorded

    def take(self, event: Any, position: int) -> None:
        """Judge an event, then remember it."""
        kind = event.TOPIC
        self.seen[kind] = self.seen.get(kind, 0) + 1
        earliest, latest = ticks(event.meta.clock.earliest), ticks(event.meta.clock.latest)
        must(latest >= self.floors.get(event.originator_id, 0), f"{kind}: time went back")
        judge = JUDGES.get(kind)
        if judge is not None:
            getattr(self, judge.__name__)(event, position, earliest)
        stream = event.originator_id
        self.floors[stream] = max(self.floors.get(stream, 0), earliest)

    def consultation_published(self, event: Any, position: int, earliest: int) -> None:
        self.deadline = ticks(event.deadline_at)

    def deadline_extended(self, event: Any, position: int, earliest: int) -> None:
        must(self.before(earliest), "D moved after it was passed")
        must(ticks(event.old_at) == self.deadline, "the old deadline is another")
        self._move(ticks(event.new_at))

    def consultation_suspended(self, event: Any, position: int, earliest: int) -> None:
        must(self.before(earliest), "suspended after D")
        self.suspended = True

    def consultation_resumed(self, event: Any, position: int, earliest: int) -> None:
        self.suspended = False
        self._move(ticks(event.new_deadline_at))

    def _move(self, new: int) -> None:
        must(not self.reached, "D moved after DeadlineReached")
        must(new > self.deadline, "D moved earlier")
        self.deadline = new

    def deadline_reached(self, event: Any, position: int, earliest: int) -> None:
        must(not self.reached and not self.suspended, "D reached twice, or while suspended")
        must(not self.before(earliest), "D reached too early")
        must(self.now > self.deadline, "D reached before its true hour")
        self.reached = True
        self.rows: dict[str, Any] = {}

    def register_listed(self, event: Any, position: int, earliest: int) -> None:
        self.rows |= {row.deposit: row for row in event.deposits}

    def register_closed(self, event: Any, position: int, earliest: int) -> None:
        must(set(self.rows) == set(self.deposits), "the register is not complete")
        must(event.count == len(self.rows), "the register counts wrong")
        for name, row in self.rows.items():
            must(row.on_time == (not self.deposits[name].late), "the register says otherwise")

    def deposit_sealed(self, event: Any, position: int, earliest: int) -> None:
        self._deposit(event, position, earliest, late=False)

    def late_deposit_recorded(self, event: Any, position: int, earliest: int) -> None:
        self._deposit(event, position, earliest, late=True)
        must(event.late_by_ms >= 0, "late by less than nothing")

    def _deposit(self, event: Any, position: int, earliest: int, *, late: bool) -> None:
        name = event.originator_id.partition("/")[2]
        streams = (f"transmission/{event.transmission}", event.originator_id)
        must(late != self.before(earliest, *streams), "on time and late are confused")
        must(ticks(event.received_at) >= earliest, "received before the clock was read")
        self.deposits[name] = Known(name, event, position, late)

    def deposit_withdrawn(self, event: Any, position: int, earliest: int) -> None:
        must(self.before(earliest, event.originator_id), "withdrawn after D")
        self._of(event).withdrawn = position

    def late_deposit_admitted(self, event: Any, position: int, earliest: int) -> None:
        self._of(event).admitted = True

    def deposit_superseded(self, event: Any, position: int, earliest: int) -> None:
        for lot in event.lots:
            planned = expected_plan(lot, self.policy, list(self.deposits.values()))
            name = self._of(event).name
            must(name in planned["superseded"] | planned["withdrawn"], "superseded for nothing")

    def opening_plan_fixed(self, event: Any, position: int, earliest: int) -> None:
        lot = event.originator_id.rpartition(".")[2]
        must(self.may_open(earliest, event.originator_id), "a plan before O")
        wanted = expected_plan(lot, self.policy, list(self.deposits.values()))
        named = {name for plan in self.plans.get(lot, ()) for name in plan.open}
        must(set(event.open) == wanted["open"] - named, "the plan opens others")
        for word in ("superseded", "withdrawn", "late", "undetermined"):
            must(set(getattr(event, word)) == wanted[word], f"the plan's {word} are others")
        self.plans.setdefault(lot, []).append(event)

    def opening_share_released(self, event: Any, position: int, earliest: int) -> None:
        must(
            self.may_open(
                earliest, f"{self.stream.replace('consultation', 'opening')}.{event.lot}"
            ),
            "a share before O",
        )
        must(self.now > self.opens(), "a share before the true hour")
        must(event.deposit in self.planned(event.lot), "a share for an unplanned envelope")

    def envelope_opened(self, event: Any, position: int, earliest: int) -> None:
        must(self.now > self.opens(), "opened before the true hour")
        known = self._of(event)
        for lot in event.lots:
            must(known.name in self.planned(lot), "opened without a plan")
        must(known.withdrawn is None, "a withdrawn envelope was opened")
        must(not known.late or known.admitted, "a late envelope was opened")
        known.opened = True

    def envelope_unreadable(self, event: Any, position: int, earliest: int) -> None:
        self._of(event).failed = True

    def opening_completed(self, event: Any, position: int, earliest: int) -> None:
        for name in self.plans[event.originator_id.rpartition(".")[2]][-1].open:
            must(self.deposits[name].opened or self.deposits[name].failed, "minutes too soon")

    def planned(self, lot: str) -> set[str]:
        return {name for plan in self.plans.get(lot, ()) for name in plan.open}

    def may_open(self, earliest: int, stream: str) -> bool:
        return self.reached and max(earliest, self.floor(stream)) > self.opens()

    def _of(self, event: Any) -> Known:
        return self.deposits[event.originator_id.partition("/")[2]]


JUDGES = {
    "ConsultationPublished": Oracle.consultation_published,
    "DeadlineExtended": Oracle.deadline_extended,
    "ConsultationSuspended": Oracle.consultation_suspended,
    "ConsultationResumed": Oracle.consultation_resumed,
    "DeadlineReached": Oracle.deadline_reached,
    "RegisterListed": Oracle.register_listed,
    "RegisterClosed": Oracle.register_closed,
    "DepositSealed": Oracle.deposit_sealed,
    "LateDepositRecorded": Oracle.late_deposit_recorded,
    "DepositWithdrawn": Oracle.deposit_withdrawn,
    "LateDepositAdmitted": Oracle.late_deposit_admitted,
    "DepositSuperseded": Oracle.deposit_superseded,
    "OpeningPlanFixed": Oracle.opening_plan_fixed,
    "OpeningShareReleased": Oracle.opening_share_released,
    "EnvelopeOpened": Oracle.envelope_opened,
    "EnvelopeUnreadable": Oracle.envelope_unreadable,
    "OpeningCompleted": Oracle.opening_completed,
}
