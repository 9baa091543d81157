"""An invitation: the person who was given a link chooses how they will prove who they are."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from api import passwords
from api.adapters.oidc import Identity
from api.entrance import OIDC, PASSKEY, Visitor
from api.errors import PasswordRefused
from api.people import Person
from api.web.pages.forms import Door, Sent, address_of, go, go_by_script, options, token
from api.web.pages.login import credential, to_provider
from api.web.rendering import Renderer

INVITATION = "invitation"
LABEL = "1"


def pages(door: Door, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)
    entrance = door.entrance
    people = entrance.platform.accounts.people

    def form(request: Request, secret: str, status: int = 200, **values: object) -> HTMLResponse:
        found = entrance.invitation(secret, address_of(request))
        browser, reader = door.browser(request), door.visitor(request)
        answer = render.page(
            request,
            "invitation.html",
            status,
            invitation=found,
            at=f"/invitation/{secret}",
            csrf=token(browser),
            session_csrf="" if reader is None else token(reader.secret),
            provider=entrance.provider is not None,
            **({"weak": False} | values),
        )
        door.remember(answer, browser)
        return answer

    @made.get("/invitation/{secret}", response_class=HTMLResponse)
    def invited(request: Request, secret: str) -> HTMLResponse:
        """Show which seat waits, and the ways to take it; nothing is used up by looking."""
        return form(request, secret)

    @made.post("/invitation/{secret}", response_class=HTMLResponse)
    def accepted(request: Request, secret: str, sent: Sent = Depends(door.of_browser)) -> Response:  # noqa: B008
        """Take the seat with a new password."""
        found = entrance.invitation(secret, address_of(request))
        try:
            password = passwords.check_new(
                sent.text("password"), entrance.newcomer(found), entrance.breached
            )
        except PasswordRefused:
            return form(request, secret, 422, weak=True)
        kept = passwords.hash_password(password)

        def bind(person: Person, now: datetime) -> None:
            people.keep_password(person.person, kept, now)

        person = entrance.accept(found, bind)
        return door.enter(request, go("/account"), entrance.enter(person.person, "password"))

    @made.post("/invitation/{secret}/seat", response_class=HTMLResponse)
    def seat_added(
        request: Request,
        secret: str,
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """Add the seat to the account of whoever is signed in."""
        found = entrance.invitation(secret, address_of(request))
        entrance.add_seat(found, reader.person)
        return go("/account")

    @made.post("/invitation/{secret}/passkey/options")
    def passkey_asked(
        request: Request,
        secret: str,
        sent: Sent = Depends(door.of_browser),  # noqa: B008
    ) -> Response:
        """Ask the browser for a new passkey."""
        found = entrance.invitation(secret, address_of(request))
        person = entrance.newcomer(found)
        return options(entrance.begin_registration(sent.secret, person, found.invitation_id))

    @made.post("/invitation/{secret}/passkey")
    def passkey_made(
        request: Request,
        secret: str,
        sent: Sent = Depends(door.of_browser),  # noqa: B008
    ) -> Response:
        """Take the seat with a new passkey."""
        found = entrance.invitation(secret, address_of(request))
        _, answer = credential(sent)
        key = entrance.registered(
            sent.secret, answer, found.invitation_id, entrance.newcomer(found), LABEL
        )
        person = entrance.accept(found, lambda _person, _now: people.add_passkey(key))
        return door.enter(request, go_by_script("/account"), entrance.enter(person.person, PASSKEY))

    @made.get("/invitation/{secret}/oidc")
    def provider_asked(request: Request, secret: str) -> Response:
        """Send the invited person to the provider, from the page only: it binds who they are."""
        entrance.invitation(secret, address_of(request))
        door.of_link(request)
        return to_provider(door, request, f"{INVITATION} {secret}")

    return made


def accepted_by_identity(door: Door, request: Request, link: str, identity: Identity) -> Response:
    """Take the seat with an identity of the provider: the first login binds it to the account."""
    entrance = door.entrance
    people = entrance.platform.accounts.people
    found = entrance.invitation(link, address_of(request))

    def bind(person: Person, now: datetime) -> None:
        people.bind_identity(person.person, identity.issuer, identity.subject, now)

    person = entrance.accept(found, bind)
    return door.enter(
        request, go("/account"), entrance.enter(person.person, OIDC, identity.id_token)
    )
