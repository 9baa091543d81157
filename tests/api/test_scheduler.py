"""What happens by itself: the hour, the closing head, silence, a day of silence, the beat."""

from __future__ import annotations

import errno
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from doubles.bench import SOON, Bench
from starlette.requests import ClientDisconnect

from api.adapters.activity import Activity
from api.adapters.uploads import Part
from api.depositor.sealing import Wish
from api.facts import facts
from api.scheduler import Scheduler


class Counter:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at

    def forward(self, seconds: int) -> None:
        self.at += seconds * 1_000_000


def watched(bench: Bench) -> Counter:
    counter = Counter()
    bench.platform.activity = Activity(counter)
    bench.scheduler = Scheduler(bench.platform, counter)
    return counter


def kinds(bench: Bench, stream: str) -> list[str]:
    return [fact.kind for fact in facts(bench.platform.ledger, stream)]


def test_the_hour_closes_the_register_and_publishes_at_once(bench: Bench) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON - timedelta(days=2))
    assert "DeadlineReached" not in kinds(bench, "consultation/lille-1")
    bench.forward(timedelta(days=2))
    told = facts(bench.platform.ledger, "consultation/lille-1")
    assert [fact.kind for fact in told][-3:] == [
        "DeadlineReached",
        "RegisterListed",
        "RegisterClosed",
    ]
    assert bench.platform.published_size() > told[-1].position
    size = bench.platform.ledger.head()
    bench.tick()
    assert bench.platform.ledger.head() == size


def test_a_crash_between_closing_and_publishing_is_made_good(bench: Bench) -> None:
    bench.publish()
    bench.clock.forward(SOON)
    publish = bench.platform.ledger.publish
    try:
        bench.platform.ledger.publish = None  # type: ignore[method-assign, assignment]
        bench.tick()
    finally:
        bench.platform.ledger.publish = publish  # type: ignore[method-assign]
    assert "RegisterClosed" in kinds(bench, "consultation/lille-1")
    assert bench.platform.published_size() == 0
    bench.close()
    bench.reopen()
    bench.tick()
    assert bench.platform.published_size() > 0


def test_what_was_whole_before_the_hour_is_sealed_before_the_register(bench: Bench) -> None:
    """The process died after the last chunk was noted and before the deposit was sealed."""
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    platform = bench.platform
    chunk = envelope.file.chunk(0)
    blob = platform.vault.put(chunk)
    platform.uploads.add(name, Part(0, envelope.file.leaves[0].hex(), blob, len(chunk)))
    bench.tick()
    assert kinds(bench, f"deposit/{envelope.made.deposit}") == ["DepositSealed"]
    state = bench.get(f"/api/v1/transmissions/{name}", bench.tokens.company).json()
    assert state["state"] == "COMPLETED"
    assert state["receipt"]


def test_silence_stalls_and_a_day_of_it_expires(bench: Bench) -> None:
    at = bench.publish()
    counter = watched(bench)
    envelope = bench.seal(at, size=1_200_000)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    bench.chunk(name, envelope, 0)
    counter.forward(61)
    for _ in range(2):
        bench.tick()
    assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionStalled"
    bench.chunk(name, envelope, 0)
    assert kinds(bench, f"transmission/{name}").count("TransmissionStalled") == 1
    counter.forward(86_401)
    bench.tick()
    assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionExpired"
    state = bench.get(f"/api/v1/transmissions/{name}", bench.tokens.company).json()
    assert state["state"] == "EXPIRED"
    assert state["attestation"]


def test_a_stalled_transmission_resumes(bench: Bench) -> None:
    at = bench.publish()
    counter = watched(bench)
    envelope = bench.seal(at, size=2_300_000)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    bench.chunk(name, envelope, 0)
    counter.forward(61)
    bench.tick()
    assert bench.chunk(name, envelope, 2).json()["missing"] == [[1, 1]]
    done = bench.chunk(name, envelope, 1).json()
    assert done["state"] == "COMPLETED"
    seen = kinds(bench, f"transmission/{name}")
    assert seen.index("TransmissionResumed") > seen.index("TransmissionStalled")
    assert seen[-1] == "TransmissionCompleted"


def test_a_broken_connection_inside_a_chunk_is_a_stall_of_the_network(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    broken_off(bench, f"/api/v1/transmissions/{name}/chunks/0", envelope.file.chunk(0)[:1000])
    told = facts(bench.platform.ledger, f"transmission/{name}")
    assert told[-1].kind == "TransmissionStalled"
    assert told[-1].data["cause"] == "NETWORK"
    assert bench.chunk(name, envelope, 0).json()["state"] == "COMPLETED"


def broken_off(bench: Bench, path: str, body: bytes) -> None:
    import asyncio
    import contextlib

    parts = [{"type": "http.request", "body": body, "more_body": True}]

    async def receive():
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(_message) -> None:
        return

    headers = {"authorization": f"Bearer {bench.tokens.company}", "pli-leaf": "0" * 64}
    scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("test", 1),
        "server": ("test", 80),
    }

    async def call() -> None:
        with contextlib.suppress(ClientDisconnect):
            await bench.app(scope, receive, send)

    asyncio.run(call())


def test_chunks_that_wake_a_stalled_session_together_all_succeed(bench: Bench) -> None:
    """Four lines resume one session; each sees it stalled, one of them brings the last chunk."""
    at = bench.publish(**{name: 20_000_000 for name in ("max_total", "max_file")})
    counter = watched(bench)
    wish = Wish("OFFER", ("0",))
    for _ in range(4):
        envelope = bench.seal(at, 3_500_000, wish=wish)
        name = bench.announce(envelope).json()["transmission"]
        bench.head(name, envelope)
        counter.forward(61)
        bench.tick()
        assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionStalled"
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(bench.chunk, name, envelope, index) for index in range(4)]
        assert {answer.result().status_code for answer in sent} == {201}
        seen = kinds(bench, f"transmission/{name}")
        assert seen.count("TransmissionResumed") == 1
        assert seen[-1] == "TransmissionCompleted"
        wish = Wish("OFFER", ("0",), "REPLACE", envelope.made.deposit)


def test_the_beat_publishes_and_pads(bench: Bench) -> None:
    bench.publish()
    counter = watched(bench)
    bench.tick()
    assert bench.platform.published_size() == 0
    counter.forward(3_601)
    bench.tick()
    size = bench.platform.published_size()
    assert size
    assert size % 16 == 0
    bench.tick()
    assert bench.platform.published_size() == size


def test_life_is_proven_once_a_day(bench: Bench) -> None:
    bench.publish()
    for _ in range(2):
        bench.tick()
    seen = kinds(bench, "custody/lille-1")
    assert seen.count("ProofOfLifeGiven") == 3
    assert seen.count("CanaryDecrypted") == 2
    bench.forward(timedelta(days=1))
    assert kinds(bench, "custody/lille-1").count("ProofOfLifeGiven") == 6


def damaged(bench: Bench, at: str) -> str:
    """Return a whole upload, not sealed yet, whose head nobody can read any more."""
    envelope = bench.seal(at, token=bench.tokens.rival)
    name = bench.announce(envelope, bench.tokens.rival).json()["transmission"]
    bench.head(name, envelope, bench.tokens.rival)
    platform = bench.platform
    chunk = envelope.file.chunk(0)
    blob = platform.vault.put(chunk)
    platform.uploads.add(name, Part(0, envelope.file.leaves[0].hex(), blob, len(chunk)))
    head = platform.uploads.find(name)
    assert head is not None
    path = bench.home.blobs / str(head.head)[:2] / str(head.head)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    return name


def test_one_unreadable_envelope_holds_up_no_hour(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """A register closes although a whole upload cannot be sealed: that one fails, as our fault."""
    first, second = bench.publish(), bench.publish("lille-2")
    bad = damaged(bench, first)
    kept = bench.deposit(bench.seal(second))["deposit"]
    capsys.readouterr()
    for _ in range(3):
        bench.tick()
    said = capsys.readouterr().err
    rows = [json.loads(line) for line in said.splitlines()]
    told = [(row["event"], row["about"], row["code"]) for row in rows]
    assert told == [("alarm", "upload", "vault.differs")], "once, not at every tick"
    assert bad not in said, "before the opening no line says which upload it is"
    bench.forward(SOON)
    for name in ("lille-1", "lille-2"):
        assert kinds(bench, f"consultation/{name}")[-1] == "RegisterClosed"
    assert bench.platform.published_size() > 0
    end = facts(bench.platform.ledger, f"transmission/{bad}")[-1]
    assert (end.kind, end.data["cause"]) == ("TransmissionFailed", "SERVER")
    assert bad not in capsys.readouterr().err
    state = bench.get(f"/api/v1/transmissions/{bad}", bench.tokens.rival).json()
    assert state["state"] == "FAILED"
    assert state["attestation"]
    assert kinds(bench, f"deposit/{kept}") == ["DepositSealed"]


def test_one_unreadable_envelope_lets_the_others_stall_and_itself_expires(bench: Bench) -> None:
    at = bench.publish()
    counter = watched(bench)
    bad = damaged(bench, at)
    envelope = bench.seal(at, size=1_200_000)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    bench.tick()
    counter.forward(61)
    bench.tick()
    assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionStalled"
    counter.forward(86_401)
    bench.tick()
    assert kinds(bench, f"transmission/{bad}")[-1] == "TransmissionExpired"
    assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionExpired"


@pytest.mark.parametrize("short_of", [True, False])
def test_a_disk_that_cannot_be_read_at_the_hour(
    bench: Bench, short_of: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process lacks for a moment is waited for; a broken disk loses one envelope only."""
    at = bench.publish()
    bad = damaged(bench, at)
    reason = errno.EMFILE if short_of else errno.EIO
    real = type(bench.platform.vault).read

    def failing(_vault: object, _name: str) -> bytes:
        raise OSError(reason, "planted")

    monkeypatch.setattr(type(bench.platform.vault), "read", failing)
    bench.forward(SOON)
    closed = kinds(bench, "consultation/lille-1")[-1] == "RegisterClosed"
    assert closed is not short_of
    monkeypatch.setattr(type(bench.platform.vault), "read", real)
    bench.tick()
    assert kinds(bench, "consultation/lille-1")[-1] == "RegisterClosed"
    assert kinds(bench, f"transmission/{bad}")[-1] == "TransmissionFailed"


def test_a_proof_of_life_that_failed_is_asked_for_again(bench: Bench) -> None:
    bench.publish()
    counter = watched(bench)
    before = kinds(bench, "custody/lille-1").count("ProofOfLifeGiven")
    ledger = bench.platform.ledger
    saving = ledger.save
    ledger.save = None  # type: ignore[method-assign, assignment]
    bench.tick()
    ledger.save = saving  # type: ignore[method-assign]
    bench.tick()
    assert kinds(bench, "custody/lille-1").count("ProofOfLifeGiven") == before, "not at each tick"
    counter.forward(61)
    bench.tick()
    assert kinds(bench, "custody/lille-1").count("ProofOfLifeGiven") == before + 3


# -- the hour has a thread of its own ------------------------------------------------------------


class Waiting(Scheduler):
    """A scheduler one of whose chores waits for something that does not come."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.platform)
        self.waits, self.answered = threading.Event(), threading.Event()
        self.reached, self.published = threading.Event(), threading.Event()

    def _silence(self) -> None:
        self.waits.set()
        assert self.answered.wait(60)

    def _close(self, name: str) -> None:
        super()._close(name)
        self.reached.set()

    def _publish(self, *, closing: bool) -> None:
        super()._publish(closing=closing)
        if closing:
            self.published.set()


def test_no_other_chore_holds_up_the_hour(bench: Bench) -> None:
    """envelope.md 12.4: within 5 s of D, whoever keeps the other chores waiting."""
    bench.publish()
    scheduler = Waiting(bench)
    scheduler.start()
    try:
        assert scheduler.waits.wait(30)
        bench.clock.forward(SOON)
        assert scheduler.reached.wait(5)
        assert kinds(bench, "consultation/lille-1")[-1] == "RegisterClosed"
        assert not scheduler.published.is_set()
        scheduler.answered.set()
        assert scheduler.published.wait(30)
    finally:
        scheduler.answered.set()
        scheduler.stop()
    assert bench.platform.published_size() > 0


def test_a_session_whose_announce_was_cut_short_ends_all_the_same(bench: Bench) -> None:
    """A crash between the entry and the row: an end is a fact, and a ground for a copy (§4.8)."""
    at = bench.publish()
    envelope = bench.seal(at)
    begin = bench.platform.uploads.start
    bench.platform.uploads.start = crashed  # type: ignore[method-assign]
    assert bench.announce(envelope).status_code == 500
    bench.platform.uploads.start = begin  # type: ignore[method-assign]
    bench.close()
    bench.reopen()
    (name,) = bench.platform.index.running()
    counter = watched(bench)
    bench.tick()
    counter.forward(86_401)
    bench.tick()
    assert kinds(bench, f"transmission/{name}")[-1] == "TransmissionExpired"
    found = bench.get(f"/api/v1/transmissions/{name}", bench.tokens.company).json()
    assert found["state"] == "EXPIRED"


def crashed(*_: object) -> None:
    raise ZeroDivisionError
