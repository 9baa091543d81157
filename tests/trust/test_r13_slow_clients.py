"""R13, T23, T24: slow clients are cut, a flood holds bounded memory, honest deposits never notice.

500 clients send one byte a second: heads, forms of unknown callers, chunks of a real session. Then
1,000 lines open with most of a chunk each and stop. Whole honest deposits run beside both. The
control is the same server without its guards: it cuts none and holds every byte. Latency is told as
a ratio within one run, since the machine's own speed says nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from doubles.bench import Bench, Envelope
from doubles.crowd import UNGUARDED, Request, ServerProcess, answered, dripping, p99, repeated
from doubles.proofs import Proof
from doubles.sizes import sized

from api.adapters.bodies import ALLOWANCE
from api.adapters.clock import HostClock
from api.depositor.sealing import Wish

pytestmark = pytest.mark.alone

SLOW = sized(push=200, full=500, night=2_000)
PUSHED = 200
OPENS = sized(push=PUSHED, full=1_000, night=1_000)
DEPOSITS = sized(push=2, full=8, night=20)
WATCHED_S = 20.0
CUT_S = 10.0
HELD = 1_000 * 1024
"""What each line of the flood sends of its chunk before it stops."""


def allowed(opens: int) -> int:
    """Return what a flood may add to the process: bodies in memory, and the buffer of each line."""
    return 3 * ALLOWANCE + opens * 96 * 1024


QUIET = 20
"""Looks at the memory without growth after which the flood has arrived."""
NOISE_S = 0.01
"""Below this a latency is that of the machine's scheduler, and its ratio says nothing."""


@dataclass
class Stage:
    """A published consultation, sealed envelopes, and a session that has begun."""

    bench: Bench
    envelopes: list[Envelope]
    large: Envelope
    session: str

    def token(self) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.bench.tokens.company}")

    def chunk(self, *, begin: int) -> Request:
        """Return the first chunk of the session, as far as it is sent."""
        whole = self.large.file.chunk(0)
        leaf = ("Pli-Leaf", self.large.file.leaves[0].hex())
        path = f"/api/v1/transmissions/{self.session}/chunks/0"
        return Request("PUT", path, (self.token(), leaf), whole[:begin], len(whole))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    deadline = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00")
    folder = tmp_path_factory.mktemp("crowd")
    bench = Bench(folder, clock=HostClock(250), deadline=deadline)
    bench.register()
    count = 3 * DEPOSITS
    at = bench.publish(lots=count + 1)
    envelopes = [
        bench.seal(at, 100, bench.tokens.rival, Wish("OFFER", (f"{lot:03}",)))
        for lot in range(1, count + 1)
    ]
    large = bench.seal(at, 1_200_000, wish=Wish("OFFER", (f"{count + 1:03}",)))
    session = str(bench.announce(large).json()["transmission"])
    assert bench.head(session, large).status_code == 201
    bench.close()
    return Stage(bench, envelopes, large, session)


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    made = ServerProcess(stage.bench.home.folder)
    yield made
    made.kill()


def kinds(stage: Stage) -> list[bytes]:
    """Return how each kind of slow client begins: in a form, in a head, in a chunk."""
    content = ("Content-Type", "application/json")
    form = Request("POST", "/api/v1/consultations", (content,), b"{", 65_536)
    chunk = stage.chunk(begin=1)
    return [
        form.head() + form.body,
        b"POST /api/v1/consultations HTTP/1.1\r\nHost: pli\r\nX-A: ",
        chunk.head() + chunk.body,
    ]


def sent(port: int, stage: Stage, envelope: Envelope) -> str:
    """Send one whole deposit as a company does, coming again where it is told to."""
    headers = {"Authorization": f"Bearer {stage.bench.tokens.rival}"}
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as http:
        key = {"Idempotency-Key": f"deposit-{envelope.made.deposit}"}
        form = envelope.announce()
        started = again(http, "POST", "/api/v1/transmissions", headers=key, json=form)
        base = f"/api/v1/transmissions/{started['transmission']}"
        head = {"content": envelope.file.header.head}
        again(http, "PUT", f"{base}/head", headers=commitment(envelope), **head)
        leaf = {"Pli-Leaf": envelope.file.leaves[0].hex()}
        chunk = {"content": envelope.file.chunk(0)}
        return str(again(http, "PUT", f"{base}/chunks/0", headers=leaf, **chunk)["state"])


def commitment(envelope: Envelope) -> dict[str, str]:
    return {"Pli-Commitment": envelope.made.commitment}


def again(http: httpx2.Client, method: str, path: str, **sending: Any) -> dict[str, Any]:
    for _ in range(20):
        answer = http.request(method, path, **sending)
        if answer.status_code not in {429, 503}:
            assert answer.status_code in {200, 201}, answer.text
            return dict(answer.json())
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError("it was told to come again for ever")


async def honest(port: int, stage: Stage) -> float:
    """Ask what an honest company asks; return how long the answer took."""
    path = f"/api/v1/transmissions/{stage.session}"
    status, took = await answered(port, Request("GET", path, (stage.token(),)))
    assert status == 200
    return took


async def wave(server: ServerProcess, stage: Stage) -> tuple[list[float | None], float, float]:
    """Measure alone, then beside a crowd; return when each was cut, and both latencies."""
    await repeated(lambda: honest(server.port, stage), 0.5)
    idle = p99(await repeated(lambda: honest(server.port, stage), 2))
    crowd = [dripping(server.port, kinds(stage)[number % 3], WATCHED_S) for number in range(SLOW)]
    slow = [asyncio.create_task(one) for one in crowd]
    await asyncio.sleep(1)
    beside = p99(await repeated(lambda: honest(server.port, stage), 3))
    envelopes = [stage.envelopes.pop() for _ in range(DEPOSITS)]
    states = await asyncio.gather(
        *(asyncio.to_thread(sent, server.port, stage, envelope) for envelope in envelopes)
    )
    assert set(states) == {"COMPLETED"}
    return list(await asyncio.gather(*slow)), idle, beside


def test_slow_clients_are_cut_and_nobody_else_notices(
    stage: Stage, server: ServerProcess, proof: Proof
) -> None:
    ratios, last = [], 0.0
    for _ in range(2):
        cuts, idle, beside = asyncio.run(wave(server, stage))
        assert None not in cuts, f"{cuts.count(None)} of {len(cuts)} were never cut"
        last = max(last, *(cut for cut in cuts if cut is not None))
        ratios.append(max(beside, NOISE_S) / max(idle, NOISE_S))
        if ratios[-1] <= 2:
            break
    assert min(ratios) <= 2, f"honest p99 beside the crowd, in times of its own: {ratios}"
    within = "all within" if last <= CUT_S else f"the last after {last:.1f} s, not within"
    proof(
        "R13",
        f"{SLOW} clients at 1 byte/s: {SLOW} cut, {within} {CUT_S:.0f} s; "
        f"honest p99 x {min(ratios):.2f} of idle; {DEPOSITS * len(ratios)} deposits beside them",
    )


async def flooded(
    server: ServerProcess, stage: Stage, opens: int, deposits: int
) -> tuple[int, list[str]]:
    """Open lines with most of a chunk each; return the memory they added, and honest outcomes."""
    before = most = server.memory()
    request = stage.chunk(begin=HELD)
    sending = asyncio.Semaphore(0)
    lines = [
        asyncio.create_task(
            dripping(server.port, request.head() + request.body, WATCHED_S, sending)
        )
        for _ in range(opens)
    ]
    envelopes = [stage.envelopes.pop() for _ in range(deposits)]
    work: list[Any] = [sending.acquire() for _ in range(opens)]
    work += [asyncio.to_thread(sent, server.port, stage, envelope) for envelope in envelopes]
    waiting = asyncio.gather(*work)
    quiet = 0
    while quiet < QUIET:  # what was sent may still lie in the buffers of the kernel
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        await asyncio.sleep(0.05)
        now = server.memory()
        quiet = 0 if now > most + 2**20 or not done else quiet + 1
        most = max(most, now)
    for line in lines:
        line.cancel()
    await asyncio.gather(*lines, return_exceptions=True)
    return most - before, [state for state in waiting.result() if state is not True]


def test_a_flood_holds_bounded_memory_and_every_deposit_succeeds(
    stage: Stage, server: ServerProcess, proof: Proof
) -> None:
    asyncio.run(repeated(lambda: honest(server.port, stage), 0.5))
    added, states = asyncio.run(flooded(server, stage, OPENS, DEPOSITS))
    assert states == ["COMPLETED"] * DEPOSITS
    sent_mib = OPENS * HELD // 2**20
    assert added < allowed(OPENS), f"{added // 2**20} MiB for {sent_mib} MiB"
    proof(
        "T24",
        f"{OPENS} lines with {sent_mib} MiB: {added // 2**20} MiB more memory, "
        f"{DEPOSITS} of {DEPOSITS} deposits",
    )


def test_the_server_without_its_guards_cuts_none_and_holds_everything(
    stage: Stage, server: ServerProcess, proof: Proof
) -> None:
    """The control, on the same home once the other server has left it."""
    server.kill()
    bare = ServerProcess(stage.bench.home.folder, UNGUARDED)
    count = 30

    async def watch() -> tuple[list[float | None], int]:
        await repeated(lambda: honest(bare.port, stage), 0.5)
        slow = [dripping(bare.port, one, CUT_S) for one in kinds(stage) * (count // 3)]
        (added, _), *cuts = await asyncio.gather(flooded(bare, stage, PUSHED, 0), *slow)
        return cuts, added

    try:
        cuts, added = asyncio.run(watch())
    finally:
        bare.kill()
    assert cuts == [None] * count
    assert added > allowed(PUSHED), f"{added // 2**20} MiB: the control holds no more"
    proof(
        "R13 control", f"0 of {count} cut in {CUT_S:.0f} s; {added // 2**20} MiB held for a flood"
    )
