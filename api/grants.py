"""Grants of tokens and seats as events: the right stands in the ledger, the credential never does.

A token is created beside a running server or without one, so its grant is recorded by the process
that holds the ledger, at the token's first use. A seat's grant is the act of whoever invited. What
nobody else did is the act of the operator of the home, and recorded as theirs (docs/adr/0034).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.idempotency import derived_id
from api.people import Seat
from domain.clock import local_date
from domain.commands.manage_members import GrantRole, grant_role
from domain.commands.register_operator import AddRepresentative, add_representative
from domain.errors import DomainError, NotFound
from domain.tenure import COMPANY

if TYPE_CHECKING:
    from api.accounts import Account
    from api.invitations import Invitation
    from api.platform import Platform
    from domain.ports import Act


def grant(platform: Platform, account: Account) -> None:
    """Record the grant of an account, if its organisation is known; else it waits."""
    if account.token_id in platform.waiting_grants:
        return
    act = platform.home_act(derived_id(account.token_id, "grant"), account.org)
    seat = Seat(account.org, account.role)
    try:
        _record(platform, act, account.person, seat, account.created_at, account.expires_at)
    except DomainError:
        # the organisation is not registered yet, or its own officers grant this role: where it is
        # registered the ledger's word counts, and this token's is none
        platform.waiting_grants.add(account.token_id)
        return
    platform.accounts.granted(account.token_id)


def grant_seat(platform: Platform, invitation: Invitation, person: str, now: datetime) -> Seat:
    """Record a seat as the act of whoever invited; refused as that act would be.

    Where the operator of the home invited into an organisation that is not registered yet, the
    grant waits for it.
    """
    seat = Seat(invitation.org, invitation.role)
    name = derived_id(invitation.invitation_id, "grant", person.encode())
    if invitation.host is None:
        act = platform.home_act(name, seat.org)
    else:
        host = invitation.host
        platform.seats.require(host.person, host.org, host.role)
        act = platform.act_of(name, host, seat.org)
    try:
        _record(platform, act, person, seat, now, None)
    except NotFound:
        if invitation.host is not None:
            raise
        seat = Seat(seat.org, seat.role, granted=False)
    platform.accounts.people.seat(person, seat, now)
    return seat


def retry(platform: Platform, org: str) -> None:
    """Try again the grants of an organisation that was just registered."""
    for account in platform.accounts.pending():
        if account.org == org:
            platform.waiting_grants.discard(account.token_id)
            grant(platform, account)
    now = platform.now()
    for person, role in platform.accounts.people.waiting(org):
        act = platform.home_act(derived_id(person, "grant", org.encode(), role.encode()), org)
        try:
            _record(platform, act, person, Seat(org, role), now, None)
        except DomainError:
            continue  # its own officers grant this role
        platform.accounts.people.seat(person, Seat(org, role), now)


def _record(  # noqa: PLR0913, PLR0917 - the facts of one grant
    platform: Platform,
    act: Act,
    person: str,
    seat: Seat,
    since: datetime,
    until: datetime | None,
) -> None:
    if seat.role == COMPANY:
        representative = AddRepresentative(seat.org, person, "*")
        platform.act(add_representative, act, representative)
        return
    command = GrantRole(
        buyer=seat.org,
        person=person,
        role=seat.role,
        valid_from=local_date(since.astimezone(UTC)),
        valid_to=None if until is None else local_date(until.astimezone(UTC)),
    )
    platform.act(grant_role, act, command)
