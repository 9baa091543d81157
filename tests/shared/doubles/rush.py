"""The rush before a deadline (H10): clients come when they come, whatever the server has to do.

Arrivals are drawn ahead (Poisson, from a seed), and the time of a deposit runs from the moment at
which its client came: whatever waits, wherever it waits, is counted. Sockets of asyncio, no HTTP
library. Lines are kept; a client repeats what broke, with the same key, until it holds a receipt.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from doubles.crowd import Request, ServerProcess, p99
from doubles.rush_stock import Bid

STEP_S = 20.0
"""How long a client waits for one answer before it takes its line for broken."""
AGAIN_S = (0.1, 0.3)
"""How soon a client comes again after something broke."""
GIVEN_UP_S = 300.0
"""A client that holds no receipt after so long was never answered."""
BROKEN = (OSError, EOFError, TimeoutError)
KeyOf = Callable[[Bid, int], str]


def same_key(bid: Bid, attempt: int) -> str:
    """Return the key of a deposit, the same at every attempt (N3)."""
    return f"deposit-{bid.deposit}"


@dataclass
class Told:
    """What the clients of a rush were told; owned by its event loop."""

    sent: int = 0
    receipts: dict[str, bytes] = field(default_factory=dict)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    """When a client came, as a part of the whole rush, and how long it waited for its receipt."""
    announces: list[tuple[float, float]] = field(default_factory=list)
    """When a client came, and how long the answer to its announce took."""
    refusals: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    """Requests that were on their way when their line broke."""
    cut: int = 0
    """Requests whose client lost its line before the answer."""
    retries: int = 0
    restarts: list[float] = field(default_factory=list)
    peak: int = 0
    """The most memory that one server process ever held, in bytes."""

    def waited(self, begin: float = 0, end: float = 1) -> list[float]:
        """Return how long those waited, in order, who came in this part of the rush."""
        return sorted(seconds for came, seconds in self.seconds if begin <= came <= end)

    def p99(self, begin: float = 0, end: float = 1) -> float:
        """Return how long one in a hundred of them waited at least."""
        return p99(self.waited(begin, end))

    def slowest(self, begin: float = 0, end: float = 1) -> float:
        """Return how long the slowest of them waited; one without a receipt is none."""
        return self.waited(begin, end)[-1]

    def announced(self, begin: float = 0, end: float = 1) -> float:
        """Return how long one in a hundred waited at least for the answer to an announce."""
        return p99([seconds for came, seconds in self.announces if begin <= came <= end])


class Refused(Exception):
    """An answer that no repetition would change."""


class Cut(ConnectionError):
    """The client has lost its line, after it had sent everything."""


@dataclass(frozen=True)
class Answer:
    """One answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """One connection, used by one client at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, request: Request) -> None:
        """Send one request."""
        self.writer.write(request.head() + request.body)
        await self.writer.drain()

    async def ask(self, request: Request) -> Answer:
        """Send one request and read its answer."""
        await self.send(request)
        top = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rows = top[:-4].split("\r\n")
        headers = {name.lower(): text for name, _, text in (row.partition(": ") for row in rows)}
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            body = await self._pieces()
        return Answer(int(first.split()[1]), headers, body)

    async def _pieces(self) -> bytes:
        """Read a body of unknown length."""
        found = b""
        while size := int(await self.reader.readline() or b"0", 16):
            found += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return found

    def close(self) -> None:
        """End the line."""
        self.writer.close()


class Lines:
    """Kept connections to one server."""

    def __init__(self, port: int, told: Told) -> None:
        self._port = port
        self._told = told
        self._idle: list[Line] = []

    async def ask(self, request: Request, *, cut: bool = False) -> Answer:
        """Ask on a kept line, or on a new one; ``cut``: lose it before the answer."""
        line = await self._line()
        if cut:
            await line.send(request)
            self._told.cut += 1
            line.close()
            raise Cut
        try:
            async with asyncio.timeout(STEP_S):
                answer = await line.ask(request)
        except BROKEN:
            self._told.broken += 1
            line.close()
            raise
        if answer.headers.get("connection") == "close":
            line.close()
        else:
            self._idle.append(line)
        return answer

    async def _line(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if not line.reader.at_eof():
                return line
            line.close()
        return Line(*await asyncio.open_connection("127.0.0.1", self._port))

    def close(self) -> None:
        """End the lines that nobody uses."""
        while self._idle:
            self._idle.pop().close()


class Rush:
    """One rush against one server.

    ``kills``: when it is killed, as parts of the whole time; ``cuts``: which part of the clients
    loses its line once, before an answer.
    """

    def __init__(
        self,
        server: ServerProcess,
        *,
        rate: float,
        seed: int,
        kills: Sequence[float] = (),
        cuts: float = 0,
        key_of: KeyOf = same_key,
    ) -> None:
        self._server = server
        self._rate = rate
        self._kills = kills
        self._cuts = cuts
        self._key_of = key_of
        self._chance = random.Random(seed)
        self.told = Told()
        self._lines = Lines(server.port, self.told)

    def run(self, bids: Sequence[Bid]) -> Told:
        """Let a client come for each envelope; return once each was answered, or gave up."""
        asyncio.run(self._run(bids))
        self.told.peak = max(self.told.peak, self._server.peak())
        return self.told

    async def _run(self, bids: Sequence[Bid]) -> None:
        gaps = [self._chance.expovariate(self._rate) for _ in bids]
        comings = list(itertools.accumulate(gaps))
        self.told.sent = len(bids)
        self._begun, self._whole = asyncio.get_running_loop().time(), comings[-1]
        killing = asyncio.create_task(self._kill())
        clients = []
        for bid, coming in zip(bids, comings, strict=True):
            await self._until(coming)
            clients.append(asyncio.create_task(self._client(bid, coming)))
        await asyncio.gather(*clients, killing)
        self._lines.close()

    def _now(self) -> float:
        """Return the seconds since the rush began."""
        return asyncio.get_running_loop().time() - self._begun

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(moment - self._now())

    async def _kill(self) -> None:
        for part in self._kills:
            await self._until(part * self._whole)
            self.told.peak = max(self.told.peak, self._server.peak())
            killed = self._now()
            await asyncio.to_thread(self._server.strike)
            self.told.restarts.append(self._now() - killed)

    async def _client(self, bid: Bid, came: float) -> None:
        cut = self._chance.randrange(3) if self._chance.random() < self._cuts else None
        for attempt in itertools.count():
            try:
                key = self._key_of(bid, attempt)
                answer = await self._deposit(bid, key, came / self._whole, cut)
            except BROKEN:
                answer = self._chance.uniform(*AGAIN_S)
            except Refused as refusal:
                self.told.refusals[bid.deposit] = str(refusal)
                return
            if isinstance(answer, bytes):
                self.told.receipts[bid.deposit] = answer
                self.told.seconds.append((came / self._whole, self._now() - came))
                return
            if self._now() - came > GIVEN_UP_S:
                return
            self.told.retries += 1
            cut = None
            await asyncio.sleep(answer)

    async def _deposit(self, bid: Bid, key: str, came: float, cut: int | None) -> bytes | float:
        """Send a deposit from its announce on; return the receipt, or when to come again.

        ``cut``: at which step the client loses its line.
        """
        asked = self._now()
        answer = await self._lines.ask(bid.announce(key), cut=cut == 0)
        if (later := told_later(answer)) is not None:
            return later
        self.told.announces.append((came, self._now() - asked))
        name = str(json.loads(answer.body)["transmission"])
        answer = await self._lines.ask(bid.announce_head(name), cut=cut == 1)
        if (later := told_later(answer)) is not None:
            return later
        for request in bid.chunks(name):
            answer = await self._lines.ask(request, cut=cut == 2)
            if (later := told_later(answer)) is not None:
                return later
        return str(json.loads(answer.body)["receipt"]).encode()


def told_later(answer: Answer) -> float | None:
    """Return after how many seconds to come again, None for a good answer; raise Refused."""
    if answer.status in {200, 201}:
        return None
    if answer.status in {429, 503}:
        return float(answer.headers.get("retry-after", "1"))
    raise Refused(f"{answer.status} {answer.body[:200].decode(errors='replace')}")
