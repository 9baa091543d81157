"""S10: before the opening no secret lies anywhere on the server: files, journal, memory (T14).

A real server process takes deposits. Then plaintexts, names of documents, the depositors' scalars
and keys, and the custodians' shares are searched in every file of the home (database, WAL, blobs,
keys), in its journal, in its folder for temporary files, and in its memory. After the opening the
same is searched of what stays shut: a late deposit and a withdrawn one. Each place has its control:
what is planted there, or what the server must know, is found.

At level A0 the custodians live in this process: when they answer, their shares pass through its
memory. So shares are searched in memory before the opening, and at rest at any time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doubles import searching
from doubles.bench import SOON, START, Bench, Envelope
from doubles.ports import free_port, wait_listening
from doubles.proofs import Proof
from doubles.timed_server import set_clock

from api.adapters.custodian_ceremony import share_bound, share_name
from api.adapters.rng import SystemRng
from api.depositor.envelope_file import EnvelopeFile, Record
from api.depositor.sealing import Piece, Wish, seal
from crypto.sealing import Draw
from domain.custody import Custody

SERVER = Path(searching.__file__).with_name("timed_server.py")
KNOWN = "toiture-c0ffee-5eed"
"""Stands in the title of the published lot: the server must know it."""
LOT = {"lot": "001", "title": f"Lot {KNOWN}", "estimated_cents": 900_000}


class Overheard:
    """The randomness of a depositor, remembered by the test."""

    def __init__(self) -> None:
        self.drawn: list[bytes] = []

    def bytes(self, count: int) -> bytes:
        made = SystemRng().bytes(count)
        self.drawn.append(made)
        return made


@dataclass
class Sealed:
    """One envelope and what nobody else may know of it."""

    envelope: Envelope
    secrets: dict[str, str | bytes]


def sealed(bench: Bench, at: str, who: str, token: str) -> Sealed:
    """Seal two documents whose words and names stand nowhere else."""
    chance = Overheard()
    folder = bench.scratch / who
    folder.mkdir()
    word, name = (hashlib.sha256(f"{who} {what}".encode()).hexdigest()[:24] for what in "wn")
    paper = folder / "offre.pdf"
    paper.write_bytes(b"%PDF-1.7 " + f"prix {word} fin ".encode() * 40)
    pieces = [Piece(f"memoire-{name}.pdf", paper)]
    kit, wish = bench.kit(at, token), Wish("OFFER", ("001",))
    made = seal(kit, wish, pieces, folder / "offre.pli", chance, lambda _name, _about: None)
    drawn = next(one for one in chance.drawn if len(one) == Draw.SIZE)
    draw = Draw.of(drawn)
    record = Record.read(made.path)
    secrets: dict[str, str | bytes] = {
        f"{who}: words": f"prix {word} fin",
        f"{who}: name": f"memoire-{name}",
        f"{who}: scalar": draw.r,
        f"{who}: drawn": drawn[:64],
    }
    return Sealed(Envelope(made, EnvelopeFile.check(made.path, record.commitment)), secrets)


def shares(bench: Bench, consultation: str) -> dict[str, str | bytes]:
    """Return the shares of a consultation's key, from the chests of its custodians."""
    custody = bench.platform.desk.files.find(Custody, f"custody/{consultation}")
    assert custody is not None
    assert custody.keyset is not None
    digest, found = custody.keyset.digest, {}
    for place, name in enumerate(custody.keyset.custodians, 1):
        seat = bench.platform.desk.custodians._one(name)._seat
        bound = share_bound(bytes.fromhex(digest), place)
        found[f"share {place}"] = seat.chest.get(share_name(digest), bound)
    return dict(found)


@dataclass
class Server:
    """A server of its own process, with a journal and a folder for temporary files."""

    home: Path
    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.temp = self.folder / "temp"
        self.temp.mkdir()
        self.journal = self.folder / "journal"
        self.journal.mkdir()
        self.clock = self.folder / "clock"

    def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self.home), str(self.port), str(self.clock)]
        with (self.journal / "stderr").open("ab") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, "TMPDIR": str(self.temp)}
            )
        wait_listening(self.process, self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def found(self, secrets: dict[str, str | bytes]) -> dict[str, set[str]]:
        """Return which secrets are where: files by their path, and the memory."""
        needles, held = searching.needles_of(secrets), searching.in_memory_of(secrets)
        places = {"home": self.home, "journal": self.journal, "temp": self.temp}
        found = {
            f"{place}/{path}": names
            for place, folder in places.items()
            for path, names in searching.in_folder(folder, needles).items()
        }
        in_memory = searching.in_memory(self.process.pid, held, self.home)
        return found | ({"memory": in_memory} if in_memory else {})


def send(url: str, token: str, envelope: Envelope) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=60) as http:
        key = {"Idempotency-Key": f"deposit-{envelope.made.deposit}"}
        begun = http.post("/api/v1/transmissions", json=envelope.announce(), headers=key)
        base = f"/api/v1/transmissions/{begun.raise_for_status().json()['transmission']}"
        head = {"Pli-Commitment": envelope.made.commitment}
        answer = http.put(f"{base}/head", content=envelope.file.header.head, headers=head)
        answer.raise_for_status()
        for index, leaf in enumerate(envelope.file.leaves):
            answer = http.put(
                f"{base}/chunks/{index}",
                content=envelope.file.chunk(index),
                headers={"Pli-Leaf": leaf.hex()},
            )
            answer.raise_for_status()
    return dict(answer.json())


def act(url: str, token: str, path: str, body: object, key: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return httpx2.post(f"{url}{path}", json=body, headers=headers, timeout=60)


def done(url: str, token: str, path: str, body: object, key: str) -> Any:
    """Do an act that succeeds, at the latest once the register is closed and witnessed."""
    pause = threading.Event()
    for number in range(400):
        answer = act(url, token, path, body, f"s10-{key}-{number}")
        if answer.status_code != 409:
            break
        pause.wait(0.05)
    assert answer.status_code in {200, 201}, (path, answer.status_code, answer.text)
    return answer.json()


@dataclass
class Case:
    """Four envelopes of one consultation, and the shares of its key."""

    bench: Bench
    sealed: dict[str, Sealed]
    shares: dict[str, str | bytes]

    def of(self, *names: str) -> dict[str, str | bytes]:
        """Return the secrets of these envelopes."""
        return {name: it for one in names for name, it in self.sealed[one].secrets.items()}

    def send(self, server: Server, who: str) -> dict[str, Any]:
        token = self.bench.tokens.rival if who in {"late", "withdrawn"} else None
        return send(server.url, token or self.bench.tokens.company, self.sealed[who].envelope)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    bench = Bench(tmp_path)
    bench.register()
    at = bench.draft()
    bench.done(f"{at}/lots", bench.tokens.buyer, LOT)
    bench.done(f"{at}/ceremony", bench.tokens.buyer)
    bench.done(f"{at}/canary", bench.tokens.buyer)
    bench.done(f"{at}/publication", bench.tokens.buyer, {"notice_ids": []})
    tokens = bench.tokens
    made = {
        "opened": sealed(bench, at, "opened", tokens.company),
        "withdrawn": sealed(bench, at, "withdrawn", tokens.rival),
        "late": sealed(bench, at, "late", tokens.rival),
    }
    held = shares(bench, "lille-1")
    bench.tick()  # today's proof of life: the server that comes asks no share for it
    bench.close()
    return Case(bench, made, held)


@pytest.fixture
def server(case: Case, tmp_path: Path) -> Iterator[Server]:
    made = Server(case.bench.home.folder, tmp_path)
    set_clock(made.clock, START + timedelta(hours=1))
    made.start()
    yield made
    made.stop()


def test_no_secret_lies_anywhere_before_the_opening_nor_later_of_what_stays_shut(
    case: Case, server: Server, proof: Proof
) -> None:
    buyer, rival = case.bench.tokens.buyer, case.bench.tokens.rival
    for who in ("opened", "withdrawn"):
        assert case.send(server, who)["on_time"]
    gone = case.sealed["withdrawn"].envelope.made.deposit
    done(server.url, rival, f"/api/v1/deposits/{gone}/withdrawal", {"reason": "erreur"}, "gone")
    everything = case.of("opened", "withdrawn", "late") | case.shares
    known = {"title": KNOWN, "deposit": gone}
    found = server.found(everything | known)
    searched = searching.size_of_memory(server.process.pid, server.home)
    assert set().union(*found.values()) == set(known), "nothing but what it must know"
    for place, name in (("home/ledger.db", "title"), ("home/ledger.db-wal", "deposit")):
        assert name in found[place], "the control: what it must know is found where it is"
    assert "deposit" in found["memory"]
    # after the hour: one is opened, the others stay shut
    set_clock(server.clock, START + SOON)
    opening = "/api/v1/openings/lille-1/001"
    done(server.url, buyer, f"{opening}/convocation", {"members": ["ada", "bob"]}, "convene")
    assert not case.send(server, "late")["on_time"]
    for member in ("ada", "bob"):
        done(server.url, buyer, f"{opening}/presences", {"member": member}, f"here-{member}")
    plan = done(server.url, buyer, f"{opening}/plan", None, "plan")["plan"]
    opened = case.sealed["opened"].envelope.made.deposit
    assert (plan["open"], plan["withdrawn"], len(plan["late"])) == ([opened], [gone], 1)
    shown = done(server.url, buyer, f"{opening}/envelopes", {}, "open")
    assert shown["outcomes"][0]["event"] == "EnvelopeOpened"
    listed = httpx2.get(
        f"{server.url}{opening}/envelopes/{opened}/documents",
        headers={"Authorization": f"Bearer {buyer}"},
        timeout=60,
    )
    assert "memoire-" in listed.text, "it is open, and the server has just read it"
    found = server.found(everything | known)
    shut = set(case.of("late", "withdrawn"))
    assert not shut & set().union(*found.values()), "late and withdrawn stay shut for ever"
    at_rest = set().union(*(names for place, names in found.items() if place != "memory"))
    assert at_rest == set(known), "what is open lies locked, and shares lie encrypted"
    assert "deposit" in found["memory"], "the control: memory is searched"
    proof(
        "S10",
        f"{len(everything)} secrets of 3 envelopes and 3 shares, {searched >> 20} MiB of memory, "
        "home, journal, temporary files: 0 before the opening, 0 after it of what stays shut; "
        "controls: what the server must know, a mark planted in each place",
    )


def test_a_secret_in_any_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: planted in a table, its WAL, a blob, a journal, a temporary file and memory."""
    monkeypatch.setattr(searching, "BLOCK", 4_096)
    mark = "prix 1234567 planted"
    needles = searching.needles_of({"mark": mark, "scalar": bytes(range(32))})
    home = tmp_path / "home"
    (home / "blobs").mkdir(parents=True)
    assert searching.in_folder(home, needles) == {}
    database = sqlite3.connect(home / "some.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA secure_delete=OFF")
    database.execute("CREATE TABLE rows(value)")
    database.execute("INSERT INTO rows VALUES (?)", (mark,))
    assert searching.in_folder(home, needles) == {"some.db-wal": {"mark"}}
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert searching.in_folder(home, needles) == {"some.db": {"mark"}}
    database.execute("DELETE FROM rows")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert searching.in_folder(home, needles) == {"some.db": {"mark"}}, "a free page too"
    database.close()
    (home / "some.db").unlink()
    across = bytes(searching.BLOCK - 7)
    for number, form in enumerate(sorted(needles["mark"] | needles["scalar"])):
        path = home / "blobs" / str(number)
        path.write_bytes(across + form + b"..")
        found = searching.in_folder(home, needles)
        assert set(found) == {f"blobs/{number}"}, form
        path.unlink()
    (home / f"temp-{mark}").write_bytes(b"")
    assert searching.in_folder(home, needles) == {f"temp-{mark}": {"mark"}}
    monkeypatch.undo()
    program = "import sys; held = bytes(range(32)); print('ready', flush=True); sys.stdin.read()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        assert searching.in_memory(child.pid, needles, home) == {"scalar"}, "of its child"
        child.stdin.close()
