"""`pli kit` and `pli deposit` over the real platform: broken lines, second runs, lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doubles.bench import SOON, Bench, Envelope
from doubles.views import ShownLedger

from api.adapters import http as outgoing
from api.adapters.http import PlatformClient
from api.cli import deposit as deposit_command
from api.cli import run
from api.depositor import sending
from api.depositor.envelope_file import Record
from api.depositor.errors import (
    ReceiptRefused,
    SealRefused,
    ServerRefused,
    StrangeAnswer,
    Unreachable,
    UploadEnded,
)
from api.depositor.receipt import words
from api.depositor.sealing import Wish
from api.depositor.sending import Sender, Sent, fetch_kit
from crypto.policies import Policy
from replay import verifier

WRONG = "pli_" + "0" * 64


class Line(httpx2.AsyncBaseTransport):
    """The line to a platform in this process; `fault` may break it before or after a request."""

    def __init__(self, app: Any) -> None:
        self.inner = httpx2.ASGITransport(app=app)
        self.seen: list[tuple[str, str, int]] = []
        self.fault: Callable[[Line, httpx2.Request], None] = lambda line, request: None
        self.answered: Callable[[httpx2.Request, httpx2.Response], httpx2.Response] = (
            lambda request, response: response
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.fault(self, request)
        response = await self.inner.handle_async_request(request)
        self.seen.append((request.method, request.url.path, response.status_code))
        return self.answered(request, response)

    def puts(self) -> list[str]:
        return [path.rsplit("/", 1)[-1] for method, path, _ in self.seen if method == "PUT"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "FIRST_WAIT_S", 0.0)


@pytest.fixture
def line(bench: Bench) -> Line:
    return Line(bench.app)


@pytest.fixture
def envelope(bench: Bench) -> Envelope:
    return bench.seal(bench.publish(), size=3_000_000)


def send(
    bench: Bench, line: Line, path: Path, policy: Policy | None = None, token: str = ""
) -> Sent:
    async def go() -> Sent:
        given = token or bench.tokens.company
        async with PlatformClient("http://pli.test", given, transport=line) as http:
            return await Sender(http, "pli-cli/test", lambda held, total: None).deposit(
                path, policy
            )

    return asyncio.run(go())


def test_an_envelope_is_received_and_its_receipt_proven(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    sent = send(bench, line, envelope.made.path)
    assert sent.proven.on_time
    assert sent.proven.commitment == envelope.made.commitment
    assert sent.proof.read_bytes() == sent.proven.proof
    assert [row["name"] for row in sent.proven.documents] == ["offre.pdf"]
    assert sorted(line.puts()) == ["0", "1", "2", "head"]
    assert json.dumps(sent.proven.shown())
    for language, title in (("fr", "ACCUSÉ"), ("en", "ACKNOWLEDGEMENT")):
        told = words(sent.proven, language)
        assert told.startswith((title, "ELECTRONIC"))
        for mention in ("Travaux du Nord", "Ville de Lille", "REF-lille-1", "offre.pdf"):
            assert mention in told
        assert envelope.made.commitment in told
        assert "A0" in told


def test_a_second_run_sends_nothing_again(bench: Bench, line: Line, envelope: Envelope) -> None:
    first = send(bench, line, envelope.made.path)
    line.seen.clear()
    again = send(bench, line, envelope.made.path)
    assert line.puts() == []
    assert again.proven.transmission == first.proven.transmission


def test_a_broken_line_is_tried_again_chunk_by_chunk(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    broken: set[str] = set()

    def once(_: Line, request: httpx2.Request) -> None:
        if request.url.path not in broken:
            broken.add(request.url.path)
            raise httpx2.ReadError("the line broke", request=request)

    line.fault = once
    assert send(bench, line, envelope.made.path).proven.on_time
    assert len(broken) == 7, "announce, state, head, three chunks, finish"


def test_an_answer_that_was_lost_changes_nothing(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    lost: set[str] = set()

    def lose(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path not in lost:
            lost.add(request.url.path)
            raise httpx2.ReadError("the answer was lost", request=request)
        return response

    line.answered = lose
    sent = send(bench, line, envelope.made.path)
    assert sent.proven.on_time
    statuses = {status for method, _, status in line.seen if method == "PUT"}
    assert statuses == {200, 201}, "what was stored before is answered 200"


def test_a_dead_line_leaves_what_a_second_run_resumes(
    bench: Bench, line: Line, envelope: Envelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PARALLEL", 1)

    def dead_but_for_one_chunk(_: Line, request: httpx2.Request) -> None:
        if request.url.path.endswith(("chunks/1", "chunks/2")):
            raise httpx2.ConnectError("no route", request=request)

    line.fault = dead_but_for_one_chunk
    with pytest.raises(Unreachable) as refusal:
        send(bench, line, envelope.made.path)
    assert refusal.value.code == "network.unreachable"
    assert Record.read(envelope.made.path).transmission
    resumed = Line(bench.app)
    assert send(bench, resumed, envelope.made.path).proven.on_time
    assert sorted(resumed.puts()) == ["1", "2"]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_busy_platform_is_asked_again(
    bench: Bench, line: Line, envelope: Envelope, status: int
) -> None:
    busy: set[str] = set()

    def answer(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path not in busy:
            busy.add(request.url.path)
            return httpx2.Response(status, json={"code": "platform.stopping", "title": "busy"})
        return response

    line.answered = answer
    assert send(bench, line, envelope.made.path).proven.on_time


def test_a_refusal_is_told_with_its_own_code(bench: Bench, line: Line, envelope: Envelope) -> None:
    with pytest.raises(ServerRefused) as refusal:
        send(bench, line, envelope.made.path, token=WRONG)
    assert (refusal.value.status, refusal.value.code) == (401, "login.required")
    with pytest.raises(ServerRefused) as refusal:
        send(bench, line, envelope.made.path, token=bench.tokens.rival)
    assert refusal.value.status in {403, 422}


def test_an_ended_transmission_is_followed_by_another_one(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    line.fault = _refuse_chunks
    with pytest.raises(Unreachable):
        send(bench, line, envelope.made.path)
    first = Record.read(envelope.made.path).transmission
    ended = bench.http.delete(
        f"/api/v1/transmissions/{first}",
        headers={"Authorization": f"Bearer {bench.tokens.company}"},
    )
    assert ended.json()["state"] == "FAILED"
    sent = send(bench, Line(bench.app), envelope.made.path)
    assert sent.proven.transmission != first
    assert sent.proven.on_time


def test_one_envelope_in_two_running_transmissions_is_refused(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    line.fault = _refuse_chunks
    with pytest.raises(Unreachable):
        send(bench, line, envelope.made.path)
    Record.read(envelope.made.path).note(None, 2)
    with pytest.raises(ServerRefused) as refusal:
        send(bench, Line(bench.app), envelope.made.path)
    assert (refusal.value.status, refusal.value.code) == (409, "object.exists")


def _refuse_chunks(_: Line, request: httpx2.Request) -> None:
    if "/chunks/" in request.url.path:
        raise httpx2.ConnectError("no route", request=request)


def test_a_transmission_that_ends_without_deposit_is_no_success(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    def failed(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path.endswith("/finish"):
            return httpx2.Response(200, json={"state": "FAILED", "attestation": "proof"})
        return response

    line.answered = failed
    with pytest.raises(UploadEnded) as refusal:
        send(bench, line, envelope.made.path)
    assert (refusal.value.state, refusal.value.attestation) == ("FAILED", "proof")


def test_a_late_envelope_says_so(bench: Bench, line: Line, envelope: Envelope) -> None:
    bench.forward(SOON)
    sent = send(bench, line, envelope.made.path)
    assert not sent.proven.on_time
    assert "REÇU HORS DÉLAI" in words(sent.proven, "fr")


def test_a_rehearsal_ends_with_the_proof_of_its_own_session(bench: Bench, line: Line) -> None:
    at, wish = bench.publish(), Wish("REHEARSAL", ("0",))
    envelope = bench.seal(at, wish=wish)
    for _ in range(2):
        sent = send(bench, line, envelope.made.path)
        assert (sent.proven.kind, sent.proven.on_time) == ("REHEARSAL", True)
        assert sent.proof.read_bytes().startswith(b"c2sp.org/tlog-proof@v1")
        assert words(sent.proven, "fr").startswith("RÉPÉTITION")
        assert "offre.pdf" in words(sent.proven, "en")
    assert len(line.puts()) == 2, "the second run sent nothing again"
    assert not bench.platform.index.deposits("lille-1")

    def swapped(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        name = request.url.path.split("/")[-2]
        proof = sent.proven.proof.decode()
        told = {"state": "COMPLETED", "transmission": name, "attestation": proof}
        ends = request.url.path.endswith("/finish")
        return httpx2.Response(200, json=told) if ends else response

    line.answered = swapped
    with pytest.raises(ReceiptRefused, match="TransmissionCompleted"):
        send(bench, line, bench.seal(at, wish=wish).made.path)


def test_a_backup_copy_has_a_receipt_of_its_own(bench: Bench, line: Line) -> None:
    at, wish = bench.publish(), Wish("BACKUP", ("0",))
    for late in (False, True):
        envelope = bench.seal(at, wish=wish)
        if late:
            bench.forward(SOON)
        sent = send(bench, line, envelope.made.path)
        assert (sent.proven.kind, sent.proven.on_time) == ("BACKUP", not late)
        told = words(sent.proven, "fr")
        assert told.startswith("COPIE DE SAUVEGARDE")
        assert ("REÇU HORS DÉLAI" in told) is late
        assert envelope.made.commitment in told
        policy = verifier.Policy(bench.platform.policies["policy-log.txt"].encode())
        entry = verifier.check_receipt(sent.proof.read_bytes(), policy).entry
        with envelope.made.path.open("rb") as file:
            assert verifier.check_file(file, entry) == envelope.made.commitment


def test_a_changed_envelope_never_leaves(bench: Bench, line: Line, envelope: Envelope) -> None:
    path = envelope.made.path
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SealRefused):
        send(bench, line, path)
    assert not line.seen


# --- receipts are believed only when they prove this envelope


def with_receipt(change: Callable[[str], str]) -> Any:
    def answer(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if not request.url.path.endswith("/finish"):
            return response
        body = json.loads(_body(response))
        body["receipt"] = change(body["receipt"])
        return httpx2.Response(200, json=body)

    return answer


def _body(response: httpx2.Response) -> bytes:
    async def read() -> bytes:
        return await response.aread()

    coroutine = read()
    try:
        coroutine.send(None)
    except StopIteration as done:
        return bytes(done.value)
    raise AssertionError("the body was not there at once")


def test_a_forged_receipt_is_refused_and_not_kept(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    line.answered = with_receipt(lambda receipt: receipt.replace("index ", "index 1", 1))
    with pytest.raises(ReceiptRefused):
        send(bench, line, envelope.made.path)
    assert not list(envelope.made.path.parent.glob("*.tlog-proof"))


def test_the_receipt_of_another_deposit_is_refused(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    first = send(bench, line, envelope.made.path)
    wish = Wish("OFFER", ("0",), "REPLACE", first.proven.deposit)
    other = bench.seal("/api/v1/consultations/lille-1", wish=wish)
    line.answered = with_receipt(lambda receipt: first.proven.proof.decode())
    with pytest.raises(ReceiptRefused, match="it proves DepositSealed in"):
        send(bench, line, other.made.path)


def test_a_receipt_of_another_log_is_refused(bench: Bench, line: Line, envelope: Envelope) -> None:
    with pytest.raises(ReceiptRefused):
        send(bench, line, envelope.made.path, ShownLedger().policy)


def test_an_answer_without_a_receipt_is_refused(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    def bare(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path.endswith("/finish"):
            return httpx2.Response(200, json={"state": "COMPLETED"})
        return response

    line.answered = bare
    with pytest.raises(UploadEnded):
        send(bench, line, envelope.made.path)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"no json"), (200, b"[]"), (302, b"{}"), (200, b'{"state":"STARTED"}')],
)
def test_strange_answers_are_named(
    bench: Bench, line: Line, envelope: Envelope, status: int, body: bytes
) -> None:
    def strange(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path.endswith("/head"):
            return httpx2.Response(status, content=body)
        return response

    line.answered = strange
    with pytest.raises(StrangeAnswer):
        send(bench, line, envelope.made.path)


def test_an_error_without_json_keeps_its_status(
    bench: Bench, line: Line, envelope: Envelope
) -> None:
    line.answered = lambda request, response: httpx2.Response(500, content=b"<html>")
    with pytest.raises(ServerRefused, match="HTTP 500") as refusal:
        send(bench, line, envelope.made.path)
    assert refusal.value.code == "network.answer"


# --- the commands


@pytest.fixture
def wired(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Let the commands reach the platform of this process, and no other."""

    class Wired(PlatformClient):
        def __init__(self, base_url: str, token: str | None = None, **given: Any) -> None:
            super().__init__(base_url, token, **{**given, "transport": line})

    monkeypatch.setattr(outgoing, "PlatformClient", Wired)
    return line


def command(*given: object) -> int:
    return run([str(word) for word in given])


def test_kit_seal_deposit_from_the_command_line(
    bench: Bench,
    wired: Line,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench.publish()
    folder = tmp_path / "cli"
    folder.mkdir()
    token = folder / "token"
    token.write_text(bench.tokens.company + "\n")
    kit, out = folder / "kit.json", folder / "offre.pli"
    (folder / "prix.txt").write_text("42")
    named = ("--url", "http://pli.test", "--token-file", token)
    assert command("kit", "lille-1", "--out", kit, *named, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bidder"]
    assert kit.stat().st_mode & 0o077 == 0
    words_ = ("--kit", kit, "--kind", "OFFER", "--lot", "0", "--out", out)
    assert command("seal", *words_, folder / "prix.txt", "--json") == 0
    sealed = json.loads(capsys.readouterr().out)
    elsewhere = (*words_[:-1], folder / "absent" / "offre.pli")
    assert command("seal", *elsewhere, folder / "prix.txt") == 3
    assert "[file.unreadable]" in capsys.readouterr().err
    monkeypatch.setenv("PLI_TOKEN", bench.tokens.company)
    assert command("deposit", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["commitment"] == sealed["commitment"]
    receipt = folder / f"{sealed['deposit']}.tlog-proof"
    assert told["receipt"] == str(receipt)
    policy = folder / "policy-log.txt"
    policy.write_text(bench.platform.policies["policy-log.txt"])
    pieces = folder / f"{sealed['deposit']}.pieces.json"
    proven = ("--file", out, "--pieces", pieces, "--policy", policy)
    assert command("verify", "receipt", receipt, *proven) == 0
    assert "prix.txt" in (folder / f"{sealed['deposit']}.recu.txt").read_text()
    monkeypatch.setenv("PLI_LANG", "fr")
    capsys.readouterr()
    assert command("deposit", out, "--policy", policy) == 0
    assert capsys.readouterr().out.startswith("ACCUSÉ DE RÉCEPTION")


def test_a_kit_without_a_token_seals_nothing(
    bench: Bench, wired: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.publish()
    kit = tmp_path / "kit.json"
    assert command("kit", "lille-1", "--out", kit, "--url", "http://pli.test") == 0
    told = capsys.readouterr()
    assert "A0" in told.err
    (tmp_path / "prix.txt").write_text("42")
    given = ("--kit", kit, "--kind", "OFFER", "--out", tmp_path / "o.pli", tmp_path / "prix.txt")
    assert command("seal", *given) == 1
    assert "[seal.refused]" in capsys.readouterr().err


def test_an_unknown_consultation_and_a_dead_platform(
    bench: Bench, wired: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = tmp_path / "kit.json"
    assert command("kit", "nowhere", "--out", kit) == 1
    assert "[object.not-found]" in capsys.readouterr().err

    def dead(_: Line, request: httpx2.Request) -> None:
        raise httpx2.ConnectError("no route", request=request)

    wired.fault = dead
    assert command("kit", "nowhere", "--out", kit) == 3
    assert "[network.unreachable]" in capsys.readouterr().err
    assert not kit.exists()


def test_progress_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    deposit_command.progress(5, 10)
    deposit_command.progress(10, 10)
    told = capsys.readouterr()
    assert told.out == ""
    assert "50 %" in told.err
    assert told.err.endswith("100 %  10 / 10\n")


def test_a_kit_is_fetched_as_it_is(bench: Bench, line: Line) -> None:
    bench.publish()

    async def go() -> dict[str, Any]:
        async with PlatformClient("http://pli.test", transport=line) as http:
            return await fetch_kit(http, "lille-1")

    assert asyncio.run(go())["consultation"] == "lille-1"
