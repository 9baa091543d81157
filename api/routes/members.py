"""What stands in the stream of an organisation: who holds which role, and who else may read.

Own members read with names; an auditor to whom access is open reads commitments; anybody else
reads that there is nothing. What is shown is computed from the events, at any instant.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.auth import Known
from api.downloads import disposition
from api.errors import BadForm
from api.forms import At, Day, Form, Hex64, IdText, Short, Text
from api.idempotency import Key
from api.law import shipped_law
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import (
    delegate_signature as delegating,
)
from domain.commands import (
    elect_committee as electing,
)
from domain.commands import (
    grant_access as opening,
)
from domain.commands import (
    leave_platform as leaving,
)
from domain.commands import (
    manage_members,
)

router = APIRouter(prefix="/api/v1/buyers/{siret}", tags=["members"], route_class=StrictRoute)

Answer = dict[str, object]
Organisation = Annotated[str, Path(max_length=64)]
ActName = Annotated[
    str | None,
    Query(
        max_length=60,
        description="What a role may do; absent: every role",
        json_schema_extra={"enum": sorted(shipped_law().roles.acts)},
    ),
]


class ZipStream(StreamingResponse):
    """A ZIP file that is made while it is sent."""

    media_type = "application/zip"


class RoleForm(Form):
    """A role for one person, named by their account."""

    person: Short
    role: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    valid_from: Day
    valid_to: Day | None = None
    scope: Short = "*"


class RevocationForm(Form):
    """Whose role ends, and why."""

    person: Short
    role: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    reason: Text


class DelegationForm(Form):
    """What the giver lets the receiver sign."""

    giver: Short
    receiver: Short
    act_types: Annotated[list[Short], Field(min_length=1, max_length=20)]
    ceiling_cents: Annotated[int, Field(ge=1, le=2**53 - 1)]
    valid_from: Day
    valid_to: Day
    deliberation: Short


class CommitteeForm(Form):
    """Who was elected."""

    president: Short
    titulars: Annotated[list[Short], Field(max_length=20)]
    substitutes: Annotated[list[Short], Field(max_length=20)]
    deliberation: Short


class AccessForm(Form):
    """Which organisation may read what, until when, on which ground."""

    to: IdText
    scope: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")] = "*"
    until_on: Day
    ground: Text


class DepartureForm(Form):
    """The export with which the buyer leaves: size of the log, and its root."""

    size: Annotated[int, Field(ge=1, le=2**53 - 1)]
    root: Hex64


@router.post("/roles", status_code=201, responses=writes())
def grant_role(who: Known, scope: Bound, key: Key, siret: Organisation, form: RoleForm) -> Answer:
    """Give a person a role in a buyer's organisation."""
    command = manage_members.GrantRole(
        buyer=scope.organisation(siret),
        person=form.person,
        role=form.role,
        valid_from=_date(form.valid_from),
        valid_to=_date(form.valid_to) if form.valid_to else None,
        scope=form.scope,
    )
    who.platform.act(manage_members.grant_role, who.act(key, siret), command)
    return {"siret": siret, "role": form.role}


@router.post("/revocations", status_code=201, responses=writes())
def revoke_role(
    who: Known, scope: Bound, key: Key, siret: Organisation, form: RevocationForm
) -> Answer:
    """Take a role back, whether given, elected or delegated."""
    name = scope.organisation(siret)
    command = manage_members.RevokeRole(name, form.person, form.role, form.reason)
    who.platform.act(manage_members.revoke_role, who.act(key, siret), command)
    return {"siret": siret, "role": form.role}


@router.post("/delegations", status_code=201, responses=writes())
def delegate_signature(
    who: Known, scope: Bound, key: Key, siret: Organisation, form: DelegationForm
) -> Answer:
    """Delegate the signature, never more than its giver holds."""
    command = delegating.DelegateSignature(
        buyer=scope.organisation(siret),
        giver=form.giver,
        receiver=form.receiver,
        act_types=tuple(form.act_types),
        ceiling_cents=form.ceiling_cents,
        valid_from=_date(form.valid_from),
        valid_to=_date(form.valid_to),
        deliberation=form.deliberation,
    )
    who.platform.act(delegating.delegate_signature, who.act(key, siret), command)
    return {"siret": siret, "act_types": form.act_types, "ceiling_cents": form.ceiling_cents}


@router.post("/committee", status_code=201, responses=writes())
def elect_committee(
    who: Known, scope: Bound, key: Key, siret: Organisation, form: CommitteeForm
) -> Answer:
    """Record the election of the commission d'appel d'offres."""
    name = scope.organisation(siret)
    command = electing.ElectCommittee(
        name, form.president, tuple(form.titulars), tuple(form.substitutes), form.deliberation
    )
    who.platform.act(electing.elect_committee, who.act(key, siret), command)
    return scope.members(siret).committee(None)


@router.post("/accesses", status_code=201, responses=writes())
def grant_access(
    who: Known, scope: Bound, key: Key, siret: Organisation, form: AccessForm
) -> Answer:
    """Open the files of a buyer, or the platform's whole log, to an auditor until a date."""
    name = scope.organisation(siret)
    until = _date(form.until_on)
    command = opening.GrantAccess(name, form.to, form.scope, until, form.ground)
    who.platform.act(opening.grant_access, who.act(key, siret), command)
    return {"siret": siret, "to": form.to, "scope": form.scope, "until_on": form.until_on}


@router.get("/export", response_class=ZipStream, responses=reads(401, 403, 409))
def export_tenant(scope: Bound, siret: Organisation, who: Known) -> StreamingResponse:
    """Download the complete, verifiable export that a leaving buyer takes along."""
    _ = who
    found = scope.departure_export(siret)
    headers = disposition(f"export-{siret}.zip") | {"Cache-Control": "no-store"}
    return ZipStream(found.zipped(), headers=headers)


@router.post("/departure", status_code=201, responses=writes())
def leave_platform(
    who: Known, scope: Bound, key: Key, siret: Organisation, form: DepartureForm
) -> Answer:
    """Leave with a complete export, which is proven."""
    command = leaving.LeavePlatform(scope.organisation(siret), form.size, form.root)
    who.platform.act(leaving.leave_platform, who.act(key, siret), command)
    return {"siret": siret, "size": form.size, "root": form.root}


@router.get("/roles", responses=reads(400, 401, 403))
def list_roles(  # noqa: PLR0913, PLR0917 - what is asked
    who: Known,
    scope: Bound,
    response: Response,
    siret: Organisation,
    at: At = None,
    act: ActName = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List who held which role at an instant; with ``act``, only who could do it."""
    instant, rows = scope.members(siret).roles(at, act)
    page = cut(rows, after, limit)
    asked = {"at": instant, **({"act": act} if act else {})}
    response.headers.update(link(f"/api/v1/buyers/{siret}/roles", page, limit, **asked))
    return {"siret": siret, "at": instant, "roles": page.rows}


@router.get("/delegations", responses=reads(400, 401, 403))
def list_delegations(  # noqa: PLR0913, PLR0917 - what is asked
    who: Known,
    scope: Bound,
    response: Response,
    siret: Organisation,
    at: At = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List the delegations of signature in force at an instant."""
    instant, rows = scope.members(siret).delegations(at)
    page = cut(rows, after, limit)
    response.headers.update(link(f"/api/v1/buyers/{siret}/delegations", page, limit, at=instant))
    return {"siret": siret, "at": instant, "delegations": page.rows}


@router.get("/committee", responses=reads(400, 401, 403))
def read_committee(who: Known, scope: Bound, siret: Organisation, at: At = None) -> Answer:
    """Show the committee elected at an instant, and its quorum."""
    return scope.members(siret).committee(at)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadForm("no such date", fields=[{"field": "date", "reason": text}]) from error
