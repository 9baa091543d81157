"""One custodian in this process: its own folder, keys, clock, memory and decision.

Level A0: it protects from theft of the database, not from the operator. Everything else is as for a
custodian elsewhere: it believes no one, is shown views of the ledger that prove themselves, judges
by its own clock, and every answer and refusal is signed and stands in its own log, durably, before
it leaves (`envelope.md` §10).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from api.adapters import custodian_ceremony, custodian_share
from api.adapters.custodian_ceremony import share_bound, share_name
from api.adapters.custodian_identity import Identity
from api.adapters.custodian_seat import Clock, Refused, Seat, Seen, Show
from api.adapters.custodian_share import keyset_of
from api.adapters.custodian_state import HeldShare
from api.adapters.keys import Credential, Random
from crypto import statements
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.errors import CapsuleRefused, CryptoError
from crypto.group import random_scalar
from crypto.keyset import Keyset
from crypto.pli1_header import PREFIX, Header, header_length
from crypto.threshold import Lock, check_capsule, make_partial
from domain.clock import Reading
from ledger.witness import Answer, Witness
from replay.custodian import AnswerRefused, Facts, OtherHeader, UnknownKeyset, decide
from replay.custodian_facts import Head, Question, Shown, shown
from replay.custody_view import ViewRefused

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
UNPROVEN = Shown("", False, NEVER, False, False, None, 0, False)
"""What an unproven view tells: nothing, and the earliest opening is never."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a partial; the head is everything before chunk 0."""

    consultation: str
    lot: str
    deposit: str
    plan_no: int
    head: bytes
    keyset: str = ""
    """The keyset that the question names, where it names one."""


class LocalCustodian:
    """A custodian of level A0; one call at a time."""

    def __init__(
        self, folder: Path, credential: Credential, clock: Clock, random: Random, show: Show
    ) -> None:
        # everything behind _seat is guarded by _lock
        self._seat = Seat.take(folder, credential, clock, random, show)
        self._lock = threading.RLock()
        # a lock of its own, for _witness: a checkpoint is cosigned while an answer waits for a
        # view, which may wait for that checkpoint
        self._witness_lock = threading.Lock()

    @property
    def identity(self) -> Identity:
        """Return its public identity."""
        return self._seat.identity

    @property
    def box(self) -> bytes:
        """Return the public box key for the next ceremony."""
        with self._lock:
            return self._seat.boxes.named()

    def close(self) -> None:
        """Let go of its files."""
        with self._lock, self._witness_lock:
            self._seat.state.close()

    def answers(self) -> list[bytes]:
        """Return its own log of answers and refusals."""
        with self._lock:
            return self._seat.state.answers()

    def round1(self, ceremony: str) -> dict[str, Json]:
        """Return its commitment in a ceremony."""
        with self._lock:
            return custodian_ceremony.round1(self._seat, ceremony)

    def round2(self, ceremony: str) -> dict[str, Json]:
        """Return its sealed values in a ceremony."""
        with self._lock:
            return custodian_ceremony.round2(self._seat, ceremony)

    def confirm(self, ceremony: str) -> dict[str, Json]:
        """Return its acknowledgement of the keyset; Complaint names whose message fails."""
        with self._lock:
            return custodian_ceremony.confirm(self._seat, ceremony)

    def alive(self, digest: str, consultation: str | None = None) -> tuple[bytes, bytes]:
        """Return nonce and proof that it still holds its share; this opens nothing.

        `consultation` is a hint to whose custody the keyset was given: the ledger proves it.
        """
        with self._lock:
            return custodian_share.alive(self._seat, digest, consultation)

    def retire(self, digest: str, consultation: str) -> bytes:
        """Erase the share that the ledger says is retired; return the signed statement.

        What is signed is the body {custodian, digest} of `envelope.md` §10.
        """
        with self._lock:
            return custodian_share.retire(self._seat, digest, consultation)

    def partial(self, asked: Asked) -> bytes:
        """Return the 96 bytes for one planned envelope, or raise Refused with its own signature."""
        with self._lock:
            return self._partial(asked)

    def witness(self, body: bytes) -> Answer:
        """Answer an add-checkpoint request; its memory is durable before the cosignature leaves."""
        with self._witness_lock:
            return self._witness(body)

    def cosigned(self) -> bytes | None:
        """Return the last note of the platform's log that it cosigned."""
        with self._witness_lock:
            return self._seat.state.witnessed(self.identity.log.name)

    def restore(self, digest: str, copy: bytes, offline: bytes) -> None:
        """Put a share back from a recovery copy, opened with the offline key, or raise."""
        with self._lock:
            custodian_share.restore(self._seat, digest, copy, offline)

    def restore_from(self, keyset: Keyset, copy: bytes, offline: bytes) -> None:
        """Put a share back of which this custodian may know nothing any more, or raise."""
        with self._lock:
            custodian_share.restore_from(self._seat, keyset, copy, offline)

    # --- what only a service needs

    def answers_after(self, after: int, limit: int) -> list[bytes]:
        """Return lines of its log of answers from a number on."""
        with self._lock:
            return self._seat.state.answers_after(after, limit)

    def sign(self, body: Mapping[str, Json]) -> bytes:
        """Return the signature under a body: the same as when it was recorded."""
        return self._seat.sign(body)

    def state(self, body: Mapping[str, Json]) -> bytes:
        """Record what was decided outside a question about a share; return its signature."""
        with self._lock:
            signature = self._seat.sign(body)
            with self._seat.record(body, signature):
                pass
            return signature

    def time(self) -> Reading | None:
        """Return its own time, None if its clock gives no interval."""
        return self._seat.reading()

    def state_time(self, nonce: bytes, earliest: int, latest: int) -> bytes:
        """Record and return the signed statement of its time, an interval in ms."""
        body: dict[str, Json] = {"earliest": earliest, "latest": latest, "nonce": nonce.hex()}
        signature = statements.sign(
            self._seat.secrets.sign, statements.time(nonce, earliest, latest)
        )
        with self._lock, self._seat.record(body, signature):
            return signature

    def pinned(self) -> int:
        """Return the size of the tree that is pinned."""
        with self._lock:
            return self._seat.state.pin().size

    def index_of(self, digest: str) -> int:
        """Return its index in a keyset of which it holds a share."""
        with self._lock:
            return custodian_share.live(self._seat, digest).place

    def take_over(self, view: Mapping[str, Json]) -> int:
        """Pin a view that proves itself, durably; return its size, or raise ViewRefused."""
        with self._lock:
            seen = self._seat.judge(view)
            size = seen.view.checkpoint.size
            body: dict[str, Json] = {"custodian": self.identity.custodian, "size": size}
            with self._seat.record(body, self._seat.sign(body), seen):
                return size

    def _scalar(self) -> bytes:
        return random_scalar(self._seat.random.bytes(64))

    # --- one answer

    def _partial(self, asked: Asked) -> bytes:
        # 1 the head says which envelope and which keyset this is about
        try:
            header = _header(asked)
        except AnswerRefused as refusal:
            raise self._refuse(asked, refusal.code, None) from refusal
        held = self._seat.state.share(header.label.keyset)
        if held is None:
            raise self._refuse(asked, UnknownKeyset.code, None)
        # 2 the ledger, as far as it proves itself; a test needs none
        canary = _purpose(held) == "canary"
        seen, told = (None, UNPROVEN) if canary else self._told(header, asked)
        # 3 the decision
        try:
            decide(self._facts(header, held, told, seen))
        except AnswerRefused as refusal:
            raise self._refuse(asked, refusal.code, seen) from refusal
        bound = held if canary else replace(held, consultation=asked.consultation)
        return self._answer(asked, header, bound, seen)

    def _told(self, header: Header, asked: Asked) -> tuple[Seen | None, Shown]:
        question = Question(header.label, header.hash.hex(), asked.lot, asked.plan_no)
        try:
            seen = self._seat.look(*question.streams)
        except ViewRefused:
            return None, UNPROVEN
        try:
            return seen, shown(seen.view, question)
        except ViewRefused:
            return seen, UNPROVEN

    def _stands(self, head: Head | None, seen: Seen | None) -> bool:
        """Say whether the anchored head is of the ledger that this custodian knows.

        It cosigned that very head, or is shown the proof from there to the view: one look more,
        for a custodian that was silent when the register closed.
        """
        if head is None or seen is None:
            return False
        cosigned = self._seat.state.head(head.size)
        if cosigned is not None:
            return cosigned.hex() == head.root
        return self._seat.leads(head, seen)

    def _facts(
        self, header: Header, held: HeldShare, told: Shown, seen: Seen | None
    ) -> Facts[datetime]:
        now = self._seat.reading()
        label = header.label
        given = told is UNPROVEN or told.assigned == held.digest
        return Facts(
            # a keyset serves one consultation, once and for ever
            keyset_known=given and held.consultation in {"", label.consultation},
            destroyed=held.destroyed,
            purpose=_purpose(held),
            kind=label.kind,
            clock=None if now is None else (now.earliest, now.latest),
            view_ok=told is not UNPROVEN,
            cancelled=told.cancelled,
            opens=told.opens,
            not_before=datetime.fromisoformat(label.not_before),
            listed=told.listed,
            planned=told.planned,
            anchored=self._stands(told.head, seen),
            present=told.present,
            header_matches=told.header_matches,
            capsule_ok=_capsule_holds(header, held),
        )

    def _answer(self, asked: Asked, header: Header, held: HeldShare, seen: Seen | None) -> bytes:
        seat = self._seat
        # asked again, also for another lot, the same bytes: the ledger names their hash
        partial = seat.state.partial(header.hash.hex()) or self._made(header, held)
        body: dict[str, Json] = {
            "custodian": self.identity.custodian,
            "deposit": asked.deposit,
            "index": held.place,
            "partial": partial.hex(),
            "plan_no": asked.plan_no,
        }
        with seat.record(body, seat.sign(body), seen):
            seat.state.keep_share(held)
            seat.state.keep_partial(header.hash.hex(), partial)
        # after this line pin and answer are durable: only now may the answer leave
        return partial

    def _made(self, header: Header, held: HeldShare) -> bytes:
        bound = share_bound(bytes.fromhex(held.digest), held.place)
        share = self._seat.chest.get(share_name(held.digest), bound)
        lock = Lock(keyset_of(held), header.label.encoded, header.capsule)
        return make_partial(lock, held.place, share, self._scalar())

    def _refuse(self, asked: Asked, code: str, seen: Seen | None) -> Refused:
        seat = self._seat
        body: dict[str, Json] = {
            "code": code,
            "custodian": self.identity.custodian,
            "deposit": asked.deposit,
        }
        signature = seat.sign(body)
        with seat.record(body, signature, seen):
            pass
        return Refused(self.identity.custodian, code, signature.hex())

    # --- witness

    def _witness(self, body: bytes) -> Answer:
        seat = self._seat
        now = seat.reading()
        if now is None:
            return Answer(503, b"the clock gives no interval\n")
        logs = {self.identity.log.name: seat.policy.unended()}
        witness = Witness(self.identity.cosign.name, seat.secrets.cosign, logs)
        time = int(now.middle().timestamp())
        answer = witness.answer(body, self._seat.state.witnessed, time)
        if answer.evidence is not None:
            self._seat.state.keep_evidence(answer.evidence)
        if answer.remember is not None:
            self._seat.state.remember(answer.remember)
        return answer


def _header(asked: Asked) -> Header:
    """Return the header of the head that was asked about, or raise OtherHeader."""
    try:
        if len(asked.head) != PREFIX + header_length(asked.head[:PREFIX]):
            raise OtherHeader
        header = Header.parse(asked.head[PREFIX:])
    except CryptoError as error:
        raise OtherHeader from error
    if (header.label.consultation, header.label.deposit) != (asked.consultation, asked.deposit):
        raise OtherHeader
    if asked.keyset not in {"", header.label.keyset}:
        raise OtherHeader
    return header


def _purpose(held: HeldShare) -> str:
    return Ceremony.parse(held.ceremony).purpose


def _capsule_holds(header: Header, held: HeldShare) -> bool:
    try:
        check_capsule(bytes.fromhex(held.digest), header.label.encoded, header.capsule)
    except CapsuleRefused:
        return False
    return True
