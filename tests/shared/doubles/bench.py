"""A real platform in a folder under test: real ledger, custodians and envelopes, a clock to move.

Nothing runs beside the requests: ``tick`` does what the scheduler would do. Calls go through the
whole application, guards included.
"""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from doubles.clock import FixedClock
from doubles.in_process import Client

from api.accounts import Account
from api.adapters.custodian_roster import Roster
from api.adapters.rng import SystemRng
from api.app import create_app
from api.depositor.envelope_file import EnvelopeFile, Record
from api.depositor.kit import Kit
from api.depositor.sealing import Piece, SealedFile, Wish, seal
from api.errors import SeatNotInForce
from api.grants import grant
from api.home import Home
from api.platform import Platform
from api.scheduler import Scheduler
from api.settings import Settings
from api.wiring import create_platform, open_platform
from domain.clock import local_date
from domain.commands.manage_members import GrantRole, grant_role
from domain.errors import NotFound
from domain.ports import Principal
from ledger.sqlite import connect
from ledger.store import Connection

BUYER = "20009320100016"
OTHER_BUYER = "21590350100017"
COMPANY = "55208131766522"
RIVAL = "35600000000048"
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
DEADLINE = "2026-11-12T12:00"
SOON = timedelta(days=11)
QUIET: dict[str, Any] = {"reserve_bytes": 0, "rate_scale": 100_000, "keyset_pool": 0}
"""What nothing but its own tests should meet."""
SIZES = {"max_file": 5_000_000, "max_total": 5_000_000, "max_files": 5}


@dataclass
class Tokens:
    """One token for each caller of the tests."""

    buyer: str
    other: str
    company: str
    rival: str
    admin: str
    custodian: str


class Bench:
    """One platform, its callers, and short names for what they do."""

    def __init__(
        self,
        folder: Path,
        connect: Callable[[str], Connection] = connect,
        clock: Any = None,
        deadline: str = DEADLINE,
        pad: int = 16,
        **settings: Any,
    ) -> None:
        self.clock = clock or FixedClock(START, timedelta(milliseconds=10))
        self.deadline = deadline
        self.home = Home(folder / "home")
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        # no rate of the table is met by tests that speak of something else
        self.settings = Settings(**({"home": self.home.folder} | QUIET | settings))
        self._connect = connect
        self._keys = itertools.count(1)
        create_platform(self.home, origin="pli.example/tests", pad=pad, clock=self.clock)
        self.reopen()
        self.tokens = Tokens(
            self.token(BUYER, "BU"),
            self.token(OTHER_BUYER, "BU"),
            self.token(COMPANY, "CY"),
            self.token(RIVAL, "CY"),
            self.token(self.platform.desk.platform, "PA"),
            self.token(self.platform.desk.platform, "CU"),
        )

    def reopen(self, roster: Roster = ()) -> None:
        """Open the home as a new process would."""
        self.platform = open_platform(
            self.home, self.settings, clock=self.clock, connect=self._connect, roster=roster
        )
        self.platform.now = lambda: self.clock.now().latest
        self.app = create_app(self.platform)
        self.http = Client(self.app)
        self.scheduler = Scheduler(self.platform)

    def twin(self, folder: Path) -> Bench:
        """Return this bench, closed, over a copy of its home with a clock of its own."""
        made = copy.copy(self)
        folder.mkdir()
        made.home = Home(folder / "home")
        made.scratch = folder / "scratch"
        made.scratch.mkdir()
        shutil.copytree(self.home.folder, made.home.folder)
        made.settings = self.settings.model_copy(update={"home": made.home.folder})
        made.clock, made.tokens = copy.copy(self.clock), copy.copy(self.tokens)
        made._keys = itertools.count(10_000)
        made.reopen()
        return made

    def close(self) -> None:
        """Give the home back."""
        self.http.close()
        self.platform.close()

    def token(self, org: str, role: str, days: int = 365) -> str:
        """Return a new token."""
        at = self.platform.now()
        secret, made = self.platform.accounts.create(org, role, days, at, SystemRng().bytes)
        self.seat(made)
        return secret

    def seat(self, account: Account) -> None:
        """Have the ledger give a token its role: by the platform, else by the buyer's officer."""
        grant(self.platform, account)
        if account.role not in self.platform.desk.law.roles.administers["BU"]:
            return
        officer = Principal(account.org, "BU", "officer", "token")
        act = self.platform.act_of(f"seat-{account.token_id}", officer, account.org)
        since = local_date(account.created_at)
        given = GrantRole(account.org, account.person, account.role, since)
        with suppress(NotFound):
            if not account_seated(self.platform, account):
                self.platform.act(grant_role, act, given)

    def forward(self, step: timedelta) -> None:
        """Let time pass, and let the scheduler do what is due."""
        self.clock.forward(step)
        self.tick()

    def tick(self) -> None:
        """Do everything that is due now."""
        self.scheduler.tick()

    # -- calls

    def get(self, path: str, token: str | None = None, **headers: str) -> Any:
        """Read."""
        return self.http.get(path, headers=_headers(token) | headers)

    def post(
        self,
        path: str,
        token: str | None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """Do an act with a key of its own, unless one is given."""
        named = {"Idempotency-Key": key or f"key-{next(self._keys):08}"}
        return self.http.post(path, json=body, headers=_headers(token) | named)

    def done(self, *call: Any, **named: Any) -> Any:
        """Do an act that must succeed; return its answer."""
        answer = self.post(*call, **named)
        assert answer.status_code in {200, 201}, (call[0], answer.status_code, answer.text)
        return answer.json()

    # -- a consultation

    def register(self) -> None:
        """Register the organisations of the tests."""
        for siret, name in ((BUYER, "Ville de Lille"), (OTHER_BUYER, "Ville de Roubaix")):
            form = {"siret": siret, "name": name, "buyer_kind": "COMMUNE"}
            self.done("/api/v1/buyers", self.tokens.admin, form)
        for siret, name in ((COMPANY, "Travaux du Nord"), (RIVAL, "Bâtir en Flandre")):
            form = {"siret": siret, "name": name}
            self.done("/api/v1/operators", self.tokens.admin, form)
        for account in self.platform.accounts.pending():
            self.seat(account)

    def draft(self, name: str = "lille-1", lots: int = 0, **limits: Any) -> str:
        """Draft a consultation, complete but for keys and canary; return its address."""
        buyer, at = self.tokens.buyer, f"/api/v1/consultations/{name}"
        form = {
            "id": name,
            "reference": f"REF-{name}",
            "object": "Réfection d'une toiture",
            "nature": "WORKS",
            "procedure": "ADAPTED",
            "cpv": "45261910",
            "place": "FRE11",
            "estimated_cents": 9_000_000,
        }
        self.done("/api/v1/consultations", buyer, form)
        for number in range(1, lots + 1):
            lot = {"lot": f"{number:03}", "title": f"Lot {number}", "estimated_cents": 900_000}
            self.done(f"{at}/lots", buyer, lot)
        rows = [{"name": "Prix", "weight_bp": 6000}, {"name": "Valeur", "weight_bp": 4000}]
        self.done(f"{at}/criteria", buyer, {"criteria": rows, "price_formula": "PROPORTIONAL"})
        self.done(f"{at}/limits", buyer, SIZES | limits)
        self.done(f"{at}/deposit-policy", buyer, {"complements": "ALL", "backup_electronic": True})
        hours = {"questions_until": {"local": self.deadline}, "deadline": {"local": self.deadline}}
        self.done(f"{at}/calendar", buyer, hours)
        self.dossier(at)
        return at

    def dossier(self, at: str) -> None:
        """Upload and freeze one document."""
        name, data = "pièces/RC.pdf", b"%PDF-1.7 reglement de la consultation"
        answer = self.http.put(
            f"{at}/dossier/files/{name}", content=data, headers=_headers(self.tokens.buyer)
        )
        assert answer.status_code == 201, answer.text
        row = {"name": name, "sha256": answer.json()["sha256"]}
        self.done(f"{at}/dossier", self.tokens.buyer, {"files": [row]})

    def publish(self, name: str = "lille-1", lots: int = 0, **limits: Any) -> str:
        """Draft and publish a consultation; return its address."""
        at = self.draft(name, lots, **limits)
        self.done(f"{at}/ceremony", self.tokens.buyer)
        self.done(f"{at}/canary", self.tokens.buyer)
        self.done(f"{at}/publication", self.tokens.buyer, {"notice_ids": []})
        return at

    # -- a deposit

    def kit(self, at: str, token: str | None = None) -> Kit:
        """Return the checked kit of a consultation for a company."""
        answer = self.get(f"{at}/kit", token or self.tokens.company)
        assert answer.status_code == 200, answer.text
        return Kit.parse(answer.content)

    def seal(
        self,
        at: str,
        size: int = 1_000,
        token: str | None = None,
        wish: Wish | None = None,
        content: bytes | None = None,
    ) -> Envelope:
        """Seal one document of this size, or with this content."""
        folder = self.scratch / str(next(self._keys))
        folder.mkdir()
        document = folder / "offre.pdf"
        document.write_bytes(b"%PDF-1.7 " + bytes(size) if content is None else content)
        kit = self.kit(at, token)
        pieces = [Piece("offre.pdf", document)]
        wanted = wish or Wish("OFFER", ("0",))
        made = seal(
            kit, wanted, pieces, folder / "offre.pli", SystemRng(), lambda _name, _about: None
        )
        record = Record.read(made.path)
        return Envelope(made, EnvelopeFile.check(made.path, record.commitment))

    def announce(self, envelope: Envelope, token: str | None = None, **fields: Any) -> Any:
        """Announce an envelope; return the answer."""
        form = envelope.announce() | fields
        key = f"deposit-{envelope.made.deposit}"
        return self.post("/api/v1/transmissions", token or self.tokens.company, form, key=key)

    def head(self, name: str, envelope: Envelope, token: str | None = None, **changed: Any) -> Any:
        """Send the head."""
        given = {"content": envelope.file.header.head, "commitment": envelope.made.commitment}
        given |= changed
        return self.http.put(
            f"/api/v1/transmissions/{name}/head",
            content=given["content"],
            headers=_headers(token or self.tokens.company)
            | {"Pli-Commitment": given["commitment"]},
        )

    def chunk(
        self, name: str, envelope: Envelope, index: int, token: str | None = None, **changed: Any
    ) -> Any:
        """Send one chunk."""
        given = {"content": envelope.file.chunk(index), "leaf": envelope.file.leaves[index].hex()}
        given |= changed
        return self.http.put(
            f"/api/v1/transmissions/{name}/chunks/{index}",
            content=given["content"],
            headers=_headers(token or self.tokens.company) | {"Pli-Leaf": given["leaf"]},
        )

    def deposit(self, envelope: Envelope, token: str | None = None) -> Any:
        """Send an envelope whole; return the answer to its last chunk."""
        name = self.announce(envelope, token).json()["transmission"]
        answer = self.head(name, envelope, token)
        for index in range(len(envelope.file.leaves)):
            answer = self.chunk(name, envelope, index, token)
        assert answer.status_code == 201, answer.text
        return answer.json()

    # -- an opening

    def attend(self, name: str = "lille-1", lot: str = "0") -> str:
        """Convene and record two persons; return the address of the opening."""
        at = f"/api/v1/openings/{name}/{lot}"
        self.done(f"{at}/convocation", self.tokens.buyer, {"members": ["ada", "bob"]})
        for member in ("ada", "bob"):
            self.done(f"{at}/presences", self.tokens.buyer, {"member": member})
        return at


def account_seated(platform: Platform, account: Account) -> bool:
    """Say whether the ledger gives a token its role now."""
    try:
        platform.seats.require(account.person, account.org, account.role)
    except SeatNotInForce:
        return False
    return True


@dataclass(frozen=True)
class Envelope:
    """A sealed envelope and its file."""

    made: SealedFile
    file: EnvelopeFile

    def announce(self) -> dict[str, Any]:
        """Return the form of its announce."""
        label = self.file.header.label
        form: dict[str, Any] = {
            "consultation": label.consultation,
            "kind": label.kind,
            "lots": list(label.lots),
            "round": label.round,
            "intent": label.intent,
            "bytes": self.made.bytes,
            "documents": self.made.documents,
            "client": "tests/1",
            "terms": "1",
        }
        return form | ({"target": label.target} if label.target else {})


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def shown(answer: Any) -> str:
    """Return the code of a problem."""
    return str(json.loads(answer.content)["code"])
