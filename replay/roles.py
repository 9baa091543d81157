"""Who held which role at an instant: "who could open on 3 March at 12:00?" (domain.md §4.1, §5).

A pure function of the stream of a buyer or a company and an instant. What was recorded later
changes no answer, so the answer of then and the answer of now are one. Persons are the commitments
of the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from domain.aggregate import Event
from domain.buyer import Buyer
from domain.clock import instant_text
from domain.operator import EconomicOperator
from domain.tenure import Grant
from projections.facts import LedgerRow
from replay.timeline import Log, aggregate_at, recorded_at

Shown = dict[str, object]


def roles_at(
    log: Log,
    stream: str,
    position: int,
    event_of: Callable[[LedgerRow], Event],
    at: datetime | None = None,
) -> list[Shown]:
    """Return the roles in force once a position was written, at an instant or right then."""
    members = aggregate_at(log, stream, position, event_of)
    if not isinstance(members, Buyer | EconomicOperator):
        return []
    instant = at or max(members.modified_on, recorded_at(log, position))
    return [shown for _, shown in in_force(members, instant)]


def in_force(
    members: Buyer | EconomicOperator, at: datetime, among: Collection[str] | None = None
) -> list[tuple[str, Shown]]:
    """Return the roles in force at an instant, all or some, each with a key that orders them."""
    rows = [
        (_key(grant), _shown(grant))
        for grant in members.in_force(at)
        if among is None or grant.role in among
    ]
    return sorted(rows, key=lambda row: row[0])


def _key(grant: Grant) -> str:
    """Return a name of the row that stays the same whatever is recorded later."""
    words = (grant.role, grant.person, str(grant.basis), grant.scope)
    return " ".join((instant_text(grant.granted_at), *words))


def _shown(grant: Grant) -> Shown:
    shown: Shown = {
        "person": grant.person,
        "role": grant.role,
        "scope": grant.scope,
        "basis": str(grant.basis),
        "since": instant_text(grant.granted_at),
        "valid_from": grant.valid_from.isoformat(),
    }
    if grant.valid_to is not None:
        shown["valid_to"] = grant.valid_to.isoformat()
    return shown
