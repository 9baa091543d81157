"""The register of the desk, and the backup copies that the buyer may know, with their grounds.

The desk reads what it wrote down itself. The buyer reads nothing of a copy before the plan of its
lots (N11); from then on each stands with its ground, or with what the record says against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from api import copies
from api.entrance import Visitor
from api.errors import Absent
from api.web.administration.decisions import DECISION_FORMS
from api.web.administration.desk import COPIES, DESK_FORMS, REGISTER, own_consultations
from api.web.administration.seated import Seated, seated
from api.web.pages.forms import Door
from api.web.rendering import Renderer
from api.web.words import N_
from domain.events.backup_copy import Medium

MAYBE = ("seal_no", "ground", "evidence", "set_aside", "code")
"""What a row may lack."""
PAGES = (
    (REGISTER, N_("Registre du guichet")),
    (COPIES, N_("Copies de sauvegarde")),
)


def page(made: APIRouter, door: Door, render: Renderer) -> None:
    """Add both pages."""

    @made.get(REGISTER, response_class=HTMLResponse)
    def register(
        request: Request,
        done: str = "",
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Show what the desk wrote down, one consultation after the other."""
        who = _admitted(door, reader, REGISTER)
        registers = []
        for one in own_consultations(who):
            told = copies.at_the_desk(who.platform, one.name)
            if told["backup_copies"] or told["items"]:
                registers.append((one, _dated(told["backup_copies"]), _dated(told["items"])))
        return render.page(
            request, "administration_register.html", registers=registers, done=_told(done)
        )

    @made.get(COPIES, response_class=HTMLResponse)
    def known(
        request: Request,
        done: str = "",
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Show the copies whose lots have their plan."""
        who = _admitted(door, reader, COPIES)
        found = [(one, _dated(copies.known(who.platform, one))) for one in own_consultations(who)]
        return render.page(
            request,
            "administration_copies.html",
            consultations=[(one, told) for one, told in found if told],
            done=_told(done),
        )


def offered(who: Seated) -> list[tuple[str, str]]:
    """Return the pages of this file that the reader may open, with their titles."""
    return [(path, title) for path, title in PAGES if who.mark(path) is not None]


def _dated(rows: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return rows with the instant from which on they may have come: a desk writes minutes."""
    found = []
    for row in rows:
        at = datetime.fromisoformat(str(row["received_at"]))
        doubt = 0 if row.get("medium") == Medium.ELECTRONIC else row.get("uncertainty_ms", 0)
        since = at - timedelta(milliseconds=int(str(doubt)))
        found.append({**dict.fromkeys(MAYBE, ""), **row, "received_at": since})
    return found


def _told(name: str) -> str:
    return next((form.done for form in (*DESK_FORMS, *DECISION_FORMS) if form.name == name), "")


def _admitted(door: Door, reader: Visitor, path: str) -> Seated:
    who = seated(door.entrance, reader)
    if who is None:
        raise Absent
    who.require(path)
    return who
