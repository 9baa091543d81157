"""Personal data beside the log: private rows under per-subject keys (ledger.md §11, write path).

The log holds a commitment; the value lies here, under the key of its subject, which is wrapped by a
key outside this file. A row is durable before the entry that names its commitment. Subjects stand
here under a keyed hash, so that the file without the key names nobody.

The same field and value of the same subject keep one commitment.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from crypto import blinding
from crypto.blinding import PersonalValue
from crypto.canonical import Json
from ledger.errors import LedgerHalted, NoSuchEntry
from ledger.fail_stop import FailStop
from ledger.ports import Halt, Rng, never_halt
from ledger.sqlite import Judge
from ledger.store import Connection

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subjects(
 subject BLOB PRIMARY KEY, commitment BLOB NOT NULL, nonce BLOB NOT NULL, wrapped BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS rows(
 commitment TEXT PRIMARY KEY, subject BLOB NOT NULL, nonce BLOB NOT NULL, ciphertext BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS rows_of ON rows(subject);
CREATE TABLE IF NOT EXISTS bidders(
 tag TEXT PRIMARY KEY, consultation TEXT NOT NULL, subject BLOB NOT NULL, commitment TEXT NOT NULL,
 UNIQUE(consultation, subject))
"""


class PrivateRow(NamedTuple):
    """A private row with the key of its subject, as fsck reads it."""

    commitment: bytes
    subject_key: bytes
    nonce: bytes
    ciphertext: bytes


class Subjects:
    """The private rows of one home; one connection, one thread at a time."""

    def __init__(
        self,
        path: Path,
        *,
        key: bytes,
        rng: Rng,
        connect: Callable[[str], Connection],
        halt: Halt = never_halt,
    ) -> None:
        self._key = key
        self._rng = rng
        self._judge = Judge(FailStop(halt))
        self._lock = threading.Lock()
        self._known: dict[
            tuple[bytes, str, str], str
        ] = {}  # under _lock: filled subject by subject
        self._loaded: set[bytes] = set()  # under _lock
        with self._judge("open the private rows"):
            self._connection = connect(str(path))
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=1"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)

    def remember(self, field: str, value: str, subject: str) -> str:
        """Store a value under a subject's key, durably; return its commitment, 64 hex."""
        name = self._name(subject)
        with self._lock:
            self._load(name)
            known = self._known.get((name, field, value))
            if known is not None:
                return known
            personal = PersonalValue(field, value, self._rng.bytes(blinding.SALT_BYTES))
            with self._transaction():
                commitment = self._insert(name, personal)
            self._known[name, field, value] = commitment
            return commitment

    def reveal(self, commitment: str) -> str | None:
        """Return the value of a commitment, None where it was erased or never here."""
        with self._lock:
            personal = self._open(commitment)
        return None if personal is None else str(personal.value)

    def bidder_tag(self, consultation: str, operator: str) -> str:
        """Return the tag of an operator such as ``siret:…`` in one consultation, 64 hex."""
        name = self._name(operator)
        with self._lock:
            found = self._one(
                "SELECT tag FROM bidders WHERE consultation = ? AND subject = ?",
                (consultation, name),
            )
            if found is not None:
                return str(found[0])
            salt = self._rng.bytes(blinding.BIDDER_SALT_BYTES)
            tag = blinding.bidder_tag(consultation, salt, operator)
            hidden: dict[str, Json] = {"operator": operator, "salt": salt.hex()}
            personal = PersonalValue("bidder", hidden, self._rng.bytes(blinding.SALT_BYTES))
            with self._transaction():
                commitment = self._insert(name, personal)
                self._connection.execute(
                    "INSERT INTO bidders VALUES (?, ?, ?, ?)",
                    (tag, consultation, name, commitment),
                )
            return tag

    def bidder_salt(self, consultation: str, operator: str) -> str:
        """Return the salt of a bidder's tag, 32 hex: the bidder's own client checks the tag."""
        return self._bidder(consultation, self.bidder_tag(consultation, operator))["salt"]

    def operator_of(self, consultation: str, tag: str) -> str:
        """Return the operator behind a tag, or raise NoSuchEntry; asked at opening only."""
        return self._bidder(consultation, tag)["operator"]

    def private_rows(self) -> Iterator[PrivateRow]:
        """Yield every row with the key that opens it."""
        with self._lock:
            rows = self._all("SELECT commitment, subject, nonce, ciphertext FROM rows", ())
            keys = {subject: self._subject_key(subject) for _, subject, _, _ in rows}
        for commitment, subject, nonce, ciphertext in rows:
            yield PrivateRow(bytes.fromhex(commitment), keys[subject], nonce, ciphertext)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._judge.fail_stop.close()
            self._connection.close()

    # -- below: under _lock ------------------------------------------------------------------

    def _name(self, subject: str) -> bytes:
        return hmac.digest(self._key, b"pli/subject/v1\x00" + subject.encode(), "sha256")

    def _wrapping_key(self) -> bytes:
        """Return a key of its own for wrapping: the hash key above never encrypts."""
        return hashlib.sha256(b"pli/subject-key/v1\x00" + self._key).digest()

    def _subject_key(self, name: bytes) -> bytes:
        """Return the key of a subject, made and stored at its first row."""
        found = self._one(
            "SELECT commitment, nonce, wrapped FROM subjects WHERE subject = ?", (name,)
        )
        if found is not None:
            opened = blinding.open_row(found[0], self._wrapping_key(), found[1], found[2])
            return bytes.fromhex(str(opened.value))
        key = self._rng.bytes(blinding.SUBJECT_KEY_BYTES)
        nonce = self._rng.bytes(blinding.NONCE_BYTES)
        wrapped = PersonalValue("subject_key", key.hex(), self._rng.bytes(blinding.SALT_BYTES))
        self._connection.execute(
            "INSERT INTO subjects VALUES (?, ?, ?, ?)",
            (
                name,
                wrapped.commitment(),
                nonce,
                blinding.seal_row(wrapped, self._wrapping_key(), nonce),
            ),
        )
        return key

    def _insert(self, name: bytes, personal: PersonalValue) -> str:
        nonce = self._rng.bytes(blinding.NONCE_BYTES)
        commitment = personal.commitment().hex()
        ciphertext = blinding.seal_row(personal, self._subject_key(name), nonce)
        self._connection.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?)", (commitment, name, nonce, ciphertext)
        )
        return commitment

    def _load(self, name: bytes) -> None:
        """Read a subject's rows once, so that what is known keeps its commitment."""
        if name in self._loaded:
            return
        for (commitment,) in self._all("SELECT commitment FROM rows WHERE subject = ?", (name,)):
            personal = self._open(commitment)
            if personal is not None and isinstance(personal.value, str):
                self._known[name, personal.field, personal.value] = commitment
        self._loaded.add(name)

    def _open(self, commitment: str) -> PersonalValue | None:
        found = self._one(
            "SELECT subject, nonce, ciphertext FROM rows WHERE commitment = ?", (commitment,)
        )
        if found is None:
            return None
        subject, nonce, ciphertext = found
        key = self._subject_key(subject)
        return blinding.open_row(bytes.fromhex(commitment), key, nonce, ciphertext)

    def _bidder(self, consultation: str, tag: str) -> dict[str, str]:
        with self._lock:
            found = self._one(
                "SELECT commitment FROM bidders WHERE tag = ? AND consultation = ?",
                (tag, consultation),
            )
            personal = None if found is None else self._open(found[0])
        if personal is None or not isinstance(personal.value, dict):
            raise NoSuchEntry(f"behind the tag {tag}")
        return personal.value

    def _one(self, sql: str, params: tuple[str | bytes, ...]) -> tuple[Any, ...] | None:
        found = self._all(sql, params)
        return found[0] if found else None

    def _all(self, sql: str, params: tuple[str | bytes, ...]) -> list[tuple[Any, ...]]:
        with self._judge("read a private row"):
            return self._connection.execute(sql, params).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Write all or nothing; when the block has ended, it is durable."""
        try:
            with self._judge("write a private row"):
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
        except LedgerHalted:
            raise
        except Exception:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
