"""A log in a box: what a backup says of itself, and whether one may go on from it (ledger.md §5).

The manifest is a signed note of the log's own key, one file a line, so that a backup is judged root
to root: its entries lead to the signed root, its newest witnessed checkpoint is one of its sizes,
and nothing that anybody kept of this log (mark, witness, pin) is larger. Its first line is no
origin and its second no number: it can never be read as a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from crypto.errors import CryptoError
from crypto.log_errors import QuorumNotMet
from crypto.notes import (
    Checkpoint,
    VerifierKey,
    check_signature,
    join_note,
    parse_note,
    read_base64,
    read_decimal,
    write_base64,
)
from crypto.policies import Policy, VerifiedCheckpoint
from ledger.errors import AnotherHistory, BackupDamaged, BackupOlder, BackupUnwitnessed

FORMAT: Final = "pli-backup/1"
MANIFEST: Final = "manifest"
_ABSENT: Final = "-"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_HEAD: Final = ("origin", "size", "root", "at", "keys", "mark")


class FileRow(NamedTuple):
    """One file of a backup."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: a log at one size, and files."""

    head: Checkpoint
    at: str
    keys: bool
    """Whether secret keys lie in it too."""
    mark: bytes | None
    """The last signed note when the backup was made: never larger than the head."""
    files: tuple[FileRow, ...]

    def text(self) -> str:
        """Return the text that is signed."""
        values = (
            self.head.origin,
            str(self.head.size),
            write_base64(self.head.root),
            self.at,
            "yes" if self.keys else "no",
            write_base64(self.mark) if self.mark is not None else _ABSENT,
        )
        lines = [FORMAT, *(f"{name} {value}" for name, value in zip(_HEAD, values, strict=True))]
        lines += [f"{row.sha256} {row.size} {row.name}" for row in self.files]
        return "".join(f"{line}\n" for line in lines)


def join_manifest(manifest: Manifest, line: str) -> bytes:
    """Return a manifest above its signature line."""
    return join_note(manifest.text(), [line])


def read_manifest(data: bytes, keys: Sequence[VerifierKey]) -> Manifest:
    """Return a manifest that one of the log's keys signed, or raise BackupDamaged."""
    try:
        note = parse_note(data)
        signers = {(key.name, key.key_id): key for key in keys}
        line = note.signatures[0]
        key = signers.get((line.name, line.key_id))
        if key is None:
            raise BackupDamaged(f"the manifest is signed by {line.name}, not by a key of the log")
        check_signature(key, note.text, line.signature)
        manifest = _parse(note.text)
    except CryptoError as error:
        raise BackupDamaged(f"the manifest: {error}") from error
    if manifest.head.origin != key.name:
        raise BackupDamaged(f"{key.name} signed a backup of {manifest.head.origin}")
    return manifest


def _parse(text: str) -> Manifest:
    first, *lines = text.removesuffix("\n").split("\n")
    if first != FORMAT or len(lines) < len(_HEAD):
        raise BackupDamaged(f"the manifest is not of format {FORMAT}")
    values = []
    for name, line in zip(_HEAD, lines, strict=False):
        said, _, value = line.partition(" ")
        if said != name:
            raise BackupDamaged(f"the manifest says {said[:20]!r} in place of {name}")
        values.append(value)
    origin, size, root, at, keys, mark = values
    if keys not in {"yes", "no"}:
        raise BackupDamaged("the manifest does not say whether keys are inside")
    return Manifest(
        head=Checkpoint(origin, read_decimal(size), read_base64(root, 32)),
        at=at,
        keys=keys == "yes",
        mark=None if mark == _ABSENT else read_base64(mark),
        files=tuple(_rows(lines[len(_HEAD) :])),
    )


def _rows(lines: Iterable[str]) -> Iterable[FileRow]:
    before = ""
    for line in lines:
        sha256, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        if not _HASH.fullmatch(sha256) or not is_file_name(name):
            raise BackupDamaged(f"{line[:100]!r} names no file")
        if name <= before:
            raise BackupDamaged(f"{name} is out of order")
        before = name
        yield FileRow(name, read_decimal(size), sha256)


def is_file_name(name: str) -> bool:
    """Tell whether a backup may hold a file of this name: it stays inside its folder."""
    return _NAME.fullmatch(name) is not None and ".." not in name


class Evidence(NamedTuple):
    """A note that somebody kept of this log: a surviving mark, a witness's, a pin."""

    source: str
    note: bytes


def check_newest(head: Checkpoint, policy: Policy, evidence: Iterable[Evidence]) -> None:
    """Return quietly if nothing that is known of the log is larger than a backup's head."""
    for kept in evidence:
        checkpoint = read_evidence(policy, kept)
        if checkpoint.origin != head.origin:
            raise AnotherHistory(checkpoint.size, f"{kept.source}, of {checkpoint.origin}")
        if checkpoint.size > head.size:
            raise BackupOlder(head.size, checkpoint.size, kept.source)


def read_evidence(policy: Policy, kept: Evidence) -> Checkpoint:
    """Return a checkpoint that the log itself signed, or raise a CryptoError."""
    return policy.log_alone().verify(kept.note).checkpoint


def last_witnessed(policy: Policy, notes: Sequence[bytes]) -> VerifiedCheckpoint:
    """Return the newest published checkpoint that reaches the quorum of the policy."""
    for note in reversed(notes):
        try:
            return policy.verify(note)
        except QuorumNotMet:
            continue
    raise BackupUnwitnessed(len(notes))
