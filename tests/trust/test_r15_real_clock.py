"""R15 in a process of its own: a real server whose wall clock is set by another process (T12, H9).

Level A0: the host's clock is the only one, and the counter since boot is what unmasks it. Where
libfaketime is not installed this is skipped as ``not met: faketime``; ``test_r15_clock.py`` makes
the same jumps at the source of every clock.
"""

from __future__ import annotations

import copy
import itertools
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from doubles.bench import COMPANY, Bench, Envelope
from doubles.faked_server import FakedServer, library
from doubles.proofs import Proof
from doubles.sizes import sized

from api.adapters.clock import HostClock
from api.depositor.sealing import Wish
from api.home import Home
from api.wiring import open_reader
from projections.facts import LedgerRow

pytestmark = pytest.mark.skipif(library() is None, reason="not met: faketime")

DAY = 86_400
AT = "/api/v1/consultations/lille-1"
OPENING = "/api/v1/openings/lille-1/0"
LONGER = pytest.mark.skipif(
    not sized(push=0, full=1, night=1), reason="four more servers: in make prove and make night"
)
JUMPS = (400 * DAY, -DAY, 3, -3, 3_600, 40 * DAY)[: sized(push=1, full=6, night=6)]
BELIEVING = """
import api.adapters.clock as clock
clock.step_check = lambda previous, elapsed, reading: reading
import sys
import api.scheduler as scheduler
right = scheduler.close
def close(*given):
    right(*given)
    print('{"event": "closed"}', file=sys.stderr, flush=True)
scheduler.close = close
from api.cli import main
main()
"""
"""A server that drops the step check, and says when it has closed a register."""
KEYS = itertools.count()

DECIDED = frozenset({"consultation", "transmission", "deposit", "backup", "opening"})


class Scene:
    """A published consultation in a home that nobody serves, and two sealed envelopes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        local = datetime.now(UTC) + timedelta(days=3)
        bench = Bench(folder, clock=HostClock(250), deadline=local.strftime("%Y-%m-%dT12:00"))
        bench.register()
        at = bench.publish()
        self.company = bench.token(COMPANY, "CY", days=3_000)
        self.buyer = bench.token("20009320100016", "BU", days=3_000)
        self.first, self.second = (
            bench.seal(at, 1_000, wish=Wish("OFFER", ("0",)), token=token)
            for token in (self.company, bench.tokens.rival)
        )
        self.rival = bench.token("35600000000048", "CY", days=3_000)
        wait = bench.platform.index.awaited()["lille-1"]
        self.deadline: datetime = wait.deadline
        bench.close()
        self.home = bench.home.folder

    def to(self, hour: datetime) -> int:
        """Return by how many seconds the hands must be off for the clock to show this hour."""
        return round((hour - datetime.now(UTC)).total_seconds())

    def rows(self) -> list[LedgerRow]:
        with open_reader(Home(self.home)) as log:
            return list(log.read(-1, 10**6))

    def decided(self) -> list[str]:
        """Return the kinds of what was decided; what custodians and anchors do daily is not."""
        return [row.kind for row in self.rows() if row.stream.partition("/")[0] in DECIDED]

    def kinds(self, *kinds: str) -> list[LedgerRow]:
        return [row for row in self.rows() if row.kind in kinds]


class Caller:
    """Somebody who calls the server with one token; every act has a key of its own."""

    def __init__(self, server: FakedServer, token: str) -> None:
        self.http = httpx2.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, form: Any = None) -> httpx2.Response:
        key = {"Idempotency-Key": f"act-{next(KEYS):06}"}
        return self.http.post(path, json=form, headers=key)

    def deposit(self, envelope: Envelope) -> httpx2.Response:
        """Send an envelope; return the first refusal, or the answer to its last chunk."""
        started = self.post("/api/v1/transmissions", envelope.announce())
        if started.status_code >= 400:
            return started
        base = f"/api/v1/transmissions/{started.json()['transmission']}"
        commitment = {"Pli-Commitment": envelope.made.commitment}
        head = self.http.put(f"{base}/head", content=envelope.file.header.head, headers=commitment)
        if head.status_code >= 400:
            return head
        leaf = {"Pli-Leaf": envelope.file.leaves[0].hex()}
        return self.http.put(f"{base}/chunks/0", content=envelope.file.chunk(0), headers=leaf)


def around(server: FakedServer, scene: Scene, deposit: str) -> dict[str, httpx2.Response]:
    """Try every act that an hour decides, while the clock is wrong."""
    later = (scene.deadline + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    move = {"deadline": {"local": later}, "reason": "more time"}
    with (
        Caller(server, scene.company) as company,
        Caller(server, scene.buyer) as buyer,
        Caller(server, scene.rival) as rival,
    ):
        return {
            "deposit": rival.deposit(scene.second),
            "withdraw": company.post(f"/api/v1/deposits/{deposit}/withdrawal", {"reason": "no"}),
            "extend": buyer.post(f"{AT}/extensions", move),
            "convene": buyer.post(f"{OPENING}/convocation", {"members": ["ada", "bob"]}),
            "plan": buyer.post(f"{OPENING}/plan"),
            "open": buyer.post(f"{OPENING}/envelopes"),
            "one": company.post(f"/api/v1/deposits/{deposit}/opening"),
        }


def refused(answers: dict[str, httpx2.Response], codes: Sequence[str]) -> None:
    for act, answer in answers.items():
        assert answer.status_code >= 400, (act, answer.text)
        if act in {"deposit", "withdraw", "extend"}:
            assert answer.json()["code"] in codes, (act, answer.text)


def honest(server: FakedServer, scene: Scene) -> str:
    """Deposit while the clock is right; return the name of the deposit."""
    with Caller(server, scene.company) as company:
        done = company.deposit(scene.first)
    assert done.status_code == 201, done.text
    return str(done.json()["deposit"])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("published"))


@pytest.fixture
def scene(published: Scene, tmp_path: Path) -> Scene:
    """Return the scene over a home of its own."""
    made = copy.copy(published)
    made.folder, made.home = tmp_path, tmp_path / "home"
    shutil.copytree(published.home, made.home)
    return made


def test_a_server_whose_clock_is_set_decides_nothing(scene: Scene, proof: Proof) -> None:
    """An hour before D, after an honest deposit; each jump meets a server of its own."""
    server = FakedServer(scene.home, scene.folder / "clock")
    before_d = scene.to(scene.deadline - timedelta(hours=1))
    tried, deposit = 0, ""
    for jump in JUMPS:
        server.start(before_d)
        try:
            deposit = deposit or honest(server, scene)
            before = scene.decided()
            server.set(before_d + jump)
            # the threads beside the requests ran into it, and closed nothing
            server.hears("clock.distrusted")
            server.hears("chore.failed", chore="deadlines", code="clock.distrusted")
            for hands in (before_d + jump, before_d):  # nor does a clock put right bring it back
                server.set(hands)
                answers = around(server, scene, deposit)
                refused(answers, ["clock.distrusted"])
                tried += len(answers)
            assert scene.decided() == before
        finally:
            server.kill()
    assert not scene.kinds("DeadlineReached", "OpeningPlanFixed", "EnvelopeOpened")
    counted = f"{len(JUMPS)} jumps before D, {tried} acts tried"
    proof("R15 real process", f"{counted}: 0 early, 0 late taken as on time, 0 reversed")


@LONGER
def test_after_d_a_clock_set_back_brings_nobody_in(scene: Scene, proof: Proof) -> None:
    server = FakedServer(scene.home, scene.folder / "clock")
    server.start(scene.to(scene.deadline - timedelta(hours=1)))
    try:
        deposit = honest(server, scene)
    finally:
        server.kill()
    after_d = scene.to(scene.deadline + timedelta(minutes=10))
    server.start(after_d)
    try:
        server.set(after_d - DAY)
        server.hears("clock.distrusted")
        refused(around(server, scene, deposit), ["clock.distrusted"])
    finally:
        server.kill()
    # begun again with the wrong clock: what is recorded says that it is later
    server.start(after_d - DAY)
    try:
        refused(around(server, scene, deposit), ["clock.went-back", "ledger.time"])
    finally:
        server.kill()
    assert len(scene.kinds("DepositSealed")) == 1
    assert not scene.kinds("DepositWithdrawn", "DeadlineExtended", "OpeningPlanFixed")
    for row in scene.kinds("DeadlineReached"):
        read = orjson.loads(row.entry)["data"]["meta"]["clock"]
        assert datetime.fromisoformat(read["earliest"]) > scene.deadline
    proof("R15 real process after D", "a day back, live and begun again: 0 in, 0 reversed")


@LONGER
def test_a_server_that_believes_the_jump_closes_the_register_early(
    scene: Scene, proof: Proof
) -> None:
    """The positive control: without the step check the deadline is reached an hour too soon."""
    server = FakedServer(scene.home, scene.folder / "clock", BELIEVING)
    before_d = scene.to(scene.deadline - timedelta(hours=1))
    server.start(before_d)
    try:
        server.set(before_d + 400 * DAY)
        server.hears("closed")
    finally:
        server.kill()
    assert scene.kinds("DeadlineReached")
    proof("R15 control real process", "without the step check the register closes an hour early")
