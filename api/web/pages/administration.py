"""Administration of one's own organisation: who holds what, and the acts that change it.

Works without a script. A form tells every fault beside its field and keeps what was entered, also
over a new proof of identity (T19); what cannot be undone is confirmed on a page of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api.entrance import Visitor
from api.errors import Absent, ApiError, BadForm
from api.permissions import PAGES
from api.web.administration import overview
from api.web.administration.acts import Form, faults_of
from api.web.administration.buyers import BUYER_FORMS
from api.web.administration.committees import COMMITTEE_FORMS
from api.web.administration.decisions import DECISION_FORMS
from api.web.administration.desk import DESK_FORMS
from api.web.administration.fields import Entered, Fault, Faulty
from api.web.administration.incidents import INCIDENT
from api.web.administration.registrations import INVITATION, REGISTRATIONS, invite
from api.web.administration.seated import HOME, Seated, seated
from api.web.pages import departure, desk, evidence, powers, refused
from api.web.pages.forms import Door, Sent, go, token
from api.web.rendering import Renderer
from api.web.words import N_
from domain.errors import DomainError, NotAllowed
from domain.identifiers import HEX32

FORMS = (
    INVITATION,
    *BUYER_FORMS,
    *COMMITTEE_FORMS,
    *REGISTRATIONS,
    INCIDENT,
    *DESK_FORMS,
    *DECISION_FORMS,
)
KEPT = "administration"
ONCE, SURE = "once", "sure"
NOT_SURE = N_("Recopiez le SIRET de votre organisation pour confirmer.")


@dataclass(frozen=True)
class Asking:
    """What one answer with a form says beside its questions."""

    status: int = 200
    faults: Mapping[str, Fault] | None = None
    refused: str = ""
    sure: bool = False
    link: str = ""
    told: str = ""
    kept: bool = False


def pages(door: Door, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)
    _overview(made, door, render)
    powers.page(made, door, render)
    refused.page(made, door, render)
    evidence.page(made, door, render)
    desk.page(made, door, render)
    departure.page(made, door)
    for form in FORMS:
        _form(made, door, render, form)
    return made


def told(name: str) -> str:
    """Return what is said once an act is done, "" for a name that is none."""
    return next((form.done for form in FORMS if form.name == name), "")


def _overview(made: APIRouter, door: Door, render: Renderer) -> None:
    @made.get(HOME, response_class=HTMLResponse)
    def administration(
        request: Request,
        done: str = "",
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Show the organisation of the reader's seat and the acts that they may do."""
        who = seated(door.entrance, reader)
        if who is None:
            return render.page(request, "administration_none.html", 403)
        return render.page(
            request,
            "administration.html",
            200,
            me=who,
            done=told(done),
            forms=sorted(filter(lambda form: form.offered(who), FORMS), key=lambda form: form.sure),
            pages=[
                *(
                    (part.PATH, part.TITLE)
                    for part in (powers, refused, evidence)
                    if who.mark(part.PATH) in part.MARKS
                ),
                *desk.offered(who),
            ],
            shown=overview.rows(who),
            alerts=evidence.alerts(who),
        )


def _form(made: APIRouter, door: Door, render: Renderer, form: Form) -> None:
    def admitted(reader: Visitor) -> Seated:
        who = seated(door.entrance, reader)
        if who is None:
            raise Absent
        who.require(form.path, form.marks)
        if not form.allows(who):
            raise NotAllowed(who.role, PAGES[form.path].act)
        return who

    def ask(
        request: Request, who: Seated, values: Mapping[str, str], asking: Asking
    ) -> HTMLResponse:
        random = door.entrance.platform.desk.rng
        once = values.get(ONCE, "")
        return render.page(
            request,
            "administration_form.html",
            asking.status,
            form=form,
            fields=form.asks(who),
            values=values,
            once=once if HEX32.fullmatch(once) else random.bytes(16).hex(),
            csrf=token(who.reader.secret),
            fresh=who.fresh or not form.fresh,
            asking=asking,
        )

    def show(
        request: Request,
        done: str = "",
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Ask for one act; what was entered before a new proof of identity is there again."""
        who = admitted(reader)
        kept = _taken(who, form) if who.fresh else None
        asked = {one.name for one in form.asks(who)}
        given = {name: text for name, text in request.query_params.items() if name in asked}
        asking = Asking(kept=kept is not None, told=told(done))
        return ask(request, who, given if kept is None else kept, asking)

    def record(
        request: Request,
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> Response:
        """Record the act, or say beside which field it is refused."""
        who = admitted(reader)
        if form.fresh and not who.fresh:
            _keep(who, form, sent.fields)
            return go(f"/login/again?next={form.path}")
        return _recorded(who, form, sent, lambda asking: ask(request, who, sent.fields, asking))

    name = form.name
    made.add_api_route(form.path, show, methods=["GET"], name=name, response_class=HTMLResponse)
    made.add_api_route(form.path, record, methods=["POST"], name=name, response_class=HTMLResponse)


def _recorded(
    who: Seated, form: Form, sent: Sent, ask: Callable[[Asking], HTMLResponse]
) -> Response:
    asked = form.asks(who)
    entered = Entered(sent.fields, asked)
    try:
        if form is INVITATION:
            return ask(Asking(201, link=invite(who, entered)))
        if form.sure and sent.text(SURE) != who.org:
            return _unsure(entered, sent, ask)
        once = sent.text(ONCE)
        if not HEX32.fullmatch(once):
            raise BadForm("the form carries no number")
        form.records(who, who.caller.act(once, form.need(who, entered)), entered)
    except Faulty as faulty:
        return ask(Asking(422, faulty.faults))
    except (DomainError, ApiError) as refusal:
        found = faults_of(refusal, form, asked)
        if found is not None:
            return ask(Asking(422, found.faults))
        return ask(Asking(409, refused=refusal.code))
    return go(f"{form.following}?done={form.name}")


def _unsure(entered: Entered, sent: Sent, ask: Callable[[Asking], HTMLResponse]) -> Response:
    """Ask whether somebody really wants what cannot be undone; nothing is recorded yet."""
    entered.check_all()
    if sent.text(SURE):
        return ask(Asking(422, {SURE: Fault(NOT_SURE)}, sure=True))
    return ask(Asking(sure=True))


def _keep(who: Seated, form: Form, values: Mapping[str, str]) -> None:
    """Keep what was entered for as long as a new proof of identity may take."""
    sessions, now = who.platform.accounts.sessions, who.platform.now()
    sessions.await_answer(who.reader.session.session_id, KEPT, form.name, dict(values), now)


def _taken(who: Seated, form: Form) -> Mapping[str, str] | None:
    """Return what was entered in this form before a new proof of identity, once."""
    sessions, now = who.platform.accounts.sessions, who.platform.now()
    found = sessions.take_answer(who.reader.session.session_id, KEPT, now)
    return found[1] if found is not None and found[0] == form.name else None
