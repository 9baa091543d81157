"""Was the platform able to receive? Evidence over a window, as a page, JSON, CSV and PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import health, health_report
from api.downloads import disposition
from api.entrance import Visitor
from api.errors import Absent
from api.web.administration.fields import Entered, Fault, Faulty, Field
from api.web.administration.seated import HOME, Seated, seated
from api.web.pages.forms import Door
from api.web.rendering import Renderer
from api.web.words import N_
from domain.errors import BadForm
from replay.health import Incident, Window

PATH = f"{HOME}/evidence"
TITLE = N_("Prouver l'état de la plateforme à une heure")
MARKS = frozenset({"see", "declare"})
KINDS: Mapping[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
FIELDS = (
    Field("from_day", N_("Du : jour"), "date"),
    Field("from_hour", N_("Du : heure de Paris"), "time"),
    Field("to_day", N_("Au : jour"), "date"),
    Field("to_hour", N_("Au : heure de Paris"), "time"),
)
BAD_WINDOW = N_("La fin suit le début, de sept jours au plus. Corrigez l'une des deux.")
LATELY = timedelta(hours=24)


def page(made: APIRouter, door: Door, render: Renderer) -> None:
    """Add the page and its files."""

    @made.get(PATH, response_class=HTMLResponse)
    def evidence(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Answer for a window, or ask for one."""
        who = _admitted(door, reader)
        values = dict(request.query_params)
        faults: Mapping[str, Fault] = {}
        found, files = None, []
        if values.keys() & {field.name for field in FIELDS}:
            try:
                found = _found(who, asked(values))
            except Faulty as faulty:
                faults = faulty.faults
            else:
                kept = urlencode({one.name: values[one.name] for one in FIELDS})
                files = [(kind.upper(), f"{PATH}.{kind}?{kept}") for kind in KINDS]
        return render.page(
            request,
            "evidence.html",
            422 if faults else 200,
            fields=FIELDS,
            values=values,
            faults=faults,
            found=found,
            files=files,
        )

    for kind in KINDS:
        _file(made, door, kind)


def _file(made: APIRouter, door: Door, kind: str) -> None:
    @made.get(f"{PATH}.{kind}", name=f"evidence_{kind}")
    def file(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> Response:
        """Give the evidence over a window as a file."""
        who = _admitted(door, reader)
        try:
            found = _found(who, asked(dict(request.query_params)))
        except Faulty as faulty:
            raise BadForm("window", ", ".join(sorted(faulty.faults))) from faulty
        headers = disposition(f"preuve.{kind}") | {"Cache-Control": "no-store"}
        return Response(_written(kind, found), media_type=KINDS[kind], headers=headers)


def asked(values: Mapping[str, str]) -> Window:
    """Return the window that was entered; raise Faulty beside the fields at fault."""
    entered = Entered(values, FIELDS)
    start, end = entered.hour("from_day", "from_hour"), entered.hour("to_day", "to_hour")
    entered.check()
    try:
        return health.window(start, end)
    except BadForm as refusal:
        raise Faulty({"to_day": Fault(BAD_WINDOW)}) from refusal


def alerts(who: Seated) -> list[Incident]:
    """Return the incidents of the last day that a buyer is told of: its consultations were open."""
    index, now = who.platform.index, who.now
    record = index.health()
    mine = {name for name in record.alerted if index.tenant_of(name) == who.org}
    if not mine:
        return []
    lately = Window(now - LATELY, now)
    return [one for one in record.incidents if one.overlaps(lately)]


def _written(kind: str, found: health.Answer) -> bytes | str:
    if kind == "pdf":
        return health_report.pdf(found)
    return health_report.csv_text(found) if kind == "csv" else json.dumps(found, ensure_ascii=False)


def _found(who: Seated, window: Window) -> health.Answer:
    whole = who.platform.may_read_entries(who.principal)
    return health.evidence(health.log_of(who.platform), window, whole=whole)


def _admitted(door: Door, reader: Visitor) -> Seated:
    who = seated(door.entrance, reader)
    if who is None:
        raise Absent
    who.require(PATH, MARKS)
    return who
