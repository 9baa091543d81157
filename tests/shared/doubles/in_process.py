"""An HTTP client of a web application in this process, without sockets and without threads.

Starlette's own client starts a thread with an event loop for every request, which costs more than
most requests. Here each thread that asks keeps one loop, and a request runs on it to its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import unquote

import httpx2

Message = MutableMapping[str, Any]
PORTS = {"http": 80, "https": 443}


class _Loop:
    """The event loop of one thread, closed with it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def __del__(self) -> None:
        self.loop.close()


_here = threading.local()


def _loop() -> asyncio.AbstractEventLoop:
    if not hasattr(_here, "kept"):
        _here.kept = _Loop()
    loop: asyncio.AbstractEventLoop = _here.kept.loop
    return loop


def _another_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@cache
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


class _Exchange:
    """One request to an application, and what it answered."""

    def __init__(self, request: httpx2.Request) -> None:
        self.body: bytes | None = request.read()
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.begun = False
        self.ended = asyncio.Event()

    async def receive(self) -> Message:
        if self.body is None:
            await self.ended.wait()
            return {"type": "http.disconnect"}
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self.begun, "an answer begins once"
            self.begun = True
            self.status, self.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            assert self.begun, "an answer has a status before its body"
            assert not self.ended.is_set(), "an answer ends once"
            self.parts.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self.ended.set()


class InProcess(httpx2.BaseTransport):
    """Hands requests to an ASGI application; what it raises is a 500, as a server says it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the whole answer; an answer without an end is an error of the test."""
        exchange = _Exchange(request)
        if _another_loop_runs():  # the browser's, in tests that drive one: a loop of its own thread
            _beside().submit(self._run, request, exchange).result()
        else:
            self._run(request, exchange)
        content = b"" if request.method == "HEAD" else b"".join(exchange.parts)
        return httpx2.Response(
            exchange.status,
            headers=exchange.headers,
            stream=httpx2.ByteStream(content),
            request=request,
        )

    def _run(self, request: httpx2.Request, exchange: _Exchange) -> None:
        _loop().run_until_complete(self._answered(request, exchange))

    async def _answered(self, request: httpx2.Request, exchange: _Exchange) -> None:
        try:
            await self.app(_scope(request), exchange.receive, exchange.send)
        except Exception:
            if exchange.begun:
                raise


def _scope(request: httpx2.Request) -> dict[str, Any]:
    url, named = request.url, request.headers.multi_items()
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.split(b"?", 1)[0],
        "root_path": "",
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in named],
        "client": ("testclient", 50000),
        "server": [url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]],
        "state": {},
    }


class Client(httpx2.Client):
    """A client of an application in this process; follows redirections unless told not to."""

    def __init__(self, app: Any, follow_redirects: bool = True) -> None:
        super().__init__(
            base_url="http://testserver",
            headers={"user-agent": "testclient"},
            transport=InProcess(app),
            follow_redirects=follow_redirects,
        )
