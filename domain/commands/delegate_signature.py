"""Delegate the signature: never more than the giver holds (domain.md §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.buyer import Buyer
from domain.commands.keeping_apart import ROLES, keep_apart
from domain.commands.loading import own_buyer
from domain.commands.manage_members import named
from domain.errors import BadForm, DelegationExceeds, RoleNotAdministered
from domain.events.parties import SignatureDelegated
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded
from domain.roles import Roles
from domain.tenure import EVERYTHING, SIGNATORY, Basis, Delegation, Grant, check_delegable

DELEGATING = "delegate the signature"


@dataclass(frozen=True)
class DelegateSignature:
    """Let ``receiver`` sign some acts for ``giver``, up to a ceiling, between two dates."""

    buyer: str
    giver: str
    receiver: str
    act_types: tuple[str, ...]
    ceiling_cents: int
    valid_from: date
    valid_to: date
    deliberation: str


def delegate_signature(desk: Desk, act: Act, command: DelegateSignature) -> Recorded:
    """Append SignatureDelegated, or refuse with ``delegation.exceeds``."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = own_buyer(desk, act, command.buyer, DELEGATING)
    caller = act.principal
    own = desk.law.roles.require(caller.role, DELEGATING) == "own"
    if own and caller.person != command.giver:
        raise RoleNotAdministered(caller.role, SIGNATORY)
    _check_form(desk.law.roles, command)
    with desk.turns.hold(ROLES):
        return _delegate(desk, act, command, buyer)


def _delegate(desk: Desk, act: Act, command: DelegateSignature, buyer: Buyer) -> Recorded:
    now = desk.reading(buyer)
    first, last = command.valid_from, command.valid_to
    giver = buyer.known(command.giver, desk.subjects.reveal)
    if giver is None:
        raise DelegationExceeds("power")
    receiver = named(desk, buyer, command.receiver)
    asked = Delegation(
        giver,
        receiver,
        command.act_types,
        command.ceiling_cents,
        command.deliberation,
        Grant(receiver, SIGNATORY, EVERYTHING, now.latest, first, last, None, Basis.DELEGATION),
    )
    check_delegable(asked, buyer.grants, buyer.delegations)
    looked = keep_apart(desk, buyer, [command.receiver], SIGNATORY, first, last)
    buyer.append(
        SignatureDelegated(
            **buyer.stamp(desk.meta(act, now, command.buyer)),
            from_=giver,
            to=receiver,
            act_types=list(command.act_types),
            ceiling_cents=command.ceiling_cents,
            valid_from=first,
            valid_to=last,
            deliberation=command.deliberation,
        )
    )
    return desk.save(act, command, [buyer], looked)


def _check_form(roles: Roles, command: DelegateSignature) -> None:
    """Return quietly if every field has its lawful form."""
    types = list(command.act_types)
    if not types or types != sorted(set(types)) or set(types) - set(roles.act_types):
        raise BadForm("act_types", f"at least one of {sorted(roles.act_types)}, ascending")
    if command.ceiling_cents < 1:
        raise BadForm("ceiling_cents", "at least one cent")
    if command.valid_to < command.valid_from:
        raise BadForm("valid_to", "before valid_from")
    if command.receiver == command.giver:
        raise BadForm("receiver", "nobody delegates to themselves")
    check_text("deliberation", command.deliberation, 400)
