"""What a monitor decides over bytes: whether a log continues what was seen of it (T03).

It keeps its own last checkpoint and believes nobody's word: a served checkpoint is compared with
that one, with the last ones of the witnesses and with pins, by the hash tiles of the log itself.
An alarm carries what others can check again: `judge`. What fetches is the caller's (`Read`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from crypto.canonical import Json, decode, encode
from crypto.errors import CryptoError
from crypto.log_errors import InconsistentTrees, QuorumNotMet
from crypto.merkle import check_consistency
from crypto.notes import Checkpoint, parse_checkpoint, parse_note, read_base64, write_base64
from crypto.policies import Policy, VerifiedCheckpoint
from ledger.proofs import HashAt, TileHashes, TlogProof, consistency, root_at

FORMAT = "pli-evidence/1"
MAX_NOTE = 65_536
OWN = "own memory"

Read = Callable[[str], bytes | None]
"""Returns what a log serves at a path, None where nothing stands there; OSError: no answer."""
Cosigned = Callable[[], bytes | None]
"""Returns the last note that a witness cosigned; OSError: no answer."""


class Kind(StrEnum):
    """What an alarm is about."""

    FORK = "fork"
    ROLLBACK = "rollback"
    SILENCE = "silence"


class EvidenceRefused(Exception):
    """A file that proves nothing against this log under this policy."""

    code = "monitor.evidence"


class MemoryRefused(Exception):
    """The kept state of a monitor cannot be read."""

    code = "monitor.memory"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two notes that the log signed, and what shows that they do not belong together.

    `proof` leads from `root`, the root that the larger tree has at the smaller size, to the larger
    note's root: it is only there where the sizes differ. A silence has one note, or none.
    """

    kind: Kind
    first: bytes = b""
    second: bytes = b""
    source: str = ""
    at: int = 0
    root: bytes = b""
    proof: tuple[bytes, ...] = ()

    def __bytes__(self) -> bytes:
        """Return the file."""
        fields: dict[str, Json] = {
            "at": self.at,
            "first": self.first.decode(),
            "format": FORMAT,
            "kind": self.kind.value,
            "proof": [write_base64(each) for each in self.proof],
            "root": write_base64(self.root),
            "second": self.second.decode(),
            "source": self.source,
        }
        return encode(fields)

    @classmethod
    def parse(cls, data: bytes) -> Evidence:
        """Read a file; nothing in it is judged here."""
        try:
            match decode(data):
                case {
                    "at": int(at),
                    "first": str(first),
                    "format": "pli-evidence/1",
                    "kind": str(kind),
                    "proof": list(proof),
                    "root": str(root),
                    "second": str(second),
                    "source": str(source),
                }:
                    hashes = tuple(read_base64(str(each)) for each in proof)
                    notes = (first.encode(), second.encode())
                    return cls(Kind(kind), *notes, source, at, read_base64(root), hashes)
        except (CryptoError, ValueError) as error:
            raise EvidenceRefused(str(error)) from error
        raise EvidenceRefused("it has not the fields of evidence")


@dataclass(frozen=True, slots=True)
class Memory:
    """The last checkpoint that continued all before it, and when it was first seen."""

    note: bytes
    since: int

    def __bytes__(self) -> bytes:
        """Return the stored form."""
        return encode({"note": self.note.decode(), "since": self.since})

    @classmethod
    def parse(cls, data: bytes) -> Memory:
        """Read what was stored; it is ours, so anything else is damage."""
        try:
            match decode(data):
                case {"note": str(note), "since": int(since)}:
                    return cls(note.encode(), since)
        except CryptoError as error:
            raise MemoryRefused(str(error)) from error
        raise MemoryRefused("it is no state of a monitor")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one poll found; the caller stores `memory` by compare-and-swap, then tells."""

    memory: Memory
    alarms: tuple[Evidence, ...] = ()
    size: int | None = None
    quorum: bool = False
    age_s: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """One log as one monitor watches it."""

    policy: Policy
    read: Read
    witnesses: Mapping[str, Cosigned]
    pins: Mapping[str, bytes]
    silent_s: int
    pause: Callable[[], None]
    """Waits a moment: a checkpoint is cosigned just before it is published."""

    def poll(self, memory: Memory | None, now: int) -> Outcome:
        """Fetch, compare with everything known, and decide."""
        kept = memory or Memory(b"", now)
        problems: dict[str, str] = {}
        others = self._others(problems)
        try:
            served = self._served()
            # what was once served is published: only a witness can be ahead of it for a moment
            seen = _size(kept.note) if kept.note else 0
            if seen <= served.checkpoint.size < max(map(_size, others.values()), default=0):
                self.pause()
                served = self._served()
            return self._judged(kept, served, others, problems, now)
        except (CryptoError, OSError) as error:
            # no alarm by itself: what cannot be read does not move the memory, so it grows old
            problems["log"] = str(error)
            return self._aged(Outcome(kept, problems=problems), None, now)

    def _others(self, problems: dict[str, str]) -> dict[str, bytes]:
        """Return what the witnesses cosigned last; it is asked for before the log's own."""
        known = self.policy.without_quorum()
        notes = {}
        for name, cosigned in self.witnesses.items():
            try:
                note = cosigned()
                if note is not None:
                    known.verify(note)
                    notes[f"witness {name}"] = note
            except (CryptoError, OSError) as error:
                problems[name] = str(error)
        return notes

    def _served(self) -> VerifiedCheckpoint:
        note = self.read("checkpoint")
        if note is None or len(note) > MAX_NOTE:
            raise OSError("no checkpoint is served")
        return self.policy.without_quorum().verify(note)

    def _judged(
        self,
        kept: Memory,
        served: VerifiedCheckpoint,
        others: Mapping[str, bytes],
        problems: dict[str, str],
        now: int,
    ) -> Outcome:
        size = served.checkpoint.size
        tree = TileHashes(size, lambda path: self.read(str(path)))
        note = bytes_of(served)
        alarms = []
        # a receipt may stand under an internal checkpoint: above the public size it has to wait
        pins = {name: pin for name, pin in self.pins.items() if _size(pin) <= size}
        mine = {OWN: kept.note} if kept.note else {}
        for source, known in {**mine, **others, **pins}.items():
            try:
                found = compare(self.policy, known, note, tree)
            except (CryptoError, OSError) as error:
                problems[source] = str(error)  # one bad source must not hide what another shows
                continue
            if found is not None:
                alarms.append(replace(found, source=source, at=now))
        quorum = _has_quorum(self.policy, served)
        memory = kept
        proven = not alarms and OWN not in problems
        if proven and (not kept.note or size > _size(kept.note)):
            memory = Memory(note, now)
        outcome = Outcome(memory, tuple(alarms), size, quorum, problems=problems)
        return self._aged(outcome, served, now)

    def _aged(self, outcome: Outcome, served: VerifiedCheckpoint | None, now: int) -> Outcome:
        """Add the age of what is published, and the alarm of a log that says nothing new."""
        times = served.cosignatures.values() if served is not None else ()
        age = now - min([outcome.memory.since, max(times, default=now)])
        alarms = outcome.alarms
        if age > self.silent_s:
            silence = Evidence(Kind.SILENCE, outcome.memory.note, source="the clock", at=now)
            alarms = (*alarms, silence)
        return replace(outcome, age_s=age, alarms=alarms)


def compare(policy: Policy, known: bytes, served: bytes, tree: HashAt) -> Evidence | None:
    """Return the evidence that a served note does not continue a known one, None if it does.

    `tree` answers from the tiles of the served log; tiles that do not lead to the served root raise
    CryptoError: they prove nothing for or against it.
    """
    old = policy.log_alone().verify(known).checkpoint
    new = policy.log_alone().verify(served).checkpoint
    if old.origin != new.origin:
        raise InconsistentTrees(old.size, new.size, f"{old.origin} is not {new.origin}")
    if old.size > new.size:
        return Evidence(Kind.ROLLBACK, known, served)
    if old.size == new.size:
        return None if old.root == new.root else Evidence(Kind.FORK, known, served)
    proof = consistency(old.size, new.size, tree)
    root = root_at(old.size, tree)
    check_consistency(old.size, new.size, root, new.root, proof)
    if root == old.root:
        return None
    return Evidence(Kind.FORK, known, served, root=root, proof=tuple(proof))


def judge(evidence: Evidence, policy: Policy) -> str:
    """Return on what the evidence stands, or raise EvidenceRefused.

    A fork stands on the log's two signatures. A rollback too, but which note came later is the word
    of the monitor that saw them. A silence is nothing that a file could prove.
    """
    if evidence.kind is Kind.SILENCE:
        raise EvidenceRefused("a silence is seen, not proven: ask the log and its witnesses")
    try:
        first, second = (
            policy.log_alone().verify(note).checkpoint for note in (evidence.first, evidence.second)
        )
        if first.origin != second.origin:
            raise EvidenceRefused("the notes are of two logs")
        if evidence.kind is Kind.FORK:
            _judge_fork(evidence, first, second)
            return "two signatures of the log"
    except CryptoError as error:
        raise EvidenceRefused(str(error)) from error
    if first.size <= second.size:
        raise EvidenceRefused("the second note is not smaller than the first")
    return "two signatures of the log; the monitor's word for their order"


def pin_of(data: bytes) -> bytes:
    """Return the note of a pin: a checkpoint, or a receipt that carries one."""
    if data.startswith(b"c2sp.org/tlog-proof@"):
        return TlogProof.parse(data).note
    parse_checkpoint(parse_note(data).text)
    return data


def bytes_of(verified: VerifiedCheckpoint) -> bytes:
    """Return a note as it was read."""
    lines = "".join(f"{line}\n" for line in verified.note.signatures)
    return f"{verified.note.text}\n{lines}".encode()


def _judge_fork(evidence: Evidence, first: Checkpoint, second: Checkpoint) -> None:
    if first.size > second.size:
        raise EvidenceRefused("the second note is smaller: that is no fork")
    if first.size == second.size:
        other = second.root
    else:
        other = evidence.root
        check_consistency(first.size, second.size, other, second.root, evidence.proof)
    if other == first.root:
        raise EvidenceRefused("both notes are of one history")


def _has_quorum(policy: Policy, served: VerifiedCheckpoint) -> bool:
    try:
        policy.check_quorum(served.cosignatures)
    except QuorumNotMet:
        return False
    return True


def _size(note: bytes) -> int:
    return parse_checkpoint(parse_note(note).text).size
