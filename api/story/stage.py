"""Where the story is played: one platform in its home, reached only through its HTTP interface.

No port is opened: calls go to the application object in this process (docs/adr/0004). Tokens are
made as ``pli token create`` makes them. Every POST has a key made of the story's name and the act.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from domain.buyer import Buyer

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi import FastAPI
    from httpx2 import AsyncClient, Response

    from api.platform import Platform

TOKEN_DAYS = 2
WAIT_S = 0.1
BASE = "http://pli.localhost"
ALREADY_THERE = "object.exists"


class ActFailed(Exception):
    """An act of the story was answered otherwise than the story expects."""

    code = "story.act-failed"

    def __init__(self, act: str, status: int, answer: str) -> None:
        super().__init__(f"{act}: {status} {answer[:400]}")
        self.act = act
        self.status = status


@dataclass
class Stage:
    """The platform, its application, and the people who call it."""

    name: str
    platform: Platform
    app: FastAPI
    http: AsyncClient
    say: Callable[[str], None]
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def token(self, org: str, role: str) -> str:
        """Return the token of a role in an organisation, made at its first use."""
        if (org, role) not in self.tokens:
            desk = self.platform.desk
            now = desk.clock.now().latest
            owner = self._holder(org, role, now)
            secret, _ = self.platform.accounts.create(
                org, role, TOKEN_DAYS, now, desk.rng.bytes, owner=owner
            )
            self.tokens[org, role] = secret
        return self.tokens[org, role]

    def _holder(self, org: str, role: str, now: datetime) -> str | None:
        """Return who holds this role already: the officer of a performance that was interrupted."""
        desk = self.platform.desk
        buyer = desk.files.find(Buyer, f"buyer/{org}")
        holders = buyer.holders(role, now) if buyer is not None else ()
        return next((name for one in holders if (name := desk.subjects.reveal(one))), None)

    def headers(self, org: str, role: str, act: str | None = None) -> dict[str, str]:
        """Return the headers of a call; with ``act``, also its idempotency key."""
        made = {"Authorization": f"Bearer {self.token(org, role)}", "Accept-Language": "fr"}
        if act is not None:
            made["Idempotency-Key"] = f"{self.name}:{act}"[:128]
        return made

    async def get(self, path: str, org: str | None = None, role: str = "CY") -> Any:  # noqa: ANN401
        """Return the JSON answer of a read."""
        headers = self.headers(org, role) if org else {}
        return self.expect(path, await self.http.get(path, headers=headers), 200).json()

    async def act(
        self, who: tuple[str, str], act: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Do one act that must succeed and return its JSON answer."""
        answer = await self.attempt(who, act, path, body)
        return self.expect(act, answer, 200, 201).json()

    async def establish(
        self, who: tuple[str, str], act: str, path: str, body: Mapping[str, Any]
    ) -> None:
        """Bring about what outlives a story: an earlier one that was cut short may have done it."""
        answer = await self.attempt(who, act, path, body)
        if answer.status_code != 409 or answer.json().get("code") != ALREADY_THERE:
            self.expect(act, answer, 201)

    async def attempt(
        self, who: tuple[str, str], act: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        """Do one act and return whatever was answered."""
        return await self.http.post(path, json=body, headers=self.headers(*who, act))

    @staticmethod
    def expect(act: str, answer: Response, *statuses: int) -> Response:
        """Return the answer if its status is one of these, else raise ActFailed."""
        if answer.status_code not in statuses:
            raise ActFailed(act, answer.status_code, answer.text)
        return answer

    async def until(self, what: str, done: Callable[[], bool], within_s: float) -> None:
        """Wait for something that another thread brings about; raise ActFailed when it does not.

        This is real waiting on the real platform: nothing is signalled to a client over HTTP.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not await asyncio.to_thread(done):
            if loop.time() > end:
                raise ActFailed(what, 0, f"not within {within_s} s")
            await asyncio.sleep(WAIT_S)

    async def broken_off(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send the beginning of a body and break the connection: what a cut line looks like."""
        sent: Iterator[dict[str, Any]] = iter(
            [
                {"type": "http.request", "body": body, "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive() -> dict[str, Any]:
            return next(sent, {"type": "http.disconnect"})

        async def send(_: Mapping[str, Any]) -> None:
            return

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "PUT",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("pli.localhost", 80),
        }
        await self.app(scope, receive, send)


@asynccontextmanager
async def stage(
    name: str, platform: Platform, app: FastAPI, say: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """Open the stage over a started platform, and close its client at the end."""
    from httpx2 import ASGITransport, AsyncClient

    transport = ASGITransport(app=app)
    async with AsyncClient(transport=transport, base_url=BASE, timeout=120) as http:
        yield Stage(name, platform, app, http, say)
