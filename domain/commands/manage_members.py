"""Register a public buyer; grant and revoke roles by events (domain.md §4.1, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.buyer import Buyer
from domain.commands.loading import found, new
from domain.errors import BadForm, NotFound, RoleIncompatible, RoleNotAdministered
from domain.events.parties import BuyerKind, BuyerRegistered, RoleGranted, RoleRevoked
from domain.identifiers import check_siret, check_text
from domain.ports import Act, Desk, Recorded
from domain.roles import incompatible


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
    """Give a person a role in a buyer's organisation."""

    buyer: str
    person: str
    role: str
    valid_from: date
    valid_to: date | None = None
    scope: str = "*"


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
    buyer = _administered(desk, act, command.buyer)
    check_text("person", command.person, 400)
    desk.law.roles.require_administers(act.principal.role, command.role)
    if command.valid_to is not None and command.valid_to < command.valid_from:
        raise BadForm("valid_to", "before valid_from")
    now = desk.reading(buyer)
    if act.principal.role == "PA" and command.role == "BU" and buyer.holders("BU", now.latest):
        raise RoleNotAdministered("PA", "BU")
    held = buyer.roles_of(command.person, now.latest, desk.subjects.reveal)
    platform = desk.files.find(Buyer, f"buyer/{desk.platform}")
    above = platform.roles_of(command.person, now.latest, desk.subjects.reveal) if platform else {}
    for role in sorted({*held, *above}):
        if incompatible(command.role, role):
            raise RoleIncompatible(command.role, role)
    person = next(iter(held.values()), None)
    buyer.append(
        RoleGranted(
            **buyer.stamp(desk.meta(act, now, command.buyer)),
            person=person or desk.subjects.remember("person", command.person, command.person),
            role=command.role,
            scope=command.scope,
            valid_from=command.valid_from,
            valid_to=command.valid_to,
        )
    )
    return desk.save(act, command, [buyer])


def revoke_role(desk: Desk, act: Act, command: RevokeRole) -> Recorded:
    """Append RoleRevoked."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = _administered(desk, act, command.buyer)
    desk.law.roles.require_administers(act.principal.role, command.role)
    now = desk.reading(buyer)
    held = buyer.roles_of(command.person, now.latest, desk.subjects.reveal)
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


def _administered(desk: Desk, act: Act, siret: str) -> Buyer:
    """Return the buyer whose roles the caller may administer."""
    mark = desk.law.roles.require(act.principal.role, "grant roles")
    if mark == "Y" and act.principal.org != siret:
        raise NotFound("buyer", siret)
    if mark == "o":
        raise RoleNotAdministered(act.principal.role, "any of a buyer")
    return found(desk, Buyer, siret)
