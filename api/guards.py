"""Guards before any route: body limits and the minimum rate; pure ASGI, no buffering.

Nothing here logs or counts requests: deposit routes leave no trace but events (rule N11).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from api import errors

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_LIMIT = 1_048_576
HEAD_LIMIT = 8 + 65_536
CHUNK_LIMIT = 1_048_576 + 16
CREDIT_WINDOWS = 3
"""How many windows of silence a fast sender may save up: a mobile line is not a slow client."""


class BodyGuard:
    """Cut bodies that are larger than their route reads, or slower than the minimum rate.

    A cut body looks to the route like a lost connection: what it does then (a stall is an event)
    is one path for both. The answer, if the route gave none, says why.
    """

    def __init__(  # noqa: PLR0913 - the bounds of one application
        self,
        app: App,
        *,
        window_s: float,
        rate: int,
        dossier_limit: int,
        language: str = "fr",
        limit: int = JSON_LIMIT,
    ) -> None:
        self.app = app
        self.limit = limit
        self.window_s = window_s
        self.rate = rate
        self.language = language
        self.limits: list[tuple[re.Pattern[str], int]] = [
            (re.compile(r"^/api/v1/transmissions/[^/]+/head$"), HEAD_LIMIT),
            (re.compile(r"^/api/v1/transmissions/[^/]+/chunks/[^/]+$"), CHUNK_LIMIT),
            (re.compile(r"^/api/v1/consultations/[^/]+/dossier/files/.+$"), dossier_limit),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on behind a metered ``receive``."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(str(scope["path"]))
        if _declared(scope) > limit:
            await refuse(scope, send, errors.TooLarge("body", limit=limit), self.language)
            return
        meter = _Meter(receive, limit, self.window_s, self.rate)
        scope["pli.meter"] = meter
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        await self.app(scope, meter.receive, noted)
        if meter.refusal is not None and not started:
            await refuse(scope, send, meter.refusal, self.language)

    def _limit(self, path: str) -> int:
        return next((size for pattern, size in self.limits if pattern.match(path)), self.limit)


async def refuse(scope: Scope, send: Send, error: errors.ApiError, language: str) -> None:
    """Answer in the place of the application, and end the line: what comes on it is not read."""
    accept = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    status, body = errors.problem(error, errors.language_of(accept, language))
    headers = [(b"content-type", errors.MEDIA_TYPE.encode()), (b"connection", b"close")]
    headers += [
        (name.lower().encode(), value.encode())
        for name, value in errors.headers_of(status, error).items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


def refusal_of(scope: Scope) -> errors.ApiError | None:
    """Return why the body of this request was cut, None where it was not."""
    meter = scope.get("pli.meter")
    refused = scope.get("pli.refusal")
    if isinstance(refused, errors.ApiError):
        return refused
    return meter.refusal if isinstance(meter, _Meter) else None


class _Meter:
    """Counts one body; owned by one request's task, shared with nobody.

    Patience is a bucket of seconds: a whole window at first, waiting takes from it, each byte gives
    back what it takes at the minimum rate. A fast sender may so fall silent for a while; one that
    never was fast is cut after one window. Only waiting for the client counts.
    """

    def __init__(self, receive: Receive, limit: int, window_s: float, rate: int) -> None:
        self._receive = receive
        self._limit = limit
        self._window_s = window_s
        self._rate = rate
        self._total = 0
        self._patience = window_s
        self._done = False
        self.refusal: errors.ApiError | None = None

    async def receive(self) -> Message:
        """Return the next message; a refused body ends as a lost connection."""
        if self._done:
            return await self._receive()
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._patience, 0.001))
        except TimeoutError:
            return self._cut(errors.TooSlow("too slow", rate=self._rate))
        self._count(len(message.get("body", b"")), clock() - asked)
        self._done = not message.get("more_body", False)
        if self._total > self._limit:
            return self._cut(errors.TooLarge("body", limit=self._limit))
        return message

    def _count(self, size: int, waited: float) -> None:
        self._total += size
        earned = size / self._rate if self._rate else self._window_s
        most = self._window_s * (1 + CREDIT_WINDOWS)
        self._patience = min(self._patience - waited + earned, most)

    def _cut(self, error: errors.ApiError) -> Message:
        self.refusal = error
        return {"type": "http.disconnect"}


def body_expected(scope: Scope) -> bool:
    """Say whether a body comes with this request."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _declared(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0
