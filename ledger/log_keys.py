"""Which keys sign this log at which size: entry 0, then every LogKeyChanged (ledger.md §2).

A change holds from the first size that covers its entry. Both keys sign from there on, until the
old one is retired, by an entry of its own. The truth stands in the log; a policy only repeats it.
Changes are numbered by their command ids, so that no start reads the whole log for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.keys import LogKeys
from crypto.notes import Checkpoint, VerifierKey
from crypto.policies import Policy
from ledger.entry import LOG_STREAM, parse
from ledger.errors import EntryRefused, ForeignKey, KeyUnknown, StoreDamaged
from ledger.ports import Signer
from ledger.sequencer import Sequencer
from ledger.store import Reads

CHANGED = "LogKeyChanged"


class LogSigners:
    """The keys of a log, and those of them that can sign here."""

    def __init__(self, keys: LogKeys, signers: Sequence[Signer]) -> None:
        self.keys = keys
        self._signers = signers
        self._policy = Policy.parse(keys.policy())

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._policy.logs[0].name

    def check_able(self, without: str | None = None) -> None:
        """Return quietly if a key that nothing ends is here, this one left aside; else raise."""
        lasting = self.keys.since.keys() - self.keys.until.keys() - {without}
        if not lasting & {str(one.key) for one in self._signers}:
            raise ForeignKey("no key in force is here")

    def sign(self, checkpoint: Checkpoint) -> list[str]:
        """Return the line of each key in force at this size that is here."""
        valid = self.keys.at(checkpoint.size)
        return [one.sign(checkpoint) for one in self._signers if str(one.key) in valid]

    def check(self, note: bytes) -> Checkpoint:
        """Return what a note says once a key in force at its size signed it, or ForeignKey."""
        try:
            return self._policy.verify(note).checkpoint
        except CryptoError as error:
            raise ForeignKey(f"the mark: {error}") from error


def read_log_keys(reads: Reads, signer: VerifierKey) -> LogKeys:
    """Return the keys of a log.

    Of one without an entry 0 that can be read, the signer's alone: whoever reads that refuses it.
    """
    try:
        created = parse(reads.rows(0, 1)[0].entry).data
        LogKeys.of(created)
    except (EntryRefused, CryptoError, IndexError):
        return LogKeys.of({"keys": [str(signer)]})
    try:
        return LogKeys.of(created, _changes(reads))
    except (EntryRefused, CryptoError) as error:
        raise StoreDamaged(f"a change of keys: {error}") from error


def _changes(reads: Reads) -> list[Mapping[str, Json]]:
    found: list[Mapping[str, Json]] = []
    while command := reads.command(_command(len(found) + 1)):
        found.append(parse(reads.rows(command.first, command.first + 1)[0].entry).data)
    return found


def added_at(reads: Reads, vkey: str) -> datetime | None:
    """Return when a key was added to the log, None of one that entry 0 names."""
    number = 1
    while command := reads.command(_command(number)):
        entry = parse(reads.rows(command.first, command.first + 1)[0].entry)
        if entry.data.get("added") == vkey:
            return datetime.fromisoformat(entry.at)
        number += 1
    return None


def _command(number: int) -> str:
    return f"{LOG_STREAM}/{CHANGED}/{number}"


def add_key(sequencer: Sequencer, reads: Reads, keys: LogKeys, key: VerifierKey) -> None:
    """Append that a key signs too, from the size that covers the entry."""
    if key.name != VerifierKey.parse(next(iter(keys.since))).name:
        raise ForeignKey(f"{key.name} is another log")
    _append(sequencer, reads, {"added": str(key)})


def retire_key(sequencer: Sequencer, reads: Reads, keys: LogKeys, vkey: str) -> None:
    """Append that a key counts no more, from the size that covers the entry."""
    if vkey not in keys.since or vkey in keys.until:
        raise KeyUnknown(vkey)
    _append(sequencer, reads, {"retired": vkey})


def _append(sequencer: Sequencer, reads: Reads, change: Mapping[str, str]) -> None:
    number = len(_changes(reads)) + 1

    def data_at(position: int) -> Mapping[str, Json]:
        return {**change, "from_size": position + 1}

    body = "".join(f"{name} {value}\n" for name, value in change.items())
    digest = hashlib.sha256(body.encode()).digest()
    sequencer.note(CHANGED, _command(number), digest, data_at)
