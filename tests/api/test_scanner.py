"""clamd over its socket: what it says is understood, and whatever it does not say is "not scanned".

Every document of the trade's test file is made here from two halves; no malware is in this place.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, SOON, Bench, Envelope, shown
from doubles.clamd import SIGNATURE, VERSION, clamd, eicar
from doubles.ports import free_port
from pydantic import ValidationError

from api.adapters.rng import SystemRng
from api.adapters.scanner import Bounds, Clamd, parse_answer, scanner_of
from api.depositor.envelope_file import EnvelopeFile, Record
from api.depositor.sealing import Piece, Wish, seal
from api.facts import facts
from api.settings import Settings
from domain.envelope import SealedEnvelope
from domain.scanning import NoScanner, NotScanned, Scan, ScanVerdict

SHORT = Bounds(connect_s=0.3, quiet_s=0.3, whole_s=5, rest_s=60)
ENGINE = VERSION.decode()


def scan(address: str, data: bytes, bounds: Bounds = SHORT) -> Scan:
    parts = (data[start : start + 100_000] for start in range(0, len(data), 100_000))
    return Clamd(address, bounds).scan(parts, len(data))


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "clamd.ctl" if request.param == "unix" else None


def test_what_is_clean_and_what_is_not(place: Path | None) -> None:
    with clamd(place) as engine:
        large = bytes(300_000) + b"offer"
        assert scan(engine.address, large) == Scan(ScanVerdict.CLEAN, ENGINE)
        assert engine.scanned == [hashlib.sha256(large).hexdigest()], "byte for byte"
        found = scan(engine.address, b"PK" + bytes(200_000) + eicar())
        assert found == Scan(ScanVerdict.MALWARE, ENGINE, SIGNATURE.decode())
        assert scan(engine.address, b"") == Scan(ScanVerdict.CLEAN, ENGINE)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("silent", NotScanned.SILENT),
        ("closing", NotScanned.SILENT),
        ("babbling", NotScanned.ANSWER),
    ],
)
def test_what_it_does_not_say_was_not_scanned(
    place: Path | None, mood: str, reason: NotScanned
) -> None:
    with clamd(place) as engine:
        engine.mood = mood
        found = scan(engine.address, eicar())
    assert (found.verdict, found.reason) == (ScanVerdict.NOT_SCANNED, reason)


def test_a_document_above_a_limit_is_not_scanned(place: Path | None) -> None:
    with clamd(place, limit=100_000) as engine:
        found = scan(engine.address, bytes(4_000_000))
        assert (found.verdict, found.reason) == (ScanVerdict.NOT_SCANNED, NotScanned.SIZE)
        engine.limit = 1 << 30
        small = Bounds(largest=10)
        assert scan(engine.address, bytes(11), small).reason == NotScanned.SIZE
        assert engine.scanned == []


def test_nobody_there_is_silence_and_is_left_alone_for_a_while(tmp_path: Path) -> None:
    for address in (str(tmp_path / "none"), f"127.0.0.1:{free_port()}", "[::1]:1"):
        assert scan(address, b"x").reason == NotScanned.SILENT
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "later"))
        one = Clamd(str(tmp_path / "later"), SHORT)
        assert one.scan([b"x"], 1).reason == NotScanned.SILENT
    (tmp_path / "later").unlink()
    with clamd(tmp_path / "later") as engine:
        assert one.scan([b"x"], 1).reason == NotScanned.SILENT, "it rests"
        assert scan(engine.address, b"x").verdict == ScanVerdict.CLEAN, "another one would ask"


def test_a_silence_is_told_once_to_the_operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Clamd(str(tmp_path / "none"), SHORT)
    for _ in range(3):
        one.scan([b"x"], 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert '"about":"scanner"' in line.replace(" ", "")


@pytest.mark.parametrize("command", [b"zVERSION", b"zINSTREAM"])
def test_an_answer_that_comes_byte_by_byte_has_an_end(tmp_path: Path, command: bytes) -> None:
    with clamd(tmp_path / "clamd.ctl") as engine:
        engine.dripping = command
        begun = time.monotonic()
        found = scan(engine.address, b"x", Bounds(quiet_s=0.3, whole_s=0.3))
        assert found.reason == NotScanned.SILENT
        assert time.monotonic() - begun < 30, "4,096 bytes of such an answer take minutes"


def test_a_document_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with clamd(tmp_path / "clamd.ctl") as engine:
        found = scan(engine.address, bytes(1_000_000), Bounds(whole_s=-1))
        assert found.reason == NotScanned.SILENT


@pytest.mark.parametrize(
    ("answer", "verdict", "signature"),
    [
        (b"stream: OK\0", ScanVerdict.CLEAN, ""),
        (b"stream: OK", ScanVerdict.CLEAN, ""),
        (b"stream: A b(1:2) FOUND\0", ScanVerdict.MALWARE, "A b(1:2)"),
        ("stream: \u202eÉ FOUND".encode(), ScanVerdict.MALWARE, "?????"),
        (b"stream:  FOUND", ScanVerdict.MALWARE, "?"),
        (b"stream: " + b"x" * 999 + b" FOUND", ScanVerdict.MALWARE, "x" * 200),
        (b"stream: FOUND", ScanVerdict.NOT_SCANNED, ""),
        (b"stream: ok", ScanVerdict.NOT_SCANNED, ""),
        (b"OK", ScanVerdict.NOT_SCANNED, ""),
        (b"", ScanVerdict.NOT_SCANNED, ""),
    ],
)
def test_answers(answer: bytes, verdict: ScanVerdict, signature: str) -> None:
    found = parse_answer(answer, "E")
    assert (found.verdict, found.signature) == (verdict, signature)


def test_an_address_is_a_socket_or_a_host_with_its_port() -> None:
    assert isinstance(scanner_of(None), NoScanner)
    for good in ("/run/clamav/clamd.ctl", "clamav:3310", "[::1]:3310"):
        assert isinstance(scanner_of(Settings(clamd=good).clamd), Clamd)
    for bad in ("", "clamd", "http://clamd:3310", "clamd:", "clamd:123456"):
        with pytest.raises(ValidationError):
            Settings(clamd=bad)


# --- a platform with a scanner


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Bench, object]]:
    with clamd(tmp_path / "clamd.ctl") as engine:
        made = Bench(tmp_path, clamd=engine.address)
        made.register()
        yield made, engine
        made.close()


def bid(bench: Bench, at: str, *contents: bytes) -> Envelope:
    folder = bench.scratch / f"bid-{len(list(bench.scratch.iterdir()))}"
    folder.mkdir()
    pieces = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.bin"
        path.write_bytes(content)
        pieces.append(Piece(f"annexes/Dupont-{number}.bin", path))
    wish = Wish("OFFER", ("0",))
    kit = bench.kit(at)
    made = seal(kit, wish, pieces, folder / "o.pli", SystemRng(), lambda _name, _about: None)
    return Envelope(made, EnvelopeFile.check(made.path, Record.read(made.path).commitment))


def opened(bench: Bench, *contents: bytes) -> tuple[str, str]:
    """Deposit one bid and open it; return its name and the address of its opening."""
    name = bench.deposit(bid(bench, bench.publish(), *contents))["deposit"]
    bench.forward(SOON)
    at = bench.attend()
    bench.done(f"{at}/plan", bench.tokens.buyer)
    bench.done(f"{at}/envelopes", bench.tokens.buyer, {})
    return name, at


def test_a_virus_is_kept_and_given_to_nobody(guarded: tuple[Bench, object]) -> None:
    bench, _ = guarded
    name, at = opened(bench, b"offer", b"x" * 70_000 + eicar())
    told = facts(bench.platform.ledger, f"deposit/{name}")
    assert [fact.kind for fact in told][-2:] == ["EnvelopeOpened", "MalwareDetected"]
    data = {key: told[-1].data[key] for key in ("file", "engine", "signature")}
    assert data == {"file": "piece-0002", "engine": ENGINE, "signature": SIGNATURE.decode()}
    traces = bench.platform.vault.scans(name)
    assert hashlib.sha256(traces[-1]).hexdigest() == told[-1].data["trace_hash"]
    assert b"Dupont" not in traces[-1], "a name of a document is nobody's business here"
    listed = bench.get(f"{at}/envelopes/{name}/documents", bench.tokens.buyer).json()
    assert [row["size"] for row in listed["documents"]] == [5, 70_068]
    assert listed["malware"]["signature"] == SIGNATURE.decode()
    for token in (bench.tokens.buyer, bench.tokens.company):
        for number in (1, 2):
            answer = bench.get(f"{at}/envelopes/{name}/documents/{number}", token)
            assert (answer.status_code, shown(answer)) == (409, "documents.quarantined")
    kept = bench.platform.vault.opened(name)
    assert b"".join(bench.platform.vault.opened_parts(name, kept[1])).endswith(eicar())
    seen = bench.get(at, bench.tokens.buyer).json()["outcomes"][0]
    assert seen["malware"]["file"] == "piece-0002"


def test_a_scanner_that_is_away_holds_up_nothing_and_may_be_asked_again(
    tmp_path: Path,
) -> None:
    port = free_port()
    bench = Bench(tmp_path, clamd=f"127.0.0.1:{port}")
    bench.register()
    name, at = opened(bench, b"offer", eicar())
    listed = bench.get(f"{at}/envelopes/{name}/documents", bench.tokens.buyer).json()
    assert listed["scan"]["verdict"] == "NOT_SCANNED"
    assert listed["scan"]["reason"] == "silent"
    answer = bench.get(f"{at}/envelopes/{name}/documents/1", bench.tokens.buyer)
    assert (answer.status_code, answer.content) == (200, b"offer")
    bench.close()
    with clamd() as engine:
        bench.settings = bench.settings.model_copy(update={"clamd": engine.address})
        bench.reopen()
        again = f"{at}/envelopes/{name}/scan"
        assert bench.post(again, bench.tokens.other).status_code == 404
        assert bench.post(again, bench.tokens.company).status_code in {403, 404}
        told = bench.done(again, bench.tokens.buyer)
        assert told["malware"]["file"] == "piece-0002"
        assert shown(bench.post(again, bench.tokens.buyer)) == "deposit.wrong-state"
        bench.close()
    bench.reopen()
    found = bench.platform.desk.files.find(SealedEnvelope, f"deposit/{name}")
    assert found is not None
    assert found.state == "QUARANTINED"
    assert bench.platform.index.tenant_of("lille-1") == BUYER
    bench.close()


def test_a_clean_bid_says_by_whom_it_was_scanned(guarded: tuple[Bench, object]) -> None:
    bench, _ = guarded
    name, at = opened(bench, b"offer")
    listed = bench.get(f"{at}/envelopes/{name}/documents", bench.tokens.buyer).json()
    assert listed["scan"] | {"at": ""} == {
        "at": "",
        "verdict": "CLEAN",
        "documents": 1,
        "engine": ENGINE,
    }
    assert bench.get(f"{at}/envelopes/{name}/documents/1", bench.tokens.buyer).content == b"offer"
    again = bench.done(f"{at}/envelopes/{name}/scan", bench.tokens.buyer)
    assert again["scan"]["verdict"] == "CLEAN"
    assert len(bench.platform.vault.scans(name)) == 2


def test_a_dossier_with_a_virus_is_refused_before_anything_is_kept(
    guarded: tuple[Bench, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not kept, so never frozen and never published, whatever the officer asks (V5.4.3)."""
    bench, engine = guarded
    at, infected = bench.draft(), b"x" * 70_000 + eicar()
    capsys.readouterr()

    def send(content: bytes) -> Any:
        headers = {"Authorization": f"Bearer {bench.tokens.buyer}"}
        return bench.http.put(f"{at}/dossier/files/a.pdf", content=content, headers=headers)

    answer = send(infected)
    assert (answer.status_code, shown(answer)) == (422, "dossier.malware")
    assert answer.json()["signature"] == SIGNATURE.decode()
    (line,) = [json.loads(one) for one in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["signature"]) == ("malware.refused", SIGNATURE.decode())
    name = hashlib.sha256(infected).hexdigest()
    assert bench.platform.vault.blob(name) is None
    assert not list((bench.home.envelopes / "incoming").iterdir())
    frozen = bench.post(
        f"{at}/dossier", bench.tokens.buyer, {"files": [{"name": "a.pdf", "sha256": name}]}
    )
    assert shown(frozen) == "dossier.not-uploaded"
    assert send(b"clean").status_code == 201
    engine.mood = "closing"
    assert send(infected).status_code == 201, "a scanner that is away holds up nothing, as ever"
