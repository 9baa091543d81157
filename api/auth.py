"""Who calls: a bearer token stands for a role in an organisation; nothing else logs in here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.adapters.clock import host_time
from api.errors import LoginRequired
from api.idempotency import command_id
from api.permissions import check
from api.platform import Platform
from domain.ports import Act, Principal

bearer = HTTPBearer(auto_error=False, description="API token: pli_…")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def platform_of(request: Request) -> Platform:
    """Return the platform behind this request."""
    platform: Platform = request.app.state.platform
    return platform


@dataclass(frozen=True)
class Caller:
    """A principal, and the acts that it begins."""

    principal: Principal
    platform: Platform

    @property
    def org(self) -> str:
        """Its organisation's SIRET."""
        return self.principal.org

    def act(self, key: str, correlation: str) -> Act:
        """Return the act behind an Idempotency-Key; correlation ties it to one need."""
        return Act(command_id(self.org, key), self.within(correlation), correlation)

    def within(self, correlation: str) -> Principal:
        """Return the principal in one need.

        A company's person stands there under a name of its own, so that commitments in the ledger
        do not tell that two consultations have the same bidder (N11).
        """
        if self.principal.role != "CY":
            return self.principal
        return replace(self.principal, person=f"{self.principal.person} {correlation}")


def optional_caller(request: Request, credentials: Credentials) -> Caller | None:
    """Return who calls, None without a token; a wrong token is refused all the same."""
    if credentials is None:
        return None
    platform = platform_of(request)
    try:
        account = platform.accounts.authenticate(credentials.credentials, host_time())
    except LoginRequired:
        platform.rates.wrong_token(request.scope.get("pli.address", ""))
        raise
    if not account.granted:
        from api.grants import grant

        grant(platform, account)
    principal = Principal(account.org, account.role, account.person, "token")
    request.state.principal = principal
    platform.rates.account(request.scope, account.token_id)
    check(request.scope["route"].name, principal, platform.desk.law.roles)
    return Caller(principal, platform)


def caller(found: Annotated[Caller | None, Depends(optional_caller)]) -> Caller:
    """Return who calls; raise LoginRequired without a token."""
    if found is None:
        raise LoginRequired("a token is required")
    return found


Here = Annotated[Platform, Depends(platform_of)]
Anyone = Annotated[Caller | None, Depends(optional_caller)]
Known = Annotated[Caller, Depends(caller)]
