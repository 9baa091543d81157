"""The platform says that it failed: from when, until when, and whom it told (§4.17)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.commands.loading import found_or_blank
from domain.errors import BadForm, NotAllowed
from domain.events.health import BuyersAlerted, IncidentDeclared
from domain.health import MAIN, Health
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded

DECLARING = "incidents and probes"
DECLARE = "declare"
"""How the act is marked for whoever may declare; the others see."""
MOST_CONSULTATIONS = 1_000
"""In one entry: an entry has at most 65,535 bytes."""


@dataclass(frozen=True)
class DeclareIncident:
    """An incident; the same beginning and scope again, with an end, says that it is over."""

    from_at: datetime
    scope: str
    cause: str
    to_at: datetime | None = None


def declare_incident(
    desk: Desk, act: Act, command: DeclareIncident, alerted: Iterable[str] = ()
) -> Recorded:
    """Append IncidentDeclared, and BuyersAlerted for the consultations that are open.

    ``alerted``: those; no part of the command, so that it is the same one after a deadline (N3).
    Raises BadForm for an incident that is to begin or to have ended later than now, or that ends
    before it begins.
    """
    if earlier := desk.earlier(act, command):
        return earlier
    if desk.law.roles.require(act.principal.role, DECLARING) != DECLARE:
        raise NotAllowed(act.principal.role, DECLARING)
    health = found_or_blank(desk, Health, MAIN)
    now = desk.reading(health)
    if command.from_at > now.latest:
        raise BadForm("from_at", "an incident is declared once it has begun")
    if command.to_at is not None and not command.from_at <= command.to_at <= now.latest:
        raise BadForm("to_at", "an incident ends after it began, and not later than now")
    meta = desk.meta(act, now, desk.platform)
    health.append(
        IncidentDeclared(
            **health.stamp(meta),
            from_at=command.from_at,
            to_at=command.to_at,
            scope=check_text("scope", command.scope, 60),
            cause=check_text("cause", command.cause, 400),
        )
    )
    names = sorted(alerted)
    for start in range(0, len(names), MOST_CONSULTATIONS):
        part = names[start : start + MOST_CONSULTATIONS]
        health.append(BuyersAlerted(**health.stamp(meta), consultations=part))
    return desk.save(act, command, [health])
