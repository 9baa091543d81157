"""Who is served now, who waits, who comes again: deposits before everything else (T24).

Reads and acts share the threads of the process with deposits, so they may hold only some of them;
more of them wait in a queue that is bounded too, and what does not fit there is told to come again
(503, Retry-After). Deposits wait for nobody. A place is held until the answer begins: whoever
reads an answer slowly keeps nobody out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api import errors
from api.forgery import SAFE
from api.guards import App, Message, Receive, Scope, Send, body_expected, refuse
from api.rates import Rates, Row, address_of, class_of, table

PATIENCE_S = 10
"""How long a request waits for its place."""
FREE = 65_536
"""Bytes of a body that nobody counts: no honest form is larger, for no entry is."""
LARGE = 64
"""Larger bodies of acts that may come at once: memory is bounded before anybody is known."""


class _Places:
    """The places of one class, for one event loop."""

    def __init__(self, row: Row) -> None:
        self._free = asyncio.Semaphore(row.running)
        self._waiting = 0
        self._most = row.waiting

    async def take(self) -> None:
        """Return once a place is ours, else raise Busy."""
        if not self._free.locked():
            await self._free.acquire()  # at once: nobody runs between the question and this line
            return
        if self._waiting >= self._most:
            raise errors.Busy("every place is taken")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._free.acquire(), PATIENCE_S)
        except TimeoutError:
            raise errors.Busy("no place came free") from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """Let the next one in."""
        self._free.release()


class Admission:
    """Bounds what runs and what waits, and how often one address asks."""

    def __init__(
        self, app: App, *, rates: Rates, proxies: frozenset[str] = frozenset(), language: str = "fr"
    ) -> None:
        self.app = app
        self.rates = rates
        self.proxies = proxies
        self.language = language
        self.places: dict[str, _Places] = {}
        self.large = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on once it has its place."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        row = class_of(scope["method"], scope["path"])
        scope["pli.address"] = address_of(scope, self.proxies)
        visit = _Visit(self, row, scope, receive)
        try:
            self.rates.address(row, scope["pli.address"])
            # nobody reads the body of a read: one that is declared all the same opens no way around
            if scope["method"] in SAFE or not body_expected(scope):
                await visit.enter()
            await self.app(scope, visit.receive, visit.sending(send))
        except errors.ApiError as error:
            if visit.started:
                raise
            await refuse(scope, send, error, self.language)
        finally:
            visit.leave()

    def of(self, row: Row) -> _Places:
        """Return the places of a class."""
        if row.name not in self.places:
            self.places[row.name] = _Places(row)
        return self.places[row.name]


class _Visit:
    """One request on its way; owned by its task."""

    def __init__(self, admission: Admission, row: Row, scope: Scope, receive: Receive) -> None:
        self._admission = admission
        self._row = row
        self._scope = scope
        self._receive = receive
        self._size = 0
        self._large = False
        self._inside = False
        self.started = False

    async def enter(self) -> None:
        """Take a place of the class, once."""
        if not self._inside:
            await self._admission.of(self._row).take()
            self._inside = True

    def leave(self) -> None:
        """Give back what is held."""
        if self._inside:
            self._inside = False
            self._admission.of(self._row).give_back()
        if self._large:
            self._large = False
            self._admission.large -= 1

    async def receive(self) -> Message:
        """Return the next part; with the last one the request takes its place."""
        message = await self._receive()
        if message["type"] != "http.request" or self._row.name in DEPOSITS or self.started:
            return message
        self._size += len(message.get("body", b""))
        try:
            self._count()
            if not message.get("more_body", False):
                await self.enter()
        except errors.Busy as busy:
            self._scope["pli.refusal"] = busy
            return {"type": "http.disconnect"}
        return message

    def sending(self, send: Send) -> Callable[[Message], Awaitable[None]]:
        """Return the way out: with the answer's beginning the place is free again."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.started = True
                self.leave()
            await send(message)

        return sent

    def _count(self) -> None:
        if self._size <= FREE or self._large:
            return
        if self._admission.large >= LARGE:
            raise errors.Busy("too many large bodies")
        self._admission.large += 1
        self._large = True


DEPOSITS = frozenset(row.name for row in table() if row.waiting == 0)
"""Classes that wait for nobody."""
