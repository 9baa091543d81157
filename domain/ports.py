"""What the domain needs from outside: every clock, store, secret and chance enters here (H1).

``Desk`` is the bundle which every command receives; ``api/wiring.py`` builds it. An adapter
satisfies a port by its shape alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from crypto.streams import Reader, Writer
from domain.aggregate import Actor, Aggregate, Meta
from domain.clock import Reading
from domain.errors import ClockWentBack, DomainError
from domain.law import Law
from domain.plain import digest
from domain.scanning import NoScanner, Piece, Scanner
from domain.tenure import COMPANY

A = TypeVar("A", bound=Aggregate)


AT_HOME = "home"
"""How the operator of the home is known (``Principal.auth``): by the files of the home itself."""


@dataclass(frozen=True)
class Principal:
    """Who calls: organisation (SIRET), two-letter role, person, how they were authenticated."""

    org: str
    role: str
    person: str
    auth: str


@dataclass(frozen=True)
class Act:
    """One call: its id makes it repeatable, its correlation ties it to one need."""

    command_id: str
    principal: Principal
    correlation: str

    def part(self, name: str) -> Act:
        """Return the act of one save among several of the same call."""
        return Act(f"{self.command_id}/{name}", self.principal, self.correlation)


class Recorded(Protocol):
    """Where the events of a command stand in the ledger."""

    @property
    def first(self) -> int:
        """Position of the first event."""

    @property
    def count(self) -> int:
        """Number of events, at contiguous positions."""

    @property
    def repeated(self) -> bool:
        """Whether the command was known already and nothing was written now."""


class Files(Protocol):
    """The ledger, as the domain sees it."""

    def find(self, kind: type[A], stream: str) -> A | None:
        """Return the aggregate rebuilt from its stream, None if the stream is empty."""

    def known(self, command: str, digest: bytes) -> Recorded | None:
        """Return the record of this command; other digest: ``command.reused`` is raised."""

    def save(
        self,
        command: str,
        digest: bytes,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] = ...,
    ) -> Recorded:
        """Write all pending events at once, durably; ``expect``: streams that must not move."""


class Clock(Protocol):
    """Time as an interval (envelope.md §12)."""

    def now(self) -> Reading:
        """Return a reading which the quorum and the step check accepted."""


class Rng(Protocol):
    """Random bytes of the system."""

    def bytes(self, count: int) -> bytes:
        """Return this many random bytes."""


class Subjects(Protocol):
    """Personal data outside the ledger: commitments, and the blinded tags of bidders."""

    def remember(self, field: str, value: str, subject: str) -> str:
        """Store a value under a subject's key, durably; return its commitment, 64 hex."""

    def reveal(self, commitment: str) -> str | None:
        """Return the value of a commitment, None if it was erased."""

    def bidder_tag(self, consultation: str, operator: str) -> str:
        """Return the tag of an operator such as ``siret:…`` in one consultation, 64 hex."""

    def operator_of(self, consultation: str, tag: str) -> str:
        """Return the operator behind a tag; asked at opening only."""


@dataclass(frozen=True)
class Tip:
    """A deposit's stream as the ledger holds it: positions by version, leaf of the last entry."""

    stream: str
    positions: tuple[int, ...]
    leaf: str


class Register(Protocol):
    """Which streams belong together, read from the ledger up to its very last save."""

    def deposits(self, consultation: str, bidder: str | None = None) -> Sequence[Tip]:
        """Return every deposit of a consultation (of one bidder), late ones too, by position."""

    def copies(self, consultation: str) -> Sequence[Tip]:
        """Return every backup copy of a consultation, on paper too, by position."""

    def broken_off(self, consultation: str, bidder: str) -> Sequence[str]:
        """Return the bidder's transmissions that failed or expired, by position of their end."""

    def assigned(self, digest: str) -> str | None:
        """Return the consultation to which this keyset was assigned."""

    def ceremony(self, digest: str) -> str | None:
        """Return the name of the ceremony whose KeysetReady has this digest."""

    def organisations(self) -> Sequence[str]:
        """Return the buyers in whose stream somebody was ever given a role."""

    def published_of(self, buyer: str) -> Sequence[str]:
        """Return the public consultations of one buyer by name."""

    def acted_since(self, org: str, size: int) -> bool:
        """Say whether an entry from this position on is of this tenant, or by this organisation."""


@dataclass(frozen=True)
class Head:
    """A checkpoint: size and root (64 hex), who cosigned it, hash of its time stamp."""

    size: int
    root: str
    witnesses: tuple[str, ...] = ()
    token_hash: str | None = None


class Heads(Protocol):
    """Checkpoints of the ledger."""

    def covering(self, position: int) -> Head:
        """Return an internal checkpoint that covers this position, waiting for it."""

    def published_covering(self, stream: str, version: int) -> Head | None:
        """Return the first published, witnessed checkpoint covering an entry, None if none yet."""

    def published_root(self, size: int) -> str | None:
        """Return the root of this size, 64 hex, None where so much is not published."""


class Turns(Protocol):
    """One at a time: who seals, withdraws or closes in one consultation."""

    def hold(self, consultation: str) -> AbstractContextManager[None]:
        """Hold the turn of a consultation for the length of a ``with`` block."""


class Place(Reader, Writer, Protocol):
    """A temporary file: written once, then read from its beginning."""

    def seek(self, offset: int, /) -> int:
        """Go to this byte."""


class Vault(Protocol):
    """Stored envelopes and, after the opening, their plaintext."""

    def reserve(self, transmission: str, size: int) -> bool:
        """Keep room for this many bytes; False: there is none."""

    def sealed(self, deposit: str) -> AbstractContextManager[Reader] | None:
        """Return the stored file, from its beginning; None: missing on every copy."""

    def plaintext(self, deposit: str) -> AbstractContextManager[Place]:
        """Return a readable, writable place, published only when the block ends without error."""

    def keep_partials(
        self, deposit: str, lot: str, plan_no: int, partials: Mapping[int, bytes]
    ) -> None:
        """Add the custodians' answers, by index, beside the envelope, durably; none is lost."""

    def kept_partials(self, deposit: str, lot: str, plan_no: int) -> Sequence[tuple[int, bytes]]:
        """Return the answers that are kept for an envelope under one plan of a lot, by index."""

    def keep_sitting(
        self, deposit: str, lot: str, plan_no: int, told: Sequence[Mapping[str, str]]
    ) -> None:
        """Keep what each custodian said when it was last asked for an envelope, durably."""

    def sitting(self, deposit: str, lot: str, plan_no: int) -> Sequence[Mapping[str, str]]:
        """Return what each custodian said when it was last asked for an envelope."""

    def pieces(self, deposit: str) -> Sequence[Piece]:
        """Return the documents of an opened envelope; none where there is no plaintext."""

    def keep_scan(self, deposit: str, trace: bytes) -> None:
        """Add the trace of one scan, durably; none is replaced."""

    def put(self, data: bytes) -> str:
        """Store bytes for good, durably; return their SHA-256, 64 hex."""


@dataclass(frozen=True)
class StoredEnvelope:
    """What the stored bytes of a deposit are worth: ok, missing or differs; and its head."""

    stored: str
    head_ok: bool
    head: bytes = b""


@dataclass(frozen=True)
class Unsealed:
    """What came of opening an envelope with enough answers (envelope.md §5 and §6)."""

    key_ok: bool
    chunks_ok: bool
    package_ok: bool
    documents_match: bool
    documents_count: int


class Unsealing(Protocol):
    """The cryptography of an opening; ``domain.unsealing`` is the real one.

    ``document`` is the keyset document of envelope.md 2.5.
    """

    def examine(self, deposit: str, recorded: str, keyset: str) -> StoredEnvelope:
        """Recompute the commitment of the stored bytes, then check the head."""

    def check_partial(
        self, document: Mapping[str, Any], head: bytes, index: int, partial: bytes
    ) -> None:
        """Return quietly if the answer is proven, else raise a ``CryptoError``."""

    def check_alive(self, document: Mapping[str, Any], index: int, nonce: str, proof: str) -> None:
        """Return quietly if the proof of life of envelope.md 2.7 holds, else raise."""

    def unseal(
        self,
        deposit: str,
        recorded: str,
        document: Mapping[str, Any],
        partials: Mapping[int, bytes],
    ) -> Unsealed:
        """Combine k proven answers, decrypt into the vault's plaintext, check the package."""

    def seal_canary(self, consultation: str, document: Mapping[str, Any], seed: bytes) -> bytes:
        """Return the head and body of the fixed text sealed to a canary keyset."""

    def open_canary(
        self, sealed: bytes, document: Mapping[str, Any], partials: Mapping[int, bytes]
    ) -> None:
        """Return quietly if the answers open the fixed text, else raise a ``CryptoError``."""


@dataclass(frozen=True)
class CustodianIdentity:
    """A custodian: name, organisation, public signing key and first box key (64 hex each)."""

    custodian: str
    organisation: str
    sign_hex: str
    box_hex: str


class CustodyComplaint(DomainError):
    """A custodian names another in a ceremony; raised by the port ``Custodians``."""

    code = "ceremony.complaint"

    def __init__(self, index: int, against: int, reason: str, sig: str) -> None:
        self.index, self.against, self.reason, self.sig = index, against, reason, sig
        self.text = "custodian {index} complains against {against}: {reason}"
        self.__post_init__()


class CustodianRefusal(DomainError):
    """A custodian's own, signed refusal; raised by the port ``Custodians``."""

    code = "custodian.refused"

    def __init__(self, custodian: str, reason: str, sig: str) -> None:
        self.custodian, self.reason, self.sig = custodian, reason, sig
        self.text = "custodian {custodian} refuses: {reason}"
        self.__post_init__()


class CustodianSilent(DomainError):
    """A custodian did not answer in time; raised by the port ``Custodians``."""

    code = "custodian.silent"

    def __init__(self, custodian: str) -> None:
        self.custodian = custodian
        self.text = "custodian {custodian} does not answer"
        self.__post_init__()


class Custodians(Protocol):
    """The holders of shares; each judges by itself (envelope.md §10)."""

    def roster(self) -> tuple[CustodianIdentity, ...]:
        """Return the custodians of this installation."""

    def box(self, custodian: str) -> str:
        """Return the public box key that it keeps for the next ceremony, in hex."""

    def round1(self, ceremony: str, custodian: str) -> dict[str, Any]:
        """Return the round-1 message of envelope.md 2.2."""

    def round2(self, ceremony: str, custodian: str) -> dict[str, Any]:
        """Return the round-2 message of envelope.md 2.3."""

    def confirm(self, ceremony: str, custodian: str) -> dict[str, Any]:
        """Return index, digest and sig of 2.4, or raise ``CustodyComplaint``."""

    def alive(self, digest: str, custodian: str) -> tuple[str, str]:
        """Return nonce and proof of life of 2.7, in hex."""

    def retire(self, digest: str, custodian: str) -> str:
        """Erase the share and return the signed statement, in hex."""

    def partial(  # noqa: PLR0913, PLR0917 - the facts of one answer
        self, consultation: str, lot: str, deposit: str, plan_no: int, head: bytes, custodian: str
    ) -> bytes:
        """Return the 96 bytes of §4, or raise ``CustodianRefusal`` or ``CustodianSilent``."""


@dataclass(frozen=True)
class Desk:
    """Everything a command works with."""

    files: Files
    clock: Clock
    rng: Rng
    subjects: Subjects
    register: Register
    heads: Heads
    turns: Turns
    vault: Vault
    unsealing: Unsealing
    custodians: Custodians
    law: Law
    platform: str
    origin: str
    scanner: Scanner = field(default_factory=NoScanner)

    def earlier(self, act: Act, command: object) -> Recorded | None:
        """Return the record of the same act, before any rule is applied."""
        return self.files.known(act.command_id, self.digest(act, command))

    def reading(self, *loaded: Aggregate) -> Reading:
        """Read the clock; a reading wholly before what these files already hold is refused."""
        now = self.clock.now()
        floor = max((each.floor for each in loaded), default=now.earliest)
        if now.latest < floor:
            raise ClockWentBack(now.latest, floor)
        return now

    def meta(self, act: Act, now: Reading, tenant: str, org: str | None = None) -> Meta:
        """Return the metadata of an act's events; ``org``: the tag that stands for a bidder."""
        caller = act.principal
        person = self.subjects.remember("person", caller.person, caller.person)
        return Meta(
            actor=Actor(person, org or caller.org, caller.role, caller.auth),
            tenant=tenant,
            command=act.command_id,
            correlation=act.correlation,
            occurred_at=now.latest,
            clock=now,
            rulebook=self.law.version,
        )

    def save(
        self,
        act: Act,
        command: object,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] | None = None,
    ) -> Recorded:
        """Write the pending events of these aggregates as the outcome of the command."""
        return self.files.save(
            act.command_id, self.digest(act, command), changed, {} if expect is None else expect
        )

    def digest(self, act: Act, command: object) -> bytes:
        """Return what binds a command id to its body and its caller.

        Of a company the id itself says whose it is; its SIRET beside what the entry shows would be
        found by a dictionary, before the opening and after an erasure.
        """
        caller = act.principal
        org = act.command_id if caller.role == COMPANY else caller.org
        return digest(command, org=org, role=caller.role)
