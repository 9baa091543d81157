"""Forms of signed-in and signing-in readers: each is bound to the browser that asked for it (T19).

A form of the account carries the token of its session; a form of the entrance carries the token of
the cookie which that page set. Without the right token nothing is read further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.responses import Response

from api import forgery
from api.entrance import Entrance, Visitor
from api.errors import BadForm, Forged, LoginRequired, LoginTooOld, code_of, text_of
from api.refusals import note_stranger
from api.sessions import CEREMONY, check_forgery, forgery_token

LONGEST = 4_096
MOST_FIELDS = 20


@dataclass(frozen=True)
class Sent:
    """What a checked form or script sent, and the secret of the cookie that it is bound to."""

    fields: Mapping[str, str]
    answer: Mapping[str, Any]
    secret: str

    def text(self, name: str) -> str:
        """Return a field, empty where it is absent."""
        return self.fields.get(name, "")


class Door:
    """What account and entrance pages do with requests: cookies in, cookies out."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance
        self.secure = entrance.platform.settings.secure
        self.session_cookie = forgery.session_cookie(self.secure)
        self.browser_cookie = forgery.browser_cookie(self.secure)

    def visitor(self, request: Request) -> Visitor | None:
        """Return who reads, None for nobody."""
        secret = forgery.cookie(request, self.session_cookie)
        if secret is None:
            return None
        if not hasattr(request.state, "visitor"):
            try:
                request.state.visitor = self.entrance.visitor(secret)
            except LoginRequired:
                request.state.visitor = None
        found: Visitor | None = request.state.visitor
        return found

    def reader(self, request: Request) -> Visitor:
        """Return who reads; raise LoginRequired for anybody else."""
        found = self.visitor(request)
        if found is None:
            raise LoginRequired("this page is for signed-in readers")
        return found

    def fresh(self, request: Request) -> Visitor:
        """Return who reads, if they proved lately who they are; else raise LoginTooOld."""
        found = self.reader(request)
        if not self.entrance.fresh(found.session):
            raise LoginTooOld("prove again who you are")
        return found

    def strong(self, request: Request) -> Visitor:
        """Return who reads, if their proof is fresh and enough for their role; else raise."""
        found = self.fresh(request)
        self.entrance.check_strong(found.session)
        return found

    async def of_session(self, request: Request) -> Sent:
        """Read a form of the account; raise Forged without the token of its session."""
        return await self._sent(request, self.session_cookie)

    async def of_browser(self, request: Request) -> Sent:
        """Read a form of the entrance; raise Forged without the token of its cookie."""
        return await self._sent(request, self.browser_cookie)

    def browser(self, request: Request) -> str:
        """Return the secret that ties a login to this browser, a new one where it has none."""
        found = forgery.cookie(request, self.browser_cookie)
        return found or self.entrance.platform.desk.rng.bytes(32).hex()

    def remember(self, answer: Response, browser: str) -> None:
        """Give the browser this secret; the page with its token is kept by nobody."""
        answer.headers["Cache-Control"] = "no-store"
        seconds = int(CEREMONY.total_seconds())
        forgery.keep(answer, self.browser_cookie, browser, secure=self.secure, seconds=seconds)

    def note(self, request: Request, error: BaseException) -> None:
        """Keep in the book of refused accesses what a page refuses a stranger."""
        code, asked = code_of(error), str(request.scope["route"].path)
        whence = str(request.scope.get("pli.address", ""))
        note_stranger(self.entrance.platform, asked, text_of(code).status, code, whence)

    def of_link(self, request: Request) -> None:
        """Return quietly if a page of ours gave this browser the link; else raise Forged."""
        secret = forgery.cookie(request, self.browser_cookie)
        _check_token(secret, request.query_params.get("csrf", ""))

    def enter(self, request: Request, answer: Response, secret: str) -> Response:
        """Give the browser a new session; the one that it still has ends."""
        held = self.visitor(request)
        if held is not None:
            self.entrance.platform.accounts.sessions.end(held.session)
        return self.let_in(answer, secret)

    def let_in(self, answer: Response, secret: str) -> Response:
        """Give the browser its session, and take back what the login needed."""
        seconds = int(self.entrance.bounds.absolute.total_seconds())
        forgery.keep(answer, self.session_cookie, secret, secure=self.secure, seconds=seconds)
        forgery.forget(answer, self.browser_cookie, secure=self.secure)
        return answer

    def let_out(self, answer: Response) -> Response:
        """Take the session back."""
        forgery.forget(answer, self.session_cookie, secure=self.secure)
        return answer

    async def _sent(self, request: Request, name: str) -> Sent:
        secret = forgery.cookie(request, name)
        given = request.headers.get(forgery.HEADER, "")
        fields: dict[str, str] = {}
        answer: Mapping[str, Any] = {}
        if request.headers.get("content-type", "").startswith("application/json"):
            answer = await _json(request) if secret and check_forgery(secret, given) else {}
        else:
            fields = await _form(request)
            given = fields.pop("csrf", "")
        return Sent(fields, answer, _check_token(secret, given))


def _check_token(secret: str | None, given: str) -> str:
    """Return the secret of a cookie once a page that knows it is proven to have sent this."""
    if secret is None or not check_forgery(secret, given):
        raise Forged("the token of the page is absent or another's")
    return secret


def token(secret: str) -> str:
    """Return what a page prints into its forms."""
    return forgery_token(secret)


def address_of(request: Request) -> str:
    """Return the address that a request came from, as the server was told."""
    told = request.scope.get("pli.address") or (request.client.host if request.client else "")
    return str(told)


def on_site(following: str) -> str:
    """Return a path of this site to go on to; anything else leads to the account."""
    plain = following.startswith("/") and not following.startswith(("//", "/\\"))
    return following if plain and following.isprintable() and "\\" not in following else "/account"


def go(address: str) -> RedirectResponse:
    """Send a browser on by GET."""
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def go_first(request: Request, address: str) -> Response:
    """Send a reader elsewhere before this; a script is told, and goes there itself."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse({"next": address}, 401, headers={"Cache-Control": "no-store"})
    return go(address)


def go_by_script(address: str) -> JSONResponse:
    """Tell a script where its page goes on."""
    return JSONResponse({"next": address}, headers={"Cache-Control": "no-store"})


def options(text: str) -> Response:
    """Answer a script with options for the authenticator."""
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _form(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=LONGEST) as form:
        return {
            name: value
            for name, value in form.multi_items()
            if isinstance(value, str) and len(value) <= LONGEST
        }


async def _json(request: Request) -> Mapping[str, Any]:
    try:
        found = await request.json()
    except (ValueError, RecursionError) as error:
        raise BadForm("no JSON") from error
    if not isinstance(found, dict):
        raise BadForm("no JSON object")
    return found
