"""Organisations and their members: buyers, companies, roles granted by events."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import Field

from api import grants, views
from api.auth import Known
from api.errors import BadForm
from api.forms import Day, Form, Short
from api.idempotency import Key
from api.openapi import reads, writes
from api.strict import StrictRoute
from domain.commands import manage_members
from domain.commands import register_operator as operators
from domain.events.parties import BuyerKind, SizeClass
from domain.identifiers import check_siret

router = APIRouter(prefix="/api/v1", tags=["organisations"], route_class=StrictRoute)

Answer = dict[str, object]
SiretText = Annotated[str, Field(max_length=20)]


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


class RoleForm(Form):
    """A role for one person, named by their account."""

    person: Short
    role: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    valid_from: Day
    valid_to: Day | None = None
    scope: Short = "*"


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


@router.post("/buyers/{siret}/roles", status_code=201, responses=writes())
def grant_role(who: Known, key: Key, siret: Annotated[SiretText, Path()], form: RoleForm) -> Answer:
    """Give a person a role in a buyer's organisation."""
    command = manage_members.GrantRole(
        buyer=check_siret(siret),
        person=form.person,
        role=form.role,
        valid_from=_date(form.valid_from),
        valid_to=_date(form.valid_to) if form.valid_to else None,
        scope=form.scope,
    )
    who.platform.act(manage_members.grant_role, who.act(key, siret), command)
    return {"siret": siret, "role": form.role}


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadForm("no such date", fields=[{"field": "date", "reason": text}]) from error
