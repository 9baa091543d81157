"""Let an organisation that is no member read, until a date, on a ground (domain.md §4.17, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.clock import local_date
from domain.commands.loading import found, own_buyer
from domain.consultation import Consultation
from domain.errors import BadForm, NotFound
from domain.events.parties import AccessGranted
from domain.identifiers import check_organisation, check_text
from domain.ports import Act, Desk, Recorded
from domain.tenure import EVERYTHING

PLATFORM_WIDE = "platform"


@dataclass(frozen=True)
class GrantAccess:
    """Open a buyer's files, one of its consultations, or the platform's whole log to an auditor.

    A later grant of the same scope takes the place of the one before: a nearer date ends it.
    """

    buyer: str
    to: str
    scope: str
    until_on: date
    ground: str


def grant_access(desk: Desk, act: Act, command: GrantAccess) -> Recorded:
    """Append AccessGranted; a platform-wide one stands in the platform's own stream."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = own_buyer(desk, act, command.buyer, "grant access")
    check_organisation("to", command.to)
    check_text("ground", command.ground)
    _check_scope(desk, command)
    now = desk.reading(buyer)
    ends = buyer.access(command.to, now.latest, command.scope) is not None
    if command.until_on < local_date(now.latest) and not ends:
        raise BadForm("until_on", "already past")
    buyer.append(
        AccessGranted(
            **buyer.stamp(desk.meta(act, now, command.buyer)),
            to=command.to,
            scope=command.scope,
            until_on=command.until_on,
            ground=command.ground,
        )
    )
    return desk.save(act, command, [buyer])


def _check_scope(desk: Desk, command: GrantAccess) -> None:
    """Return quietly if the scope is the granter's own."""
    if command.buyer == desk.platform:
        if command.scope != PLATFORM_WIDE:
            raise BadForm("scope", f"the platform grants {PLATFORM_WIDE} only")
    elif command.scope != EVERYTHING:
        consultation = found(desk, Consultation, command.scope)
        if consultation.tenant != command.buyer:
            raise NotFound("consultation", command.scope)
