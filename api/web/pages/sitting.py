"""The opening of a lot, conducted from a page: called, attended, planned, opened; and what came.

Works without a script, by keyboard alone. Whoever asks to open before the hour is refused in plain
words, and the refusal is an entry of the ledger, as for any other way to ask (``envelope.md`` §14).
Before the plan the page is the same for 0 and for many deposits (N11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import ceremonies, openings, views
from api.entrance import Visitor
from api.errors import Absent, ApiError, BadForm, code_of, text_of
from api.permissions import CONVENING
from api.scope import Scope
from api.web.administration.seated import Seated, seated
from api.web.pages.forms import Door, Sent, go, token
from api.web.rendering import Renderer
from api.web.words import N_
from domain.commands import fix_opening_plan as plans
from domain.commands import open_envelopes as opening
from domain.commands.hold_ceremony import check_unneeded
from domain.consultation import Consultation
from domain.errors import DomainError, KeysetNeeded
from domain.events.opening import Capacity
from domain.identifiers import HEX32
from domain.ports import Act
from domain.scanning import NoScanner

PATH = "/consultations/{name}/opening/{lot}/session"
MOST_MEMBERS = 50
SHOWN = 200
"""Documents listed on the page; the interface lists all."""
DONE: Mapping[str, str] = {
    "convene": N_("La séance est convoquée."),
    "present": N_("La présence est constatée."),
    "plan": N_("Le plan d'ouverture est arrêté."),
    "open": N_("Les plis du plan ont été traités."),
    "scan": N_("Les documents ont été analysés de nouveau."),
    "retire": N_("La destruction des parts de clé est demandée, et inscrite au registre."),
}
FRESH = frozenset({"plan", "open", "retire"})
"""What asks for a fresh proof of identity (T19)."""


@dataclass(frozen=True)
class Sitting:
    """One lot's session in the hands of an officer of its buyer."""

    who: Seated
    found: Consultation
    lot: str

    @property
    def scope(self) -> Scope:
        """What the officer reaches."""
        return Scope(self.who.platform, self.who.principal)

    def act(self, name: str, once: str, sent: Sent) -> None:
        """Do one act of the session, or raise what the rules say."""
        act = self.who.caller.act(once, self.found.name)
        ACTS[name](self, act, sent)


def pages(door: Door, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get(PATH, response_class=HTMLResponse)
    def conduct(
        request: Request,
        name: str,
        lot: str,
        done: str = "",
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Show how far the session is, and what comes next."""
        sitting = _sitting(door, reader, name, lot)
        return _page(render, request, sitting, told=DONE.get(done, ""))

    @made.post(PATH, response_class=HTMLResponse)
    def act(
        request: Request,
        name: str,
        lot: str,
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> Response:
        """Do one act, or say in plain words why not."""
        sitting = _sitting(door, reader, name, lot)
        here = PATH.format(name=name, lot=lot)
        wanted, once = sent.text("act"), sent.text("once")
        if wanted not in ACTS or not HEX32.fullmatch(once):
            raise BadForm("the form names no act")
        if wanted in FRESH and not sitting.who.fresh:
            return go(f"/login/again?next={here}")
        try:
            sitting.act(wanted, once, sent)
        except (DomainError, ApiError) as refusal:
            return _page(render, request, sitting, refusal=refusal)
        return go(f"{here}?done={wanted}")

    return made


def _sitting(door: Door, reader: Visitor, name: str, lot: str) -> Sitting:
    """Return the session of a lot of the reader's own organisation; anything else is absent."""
    who = seated(door.entrance, reader)
    if who is None:
        raise Absent
    Scope(who.platform, who.principal).own(name)
    found = views.found_consultation(who.platform, name)
    if lot not in found.lot_names() or not found.deadlines:
        raise Absent
    who.platform.desk.law.roles.require(who.role, CONVENING)
    return Sitting(who, found, lot)


def _page(
    render: Renderer,
    request: Request,
    sitting: Sitting,
    told: str = "",
    refusal: Exception | None = None,
) -> HTMLResponse:
    platform = sitting.who.platform
    shown = sitting.scope.opening(sitting.found.name, sitting.lot)
    code = code_of(refusal) if refusal is not None else ""
    return render.page(
        request,
        "sitting.html",
        text_of(code).status if code else 200,
        one=views.consultation(platform, sitting.found.name),
        lot=sitting.lot,
        session=shown,
        opens_at=sitting.found.opens_at(),
        deadline=sitting.found.deadline,
        early=platform.desk.clock.now().earliest <= sitting.found.opens_at(),
        opened=_opened(sitting, shown),
        keys=_keys(sitting),
        org=sitting.who.org,
        code=code,
        text=text_of(code) if code else None,
        told=told,
        scans=not isinstance(platform.desk.scanner, NoScanner),
        csrf=token(sitting.who.reader.secret),
        once=platform.desk.rng.bytes(16).hex(),
        capacities=[one.value for one in Capacity],
        hour=datetime.fromisoformat,
    )


def _keys(sitting: Sitting) -> Mapping[str, object]:
    """Return whose shares are destroyed and whose are not, once no lot waits for them."""
    desk = sitting.who.platform.desk
    try:
        check_unneeded(desk, sitting.found)
    except KeysetNeeded:
        return {}
    return ceremonies.retired(sitting.who.platform, sitting.found.name)


def _opened(sitting: Sitting, shown: Mapping[str, object]) -> list[dict[str, object]]:
    """Return what the plans of this lot opened, with their documents."""
    outcomes = shown.get("outcomes")
    found: list[dict[str, object]] = []
    for row in outcomes if isinstance(outcomes, list) else []:
        listed: object = []
        if row.get("event") == "EnvelopeOpened":
            listed = openings.documents(sitting.who.platform, row["deposit"])["documents"]
        rows = listed if isinstance(listed, list) else []
        found.append({**row, "documents": rows[:SHOWN], "count": len(rows)})
    return found


def _convene(sitting: Sitting, act: Act, sent: Sent) -> None:
    names = [line.strip() for line in sent.text("members").splitlines()]
    members = tuple(dict.fromkeys(name for name in names if name))
    if len(members) > MOST_MEMBERS:
        raise BadForm("more members than any committee has")
    command = plans.ConveneOpening(sitting.found.name, sitting.lot, members)
    sitting.who.platform.act(plans.convene_opening, act, command)


def _present(sitting: Sitting, act: Act, sent: Sent) -> None:
    capacity = sent.text("capacity")
    if capacity not in set(Capacity):
        raise BadForm("the form names no capacity")
    member = sent.text("member").strip()
    command = plans.RecordPresence(sitting.found.name, sitting.lot, member, Capacity(capacity))
    sitting.who.platform.act(plans.record_presence, act, command)


def _plan(sitting: Sitting, act: Act, _: Sent) -> None:
    sitting.scope.plan(act, sitting.found.name, sitting.lot)


def _open(sitting: Sitting, act: Act, _: Sent) -> None:
    command = opening.OpenEnvelopes(sitting.found.name, sitting.lot)
    sitting.scope.open_plan(act, command)


def _scan(sitting: Sitting, act: Act, sent: Sent) -> None:
    sitting.scope.scan(act, sitting.found.name, sitting.lot, sent.text("deposit"))


def _retire(sitting: Sitting, act: Act, sent: Sent) -> None:
    """Destroy what would open the rest, for ever: whoever asks writes down for which house."""
    if sent.text("sure").strip() != sitting.who.org:
        raise BadForm("the form does not name the organisation")
    sitting.scope.retire_keyset(act, sitting.found.name, sent.text("reason"))


ACTS: Mapping[str, Callable[[Sitting, Act, Sent], None]] = {
    "convene": _convene,
    "present": _present,
    "plan": _plan,
    "open": _open,
    "scan": _scan,
    "retire": _retire,
}
