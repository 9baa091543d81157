"""The platform's own health: its state for everybody, evidence for the seated, incidents of PA."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from api import health
from api.auth import Here, Known
from api.forms import RECORDABLE, Form, LocalHour, instant, written
from api.idempotency import Key
from api.openapi import reads, writes
from api.strict import StrictRoute
from domain.clock import LEGAL_ZONE, LegalHour
from domain.commands import declare_incident as incidents

router = APIRouter(prefix="/api/v1/health", tags=["health"], route_class=StrictRoute)

Answer = dict[str, object]
Zone = Annotated[str, Query(max_length=60, json_schema_extra={"format": "time-zone"})]
HOUR = {"format": "legal-hour"}


class IncidentForm(Form):
    """From when, until when once it is known, what failed and why."""

    start: LocalHour
    end: LocalHour | None = None
    scope: Literal["PLATFORM", "DEPOSIT", "DOWNLOAD", "LOGIN", "PAGES"] = "PLATFORM"
    cause: Annotated[
        str,
        Field(min_length=1, max_length=400, json_schema_extra=RECORDABLE),
        AfterValidator(written),
    ]


@router.get("", responses=reads(401))
def read_health(here: Here) -> Answer:
    """Say how the platform is now, and where its deposit probes failed in the last 24 hours."""
    return health.shown(health.state(here))


@router.get("/evidence", responses=reads(401, 403))
def read_health_evidence(
    who: Known,
    start: Annotated[str, Query(alias="from", max_length=40, json_schema_extra=HOUR)],
    end: Annotated[str, Query(alias="to", max_length=40, json_schema_extra=HOUR)],
    zone: Zone = LEGAL_ZONE,
) -> Answer:
    """Say whether the platform was able to receive in a window, and prove it."""
    asked = health.window(LegalHour.written(start, zone).at, LegalHour.written(end, zone).at)
    whole = who.platform.may_read_entries(who.principal)
    return health.evidence(health.log_of(who.platform), asked, whole=whole)


@router.post("/incidents", status_code=201, responses=writes())
def declare_incident(who: Known, key: Key, form: IncidentForm) -> Answer:
    """Declare an incident, or with the same beginning and scope its end; buyers are told."""
    command = incidents.DeclareIncident(
        from_at=form.start.legal().at,
        scope=form.scope,
        cause=form.cause,
        to_at=instant(form.end),
    )
    told = partial(incidents.declare_incident, alerted=who.platform.index.awaited())
    who.platform.act(told, who.act(key, "health"), command)
    return health.shown(health.state(who.platform))
