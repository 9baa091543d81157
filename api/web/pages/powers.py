"""Who could do what, at any hour: the answer is computed from the entries of the organisation.

What was recorded later changes no answer (domain.md §4.1). Each line names the entry on which it
rests, by its number in the organisation's stream and its leaf, which any copy of the log proves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from api.entrance import Visitor
from api.errors import Absent
from api.web.administration.fields import Entered, Fault, Faulty, Field, Option
from api.web.administration.overview import Held, held
from api.web.administration.seated import HOME, Seated, seated
from api.web.pages.forms import Door
from api.web.rendering import Renderer
from api.web.words import ACTS, N_
from domain.clock import instant_text

PATH = f"{HOME}/powers"
TITLE = N_("Qui pouvait quoi, à une heure donnée")
MARKS = SEEN = frozenset({"tenant"})
OPENING = "open envelopes"


@dataclass(frozen=True)
class Answered:
    """Who could do an act at an instant."""

    at: datetime
    act: str
    held: list[Held]
    address: str


def page(made: APIRouter, door: Door, render: Renderer) -> None:
    """Add the page."""

    @made.get(PATH, response_class=HTMLResponse)
    def powers(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Answer who could do an act at a legal date and hour."""
        who = seated(door.entrance, reader)
        if who is None:
            raise Absent
        who.require(PATH, SEEN)
        values, fields = dict(request.query_params), asked(who)
        faults: dict[str, Fault] = {}
        found = None
        if values.keys() & {"day", "hour", "act"}:
            try:
                found = answered(who, Entered(values, fields))
            except Faulty as faulty:
                faults = dict(faulty.faults)
        return render.page(
            request,
            "administration_powers.html",
            422 if faults else 200,
            fields=fields,
            values=values,
            faults=faults,
            found=found,
        )


def asked(who: Seated) -> list[Field]:
    """Return the questions of the page."""
    acts = [Option(code, text, word=True) for code, text in ACTS.items()]
    return [
        Field("act", N_("Acte"), "select", options=acts, default=OPENING),
        Field("day", N_("Jour"), "date", default=who.today.isoformat()),
        Field("hour", N_("Heure légale (Paris)"), "time", default="12:00"),
    ]


def answered(who: Seated, entered: Entered) -> Answered:
    """Return the answer, or raise Faulty."""
    act, at = entered.chosen("act"), entered.hour("day", "hour")
    entered.check()
    instant = at.astimezone(UTC)
    may = who.platform.desk.law.roles.acts[act]
    grants = [] if who.buyer is None else who.buyer.in_force(instant)
    rows = [held(who, one) for one in grants if one.role in may]
    query = urlencode({"at": instant_text(instant), "act": act})
    return Answered(instant, act, rows, f"/api/v1/buyers/{who.org}/roles?{query}")
