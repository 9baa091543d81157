"""kill -9 in the middle of 100 deposits: none that was acknowledged is lost, none is doubled (T05).

The parent alone survives and counts only receipts it has read. Clients repeat every step with the
same keys, as ``pli deposit`` does. The check itself is judged too: a receipt of a deposit that the
log does not hold, and a deposit recorded twice, must be caught.
"""

from __future__ import annotations

import os
import queue
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from doubles.bench import Bench, Envelope
from doubles.crowd import end_with_successors
from doubles.ports import free_port, wait_listening
from doubles.proofs import Proof
from doubles.sizes import sized

from api.adapters.clock import HostClock
from api.depositor.sealing import Wish
from api.home import Home
from api.inspection import inspect_home
from api.wiring import ReadOnlyLog, open_reader
from crypto.policies import Policy
from ledger.proofs import TlogProof

DEPOSITS = sized(push=100, full=100, night=1_000)
CLIENTS = 4
SERVE = "from api.cli import main; main()"


@dataclass
class Acks:
    """What clients were told, by deposit; counted by the parent under one condition."""

    moved: threading.Condition = field(default_factory=threading.Condition)
    receipts: dict[str, bytes] = field(default_factory=dict)
    broken: int = 0

    def add(self, deposit: str, receipt: bytes) -> None:
        with self.moved:
            self.receipts[deposit] = receipt
            self.moved.notify_all()

    def fell(self) -> None:
        with self.moved:
            self.broken += 1

    def wait(self, count: int) -> None:
        with self.moved:
            assert self.moved.wait_for(lambda: len(self.receipts) >= count, 120)


class Server:
    """``pli serve`` as its own process; it is killed, never asked to end."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["serve", "--home", str(self.home), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PLI_CUSTODIANS_APART": "false", "PLI_KEYSET_POOL": "0"},
        )
        wait_listening(self.process, self.port)
        self.up.set()

    def kill(self) -> None:
        assert self.process is not None
        self.up.clear()
        end_with_successors(self.process)


def send(http: httpx2.Client, envelope: Envelope) -> bytes:
    """Send one envelope from its announce on; every step may have been done before."""
    form = envelope.announce()
    key = {"Idempotency-Key": f"deposit-{envelope.made.deposit}"}
    started = http.post("/api/v1/transmissions", json=form, headers=key)
    started.raise_for_status()
    base = f"/api/v1/transmissions/{started.json()['transmission']}"
    file = envelope.file
    commitment = {"Pli-Commitment": envelope.made.commitment}
    http.put(f"{base}/head", content=file.header.head, headers=commitment).raise_for_status()
    for index, leaf in enumerate(file.leaves):
        answer = http.put(
            f"{base}/chunks/{index}", content=file.chunk(index), headers={"Pli-Leaf": leaf.hex()}
        )
        answer.raise_for_status()
    return str(answer.json()["receipt"]).encode()


def work(server: Server, token: str, waiting: queue.SimpleQueue[Envelope], acks: Acks) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=20) as http:
        while True:
            try:
                envelope = waiting.get_nowait()
            except queue.Empty:
                return
            while True:
                try:
                    receipt = send(http, envelope)
                except httpx2.TransportError:
                    # a refusal is no accident of the kill: it is not tried until it passes
                    acks.fell()
                    assert server.up.wait(120)
                    continue
                acks.add(envelope.made.deposit, receipt)
                break


def verdict(log: ReadOnlyLog, receipts: Mapping[str, bytes]) -> tuple[set[str], set[str]]:
    """Return the acknowledged deposits that the log does not hold, and those it holds twice."""
    policy = Policy.parse(log.policies["policy-log.txt"])
    held: Counter[str] = Counter()
    entries: dict[int, bytes] = {}
    for row in log.read(-1, 10**9):
        entries[row.position] = row.entry
        if row.kind in {"DepositSealed", "LateDepositRecorded"}:
            held[row.stream.partition("/")[2]] += 1
            held[orjson.loads(row.entry)["data"]["transmission"]] += 1
    lost = set()
    for deposit, receipt in receipts.items():
        proven = TlogProof.parse(receipt).verify(policy)
        named = orjson.loads(proven.entry)["stream"] == f"deposit/{deposit}"
        if not (named and entries.get(proven.index) == proven.entry):
            lost.add(deposit)
    return lost, {name for name, count in held.items() if count > 1}


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Bench, list[Envelope]]:
    deadline = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT12:00")
    bench = Bench(tmp_path, clock=HostClock(250), deadline=deadline)
    bench.register()
    at = bench.publish(lots=DEPOSITS)
    envelopes = [
        bench.seal(at, 100, wish=Wish("OFFER", (f"{lot:03}",))) for lot in range(1, DEPOSITS + 1)
    ]
    bench.close()
    return bench, envelopes


def test_no_acknowledged_deposit_is_lost_and_none_is_doubled(
    prepared: tuple[Bench, list[Envelope]], proof: Proof
) -> None:
    bench, envelopes = prepared
    chance = random.Random(20260302)
    server = Server(bench.home.folder, free_port())
    server.start()
    waiting: queue.SimpleQueue[Envelope] = queue.SimpleQueue()
    for envelope in envelopes:
        waiting.put(envelope)
    acks = Acks()
    clients = [
        threading.Thread(target=work, args=(server, bench.tokens.company, waiting, acks))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        for part in (0.2, 0.45, 0.7):
            acks.wait(int(DEPOSITS * part) + chance.randrange(5))
            server.kill()
            server.start()
        for client in clients:
            client.join(180)
    finally:
        server.kill()
    assert len(acks.receipts) == DEPOSITS
    assert acks.broken >= 3, "no kill fell among the requests: this run proves nothing"
    with open_reader(bench.home) as log:
        assert verdict(log, acks.receipts) == (set(), set())
    told = inspect_home(bench.home, [], lambda _entries: None, bench.scratch)
    assert told["verdict"] == "sound"
    proof(
        "R2 server", f"{DEPOSITS} deposits, {acks.broken} calls broken by kills, 0 lost, 0 doubled"
    )


def test_a_lost_or_doubled_deposit_would_be_seen(tmp_path: Path) -> None:
    """The control: the same check over a log that acknowledged what it does not hold."""
    bench = Bench(tmp_path)
    bench.register()
    at = bench.publish(lots=2)
    first, second = (bench.seal(at, 100, wish=Wish("OFFER", (lot,))) for lot in ("001", "002"))
    receipts = {first.made.deposit: bench.deposit(first)["receipt"].encode()}
    bench.close()
    copy = tmp_path / "copy"
    copied(bench.home, copy)
    bench.reopen()
    receipts[second.made.deposit] = bench.deposit(second)["receipt"].encode()
    bench.close()
    with open_reader(bench.home) as log:
        assert verdict(log, receipts) == (set(), set())
        twice = Doubled(log, f"deposit/{first.made.deposit}")
        assert verdict(twice, receipts)[1] >= {first.made.deposit}  # type: ignore[arg-type]
    # a server that had acknowledged before its commit, then died: the log without the entry
    with open_reader(Home(copy)) as log:
        assert verdict(log, receipts) == ({second.made.deposit}, set())


class Doubled:
    """A log in which one stream's first entry stands twice."""

    def __init__(self, log: ReadOnlyLog, stream: str) -> None:
        self.log = log
        self.stream = stream
        self.policies = log.policies

    def read(self, after: int, limit: int) -> list[Any]:
        rows = list(self.log.read(after, limit))
        again = [row for row in rows if row.stream == self.stream]
        return [*rows, *(row._replace(position=10**6) for row in again)]


def copied(place: Home, folder: Path) -> None:
    import shutil

    shutil.copytree(place.folder, folder)
