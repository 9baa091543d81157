"""Two worlds (H14): one public script over copies of one home that differ in secret deposits only.

What is asked is read from the application itself: every GET of the interface and every page, as
every observer, so a route that is added later is compared without being written down here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from doubles.bench import BUYER, COMPANY, OTHER_BUYER, Bench, Envelope
from doubles.pages import addresses
from doubles.reader import joined, officer
from doubles.sizes import sized

from api.depositor.sealing import Wish
from api.entrance import PASSKEY
from domain.commands.probe import RecordProbes, record_probes
from domain.events.health import Probe
from domain.health import Probed

NAME = "lille-1"
OTHER = "roubaix-1"
BIDDERS = 7
PAD = 256
METHODS = ("get",)
HOST_TIME = re.compile(r'"(?:at|ts|time|timestamp)":"[^"]*"')
"""The date of a line of a log: the one thing that a log line may have of its own."""
DURATION = re.compile(rb"(?m)^\w+(_seconds(_bucket|_sum)|_created)[{ ].*$")
"""How long answers took and since when they are counted: T16 compares times, by night."""
ONCE = re.compile(rb'name="once" value="[0-9a-f]{32}"')
"""The key under which a form is taken once: drawn for each page, and of one length."""
LASTING = 10**8
"""Seconds for which a session lasts here, so that it sees the closing."""
BROWSER = "ab" * 32
AUDITOR = "cour-regionale"
COPIES = sized(push=1, full=2, night=2)
"""How many bidders of a world send a backup copy too, and hand in one on paper."""
PAPER = {
    "lots": ["0"],
    "medium": "PAPER",
    "label_ok": True,
    "received": {"local": "2026-11-02T09:00"},
    "desk": "accueil",
}
SMALL, LARGE = 99_900, 100_100
"""Two sizes of one padding bucket."""


def siret(number: int) -> str:
    """Return a SIRET that passes its check."""
    base = f"90000000{number:05}"
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(base)]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return f"{base}{-total % 10}"


@dataclass
class Observers:
    """Everybody but the bidders, by name, with their tokens or sessions; and the bidders."""

    watching: dict[str, str | None]
    bidders: list[str]
    sessions: dict[str, str] = field(default_factory=dict)
    desk: str = ""
    """Who writes down what comes on paper: it knows that, and is no observer."""


@dataclass
class World:
    """One copy of the home: what was asked in it, and what was answered."""

    bench: Bench
    observers: Observers
    seen: dict[str, bytes] = field(default_factory=dict)
    logs: str = ""

    def __post_init__(self) -> None:
        # the book of refused accesses counts by the hour: here by that of the world
        self.bench.platform.refusals._now = self.bench.platform.now

    def deposit(self, sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Let one bidder after the other deposit; return the answers."""
        told = []
        for token, size in zip(self.observers.bidders, sizes, strict=False):
            envelope = self.seal(size, token)
            told.append(self.bench.deposit(envelope, token))
        for number, token in enumerate(self.observers.bidders[: min(len(sizes), COPIES)]):
            told[number]["copy"] = self.back_up(number, token)
        self.probe()
        return told

    def probe(self) -> None:
        """Record what a probe found: its place in the log tells how many deposits came before."""
        platform = self.bench.platform
        at = platform.desk.clock.now().latest
        seen = (Probed(Probe.DEPOSIT, at), Probed(Probe.LOGIN, at, 0, None, "page 500"))
        platform.act(record_probes, platform.own_act("probes", "health"), RecordProbes(seen))

    def back_up(self, number: int, token: str) -> str:
        """Let one bidder send a backup copy, and hand in another on paper; return the first."""
        self.bench.deposit(self.seal(SMALL, token, Wish("BACKUP", ("0",))), token)
        if self.observers.desk:
            self.bench.done(
                f"/api/v1/consultations/{NAME}/desk/backup-copies",
                self.observers.desk,
                PAPER | {"bidder": siret(number)},
            )
        (own,) = self.bench.get("/api/v1/backup-copies", token).json()["backup_copies"]
        return str(own["backup_copy"])

    def seal(self, size: int, token: str, wish: Wish | None = None) -> Envelope:
        """Seal one offer of this size."""
        return self.bench.seal(f"/api/v1/consultations/{NAME}", size=size, token=token, wish=wish)

    def watch(self, stage: str, guesses: Mapping[str, str], watching: Iterable[str] = ()) -> None:
        """Let observers, or all, read everything and try what they may not; keep every byte."""
        self.bench.platform.views.catch_up()
        self.bench._keys = itertools.count(100_000 * (1 + len(self.seen)))  # the same in each world
        for who, token in self.observers.watching.items():
            if watching and who not in watching:
                continue
            self.ask(f"{stage} {who}", paths(self.bench, guesses), bearer(token))
            for path, body in attempts(guesses):
                answer = self.bench.post(path, token, body)
                self.keep(f"{stage} {who} POST {path}", answer)
        own = sorted(pages(self.bench))
        for who, secret in self.observers.sessions.items():
            self.ask(f"{stage} {who}", [*paths(self.bench, guesses), *own], cookies(pli=secret))
        self.ask(f"{stage} page", own, cookies())

    def ask(self, name: str, addresses: Iterable[str], headers: Mapping[str, str]) -> None:
        """Read addresses with what says who asks; no cookie of an answer is sent with the next."""
        for path in addresses:
            self.bench.platform.refusals.settle()  # its rows are written beside the answers
            answer = self.bench.http.get(path, headers=dict(headers), follow_redirects=False)
            self.bench.http.cookies.clear()
            self.keep(f"{name} GET {path}", answer)

    def keep(self, name: str, answer: Any) -> None:
        """Keep status, every header and the body; the response date is no part of the world."""
        drawn = ONCE.sub(b"", answer.content)
        body = DURATION.sub(b"", drawn)
        dated = {"date"} if body == drawn else {"date", "content-length"}
        headers = [
            f"{key}: {value}" for key, value in answer.headers.multi_items() if key not in dated
        ]
        head = f"{answer.status_code}\n" + "\n".join(headers) + "\n\n"
        self.seen[name] = head.encode() + body

    def note_logs(self, text: str) -> None:
        """Keep what the platform wrote on its standard error, without the date of each line."""
        self.logs = HOST_TIME.sub("", text.replace(str(self.bench.home.folder), "HOME"))


def base(folder: Path) -> tuple[Bench, Observers]:
    """Make the home that all worlds share, published and closed."""
    bench = Bench(folder, pad=PAD, metrics=True, session_idle_s=LASTING, session_absolute_s=LASTING)
    bench.register()
    sirets = [siret(number) for number in range(BIDDERS)]
    for number, name in enumerate(sirets):
        form = {"siret": name, "name": f"Entreprise {number}"}
        bench.done("/api/v1/operators", bench.tokens.admin, form)
    bench.publish(NAME)
    bench.publish("lille-2")
    bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    watching: dict[str, str | None] = {"nobody": None, "admin": bench.tokens.admin}
    watching |= {f"buyer {role}": bench.token(BUYER, role) for role in ("BU", "CO", "AU")}
    watching |= {
        "other buyer": bench.tokens.other,
        "other company": bench.tokens.company,
    }
    if sized(push=0, full=1, night=1):
        watching["observatory"] = bench.token(BUYER, "OB")
        watching["prefecture"] = bench.token(OTHER_BUYER, "PR")
    grant = {"to": AUDITOR, "until_on": "2027-12-31", "ground": "contrôle"}
    bench.done(f"/api/v1/buyers/{BUYER}/accesses", bench.tokens.buyer, grant)
    watching["granted auditor"] = bench.token(AUDITOR, "AU")
    bidders = [bench.token(name, "CY") for name in sirets]
    observers = Observers(watching, bidders, signed_in(bench), bench.token(BUYER, "RD"))
    for token in (*watching.values(), *observers.bidders, observers.desk):
        if token is not None:
            # the first use of a token is an event, the first kit of a company draws its salt, the
            # first refusal of a person their commitment
            bench.get("/api/v1/me", token)
            bench.get(f"/api/v1/consultations/{NAME}/kit", token)
            bench.get("/api/v1/consultations/nowhere", token)
    for secret in observers.sessions.values():
        bench.http.get("/api/v1/consultations/nowhere", headers=cookies(pli=secret))
    bench.close()
    return bench, observers


def signed_in(bench: Bench) -> dict[str, str]:
    """Return the sessions of an officer and, above push size, of those who watch by token too."""
    readers = {"officer": joined(bench, BUYER, "BU", "ada@lille.example", host=officer(bench))}
    if sized(push=0, full=1, night=1):
        readers["visitor of a company"] = joined(bench, COMPANY, "CY", "cyr@nord.example")
        root = joined(bench, bench.platform.desk.platform, "PA", "root@pli.example")
        entrance = bench.app.state.entrance
        person = entrance.visitor(root.cookie).person.person
        root.http.cookies.clear()
        root.http.cookies.set("pli", entrance.enter(person, PASSKEY))
        readers["administrator"] = root
    return {f"session of {who}": str(reader.cookie) for who, reader in readers.items()}


def cookies(**own: str) -> dict[str, str]:
    """Return a browser's cookies; the one that begins a login is the same in each world."""
    pairs = {"pli-login": BROWSER, **own}
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in pairs.items())}


def paths(bench: Bench, guesses: Mapping[str, str]) -> Iterator[str]:
    """Yield every GET of the interface, about what exists and about what was guessed."""
    filled = {
        "consultation": NAME,
        "lot": "0",
        "name": "pièces/RC.pdf",
        "number": "1",
        "siret": BUYER,
        "operator": siret(0),
        **guesses,
    }
    for path, methods in bench.app.openapi()["paths"].items():
        if not set(METHODS) & set(methods) or path.startswith("/tile"):
            continue
        yield re.sub(r"{(\w+)}", lambda found: quote(filled[found[1]]), path)
    yield "/api/v1/health/evidence?from=2026-11-02T09:00&to=2026-11-02T23:00"
    sizes = (1, 16, 255)
    yield from ("/tile/0/000", "/tile/1/000", "/tile/entries/000", "/metrics")
    yield from (
        f"/tile/{kind}/{n}.p/{w}" for kind in (0, "entries") for n in ("001",) for w in sizes
    )


def pages(bench: Bench) -> Iterator[str]:
    """Yield every page, about what is public, and those of an account."""
    filled = {"name": NAME, "lot": "0", "code": "opening.too-early", "secret": BROWSER}
    found = addresses(bench.platform, bench.app.state.entrance)
    for path in sorted(found - {"/static", "/ledger/{name}"}):
        yield path.format(**filled)
    hours = "from_day=2026-11-02&from_hour=09:00&to_day=2026-11-02&to_hour=23:00"
    yield from (f"/administration/evidence{kind}?{hours}" for kind in ("", ".json", ".csv"))
    yield from (
        "/?phase=OPEN",
        "/?q=toiture",
        "/ledger/policy.txt",
        f"/consultations/{NAME}?lang=en",
    )


def attempts(guesses: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield what nobody here may do, or may not do yet."""
    opening, deposit = f"/api/v1/openings/{NAME}/0", f"/api/v1/deposits/{guesses['deposit']}"
    later = {"deadline": {"local": "2026-11-12T13:00"}, "reason": "demande"}
    yield f"/api/v1/consultations/{NAME}/extensions", later
    yield f"/api/v1/consultations/{NAME}/corrections/limits", {"reason": "erreur"}
    yield f"/api/v1/consultations/{NAME}/publication", {}
    reasons = {"ground": "g", "reasons": "r", "findings": "f"}
    copy, at = f"/api/v1/backup-copies/{guesses['copy']}", f"/api/v1/consultations/{NAME}"
    yield from ((f"{copy}/{act}", None) for act in ("authorisation", "opening", "setting-aside"))
    yield f"{copy}/malware", {"trace_hash": "0" * 64}
    yield f"{copy}/destruction", {"witness": "w"}
    yield f"{at}/desk/backup-copies", PAPER | {"bidder": siret(0)}
    yield "/login", {}
    yield "/account/seat", {"seat": f"{BUYER} BU"}
    yield f"{opening}/envelopes", {}
    yield f"{opening}/envelopes", {"deposit": guesses["deposit"]}
    yield f"{opening}/plan", None
    yield f"{deposit}/opening", None
    yield f"{deposit}/withdrawal", {}
    yield f"{deposit}/admission", reasons
    yield f"{deposit}/rejection", {"reasons": "r"}
    yield f"/api/v1/transmissions/{guesses['transmission']}/finish", None
    form = {"kind": "OFFER", "lots": ["0"], "bytes": 1_000, "documents": 1, "client": "c"}
    target = {"intent": "REPLACE", "target": guesses["deposit"], "terms": "1"}
    yield "/api/v1/transmissions", {"consultation": NAME, **form, **target}


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def differences(one: World, two: World) -> list[str]:
    """Return what an observer could tell the two worlds apart by."""
    names = sorted({*one.seen, *two.seen})
    found = [name for name in names if one.seen.get(name) != two.seen.get(name)]
    return found + (["logs"] if one.logs != two.logs else [])
