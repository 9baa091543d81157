"""Organisations: buyers and companies, who speaks for a company, who bids together."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api import grants, views
from api.auth import Known
from api.errors import BadForm
from api.forms import At, Day, Form, IdText, Short, Text
from api.idempotency import Key
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import declare_consortium as consortia
from domain.commands import exclude_operator as exclusions
from domain.commands import manage_members
from domain.commands import register_operator as operators
from domain.events.parties import BuyerKind, SizeClass
from domain.events.parties import ConsortiumForm as How
from domain.identifiers import check_organisation, check_siret

router = APIRouter(prefix="/api/v1", tags=["organisations"], route_class=StrictRoute)

Answer = dict[str, object]
SiretText = Annotated[str, Field(max_length=20)]
Operator = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class BuyerForm(Form):
    """A public buyer."""

    siret: SiretText
    name: Short
    buyer_kind: Literal[
        "STATE", "REGION", "DEPARTMENT", "EPCI", "COMMUNE", "HOSPITAL", "HOUSING", "OTHER"
    ]
    population: Annotated[int, Field(ge=0)] | None = None
    department: Short | None = None
    region: Short | None = None


class OperatorForm(Form):
    """A company."""

    siret: SiretText
    name: Short
    size_class: Literal["TPE", "PME", "ETI", "GE", "UNKNOWN"] = "UNKNOWN"
    size_source: Short = "DECLARED"
    region: Short | None = None


class RepresentativeForm(Form):
    """A person who may act for the company, and for what."""

    person: Short
    scope: Short = "*"


class RemovalForm(Form):
    """Who acts for the company no longer, and why."""

    person: Short
    reason: Text


class ConsortiumForm(Form):
    """Who bids together; the mandatary is the company of the address."""

    form: Literal["JOINT", "SEVERAL"]
    members: Annotated[list[IdText], Field(min_length=2, max_length=50)]


class ExclusionForm(Form):
    """Why a buyer excludes the company, and until when."""

    ground: Text
    until_on: Day


@router.get("/me", responses=reads(401))
def read_who_i_am(who: Known) -> Answer:
    """Say for whom the token stands."""
    return {"org": who.org, "role": who.principal.role, "person": who.principal.person}


@router.post("/buyers", status_code=201, responses=writes())
def register_buyer(who: Known, key: Key, form: BuyerForm) -> Answer:
    """Open the account of a public buyer."""
    siret = check_siret(form.siret)
    command = manage_members.RegisterBuyer(
        siret=siret,
        name=form.name,
        buyer_kind=BuyerKind(form.buyer_kind),
        population=form.population,
        department=form.department,
        region=form.region,
    )
    who.platform.act(manage_members.register_buyer, who.act(key, siret), command)
    grants.retry(who.platform, siret)
    return views.organisation(who.platform, "buyer", siret)


@router.post("/operators", status_code=201, responses=writes())
def register_operator(who: Known, key: Key, form: OperatorForm) -> Answer:
    """Open the account of a company; one account serves all buyers."""
    siret = check_siret(form.siret)
    command = operators.RegisterOperator(
        name=form.name,
        size_class=SizeClass(form.size_class),
        size_source=form.size_source,
        siret=siret,
        region=form.region,
    )
    who.platform.act(operators.register_operator, who.act(key, siret), command)
    grants.retry(who.platform, siret)
    return views.organisation(who.platform, "operator", siret)


@router.post("/operators/{operator}/representatives", status_code=201, responses=writes())
def add_representative(
    who: Known, key: Key, operator: Operator, form: RepresentativeForm
) -> Answer:
    """Let a person act for a company."""
    command = operators.AddRepresentative(
        check_organisation("operator", operator), form.person, form.scope
    )
    who.platform.act(operators.add_representative, who.act(key, operator), command)
    return {"operator": operator, "scope": form.scope}


@router.post("/operators/{operator}/revocations", status_code=201, responses=writes())
def remove_representative(who: Known, key: Key, operator: Operator, form: RemovalForm) -> Answer:
    """Let a person act for the caller's own company no longer; never the last one."""
    name = check_organisation("operator", operator)
    command = operators.RemoveRepresentative(name, form.person, form.reason)
    who.platform.act(operators.remove_representative, who.act(key, operator), command)
    return {"operator": operator}


@router.get("/operators/{operator}/representatives", responses=reads(400, 401, 403))
def list_representatives(  # noqa: PLR0913, PLR0917 - what is asked
    who: Known,
    scope: Bound,
    response: Response,
    operator: Operator,
    at: At = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List who could act for the caller's own company at an instant."""
    instant, rows = scope.representatives(operator, at)
    page = cut(rows, after, limit)
    path = f"/api/v1/operators/{operator}/representatives"
    response.headers.update(link(path, page, limit, at=instant))
    return {"operator": operator, "at": instant, "representatives": page.rows}


@router.post("/operators/{operator}/consortia", status_code=201, responses=writes())
def declare_consortium(who: Known, key: Key, operator: Operator, form: ConsortiumForm) -> Answer:
    """Declare the companies for which this one bids as mandatary."""
    command = consortia.DeclareConsortium(How(form.form), operator, tuple(form.members))
    who.platform.act(consortia.declare_consortium, who.act(key, operator), command)
    return {"mandatary": operator, "form": form.form, "members": form.members}


@router.post("/operators/{operator}/exclusions", status_code=201, responses=writes())
def exclude_operator(who: Known, key: Key, operator: Operator, form: ExclusionForm) -> Answer:
    """Exclude a company from the caller's own procedures until a date."""
    command = exclusions.ExcludeOperator(operator, form.ground, _date(form.until_on))
    who.platform.act(exclusions.exclude_operator, who.act(key, operator), command)
    return {"operator": operator, "until_on": form.until_on}


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadForm("no such date", fields=[{"field": "date", "reason": text}]) from error
