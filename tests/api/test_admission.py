"""Who is served, who waits, who comes again: no depositor pays for its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import Bench, shown
from limits import parse

import api.admission
import api.rates
from api.adapters.bodies import Allowance
from api.admission import FREE, LARGE, Admission
from api.errors import TooOften
from api.rates import Rates, Row, address_of, class_of, table

READ, ACT, DEPOSIT = "/api/v1/consultations", "/api/v1/buyers", "/api/v1/transmissions/t/head"


class Slow:
    """An application that answers when it is let, and knows how many it serves at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.go = asyncio.Event()
        self.begun: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "GET":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                raise scope["pli.refusal"]
        self.now += 1
        self.most = max(self.most, self.now)
        self.begun.append(scope["path"])
        await self.go.wait()
        self.now -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Call:
    """One request to an application."""

    def __init__(self, app: Any, method: str, path: str, body: bytes = b"") -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        length = (b"content-length", str(len(body)).encode())
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [length],
            "client": None,
        }
        parts = [body[place : place + FREE] for place in range(0, len(body), FREE)] or [b""]
        self.messages = iter(
            {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
            for place, part in enumerate(parts)
        )
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        return next(self.messages)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_reads_hold_only_their_places_and_deposits_wait_for_nobody() -> None:
    async def play() -> tuple[list[Call], list[Call]]:
        inner = Slow()
        app = Admission(inner, rates=Rates())
        row = class_of("GET", READ)
        reads = [Call(app, "GET", READ) for _ in range(row.running + row.waiting + 7)]
        await settled()
        assert inner.now == row.running
        deposits = [Call(app, "PUT", DEPOSIT, b"x") for _ in range(300)]
        await settled()
        assert inner.now == row.running + 300, "a deposit waited behind reads"
        inner.go.set()
        await asyncio.gather(*(call.task for call in reads + deposits))
        return reads, deposits

    reads, deposits = asyncio.run(play())
    assert {call.status for call in deposits} == {200}
    refused = [call for call in reads if call.status == 503]
    assert len(refused) == 7
    assert all(call.headers[b"retry-after"] for call in refused)
    assert sum(call.status == 200 for call in reads) == len(reads) - 7


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/health/evidence",
        "/administration/evidence",
        "/administration/evidence.pdf",
        "/api/v1/openings/lille-1/0/minutes.pdf",
    ],
)
def test_what_reads_the_whole_log_or_sets_a_document_is_made_one_at_a_time(path: str) -> None:
    """Each is seconds of the processor that deposits need at their hour; some need no account."""
    row = class_of("GET", path)
    assert (row.running, row.waiting <= 40) == (1, True)
    assert row.account is not None
    assert row.address is not None
    assert row.account.amount <= 30
    assert row.address.amount <= 120


def test_a_read_that_declares_a_body_takes_a_place_too() -> None:
    """Nobody reads the body of a read, so its end may not be what is waited for."""

    async def play() -> int:
        inner = Slow()
        app = Admission(inner, rates=Rates())
        row = class_of("GET", READ)
        calls = [Call(app, "GET", READ, b"x") for _ in range(row.running + row.waiting + 7)]
        await settled()
        served = inner.now
        inner.go.set()
        await asyncio.gather(*(call.task for call in calls))
        assert sum(call.status == 503 for call in calls) == 7
        return served

    assert asyncio.run(play()) == class_of("GET", READ).running


def test_the_control_lets_reads_take_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the table's bounds the reads of the test above run all at once."""

    async def play() -> int:
        inner = Slow()
        app = Admission(inner, rates=Rates())
        monkeypatch.setattr(app, "of", lambda _row: Unbounded())
        calls = [Call(app, "GET", READ) for _ in range(300)]
        await settled()
        inner.go.set()
        await asyncio.gather(*(call.task for call in calls))
        return inner.most

    assert asyncio.run(play()) == 300


class Unbounded:
    async def take(self) -> None: ...

    def give_back(self) -> None: ...


def test_a_place_is_given_back_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.admission, "PATIENCE_S", 0.01)

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ArithmeticError

    async def play() -> None:
        app = Admission(broken, rates=Rates())
        row = class_of("POST", ACT)
        calls = [Call(app, "POST", ACT, b"{}") for _ in range(row.running * 3)]
        found = await asyncio.gather(*(call.task for call in calls), return_exceptions=True)
        assert {type(one) for one in found} == {ArithmeticError}
        inner = Slow()
        app.app = inner
        calls = [Call(app, "POST", ACT, b"{}") for _ in range(row.running + 1)]
        await settled()
        assert inner.now == row.running
        late = calls[-1]
        await late.task
        assert late.status == 503, "it waited, and was told to come again"
        inner.go.set()
        await asyncio.gather(*(call.task for call in calls))

    asyncio.run(play())


def test_large_bodies_of_unknown_callers_are_few() -> None:
    async def play() -> list[int]:
        inner = Slow()
        app = Admission(inner, rates=Rates())
        app.large = LARGE
        small = Call(app, "POST", ACT, b"x" * FREE)
        large = Call(app, "POST", ACT, b"x" * (FREE + 1))
        chunk = Call(app, "PUT", DEPOSIT, b"x" * (FREE + 1))
        inner.go.set()
        await asyncio.gather(small.task, large.task, chunk.task)
        app.large = 0
        again = Call(app, "POST", ACT, b"x" * (FREE + 1))
        await again.task
        assert app.large == 0
        return [call.status for call in (small, large, chunk, again)]

    assert asyncio.run(play()) == [200, 503, 200, 200]


def test_bodies_beyond_the_allowance_are_held_on_disk(tmp_path: Path) -> None:
    allowance = Allowance(tmp_path, most=100)
    first, second, third = allowance.body(), allowance.body(), allowance.body()
    for _ in range(3):
        first.write(b"a" * 30)
    second.write(b"b" * 10)
    second.write(b"c" * 30)
    third.write(b"d")
    third.write(b"e" * 50)
    assert (first.read(), second.read()) == (b"a" * 90, b"b" * 10 + b"c" * 30)
    assert third.read() == b"d" + b"e" * 50
    assert allowance.left == 10
    assert list(tmp_path.iterdir()) == [], "a file on disk has no name"
    for body in (first, second, third):
        body.close()
        body.close()
    assert allowance.left == 100


# -- the table


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/v1/transmissions", "announce"),
        ("PUT", "/api/v1/transmissions/x/chunks/0", "deposit"),
        ("GET", "/api/v1/deposits/x/receipt", "deposit"),
        ("POST", "/api/v1/deposits/x/withdrawal", "deposit"),
        ("GET", "/api/v1/consultations/c/kit", "deposit"),
        ("GET", "/api/v1/consultations/c/dossier/files/a/b.pdf", "download"),
        ("PUT", "/api/v1/consultations/c/dossier/files/a/b.pdf", "act"),
        ("GET", "/tile/0/000", "log"),
        ("GET", "/consultations/c", "read"),
        ("HEAD", "/", "read"),
        ("POST", "/api/v1/consultations", "act"),
        ("PATCH", "/x", "act"),
    ],
)
def test_each_request_has_one_class(method: str, path: str, name: str) -> None:
    assert class_of(method, path).name == name


def harms_depositors(rows: tuple[Row, ...]) -> list[str]:
    """Return the classes by which a depositor would pay for its neighbours."""
    needed = {class_of("POST", "/api/v1/transmissions"), class_of("PUT", DEPOSIT)}
    names = {row.name for row in needed} | {class_of("GET", f"{READ}/c/kit").name}
    return [
        row.name
        for row in rows
        if row.name in names and (row.address is not None or row.waiting or row.running < 10**6)
    ]


def test_no_row_lets_a_depositor_pay_for_its_neighbours() -> None:
    assert harms_depositors(table()) == []
    planted = tuple(
        Row(row.name, row.matches, row.account, parse("5/minute"), row.running, row.waiting)
        for row in table()
    )
    assert harms_depositors(planted) == ["announce", "deposit"]


@pytest.mark.parametrize(
    ("peer", "told", "found"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "nonsense", ""),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "", ""),
        ("::1", "", ""),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("::ffff:127.0.0.1", "", ""),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("testclient", "", ""),
    ],
)
def test_where_a_request_comes_from(peer: str, told: str, found: str) -> None:
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", told.encode())]}
    assert address_of(scope, frozenset({"10.0.0.1"})) == found


def test_what_waits_leaves_threads_to_deposits() -> None:
    """All that may run at once beside deposits is less than the threads of the process."""
    threads = 40  # what the library makes for one event loop
    assert sum(row.running for row in table() if row.waiting) <= threads - 8


def test_a_download_is_an_entry_and_has_its_own_bounds() -> None:
    row = class_of("GET", f"{READ}/c/dossier/files/a.pdf")
    assert (row.name, row.running) == ("download", 4)
    assert row.address is not None
    assert class_of("GET", f"{READ}/c/dossier").name == "deposit"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("rates"), proxies="testclient")
    made.register()
    yield made
    made.close()


def exhausted(ask: Callable[[], None]) -> None:
    """Ask until it is refused."""
    for _ in range(5_000):
        try:
            ask()
        except TooOften:
            return
    raise AssertionError("it is never refused")


def test_rates_over_the_interface(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at = bench.publish()
    rates = bench.platform.rates
    monkeypatch.setattr(rates, "_scale", 1)
    crowd = {"X-Forwarded-For": "192.0.2.7"}
    for _ in range(120):
        assert bench.get("/api/v1/me", "pli_wrong", **crowd).status_code == 401
    answer = bench.get("/api/v1/me", "pli_wrong", **crowd)
    assert (answer.status_code, shown(answer)) == (429, "request.too-often")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert bench.get("/api/v1/me", bench.tokens.company, **crowd).status_code == 200
    other = {"X-Forwarded-For": "192.0.2.8"}
    assert bench.get("/api/v1/me", "pli_wrong", **other).status_code == 401
    row = class_of("GET", READ)
    exhausted(lambda: rates.address(row, "192.0.2.7"))
    assert bench.get(READ, **crowd).status_code == 429
    assert bench.get(READ, **other).status_code == 200
    envelope = bench.seal(at)
    assert bench.deposit(envelope)["state"] == "COMPLETED"
    assert bench.get(f"{at}/kit", **crowd).status_code == 200, "what a deposit needs is answered"


def test_an_account_is_limited_wherever_it_comes_from(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = bench.platform.rates
    monkeypatch.setattr(rates, "_scale", 1)
    path = "/api/v1/consultations/none"
    statuses = [
        bench.get(path, bench.tokens.other, **{"X-Forwarded-For": f"192.0.2.{number % 200}"})
        for number in range(5)
    ]
    assert {one.status_code for one in statuses} == {404}
    scope = {"method": "GET", "path": path}
    accounts = bench.platform.accounts
    account = accounts.authenticate(bench.tokens.other, bench.clock.at)
    another, _ = accounts.create(
        account.org,
        account.role,
        1,
        bench.clock.at,
        bench.platform.desk.rng.bytes,
        owner=account.person,
    )
    exhausted(lambda: rates.account(scope, account.person))
    assert bench.get(path, another).status_code == 429, "another token is the same person"
    assert bench.get(path, bench.tokens.other).status_code == 429
    assert bench.get(path, bench.tokens.buyer).status_code == 404
