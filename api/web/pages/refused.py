"""Refused accesses to one's own organisation, as a page and as a file for a spreadsheet.

What a company tried is in neither: before the opening nobody may learn who prepares a bid (N11).
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import refusals
from api.downloads import disposition
from api.entrance import Visitor
from api.errors import Absent
from api.scope import Scope
from api.spreadsheets import written
from api.web.administration.seated import HOME, Seated, seated
from api.web.pages.forms import Door
from api.web.rendering import Renderer
from api.web.words import N_

PATH = f"{HOME}/refusals"
FILE = f"{HOME}/refusals.csv"
TITLE = N_("Accès refusés")
COLUMNS = ("hour", "count", "operation", "status", "code", "role", "org", "caller", "tenant")
SHOWN = 200
MARKS = LISTED = frozenset({"tenant"})


def page(made: APIRouter, door: Door, render: Renderer) -> None:
    """Add the page and its file."""

    @made.get(PATH, response_class=HTMLResponse)
    def listed(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """List refused accesses, the newest first."""
        found = rows(_admitted(door, reader))
        return render.page(
            request,
            "administration_refusals.html",
            rows=list(reversed(found))[:SHOWN],
            count=len(found),
            file=FILE,
        )

    @made.get(FILE)
    def exported(reader: Visitor = Depends(door.reader)) -> Response:  # noqa: B008
        """Give all of them as a file, the oldest first."""
        text = written(COLUMNS, rows(_admitted(door, reader)))
        headers = disposition("acces-refuses.csv") | {"Cache-Control": "no-store"}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def rows(who: Seated) -> list[dict[str, object]]:
    """Return the refused accesses that the caller may read, the oldest first."""
    found, _ = Scope(who.platform, who.principal).refusals()
    return [dict.fromkeys(COLUMNS, "") | refusals.shown(row) for row in found]


def _admitted(door: Door, reader: Visitor) -> Seated:
    who = seated(door.entrance, reader)
    if who is None:
        raise Absent
    who.require(PATH, LISTED)
    return who
