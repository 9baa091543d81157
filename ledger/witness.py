"""C2SP tlog-witness, both sides, as decisions over bytes (`ledger.md` §8).

A witness answers `POST /add-checkpoint` (`Witness.answer`): it cosigns a checkpoint only when that
is proven to continue the one it cosigned before. Its state is one note for each origin; the caller
must store `Answer.remember` by compare-and-swap, durably, *before* the answer leaves: a witness
that forgets could cosign two histories. The log's side (`ask_witness`) receives a `Fetch`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crypto.errors import CryptoError
from crypto.log_errors import ProofError, SignatureRefused, WitnessAnswer
from crypto.merkle import EMPTY_ROOT, check_consistency
from crypto.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    SignatureLine,
    VerifierKey,
    check_cosignature,
    check_signature,
    cosign,
    join_note,
    parse_checkpoint,
    parse_note,
    read_decimal,
)
from ledger.proofs import read_hashes, write_hashes

SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """The body of add-checkpoint, read strictly."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def __bytes__(self) -> bytes:
        """Return the body."""
        return f"old {self.old}\n{write_hashes(self.proof)}\n".encode() + self.note

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Read a body; the note in it is not judged here."""
        head, blank, note = body.partition(b"\n\n")
        if not blank or not head.isascii():
            raise ProofError("no empty line before the checkpoint, or no ASCII above it")
        first, *lines = head.decode().split("\n")
        if not first.startswith("old "):
            raise ProofError("no line with the old size")
        return cls(read_decimal(first.removeprefix("old ")), tuple(read_hashes(lines)), note)


@dataclass(frozen=True, slots=True)
class Remember:
    """The note to store for an origin if the one stored is still `expected`."""

    origin: str
    expected: bytes | None
    note: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers; `remember` is stored before, `evidence` is kept."""

    status: int
    body: bytes = b""
    content_type: str = TEXT_TYPE
    remember: Remember | None = None
    evidence: bytes | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its key, and the keys of each log it knows by origin."""

    name: str
    seed: bytes = field(repr=False)
    logs: Mapping[str, tuple[VerifierKey, ...]]
    next_keys: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Name and seed of keys that cosign too, while one takes the place of another."""

    def key(self) -> VerifierKey:
        """Return the key that a policy names."""
        return VerifierKey.of_seed(self.name, COSIGNATURE, self.seed)

    def answer(self, body: bytes, cosigned: Callable[[str], bytes | None], time: int) -> Answer:
        """Decide on a request at this POSIX time; `cosigned` gives the stored note of an origin."""
        # 1 malformed
        try:
            request = Request.parse(body)
            note = parse_note(request.note)
            new = parse_checkpoint(note.text)
        except CryptoError as error:
            return _refuse(400, error)
        # 2 unknown origin  3 no good signature, or a bad one
        if new.origin not in self.logs:
            return Answer(404, b"unknown origin\n")
        try:
            _check_log_signature(self.logs[new.origin], note)
        except SignatureRefused as error:
            return _refuse(403, error)
        # 4 sizes that go backwards
        if request.old > new.size:
            return Answer(400, b"the old size is larger than the new one\n")
        return self._continue(request, note, new, cosigned(new.origin), time)

    def _continue(
        self, request: Request, note: Note, new: Checkpoint, stored: bytes | None, time: int
    ) -> Answer:
        last = Checkpoint(new.origin, 0, EMPTY_ROOT)
        if stored is not None:
            last = parse_checkpoint(parse_note(stored).text)
        # 5 another size than the one cosigned last
        if request.old != last.size:
            return Answer(409, f"{last.size}\n".encode(), SIZE_TYPE)
        # 6 the proof, or two roots for one size: signed by the log, so kept as evidence against it
        try:
            check_consistency(last.size, new.size, last.root, new.root, request.proof)
        except ProofError as error:
            return Answer(422, f"{error}\n".encode(), evidence=request.note)
        # 7 cosign; the caller stores before it answers
        keys = ((self.name, self.seed), *self.next_keys)
        lines = [cosign(note.text, name, seed, time) for name, seed in keys]
        kept = [str(one) for one in note.signatures if _key_of(one, self.logs[new.origin])]
        remember = Remember(new.origin, stored, join_note(note.text, [*kept, *lines]))
        return Answer(200, "".join(f"{line}\n" for line in lines).encode(), remember=remember)


def monitor_path(origin: str) -> str:
    """Return the path under which monitors read the last cosigned checkpoint of an origin."""
    return f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from a witness."""

    status: int
    content_type: str
    body: bytes


Fetch = Callable[[bytes], Reply]
"""Sends the body of one add-checkpoint request; what carries it is the caller's."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified line of a witness below our checkpoint, and its time."""

    time: int
    line: str


def ask_witness(
    fetch: Fetch,
    key: VerifierKey,
    note: bytes,
    old: int,
    prove: Callable[[int, int], Sequence[bytes]],
) -> Cosignature:
    """Return the cosignature of one witness, or raise WitnessAnswer.

    `old` is the size that this witness is thought to know; it may tell another one, once.
    """
    signed = parse_note(note)
    size = parse_checkpoint(signed.text).size
    reply = fetch(bytes(Request(old, tuple(prove(old, size)), note)))
    if reply.status == 409 and reply.content_type == SIZE_TYPE:
        told = read_decimal(reply.body.decode("ascii", "replace").removesuffix("\n"))
        if told > size:
            raise WitnessAnswer(key.name, reply.status, f"it has cosigned size {told} of this log")
        reply = fetch(bytes(Request(told, tuple(prove(told, size)), note)))
    if reply.status != 200:
        raise WitnessAnswer(key.name, reply.status, reply.body.decode("utf-8", "replace")[:200])
    # Lines of unknown keys are ignored; a known key that fails refuses the answer.
    answer = parse_note(f"{signed.text}\n".encode() + reply.body)
    for line in answer.signatures:
        if _key_of(line, (key,)):
            time = check_cosignature(key, signed.text, line.signature)
            return Cosignature(time, str(line))
    raise WitnessAnswer(key.name, reply.status, "no line of its key")


def _check_log_signature(keys: Sequence[VerifierKey], note: Note) -> None:
    signed = False
    for line in note.signatures:
        key = _key_of(line, keys)
        if key is not None:
            check_signature(key, note.text, line.signature)
            signed = True
    if not signed:
        raise SignatureRefused(parse_checkpoint(note.text).origin, "no trusted key signed this")


def _key_of(line: SignatureLine, keys: Sequence[VerifierKey]) -> VerifierKey | None:
    for key in keys:
        if (key.name, key.key_id) == (line.name, line.key_id):
            return key
    return None


def _refuse(status: int, error: CryptoError) -> Answer:
    return Answer(status, f"{error}\n".encode())
