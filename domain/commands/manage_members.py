"""Register a public buyer; grant and revoke roles by events (domain.md §4.1, §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from domain.buyer import Buyer
from domain.clock import local_date
from domain.commands.keeping_apart import ADMINISTRATOR, ROLES, keep_apart
from domain.commands.loading import new, present_buyer
from domain.errors import BadForm, NotFound, RoleNotAdministered
from domain.events.parties import BuyerKind, BuyerRegistered, RoleGranted, RoleRevoked
from domain.identifiers import check_siret, check_text
from domain.ports import Act, Desk, Recorded
from domain.tenure import COMPANY, EVERYTHING

OFFICER = "BU"
GRANTING = "grant roles"


@dataclass(frozen=True)
class RegisterBuyer:
    """Open the account of a public buyer."""

    siret: str
    name: str
    buyer_kind: BuyerKind
    population: int | None = None
    department: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class GrantRole:
    """Give a person a role in a buyer's organisation, between two dates, both included."""

    buyer: str
    person: str
    role: str
    valid_from: date
    valid_to: date | None = None
    scope: str = EVERYTHING


@dataclass(frozen=True)
class RevokeRole:
    """Take a role back."""

    buyer: str
    person: str
    role: str
    reason: str


def register_buyer(desk: Desk, act: Act, command: RegisterBuyer) -> Recorded:
    """Append BuyerRegistered."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, "run the platform")
    check_siret(command.siret)
    check_text("name", command.name, 400)
    buyer = new(desk, Buyer, command.siret)
    meta = desk.meta(act, desk.reading(), command.siret)
    buyer.append(BuyerRegistered(**buyer.stamp(meta), **vars(command)))
    return desk.save(act, command, [buyer])


def grant_role(desk: Desk, act: Act, command: GrantRole) -> Recorded:
    """Append RoleGranted."""
    if earlier := desk.earlier(act, command):
        return earlier
    with desk.turns.hold(ROLES):
        return _grant(desk, act, command)


def _grant(desk: Desk, act: Act, command: GrantRole) -> Recorded:
    buyer = _administered(desk, act, command.buyer)
    check_text("person", command.person, 400)
    check_text("scope", command.scope, 400)
    desk.law.roles.require_administers(act.principal.role, command.role)
    if command.role == COMPANY:  # it stands in the company's own stream
        raise RoleNotAdministered(act.principal.role, COMPANY)
    first, last = command.valid_from, command.valid_to
    if last is not None and last < first:
        raise BadForm("valid_to", "before valid_from")
    now = desk.reading(buyer)
    if act.principal.role == ADMINISTRATOR:
        _check_first(buyer, command, local_date(now.latest), desk.platform)
    looked = keep_apart(desk, buyer, [command.person], command.role, first, last)
    buyer.append(
        RoleGranted(
            **buyer.stamp(desk.meta(act, now, command.buyer)),
            person=named(desk, buyer.persons(desk.subjects.reveal), command.person),
            role=command.role,
            scope=command.scope,
            valid_from=first,
            valid_to=last,
        )
    )
    return desk.save(act, command, [buyer], looked)


def revoke_role(desk: Desk, act: Act, command: RevokeRole) -> Recorded:
    """Append RoleRevoked: what the person holds in this role ends, and what begins later too."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = _administered(desk, act, command.buyer)
    desk.law.roles.require_administers(act.principal.role, command.role)
    if act.principal.org != command.buyer and command.role == OFFICER:
        raise RoleNotAdministered(act.principal.role, OFFICER)
    now = desk.reading(buyer)
    today = local_date(now.latest)
    held = buyer.roles_between(command.person, today, None, desk.subjects.reveal)
    if command.role not in held:
        raise NotFound("role", command.role)
    buyer.append(
        RoleRevoked(
            **buyer.stamp(desk.meta(act, now, command.buyer)),
            person=held[command.role],
            role=command.role,
            reason=check_text("reason", command.reason),
        )
    )
    return desk.save(act, command, [buyer])


def named(desk: Desk, known: Mapping[str, str], person: str) -> str:
    """Return the commitment of a person: the one known in this stream, if there is one."""
    check_text("person", person, 400)
    return known.get(person) or desk.subjects.remember("person", person, person)


def _check_first(buyer: Buyer, command: GrantRole, today: date, platform: str) -> None:
    """Return quietly if the platform may give this role: its own, or a buyer's first officer."""
    own = command.buyer == platform
    officers = any(one.role == OFFICER and one.meets(today, None) for one in buyer.grants)
    if (command.role == ADMINISTRATOR and not own) or (command.role == OFFICER and officers):
        raise RoleNotAdministered(ADMINISTRATOR, command.role)


def _administered(desk: Desk, act: Act, siret: str) -> Buyer:
    """Return the buyer whose roles the caller may administer; a foreign one is absent.

    The platform reaches any buyer, because it gives the first officer their role.
    """
    roles, caller = desk.law.roles, act.principal
    if caller.org != siret and roles.acts[GRANTING].get(caller.role) != "first one":
        raise NotFound("buyer", siret)
    if roles.require(caller.role, GRANTING) == "o":
        raise RoleNotAdministered(caller.role, "any of a buyer")
    return present_buyer(desk, siret)
