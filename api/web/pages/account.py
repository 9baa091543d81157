"""The account of a signed-in person: seats, sessions, password, passkeys, tokens, invitations.

What changes how one comes in asks for a fresh proof of identity first.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

from api import passwords
from api.accounts import SCOPES
from api.entrance import Visitor
from api.errors import BadForm, EmailRefused, LoginRefused, NotAllowed, PasswordRefused
from api.web.pages.forms import Door, Sent, go, go_by_script, options, token
from api.web.pages.login import credential
from api.web.rendering import Renderer
from domain.errors import BadForm as BadText
from domain.errors import BadSiret, DomainError
from domain.identifiers import check_siret, check_text
from domain.ports import Principal
from domain.tenure import COMPANY

LONGEST_LABEL = 60
LONGEST_NAME = 120
TOKEN_DAYS = (1, 7, 30, 90, 365)
REGISTRATION = "account"


def pages(door: Door, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)
    for part in (_overview, _proofs, _tokens, _invitations):
        part(made, door, render)
    return made


def show(
    door: Door,
    render: Renderer,
    request: Request,
    reader: Visitor,
    status: int = 200,
    **values: object,
) -> HTMLResponse:
    """Answer with the account of a reader."""
    entrance, accounts = door.entrance, door.entrance.platform.accounts
    now, seat = entrance.platform.now(), reader.seat
    strong = entrance.strong(reader.session)
    person = reader.person.person
    administers = entrance.platform.desk.law.roles.administers
    shown: dict[str, object] = {
        "wrong": None,
        "new_token": None,
        "new_link": None,
        "sessions": accounts.sessions.of(person, now, entrance.bounds),
        "passkeys": [(bytes_to_base64url(k.key_id), k) for k in accounts.people.passkeys(person)],
        "has_password": accounts.people.password(person) is not None,
        "asks_current": entrance.asks_current(reader),
        "identities": accounts.people.identities(person),
        "tokens": [one for one in accounts.of(person) if one.expires_at > now],
        "scopes": SCOPES,
        "token_days": TOKEN_DAYS,
        "may_give": sorted(administers.get(seat.role, ())) if seat and strong else [],
        "invitations": accounts.invitations.of(seat.org, person, now, company=seat.role == COMPANY)
        if seat and strong
        else [],
        "fresh": entrance.fresh(reader.session),
        "strong": strong,
        "csrf": token(reader.secret),
    }
    return render.page(request, "account.html", status, reader=reader, **(shown | values))


def _overview(made: APIRouter, door: Door, render: Renderer) -> None:
    entrance = door.entrance
    sessions = entrance.platform.accounts.sessions

    @made.get("/account", response_class=HTMLResponse)
    def account(request: Request, reader: Visitor = Depends(door.reader)) -> HTMLResponse:  # noqa: B008
        """Show one's own account."""
        return show(door, render, request, reader)

    @made.post("/account/seat")
    def take_seat(
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """Act in another seat from now on."""
        org, _, role = sent.text("seat").partition(" ")
        return door.let_in(go("/account"), entrance.take_seat(reader, org, role))

    @made.post("/account/sessions/end")
    def end_sessions(
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """End one of one's sessions, or all the others."""
        person = reader.person.person
        if sent.text("session"):
            sessions.end_one(person, sent.text("session"))
        else:
            sessions.end_all(person, but=reader.session.session_id)
        return go("/account")


def _proofs(made: APIRouter, door: Door, render: Renderer) -> None:
    entrance = door.entrance
    people = entrance.platform.accounts.people

    @made.post("/account/password", response_class=HTMLResponse)
    def new_password(
        request: Request,
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.fresh),  # noqa: B008
    ) -> Response:
        """Keep a new password, and end every other session; the one in force is asked for first."""
        if entrance.asks_current(reader):
            try:
                entrance.password_again(reader, sent.text("current"))
            except LoginRefused as refusal:
                door.note(request, refusal)
                return show(door, render, request, reader, 403, wrong="current")
        try:
            password = passwords.check_new(sent.text("password"), reader.person, entrance.breached)
        except PasswordRefused:
            return show(door, render, request, reader, 422, wrong="password")
        person = reader.person.person
        people.keep_password(person, passwords.hash_password(password), entrance.platform.now())
        entrance.platform.accounts.sessions.end_all(person, but=reader.session.session_id)
        return go("/account")

    @made.post("/account/passkeys/options")
    def passkey_asked(
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.fresh),  # noqa: B008
    ) -> Response:
        """Ask the browser for a new passkey."""
        return options(entrance.begin_registration(sent.secret, reader.person, REGISTRATION))

    @made.post("/account/passkeys")
    def passkey_made(
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.fresh),  # noqa: B008
    ) -> Response:
        """Keep a new passkey."""
        _, answer = credential(sent)
        label = str(sent.answer.get("label", "")).strip()[:LONGEST_LABEL] or "1"
        people.add_passkey(
            entrance.registered(sent.secret, answer, REGISTRATION, reader.person, label)
        )
        return go_by_script("/account")

    @made.post("/account/passkeys/remove")
    def passkey_removed(
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.fresh),  # noqa: B008
    ) -> Response:
        """Forget a passkey."""
        try:
            key_id = base64url_to_bytes(sent.text("passkey"))
        except ValueError as error:
            raise BadForm("no passkey") from error
        entrance.forget_passkey(reader.person, key_id)
        return go("/account")


def _tokens(made: APIRouter, door: Door, render: Renderer) -> None:
    accounts = door.entrance.platform.accounts
    platform = door.entrance.platform

    @made.post("/account/tokens", response_class=HTMLResponse)
    def new_token(
        request: Request,
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.strong),  # noqa: B008
    ) -> Response:
        """Make a token for the seat of this session, and show it this once."""
        seat, days = reader.seat, sent.text("days")
        scopes = [scope for scope in SCOPES if sent.text(f"scope-{scope}")]
        if seat is None or not scopes or days not in map(str, TOKEN_DAYS):
            return show(door, render, request, reader, 422, wrong="token")
        secret, _ = accounts.create(
            seat.org,
            seat.role,
            int(days),
            platform.now(),
            platform.desk.rng.bytes,
            owner=reader.person.person,
            scopes=scopes,
            label=sent.text("label").strip()[:LONGEST_LABEL],
        )
        return show(door, render, request, reader, 201, new_token=secret)

    @made.post("/account/tokens/revoke")
    def revoke_token(
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """End one of one's tokens at once."""
        accounts.revoke(sent.text("token"), reader.person.person)
        return go("/account")


def _invitations(made: APIRouter, door: Door, render: Renderer) -> None:
    entrance = door.entrance
    platform = entrance.platform

    @made.post("/account/invitations", response_class=HTMLResponse)
    def invite(
        request: Request,
        sent: Sent = Depends(door.of_session),  # noqa: B008
        reader: Visitor = Depends(door.strong),  # noqa: B008
    ) -> Response:
        """Invite a person for a seat, and show the link this once."""
        seat = reader.seat
        if seat is None:
            raise NotAllowed("no seat")
        host = Principal(seat.org, seat.role, reader.person.person, reader.session.method)
        try:
            given = sent.text("org").replace(" ", "")
            org = check_siret(given) if given else seat.org
            name = check_text("name", sent.text("name").strip(), LONGEST_NAME)
            entrance.may_invite(host, org, sent.text("role"))
            secret, _ = platform.accounts.invitations.create(
                (org, sent.text("role")),
                sent.text("email"),
                name,
                platform.now(),
                platform.desk.rng.bytes,
                host=host,
            )
        except (BadSiret, BadText, EmailRefused, DomainError) as refusal:
            return show(door, render, request, reader, 422, wrong=refusal.code)
        link = f"{platform.settings.origin}/invitation/{secret}"
        return show(door, render, request, reader, 201, new_link=link)

    @made.post("/account/invitations/withdraw")
    def withdraw(
        reader: Visitor = Depends(door.strong),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """Take back an invitation into one's organisation."""
        seat = reader.seat
        if seat is not None and platform.desk.law.roles.administers.get(seat.role):
            person = reader.person.person
            platform.accounts.invitations.withdraw(
                seat.org, person, sent.text("invitation"), company=seat.role == COMPANY
            )
        return go("/account")
