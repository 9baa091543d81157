"""Response headers of every route and page (``stack.md`` §8, T18): strict, whoever answers.

Pages may load what is their own and nothing else; an answer that is no page runs and loads nothing.
What a principal sees is kept by no shared cache. An error of ours is answered inside, so that it
carries the same headers as everything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.guards import App, Message, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
WORKER_CSP = CSP.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
"""For the sealing worker alone: WebAssembly needs the word, and no text becomes a script by it."""
DATA_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SANDBOXED = f"{DATA_CSP}; sandbox"
"""For answers that are no page: a browser that shows them all the same runs nothing of them."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
HSTS = ("strict-transport-security", "max-age=63072000; includeSubDomains")
# text/css and scripts are fetched by pages, whose own policy governs them
PAGES = ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")
OWN_COOKIES = frozenset({"pli_lang"})
"""Cookies that say nothing of who asks."""
CACHE = b"cache-control"


class ResponseHeaders:
    """Put the security headers on every response which does not set its own."""

    def __init__(self, app: App, *, secure: bool = False) -> None:
        self.app = app
        added = [*HEADERS.items(), *([HSTS] if secure else [])]
        self.headers = [(name.encode(), value.encode()) for name, value in added]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the headers of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        known = _is_known(scope)

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [(name.lower(), value) for name, value in message.get("headers", ())]
                message = {**message, "headers": self._completed(given, known=known)}
            await send(message)

        await self.app(scope, receive, completed)

    def _completed(
        self, given: list[tuple[bytes, bytes]], *, known: bool
    ) -> list[tuple[bytes, bytes]]:
        found = dict(given)
        policy = _policy(found.get(b"content-type", b"").decode("latin-1"))
        wanted = [(b"content-security-policy", policy.encode()), *self.headers]
        kept = [(name, value) for name, value in given if name != CACHE]
        cache = _cache(found.get(CACHE, b"").decode("latin-1"), known=known)
        missing = [(name, value) for name, value in wanted if name not in found]
        return [*kept, (CACHE, cache.encode()), *missing]


def _policy(content_type: str) -> str:
    return CSP if content_type.startswith(PAGES) else SANDBOXED


def _cache(given: str, *, known: bool) -> str:
    """Return how an answer may be kept: what somebody in particular was told, by nobody else.

    A route that says ``public`` speaks of bytes that are the same for everybody.
    """
    if not given:
        return "private, no-store" if known else "no-cache"
    if known and not given.startswith(("public", "private")):
        return f"private, {given}"
    return given


def _is_known(scope: Scope) -> bool:
    """Say whether the request carries anything that says who asks."""
    headers = dict(scope["headers"])
    if b"authorization" in headers:
        return True
    cookies = headers.get(b"cookie", b"").decode("latin-1").split(";")
    return any(pair.split("=")[0].strip() not in {*OWN_COOKIES, ""} for pair in cookies)


Answered = Callable[["Scope", Exception], Awaitable["App"]]


class Unexpected:
    """Answer for an error of ours from inside the guards, so that headers and limits hold for it.

    Nothing is raised further: the server behind would answer a second time, in its own way.
    """

    def __init__(self, app: App, *, answer: Answered) -> None:
        self.app = app
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what it raises becomes the problem of an error of the platform."""
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            response = await self.answer(scope, error)
            if not started:
                await response(scope, receive, send)
