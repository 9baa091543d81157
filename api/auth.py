"""Who calls: a bearer token, or the session of a browser; both stand for a role in an organisation.

The role counts while the ledger gives it (``api/seats.py``). Acts that open, sign or give a
right ask a session for a fresh proof of identity (T19), and a token for the scope ``open``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.entrance import Entrance
from api.errors import LoginRequired, LoginTooOld, OutOfScope, SessionEnded
from api.forgery import SAFE, cookie, session_cookie
from api.idempotency import command_id
from api.permissions import OPERATIONS, check
from api.platform import Platform
from domain.commands.loading import operator_name
from domain.ports import Act, Principal

FRESH = frozenset(
    {
        "fix_opening_plan",
        "open_envelopes",
        "grant_role",
        "delegate_signature",
        "elect_committee",
        "grant_access",
        "add_representative",
        "leave_platform",
        "retire_keyset",
    }
)
"""Operations that open, sign, give a right or destroy keys: a session must have been proven lately,
a token made for it."""
BY_TOKEN = "token"  # noqa: S105 - how somebody came, no secret
"""What entries say of an actor who came with a token: a page in a browser never has one."""
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
        name = command_id(self.org, key, self._salt(correlation))
        return Act(name, self.within(correlation), correlation)

    def within(self, correlation: str) -> Principal:
        """Return the principal in one need.

        A company's person stands there under a name of its own, so that commitments in the ledger
        do not tell that two consultations have the same bidder (N11).
        """
        if self.principal.role != "CY":
            return self.principal
        return replace(self.principal, person=f"{self.principal.person} {correlation}")

    def _salt(self, correlation: str) -> str:
        """Return what blinds a company's acts in a consultation, "" for anybody and anything else.

        It is the salt of its tag there, known to the company and to nobody else, and erased with
        it. What is no public consultation gets none, so that no name makes a row.
        """
        if self.principal.role != "CY" or not self.platform.index.is_published(correlation):
            return ""
        return self.platform.bidder_salt(correlation, operator_name(self.org))


def optional_caller(request: Request, credentials: Credentials) -> Caller | None:
    """Return who calls, None without token and session; a wrong token is refused all the same."""
    platform = platform_of(request)
    operation = request.scope["route"].name
    principal: Principal | None = None
    if credentials is not None:
        if (probe := _probe(platform, credentials.credentials, operation)) is not None:
            return probe
        principal = _by_token(request, platform, credentials.credentials, operation)
    elif "authorization" not in request.headers:
        principal = _by_session(request, platform, operation)
    if principal is None:
        return None
    check(operation, principal, platform.desk.law.roles)
    return Caller(principal, platform)


def _probe(platform: Platform, token: str, operation: str) -> Caller | None:
    """Return the platform itself as its probes call it, over what exists in this process alone."""
    found = None if platform.probing is None else platform.probing.canary(token, operation)
    return None if found is None else Caller(found.principal, found.platform)


def _by_token(request: Request, platform: Platform, token: str, operation: str) -> Principal:
    try:
        account = platform.accounts.authenticate(token, platform.now())
    except LoginRequired:
        platform.rates.wrong_token(request.scope.get("pli.address", ""))
        raise
    if not account.granted:
        from api.grants import grant

        grant(platform, account)
    principal = request.state.principal = Principal(
        account.org, account.role, account.person, BY_TOKEN
    )
    # by person: whoever makes themselves many tokens is no more than one
    platform.rates.account(request.scope, account.person)
    platform.seats.require(account.person, account.org, account.role)
    wanted = "read" if request.method in SAFE else "open" if operation in FRESH else "write"
    if wanted not in account.scopes:
        raise OutOfScope("this token was made for less", scope=wanted)
    return principal


def _by_session(request: Request, platform: Platform, operation: str) -> Principal | None:
    secret = cookie(request, session_cookie(platform.settings.secure))
    if secret is None:
        return None
    entrance: Entrance = request.app.state.entrance
    try:
        principal, session = entrance.principal(secret)
    except SessionEnded:
        return None
    if principal is None:
        return None
    if OPERATIONS[operation].public and not entrance.strong(session):
        return None  # what everybody reads asks for no proof
    entrance.check_strong(session)
    request.state.principal = principal
    platform.rates.account(request.scope, principal.person)
    if operation in FRESH and not entrance.fresh(session):
        raise LoginTooOld("prove again who you are", within_s=platform.settings.session_fresh_s)
    return principal


async def caller(found: Annotated[Caller | None, Depends(optional_caller)]) -> Caller:
    """Return who calls; raise LoginRequired without a token and a session.

    A coroutine, because anything else is handed to a thread, and here is nothing to wait for.
    """
    if found is None:
        raise LoginRequired("a token or a session is required")
    return found


Here = Annotated[Platform, Depends(platform_of)]
Anyone = Annotated[Caller | None, Depends(optional_caller)]
Known = Annotated[Caller, Depends(caller)]
