"""C2SP tlog-policy: which logs and how many witnesses a reader of checkpoints believes.

Trust comes from this text alone, given by the user, never from what is verified with it. A text is
read as c2sp.org/tlog-policy says and refused otherwise; names are compared as they are written.

One comment has a meaning here, which other readers skip: ``#pli-valid VKEY FROM [END]`` below the
line of a key says that it counts for checkpoints of sizes FROM to END - 1 only (ADR 0022).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from crypto.log_errors import (
    Base64Refused,
    PolicyRefused,
    QuorumNotMet,
    SignatureRefused,
    VerifierKeyRefused,
)
from crypto.notes import (
    COSIGNATURE,
    LOG,
    Checkpoint,
    Note,
    VerifierKey,
    check_cosignature,
    check_signature,
    parse_checkpoint,
    parse_note,
)

NO_QUORUM: Final = "none"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANK: Final = re.compile(r"[ \t]+")
_DECIMAL: Final = re.compile(r"[1-9][0-9]{0,5}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST: Final = 2**63 - 1
"""As c2sp.org/tlog-checkpoint bounds a size; the verifier reads the same."""
VALID: Final = "#pli-valid"


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint under the key of a known log and the quorum of its policy.

    `cosignatures` names each witness of the policy with the earliest time at which it cosigned.
    """

    checkpoint: Checkpoint
    cosignatures: Mapping[str, int]
    note: Note


@dataclass(frozen=True, slots=True)
class Group:
    """A group witnesses a checkpoint when this many of its members do."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Known logs, known witnesses by their names in this policy, and the quorum."""

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, VerifierKey]
    groups: Mapping[str, Group]
    quorum: str
    urls: Mapping[str, str]
    valid: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    """First size and end of each key that counts for some sizes only, by vkey."""

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read a policy, or raise PolicyRefused with the line."""
        reader = _Reader()
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            reader.read(number, line)
        return reader.finish(len(lines))

    def verify(self, note: bytes) -> VerifiedCheckpoint:
        """Return what a note proves under this policy, or raise.

        A signature that fails under a known name and key identifier refuses the whole note; lines
        of unknown keys are ignored; a repeated line is verified again and counts once.
        """
        return self.verify_note(parse_note(note))

    def verify_note(self, note: Note) -> VerifiedCheckpoint:
        """Return what a note that was read before proves, or raise."""
        checkpoint = parse_checkpoint(note.text)
        signed = False
        cosigned: dict[str, int] = {}
        logs = {(key.name, key.key_id): key for key in self.logs}
        witnesses = {(key.name, key.key_id): name for name, key in self.witnesses.items()}
        for line in note.signatures:
            source = (line.name, line.key_id)
            if source in logs:
                check_signature(logs[source], note.text, line.signature)
                # A log speaks for its own origin only.
                own = line.name == checkpoint.origin
                signed = signed or (own and self.counts(logs[source], checkpoint.size))
            elif source in witnesses:
                name = witnesses[source]
                time = check_cosignature(self.witnesses[name], note.text, line.signature)
                if self.counts(self.witnesses[name], checkpoint.size):
                    cosigned[name] = min(time, cosigned.get(name, time))
        if not signed:
            raise SignatureRefused(checkpoint.origin, "no key of a known log in force signed this")
        self.check_quorum(cosigned)
        return VerifiedCheckpoint(checkpoint, cosigned, note)

    def check_quorum(self, cosigned: Collection[str]) -> None:
        """Return quietly if these witnesses are enough, else raise QuorumNotMet."""
        met = {NO_QUORUM, *(name for name in self.witnesses if name in cosigned)}
        # Members are defined before their group, so one pass in the order of the text is enough.
        for name, group in self.groups.items():
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(name)
        if self.quorum not in met:
            raise QuorumNotMet(self.quorum, tuple(sorted(cosigned)))

    def counts(self, key: VerifierKey, size: int) -> bool:
        """Say whether a key is in force for checkpoints of this size."""
        first, end = self.valid.get(str(key), (0, None))
        return first <= size and (end is None or size < end)

    def narrowed(self, ranges: Mapping[str, tuple[int, int | None]]) -> Policy:
        """Return the same policy, in which these keys count for no other sizes than these."""
        valid = dict(self.valid)
        for vkey, (first, end) in ranges.items():
            least, most = valid.get(vkey, (0, None))
            ends = [one for one in (end, most) if one is not None]
            valid[vkey] = (max(first, least), min(ends, default=None))
        return replace(self, valid=valid)

    def unended(self) -> tuple[VerifierKey, ...]:
        """Return the keys of logs that no size ends: what a witness still cosigns under."""
        return tuple(key for key in self.logs if self.valid.get(str(key), (0, None))[1] is None)

    def without_quorum(self) -> Policy:
        """Return the same keys, asking for no number of witnesses: for what was kept long ago."""
        return replace(self, groups={}, quorum=NO_QUORUM, urls={})

    def log_alone(self) -> Policy:
        """Return the same logs without any witness: for pins and first-form receipts."""
        return replace(self, witnesses={}, groups={}, quorum=NO_QUORUM, urls={})


def log_policy(log: VerifierKey) -> str:
    """Return the text of a policy with this log and no witness."""
    return f"log {log}\nquorum {NO_QUORUM}\n"


def witness_policy(
    log: VerifierKey, witnesses: Mapping[str, VerifierKey], threshold: int, group: str
) -> str:
    """Return the text of a policy that asks this many of the named witnesses."""
    return witnessed_policy([f"log {log}"], witnesses, threshold, group)


def witnessed_policy(
    logs: Sequence[str], witnesses: Mapping[str, VerifierKey], threshold: int, group: str
) -> str:
    """Return such a text below these lines about the keys of the log."""
    lines = [*logs]
    lines += [f"witness {name} {key}" for name, key in witnesses.items()]
    lines += [f"group {group} {threshold} {' '.join(witnesses)}", f"quorum {group}"]
    return "".join(f"{line}\n" for line in lines)


@dataclass(slots=True)
class _Reader:
    """What stands above the line that is read."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    urls: dict[str, str] = field(default_factory=dict)
    valid: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    quorum: str | None = None
    number: int = 0

    def read(self, number: int, line: str) -> None:
        self.number = number
        if _CONTROL.search(line):
            raise self._refusal("a control character (lines end with LF only)")
        words = _BLANK.split(line.strip(" \t"))
        if words == [""] or (words[0].startswith("#") and words[0] != VALID):
            return
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(vkey, url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, url)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name]:
                self._quorum(name)
            case ["#pli-valid", vkey, first, *end] if len(end) <= 1:
                self._valid(vkey, first, end)
            case _:
                raise self._refusal(f"{line.strip()[:80]!r} says nothing known")

    def finish(self, lines: int) -> Policy:
        self.number = lines
        if self.quorum is None:
            raise self._refusal("no quorum line")
        logs = tuple(self.logs)
        return Policy(logs, self.witnesses, self.groups, self.quorum, self.urls, self.valid)

    def _log(self, vkey: str, url: Sequence[str]) -> None:
        key = self._key(vkey, LOG, self.logs)
        self.logs.append(key)
        self.urls.update((str(key), address) for address in url)

    def _witness(self, name: str, vkey: str, url: Sequence[str]) -> None:
        self._define(name)
        key = self._key(vkey, COSIGNATURE, self.witnesses.values())
        self.witnesses[name] = key
        self.urls.update((str(key), address) for address in url)

    def _group(self, name: str, threshold: str, members: Sequence[str]) -> None:
        self._define(name)
        for member in members:
            self._known(member)
            if member in self.members:
                raise self._refusal(f"{member!r} is a member already")
            self.members.add(member)
        words = {"any": "1", "all": str(len(members))}
        digits = words.get(threshold, threshold)
        if not _DECIMAL.fullmatch(digits) or int(digits) > len(members):
            raise self._refusal(f"threshold {threshold!r} of {len(members)} members")
        self.groups[name] = Group(int(digits), tuple(members))

    def _valid(self, vkey: str, first: str, end: Sequence[str]) -> None:
        known = map(str, (*self.logs, *self.witnesses.values()))
        if vkey in self.valid or vkey not in known:
            raise self._refusal(f"{vkey[:80]!r} is not defined above, or bounded already")
        if not all(_SIZE.fullmatch(one) for one in (first, *end)):
            raise self._refusal("sizes are plain decimal numbers")
        last = int(end[0]) if end else None
        if not int(first) < (_MOST if last is None else last) <= _MOST:
            raise self._refusal("the key counts for no size at all")
        self.valid[vkey] = (int(first), last)

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise self._refusal("a second quorum")
        if name != NO_QUORUM:
            self._known(name)
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise self._refusal(f"the name {name!r} is taken")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise self._refusal(f"{name!r} is not defined above")

    def _key(self, vkey: str, kind: int, others: Collection[VerifierKey]) -> VerifierKey:
        try:
            key = VerifierKey.parse(vkey)
        except (VerifierKeyRefused, Base64Refused) as error:
            raise self._refusal(str(error)) from error
        if key.kind != kind:
            raise self._refusal(f"a key of type 0x{key.kind:02x} in place of 0x{kind:02x}")
        if any(key.public == other.public for other in others):
            raise self._refusal("the same key twice")
        return key

    def _refusal(self, reason: str) -> PolicyRefused:
        return PolicyRefused(self.number, reason)
