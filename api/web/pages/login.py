"""Sign in, prove again who one is, sign out: by password, passkey or identity provider.

Works without a script but for passkeys. A refusal says nothing about what was wrong with it.
"""

from __future__ import annotations

from functools import partial

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from webauthn import base64url_to_bytes

from api.adapters.oidc import Asked, Identity, NoProvider, Provider
from api.entrance import OIDC, PASSKEY, Visitor
from api.errors import LoginLimited, LoginRefused, PasskeyRefused
from api.web.pages.forms import (
    Door,
    Sent,
    address_of,
    go,
    go_by_script,
    on_site,
    options,
    token,
)
from api.web.rendering import Renderer

AGAIN, LOGIN = "again", "login"


def pages(door: Door, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)
    for part in (_password, _passkey, _provider, _out):
        part(made, door, render)
    return made


def show(
    door: Door, render: Renderer, request: Request, status: int = 200, **values: object
) -> HTMLResponse:
    """Answer with the ways to sign in, bound to this browser."""
    browser = door.browser(request)
    shown = {"next": "/account", "refused": False, "again": False} | values
    provider = door.entrance.provider is not None
    answer = render.page(
        request, "login.html", status, csrf=token(browser), provider=provider, **shown
    )
    door.remember(answer, browser)
    return answer


def _password(made: APIRouter, door: Door, render: Renderer) -> None:
    entrance = door.entrance
    form = partial(show, door, render)

    @made.get("/login", response_class=HTMLResponse)
    def sign_in(request: Request, next: str = "/account") -> HTMLResponse:  # noqa: A002
        """Ask who the reader is."""
        return form(request, next=on_site(next))

    @made.post("/login", response_class=HTMLResponse)
    def signed_in(request: Request, sent: Sent = Depends(door.of_browser)) -> Response:  # noqa: B008
        """Let in whoever gives address and password of one account."""
        following = on_site(sent.text("next"))
        try:
            secret = entrance.by_password(
                sent.text("email"), sent.text("password"), address_of(request)
            )
        except LoginRefused as refusal:
            door.note(request, refusal)
            return form(request, 403, next=following, refused=True)
        except LoginLimited as limit:
            answer = form(request, 429, next=following, refused=True, wait=limit.retry_after)
            answer.headers["Retry-After"] = str(limit.retry_after)
            return answer
        return door.enter(request, go(following), secret)

    @made.get("/login/again", response_class=HTMLResponse)
    def prove_again(
        request: Request,
        next: str = "/account",  # noqa: A002
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> HTMLResponse:
        """Ask a signed-in reader to prove again who they are."""
        return form(request, next=on_site(next), again=True, email=reader.person.email)

    @made.post("/login/again", response_class=HTMLResponse)
    def proven_again(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_browser),  # noqa: B008
    ) -> Response:
        """Take a password as a new proof."""
        email, following = reader.person.email, on_site(sent.text("next"))
        try:
            person = entrance.password_again(reader, sent.text("password"))
        except LoginRefused as refusal:
            door.note(request, refusal)
            return form(request, 403, next=following, again=True, email=email, refused=True)
        return door.let_in(go(following), entrance.prove(reader, person, "password"))


def _passkey(made: APIRouter, door: Door, _render: Renderer) -> None:
    entrance = door.entrance

    @made.post("/login/passkey/options")
    def passkey_asked(request: Request, sent: Sent = Depends(door.of_browser)) -> Response:  # noqa: B008
        """Ask the browser for a passkey of this platform."""
        return options(entrance.begin_passkey(sent.secret, address_of(request)))

    @made.post("/login/passkey")
    def passkey_answered(request: Request, sent: Sent = Depends(door.of_browser)) -> Response:  # noqa: B008
        """Let in whoever's passkey answered."""
        key_id, answer = credential(sent)
        secret = entrance.by_passkey(sent.secret, key_id, answer)
        following = on_site(str(sent.answer.get("next", "")))
        return door.enter(request, go_by_script(following), secret)

    @made.post("/login/again/passkey")
    def passkey_again(
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_browser),  # noqa: B008
    ) -> Response:
        """Take a passkey as a new proof."""
        key_id, answer = credential(sent)
        person = entrance.checked_passkey(sent.secret, key_id, answer)
        secret = entrance.prove(reader, person, PASSKEY)
        return door.let_in(go_by_script(on_site(str(sent.answer.get("next", "")))), secret)


def _provider(made: APIRouter, door: Door, _render: Renderer) -> None:
    entrance = door.entrance

    @made.get("/login/oidc")
    def provider_asked(request: Request, next: str = "/account") -> Response:  # noqa: A002
        """Send the reader to the identity provider."""
        entrance.limits.count("login begun from an address", address_of(request))
        return to_provider(door, request, f"{LOGIN} {on_site(next)}")

    @made.get("/login/oidc/return")
    def provider_answered(request: Request) -> Response:
        """Let in whoever the provider vouches for; or take that proof for what was begun."""
        purpose, identity = from_provider(door, request)
        kind, _, argument = purpose.partition(" ")
        if kind == LOGIN:
            secret = entrance.by_identity(identity)
            return door.enter(request, go(on_site(argument)), secret)
        if kind == AGAIN:
            reader = door.reader(request)
            known = entrance.platform.accounts.people.by_identity(identity.issuer, identity.subject)
            secret = entrance.prove(reader, known or "", OIDC, identity.id_token)
            return door.let_in(go(on_site(argument)), secret)
        from api.web.pages.invitation import accepted_by_identity

        return accepted_by_identity(door, request, argument, identity)

    @made.get("/login/again/oidc")
    def provider_again(
        request: Request,
        next: str = "/account",  # noqa: A002
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> Response:
        """Let the identity provider prove it again."""
        return to_provider(door, request, f"{AGAIN} {on_site(next)}", again=True)


def _out(made: APIRouter, door: Door, render: Renderer) -> None:
    entrance = door.entrance

    @made.post("/logout", response_class=HTMLResponse)
    def sign_out(
        request: Request,
        reader: Visitor = Depends(door.reader),  # noqa: B008
        sent: Sent = Depends(door.of_session),  # noqa: B008
    ) -> Response:
        """End this session; offer to end the provider's own too."""
        entrance.platform.accounts.sessions.end(reader.session)
        request.state.visitor = None
        held = reader.session.id_token
        away = None
        if held is not None and entrance.provider is not None:
            origin = entrance.platform.settings.origin
            away = entrance.provider.farewell(held, f"{origin}/login")
        if away is None:
            return door.let_out(go("/login"))
        answer = render.page(request, "signed_out.html", away=away)
        # a form may lead nowhere but here (CSP), so the page that answers it leads on
        answer.headers["Refresh"] = f"0;url={away}"
        return door.let_out(answer)


def credential(sent: Sent) -> tuple[bytes, str]:
    """Return id and text of an authenticator's answer, or raise PasskeyRefused."""
    answer = sent.answer.get("credential")
    if not isinstance(answer, dict) or not isinstance(answer.get("rawId"), str):
        raise PasskeyRefused("no credential")
    try:
        return base64url_to_bytes(answer["rawId"]), orjson.dumps(answer).decode()
    except ValueError as error:
        raise PasskeyRefused("no credential") from error


def to_provider(door: Door, request: Request, purpose: str, *, again: bool = False) -> Response:
    """Begin a login at the identity provider; what must come back is kept for this browser."""
    entrance = door.entrance
    provider = provider_of(door)
    browser, now = door.browser(request), entrance.platform.now()
    draw = entrance.platform.desk.rng.bytes
    secrets = {name: draw(32).hex() for name in ("state", "nonce", "verifier")}
    asked = Asked(**secrets, proven_after=now.isoformat() if again else "")
    address = provider.address(asked)
    entrance.platform.accounts.sessions.await_answer(
        browser, OIDC, purpose, vars(asked).copy(), now
    )
    answer = go(address)
    door.remember(answer, browser)
    return answer


def from_provider(door: Door, request: Request) -> tuple[str, Identity]:
    """Return what was begun and who came back; raise for an answer that nobody here asked for."""
    provider = provider_of(door)
    entrance = door.entrance
    begun = entrance.platform.accounts.sessions.take_answer(
        door.browser(request), OIDC, entrance.platform.now()
    )
    if begun is None:
        raise LoginRefused("this browser began no login, or too long ago")
    purpose, secrets = begun
    return purpose, provider.identity(dict(request.query_params), Asked(**secrets))


def provider_of(door: Door) -> Provider:
    """Return the identity provider, or raise NoProvider."""
    if door.entrance.provider is None:
        raise NoProvider("no identity provider is configured")
    return door.entrance.provider
