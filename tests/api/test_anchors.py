"""Anchors through a whole platform: an authority over HTTP, the local one, outages and evidence."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from doubles.authority import Server, authority_over_http
from doubles.bench import SOON, START, Bench

from api.anchoring import LONGEST_WAIT_US, Anchoring
from api.cli import run
from api.facts import facts
from api.inspection import inspect_home
from crypto.local_authority import TestAuthority
from crypto.stamp_errors import TrustStoreRefused
from crypto.timestamps import trust_store, verify
from ledger.fsck import LogUnsound

REPLY = "application/timestamp-reply"
OPENSSL = shutil.which("openssl")
DAY = timedelta(days=1)
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


class Counting:
    """Microseconds since the start, moved by hand."""

    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at

    def forward(self, seconds: int) -> None:
        self.at += seconds * 1_000_000


@pytest.fixture
def served() -> Iterator[Server]:
    authority = TestAuthority.of_seed(b"\x07" * 32, SINCE)
    numbers = iter(range(1, 1_000))

    def answer(body: bytes) -> tuple[int, str, bytes]:
        return 200, REPLY, authority.answer(body, next(numbers), datetime.now(UTC), 1_000)

    with authority_over_http(answer) as server:
        server.trusted = authority.trusted()  # type: ignore[attr-defined]
        yield server


@pytest.fixture
def outside(tmp_path: Path, served: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A platform whose anchors come from the authority over HTTP."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(served.trusted)  # type: ignore[attr-defined]
    monkeypatch.setenv("PLI_TSA_CERTIFICATES", str(roots))
    made = Bench(tmp_path, tsa_url=served.url, tsa_certificates=roots)
    made.register()
    yield made
    made.close()


def counted(bench: Bench) -> tuple[Anchoring, Counting]:
    counter = Counting()
    anchoring = bench.platform.anchoring
    anchoring._counter = counter
    return anchoring, counter


def sound(bench: Bench, scratch: Path) -> dict[str, object]:
    scratch.mkdir(exist_ok=True)
    return inspect_home(bench.home, [], lambda _: None, scratch)


def test_a_closing_head_is_stamped_at_once_and_stands_behind_the_plan(
    outside: Bench, served: Server, tmp_path: Path
) -> None:
    at = outside.publish()
    outside.deposit(outside.seal(at))
    outside.forward(SOON)
    outside.platform.anchoring.tick()
    [main] = facts(outside.platform.ledger, "anchors/main")
    assert (main.kind, main.data["purpose"]) == ("CheckpointAnchored", "CLOSING")
    assert served.asked[0][0] == "application/timestamp-query"
    opening = outside.attend()
    outside.done(f"{opening}/plan", outside.tokens.buyer)
    anchored = facts(outside.platform.ledger, "opening/lille-1.0")[-1]
    assert anchored.data["purpose"] == "CLOSING"
    assert anchored.data["token_hash"] == main.data["token_hash"]
    outside.platform.anchoring.tick()
    assert len(served.asked) == 1, "nothing more is due today"
    told = sound(outside, tmp_path / "views")
    assert told["stamps"] == 1
    export = tmp_path / "export"
    assert run(["ledger", "export", str(export), "--home", str(outside.home.folder)]) == 0
    size = main.data["size"]
    token = (export / "anchors" / f"{size}.tsr").read_bytes()
    own = (export / "anchors" / f"{size}.note").read_bytes()
    assert own == b"".join((export / "checkpoint").read_bytes().splitlines(keepends=True)[:5])
    assert verify(token, own, trust_store(served.trusted)).accuracy_us == 1_000_000  # type: ignore[attr-defined]
    policy = str(export / "policy.txt")
    assert run(["ledger", "fsck", "--dir", str(export), "--policy", policy]) == 0
    if OPENSSL is None:
        pytest.skip("openssl is absent: the export's stamp was judged by one implementation only")
    at = f"export/anchors/{size}"
    given = ["-data", f"{at}.note", "-in", f"{at}.tsr", "-CAfile", "roots.pem"]
    judged = subprocess.run(
        ["openssl", "ts", "-verify", *given],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert b"Verification: OK" in judged.stdout, judged.stderr


def test_an_authority_that_is_down_is_asked_again_and_alarms_after_a_day(
    outside: Bench, served: Server
) -> None:
    good = served.answer
    anchoring, counter = counted(outside)
    outside.platform.publish()
    served.answer = lambda body: (503, "text/plain", b"tomorrow")
    anchoring.tick()
    status = anchoring.status()
    assert (status.pending, status.failure, status.alarm) == (1, "network.no-answer", False)
    anchoring.tick()
    assert len(served.asked) == 1, "it is left alone for a while"
    for _ in range(12):
        counter.forward(LONGEST_WAIT_US // 1_000_000)
        anchoring.tick()
    assert len(served.asked) == 13
    outside.clock.forward(2 * DAY)
    shown = outside.get("/api/v1/ledger").json()["anchors"]
    assert shown["alarm"] is True
    assert shown["failure"] == "network.no-answer"
    served.answer = good
    counter.forward(LONGEST_WAIT_US // 1_000_000)
    anchoring.tick()
    status = anchoring.status()
    assert (status.pending, status.failure, status.alarm) == (0, None, False)
    assert status.last_size == outside.platform.published_size()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, "text/html", b"<html>"), "network.no-answer"),
        ((302, REPLY, b""), "network.no-answer"),
        ((200, REPLY, bytes(70_000)), "network.no-answer"),
        ((200, REPLY, b"junk"), "stamp.form"),
        ("replayed", "stamp.imprint"),
        ("stranger", "stamp.untrusted"),
    ],
)
def test_no_false_answer_is_recorded(
    outside: Bench, served: Server, answer: object, code: str
) -> None:
    outside.platform.publish()
    good, stranger = served.answer, TestAuthority.of_seed(b"\x08" * 32, SINCE)
    if answer == "replayed":
        from crypto.timestamps import request

        old = good(request(b"something else", b"12345678"))
        served.answer = lambda body: old
    elif answer == "stranger":
        served.answer = lambda body: (200, REPLY, stranger.answer(body, 1, START, 0))
    else:
        served.answer = lambda body: answer  # type: ignore[assignment,return-value]
    outside.platform.anchoring.tick()
    assert outside.platform.anchoring.status().failure == code
    assert facts(outside.platform.ledger, "anchors/main") == []


def test_nobody_listens(tmp_path: Path, served: Server) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(served.trusted)  # type: ignore[attr-defined]
    bench = Bench(tmp_path, tsa_url="http://127.0.0.1:9/", tsa_certificates=roots)
    bench.platform.publish()
    bench.platform.anchoring.tick()
    assert bench.platform.anchoring.status().failure == "network.no-answer"
    bench.close()


def test_the_local_authority_stamps_daily_and_a_day_without_is_named(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    anchoring = bench.platform.anchoring
    anchoring.tick()
    assert facts(bench.platform.ledger, "anchors/main") == [], "nothing is published yet"
    for days in (1, 1, 3):
        bench.platform.publish()
        anchoring.tick()
        anchoring.tick()
        bench.clock.forward(timedelta(days=days))
    told = facts(bench.platform.ledger, "anchors/main")
    assert [fact.data["purpose"] for fact in told] == ["DAILY"] * 3
    missed = [day.isoformat() for day in anchoring.status().missed]
    assert missed == ["2026-11-05", "2026-11-06"]
    shown = sound(bench, tmp_path / "views")
    assert (shown["stamps"], shown["stamps_without_legal_value"]) == (3, 3)
    anchoring.start()
    anchoring.stop()
    assert "TEST" in capsys.readouterr().err
    bench.platform.close()
    bench.reopen()
    again = bench.platform.anchoring.status()
    assert [day.isoformat() for day in again.missed] == missed, "the ledger remembers"


def test_on_demand_beside_a_server(outside: Bench, served: Server) -> None:
    shown = outside.done("/api/v1/ledger/anchors", outside.tokens.admin)
    assert (shown["last_size"], shown["legal_value"]) == (outside.platform.published_size(), True)
    assert outside.post("/api/v1/ledger/anchors", outside.tokens.buyer).status_code == 403
    assert outside.post("/api/v1/ledger/anchors", None).status_code == 401
    for answer, code in (
        ((503, "text/plain", b""), "network.no-answer"),
        ((200, REPLY, b"junk"), "stamp.form"),
    ):
        served.answer = lambda body, answer=answer: answer  # type: ignore[misc]
        refused = outside.post("/api/v1/ledger/anchors", outside.tokens.admin)
        assert (refused.status_code, refused.json()["code"]) == (503, code)
    assert len(facts(outside.platform.ledger, "anchors/main")) == 1


def test_it_works_beside_the_requests(outside: Bench, served: Server) -> None:
    outside.platform.publish()
    asked = threading.Event()
    good = served.answer

    def answer(body: bytes) -> tuple[int, str, bytes]:
        asked.set()
        return good(body)

    served.answer = answer
    outside.platform.anchoring.start()
    assert asked.wait(60)
    outside.platform.anchoring.stop()
    assert len(facts(outside.platform.ledger, "anchors/main")) == 1


def test_on_demand_from_the_command_line(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(bench.home.folder)
    assert run(["ledger", "anchor", "--home", home]) == 3, "the server holds the lock"
    bench.platform.close()
    capsys.readouterr()
    assert run(["ledger", "anchor", "--home", home, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["last_size"] == 16
    assert shown["legal_value"] is False
    assert run(["ledger", "anchor", "--home", home, "--status"]) == 0
    bench.reopen()


@pytest.mark.parametrize("harm", ["lost", "changed", "other-roots"])
def test_fsck_tells_what_is_wrong_with_a_token(
    outside: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    outside.platform.publish()
    outside.platform.anchoring.tick()
    [main] = facts(outside.platform.ledger, "anchors/main")
    name = main.data["token_hash"]
    path = outside.home.blobs / name[:2] / name
    if harm == "lost":
        path.unlink()
    elif harm == "changed":
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        monkeypatch.delenv("PLI_TSA_CERTIFICATES")
    with pytest.raises(LogUnsound) as refused:
        sound(outside, tmp_path / "views")
    assert refused.value.counts["anchor"] == 1


def test_an_address_without_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustStoreRefused):
        Bench(tmp_path, tsa_url="http://127.0.0.1:9/")
    (tmp_path / "b").mkdir()
    with pytest.raises(TrustStoreRefused):
        Bench(tmp_path / "b", tsa_url="https://h/", tsa_certificates=tmp_path / "absent.pem")
