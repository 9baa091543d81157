"""Forged requests are refused before any route (T19): same origin, and the token of the page.

A browser sends its cookies with requests that other sites make it send. So a request that may
change something and carries a session's cookie must come from a page of this origin (``Origin``,
``Sec-Fetch-Site``) and bear the token which only such a page knows: in the header ``Pli-CSRF`` for
the JSON interface, in the form for pages (``api/web/pages/forms.py``). A bearer token is no cookie:
no other site can make a browser send it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request

from api import errors
from api.sessions import check_forgery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from api.guards import App, Receive, Scope, Send

HEADER = "pli-csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
INTERFACE = "/api/"
LONGEST = 200


def session_cookie(secure: bool) -> str:
    """Return the name of the session's cookie; plain HTTP cannot carry the prefix."""
    return "__Host-pli" if secure else "pli"


def browser_cookie(secure: bool) -> str:
    """Return the name of the cookie that ties a login to the browser which began it."""
    return "__Host-pli-login" if secure else "pli-login"


def cookie(request: Request, name: str) -> str | None:
    """Return a cookie, None where it is absent or no secret of ours."""
    found = request.cookies.get(name, "")
    return found if found and len(found) <= LONGEST else None


def keep(answer: Response, name: str, secret: str, *, secure: bool, seconds: int) -> None:
    """Give a browser a secret that no script reads and no other site makes it use."""
    answer.set_cookie(
        name, secret, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )


def forget(answer: Response, name: str, *, secure: bool) -> None:
    """Take a cookie back."""
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


class ForgeryGuard:
    """Refuses what may be another site's request with our reader's cookie; pure ASGI."""

    def __init__(
        self,
        app: App,
        *,
        secure: bool,
        origin: str | None,
        noted: Callable[[Scope, errors.Forged], None],
        language: str = "fr",
    ) -> None:
        self.app = app
        self.noted = noted
        self.secure = secure
        self.origin = origin
        self.language = language
        self.names = (session_cookie(secure), browser_cookie(secure))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 in its place."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            self._check(request)
        except errors.Forged as error:
            self.noted(scope, error)
            await self._refuse(request, send, error)
            return
        await self.app(scope, receive, send)

    def _check(self, request: Request) -> None:
        session, browser = (cookie(request, name) for name in self.names)
        bearer = request.headers.get("authorization", "").lower().startswith("bearer ")
        if bearer or not (session or browser):
            return
        self._check_origin(request.headers)
        given = request.headers.get(HEADER, "")
        if session and request.url.path.startswith(INTERFACE) and not check_forgery(session, given):
            raise errors.Forged("the token of the page is absent or another session's")

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """Return if a page of ours sent it: what the browser says of it, both or either."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            raise errors.Forged("another site sent it")
        # pages say no-referrer, for which browsers write "null" as the origin of a form
        if origin in {None, "null"}:
            if site is None:
                raise errors.Forged("nothing says which site sent it")
            return
        expected = self.origin or f"{'https' if self.secure else 'http'}://{headers.get('host')}"
        if origin != expected:
            raise errors.Forged("another site sent it")

    async def _refuse(self, request: Request, send: Send, error: errors.Forged) -> None:
        language = errors.language_of(request.headers.get("accept-language"), self.language)
        status, body = errors.problem(error, language)
        kind = [(b"content-type", errors.MEDIA_TYPE.encode())]
        await send({"type": "http.response.start", "status": status, "headers": kind})
        await send({"type": "http.response.body", "body": orjson.dumps(body)})
