"""Grants of tokens as events: the right stands in the ledger, the credential never does.

A token is created beside a running server or without one, so its grant is recorded by the process
that holds the ledger, at the token's first use.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from api.idempotency import derived_id
from domain.clock import local_date
from domain.commands.manage_members import GrantRole, grant_role
from domain.commands.register_operator import AddRepresentative, add_representative
from domain.errors import DomainError

if TYPE_CHECKING:
    from api.accounts import Account
    from api.platform import Platform
    from domain.ports import Act

COMPANY = "CY"


def grant(platform: Platform, account: Account) -> None:
    """Record the grant of an account, if its organisation is known; else it waits."""
    if account.token_id in platform.waiting_grants:
        return
    act = platform.own_act(derived_id(account.token_id, "grant"), account.org)
    try:
        _record(platform, account, act)
    except DomainError:
        # the organisation is not registered yet, or its own officers grant this role:
        # the rules of each act judge the role all the same
        platform.waiting_grants.add(account.token_id)
        return
    platform.accounts.granted(account.token_id)


def retry(platform: Platform, org: str) -> None:
    """Try again the grants of an organisation that was just registered."""
    for account in platform.accounts.pending():
        if account.org == org:
            platform.waiting_grants.discard(account.token_id)
            grant(platform, account)


def _record(platform: Platform, account: Account, act: Act) -> None:
    if account.role == COMPANY:
        representative = AddRepresentative(account.org, account.person, "*")
        platform.act(add_representative, act, representative)
        return
    command = GrantRole(
        buyer=account.org,
        person=account.person,
        role=account.role,
        valid_from=local_date(account.created_at.astimezone(UTC)),
        valid_to=local_date(account.expires_at.astimezone(UTC)),
    )
    platform.act(grant_role, act, command)
