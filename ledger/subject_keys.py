"""The keys of subjects, kept apart from their rows and from every long backup (ledger.md §11).

A small database beside the other secrets. Each subject has a number drawn by lot, under which its
rows stand elsewhere, and a key, wrapped by one key outside this file; its name is found under a
keyed hash. Erasing a subject deletes its key and wraps all others anew under a fresh one, in one
transaction; then the former wrapping key is destroyed. So an older copy of the rows is read with
the keys of the living only, and an older copy of this file with nothing that is left.

The number of an erased subject stays, so that rows which an older backup brings back are known for
what they are. An erasure stands in a table until its entry is recorded: a crash anywhere is
followed by the same steps again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from crypto import blinding
from crypto.blinding import PersonalValue
from crypto.canonical import Json
from ledger.errors import SubjectKeysLocked
from ledger.ports import Halt, Rng, never_halt
from ledger.private_database import PrivateDatabase
from ledger.store import Connection

ID_BYTES: Final = 16
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subjects(
 id BLOB PRIMARY KEY, name BLOB NOT NULL UNIQUE, commitment BLOB NOT NULL, nonce BLOB NOT NULL,
 wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wrapping(one INTEGER PRIMARY KEY CHECK(one = 1), key_id BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS erased(id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures(
 tag TEXT PRIMARY KEY, subject TEXT NOT NULL, id BLOB NOT NULL, reason TEXT NOT NULL,
 commitments TEXT NOT NULL) WITHOUT ROWID
"""
_INSERT: Final = "INSERT INTO subjects(id, name, commitment, nonce, wrapped) VALUES (?, ?, ?, ?, ?)"
NOBODY: Final = b""


class WrappingKeys(Protocol):
    """The keys that wrap the keys of subjects, outside every database."""

    def keys(self) -> Sequence[bytes]:
        """Return the key in force; two while one takes the place of the other."""

    def add(self, key: bytes) -> None:
        """Keep one more key, durably."""

    def keep(self, key: bytes) -> None:
        """Destroy every key but this one, durably."""


class Erasure(NamedTuple):
    """An erasure that was begun: under which tag, of whom, why, and what stood for it."""

    tag: str
    subject: str
    id: bytes
    """Every number under which the subject stands, one after the other."""
    reason: str
    commitments: tuple[str, ...]

    def numbers(self) -> list[bytes]:
        """Return the numbers one by one."""
        return [self.id[at : at + ID_BYTES] for at in range(0, len(self.id), ID_BYTES)]


class SubjectKeys:
    """The keys of one home; used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        *,
        wrapping: WrappingKeys,
        rng: Rng,
        connect: Callable[[str], Connection],
        halt: Halt = never_halt,
    ) -> None:
        self._wrapping = wrapping
        self._rng = rng
        self._database = PrivateDatabase(path, _SCHEMA, connect, halt)
        try:
            self._key = self._in_force()
        except BaseException:
            self._database.close()
            raise

    def find(self, subject: str) -> bytes | None:
        """Return the number of a subject, None where it has none."""
        found = self._database.one(
            "SELECT id FROM subjects WHERE name = ?", (_name(self._key, subject),)
        )
        return None if found is None else bytes(found[0])

    def find_all(self, subject: str, apart: str | None = None) -> list[bytes]:
        """Return the number of a subject, and those of all names that begin with ``apart``."""
        own = self.find(subject)
        found = [] if own is None else [own]
        if apart is not None:
            rows = self._database.all(
                "SELECT id, commitment, nonce, wrapped FROM subjects ORDER BY id"
            )
            found += [id_ for id_, *row in rows if self._unwrapped(*row)[0].startswith(apart)]
        return found

    def make(self, subject: str) -> bytes:
        """Return the number of a subject, given with a key at its first row, durably."""
        found = self.find(subject)
        if found is not None:
            return found
        number = self._rng.bytes(ID_BYTES)
        key = self._rng.bytes(blinding.SUBJECT_KEY_BYTES)
        row = self._wrapped(number, subject, key, self._key)
        with self._database.transaction():
            self._database.write(
                "INSERT OR IGNORE INTO wrapping VALUES (1, ?)", (_key_id(self._key),)
            )
            self._database.write(_INSERT, row)
        return number

    def key_of(self, number: bytes) -> bytes | None:
        """Return the key of a subject, None where it was erased or is lost."""
        found = self._database.one(
            "SELECT commitment, nonce, wrapped FROM subjects WHERE id = ?", (number,)
        )
        return None if found is None else self._unwrapped(*found)[1]

    def erased(self) -> frozenset[bytes]:
        """Return the numbers of subjects that were erased."""
        return frozenset(row[0] for row in self._database.all("SELECT id FROM erased"))

    # -- erasing -----------------------------------------------------------------------------

    def begin(self, erasure: Erasure) -> None:
        """Write down what will be erased, durably: from here on it is finished, whatever comes."""
        with self._database.transaction():
            self._database.write(
                "INSERT INTO erasures VALUES (?, ?, ?, ?, ?)",
                (
                    erasure.tag,
                    erasure.subject,
                    erasure.id,
                    erasure.reason,
                    json.dumps(erasure.commitments),
                ),
            )

    def pending(self) -> list[Erasure]:
        """Return the erasures that were begun and are not finished."""
        rows = self._database.all(
            "SELECT tag, subject, id, reason, commitments FROM erasures ORDER BY tag"
        )
        return [
            Erasure(tag, subject, number, reason, tuple(json.loads(commitments)))
            for tag, subject, number, reason, commitments in rows
        ]

    def destroy(self, numbers: Collection[bytes]) -> None:
        """Leave nothing that opens a row under these numbers, here or in an older copy."""
        self._wrapping.keep(self._key)  # a change that a crash cut short ends first
        if any(self.key_of(number) is not None for number in numbers):
            fresh = self._rng.bytes(blinding.SUBJECT_KEY_BYTES)
            self._wrapping.add(fresh)
            self._change(numbers, fresh)
            # after this line the old wrapping key opens nothing, and nothing needs it
        self._database.wipe()
        self._wrapping.keep(self._key)

    def settled(self, tag: str) -> None:
        """Forget an erasure whose entry is recorded."""
        with self._database.transaction():
            self._database.write("DELETE FROM erasures WHERE tag = ?", (tag,))
        self._database.wipe()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def _change(self, numbers: Collection[bytes], fresh: bytes) -> None:
        """Delete these keys and wrap all others under a fresh one: all or nothing."""
        rows = self._database.all("SELECT id, name, commitment, nonce, wrapped FROM subjects")
        with self._database.transaction():
            self._database.write("DELETE FROM subjects", ())
            for living, _, *wrapped in rows:
                if living not in numbers:
                    subject, key = self._unwrapped(*wrapped)
                    row = self._wrapped(living, subject, key, fresh)
                    self._database.write(_INSERT, row)
            self._database.write("UPDATE wrapping SET key_id = ?", (_key_id(fresh),))
            for number in numbers:
                self._database.write("INSERT OR IGNORE INTO erased VALUES (?)", (number,))
        self._key = fresh

    def _in_force(self) -> bytes:
        """Return the wrapping key that this database is under; of two, the one it names."""
        keys = self._wrapping.keys()
        found = self._database.one("SELECT key_id FROM wrapping")
        if found is None:
            return keys[0]
        for key in keys:
            if hmac.compare_digest(_key_id(key), found[0]):
                return key
        raise SubjectKeysLocked

    def _wrapped(
        self, number: bytes, subject: str, key: bytes, wrapping: bytes
    ) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        nonce = self._rng.bytes(blinding.NONCE_BYTES)
        value: dict[str, Json] = {"key": key.hex(), "subject": subject}
        hidden = PersonalValue("subject_key", value, self._rng.bytes(blinding.SALT_BYTES))
        sealed = blinding.seal_row(hidden, _sealing(wrapping), nonce)
        return number, _name(wrapping, subject), hidden.commitment(), nonce, sealed

    def _unwrapped(self, commitment: bytes, nonce: bytes, wrapped: bytes) -> tuple[str, bytes]:
        opened = blinding.open_row(commitment, _sealing(self._key), nonce, wrapped).value
        assert isinstance(opened, dict)  # noqa: S101 - `_wrapped` alone writes here
        return str(opened["subject"]), bytes.fromhex(str(opened["key"]))


def _name(key: bytes, subject: str) -> bytes:
    return hmac.digest(key, b"pli/subject/v1\x00" + subject.encode(), "sha256")


def _sealing(key: bytes) -> bytes:
    """Return a key of its own for wrapping: the one that hashes names never encrypts."""
    return hashlib.sha256(b"pli/subject-key/v1\x00" + key).digest()


def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"pli/subject-key-id/v1", "sha256")[:8]
