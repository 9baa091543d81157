"""Personal data beside the log: private rows under per-subject keys (ledger.md §11, write path).

The log holds a commitment; the value lies here, under the key of its subject, which lies elsewhere
(``subject_keys``). A row is durable before the entry that names its commitment. Rows stand under a
number drawn by lot for each subject, so that this file alone names nobody.

The same field and value of the same subject keep one commitment.

What was asked once is answered from memory, and waits for nobody who writes: each request asks who
its caller is. An erasure forgets all of it before it destroys the key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from crypto import blinding
from crypto.blinding import PersonalValue
from crypto.canonical import Json
from ledger.errors import NoSuchEntry
from ledger.ports import Halt, Rng, never_halt
from ledger.private_database import PrivateDatabase
from ledger.store import Connection
from ledger.subject_keys import NOBODY, Erasure, SubjectKeys

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows(
 commitment TEXT PRIMARY KEY, subject BLOB NOT NULL, nonce BLOB NOT NULL, ciphertext BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS rows_of ON rows(subject);
CREATE TABLE IF NOT EXISTS bidders(
 tag TEXT PRIMARY KEY, consultation TEXT NOT NULL, subject BLOB NOT NULL, commitment TEXT NOT NULL,
 UNIQUE(consultation, subject))
"""
_NO_KEY: Final = b""
MOST_ANSWERS: Final = 50_000
"""Answers of each sort that are kept in memory."""
K = TypeVar("K")


class PrivateRow(NamedTuple):
    """A private row with the key of its subject, as fsck reads it; a lost key is empty."""

    commitment: bytes
    subject_key: bytes
    nonce: bytes
    ciphertext: bytes


class Held(NamedTuple):
    """One value that is kept of a subject, and the commitment that stands for it."""

    commitment: str
    field: str
    value: Json
    tag: str | None
    """Of a bidder: what stands for it in the consultation of the value."""
    consultation: str | None


class Subjects:
    """The private rows of one home; any thread may call, one works at a time."""

    def __init__(
        self,
        path: Path,
        *,
        keys: SubjectKeys,
        rng: Rng,
        connect: Callable[[str], Connection],
        halt: Halt = never_halt,
    ) -> None:
        self._keys = keys  # under _lock, like everything below
        self._rng = rng
        self._lock = threading.Lock()
        self._known: dict[tuple[bytes, str, str], str] = {}  # filled subject by subject
        self._loaded: set[bytes] = set()
        # Written under _lock, read without: an answer that is there was true a moment ago.
        self._remembered: dict[tuple[str, str, str], str] = {}
        self._revealed: dict[str, str] = {}
        self._tags: dict[tuple[str, str], str] = {}
        self._database = PrivateDatabase(path, _SCHEMA, connect, halt)

    def remember(self, field: str, value: str, subject: str) -> str:
        """Store a value under a subject's key, durably; return its commitment, 64 hex."""
        asked = (subject, field, value)
        found = self._remembered.get(asked)
        if found is None:
            with self._lock:
                found = self._remember(field, value, subject)
                _keep(self._remembered, asked, found)
        return found

    def reveal(self, commitment: str) -> str | None:
        """Return the value of a commitment, None where it was erased or never here."""
        found = self._revealed.get(commitment)
        if found is None:
            with self._lock:
                personal = self._open(commitment)
                if personal is None:
                    return None
                found = str(personal.value)
                _keep(self._revealed, commitment, found)
        return found

    def personal(self, commitment: str) -> PersonalValue | None:
        """Return field, value and salt behind a commitment: what proves it to others."""
        with self._lock:
            return self._open(commitment)

    def bidder_tag(self, consultation: str, operator: str) -> str:
        """Return the tag of an operator such as ``siret:…`` in one consultation, 64 hex."""
        asked = (consultation, operator)
        found = self._tags.get(asked)
        if found is None:
            with self._lock:
                found = self._tag(consultation, operator)
                _keep(self._tags, asked, found)
        return found

    def bidder_salt(self, consultation: str, operator: str) -> str:
        """Return the salt of a bidder's tag, 32 hex: the bidder's own client checks the tag."""
        return self._bidder(consultation, self.bidder_tag(consultation, operator))["salt"]

    def operator_of(self, consultation: str, tag: str) -> str:
        """Return the operator behind a tag, or raise NoSuchEntry; asked at opening only."""
        return self._bidder(consultation, tag)["operator"]

    def private_rows(self) -> Iterator[PrivateRow]:
        """Yield every row with the key that opens it; rows of erased subjects are none."""
        with self._lock:
            rows = self._database.all("SELECT commitment, subject, nonce, ciphertext FROM rows")
            erased = self._keys.erased()
            keys = {number: self._keys.key_of(number) for _, number, _, _ in rows}
        for commitment, number, nonce, ciphertext in rows:
            if number not in erased:
                yield PrivateRow(
                    bytes.fromhex(commitment), keys[number] or _NO_KEY, nonce, ciphertext
                )

    # -- what is held of a person, and its erasure -------------------------------------------

    def held(self, subject: str, apart: str | None = None) -> list[Held]:
        """Return everything that is kept of a subject; ``apart``: how its other names begin."""
        with self._lock:
            numbers = self._keys.find_all(subject, apart)
            return [row for number in numbers for row in self._held(number)]

    def begin_erasure(
        self, tag: str, subject: str, reason: str, apart: str | None = None
    ) -> Erasure:
        """Write down, durably, what will be erased of a subject."""
        with self._lock:
            numbers = self._keys.find_all(subject, apart)
            held = [row for number in numbers for row in self._held(number)]
            commitments = tuple(sorted(row.commitment for row in held))
            erasure = Erasure(tag, subject, NOBODY.join(numbers), reason, commitments)
            self._keys.begin(erasure)
            return erasure

    def pending(self) -> list[Erasure]:
        """Return the erasures that were begun and are not finished."""
        with self._lock:
            return self._keys.pending()

    def erase(self, erasure: Erasure) -> None:
        """Destroy key, salts and rows of a subject; after a crash it is simply called again."""
        with self._lock:
            self._forget()
            if erasure.id != NOBODY:
                # first: from here on nothing opens the rows
                self._keys.destroy(erasure.numbers())
                self._sweep()
                self._database.wipe()

    def sweep(self) -> int:
        """Delete the rows of erased subjects that an older backup brought back; say how many."""
        with self._lock:
            self._forget()
            swept = self._sweep()
            if swept:
                self._database.wipe()
            return swept

    def settled(self, erasure: Erasure) -> None:
        """Forget an erasure whose entry is recorded."""
        with self._lock:
            self._keys.settled(erasure.tag)

    def close(self) -> None:
        """Give the files back."""
        with self._lock:
            self._database.close()
            self._keys.close()

    # -- below: under _lock ------------------------------------------------------------------

    def _forget(self) -> None:
        """Let go of every answer, those too of whoever stays."""
        answers = (self._known, self._loaded, self._remembered, self._revealed, self._tags)
        for each in answers:
            each.clear()

    def _remember(self, field: str, value: str, subject: str) -> str:
        number = self._keys.make(subject)
        self._load(number)
        known = self._known.get((number, field, value))
        if known is not None:
            return known
        personal = PersonalValue(field, value, self._rng.bytes(blinding.SALT_BYTES))
        with self._database.transaction():
            commitment = self._insert(number, personal)
        self._known[number, field, value] = commitment
        return commitment

    def _tag(self, consultation: str, operator: str) -> str:
        number = self._keys.make(operator)
        found = self._database.one(
            "SELECT tag FROM bidders WHERE consultation = ? AND subject = ?",
            (consultation, number),
        )
        if found is not None:
            return str(found[0])
        salt = self._rng.bytes(blinding.BIDDER_SALT_BYTES)
        tag = blinding.bidder_tag(consultation, salt, operator)
        hidden: dict[str, Json] = {"operator": operator, "salt": salt.hex()}
        personal = PersonalValue("bidder", hidden, self._rng.bytes(blinding.SALT_BYTES))
        with self._database.transaction():
            commitment = self._insert(number, personal)
            self._database.write(
                "INSERT INTO bidders VALUES (?, ?, ?, ?)",
                (tag, consultation, number, commitment),
            )
        return tag

    def _sweep(self) -> int:
        rows = self._database.all("SELECT subject, count(*) FROM rows GROUP BY subject")
        erased = self._keys.erased()
        gone = {number: count for number, count in rows if number in erased}
        if gone:
            with self._database.transaction():
                for number in gone:
                    self._database.write("DELETE FROM bidders WHERE subject = ?", (number,))
                    self._database.write("DELETE FROM rows WHERE subject = ?", (number,))
        return sum(gone.values())

    def _held(self, number: bytes) -> list[Held]:
        rows = self._database.all(
            "SELECT r.commitment, b.tag, b.consultation FROM rows r"
            " LEFT JOIN bidders b USING (commitment) WHERE r.subject = ? ORDER BY r.commitment",
            (number,),
        )
        found = []
        for commitment, tag, consultation in rows:
            personal = self._open(commitment)
            assert personal is not None  # noqa: S101 - the subject was found, so its key is here
            found.append(Held(commitment, personal.field, personal.value, tag, consultation))
        return found

    def _insert(self, number: bytes, personal: PersonalValue) -> str:
        nonce = self._rng.bytes(blinding.NONCE_BYTES)
        commitment = personal.commitment().hex()
        key = self._keys.key_of(number) or _NO_KEY
        ciphertext = blinding.seal_row(personal, key, nonce)
        self._database.write(
            "INSERT INTO rows VALUES (?, ?, ?, ?)", (commitment, number, nonce, ciphertext)
        )
        return commitment

    def _load(self, number: bytes) -> None:
        """Read a subject's rows once, so that what is known keeps its commitment."""
        if number in self._loaded:
            return
        for row in self._held(number):
            if isinstance(row.value, str):
                self._known[number, row.field, row.value] = row.commitment
        self._loaded.add(number)

    def _open(self, commitment: str) -> PersonalValue | None:
        found = self._database.one(
            "SELECT subject, nonce, ciphertext FROM rows WHERE commitment = ?", (commitment,)
        )
        key = None if found is None else self._keys.key_of(found[0])
        if found is None or key is None:
            return None
        return blinding.open_row(bytes.fromhex(commitment), key, *found[1:])

    def _bidder(self, consultation: str, tag: str) -> dict[str, str]:
        with self._lock:
            found = self._database.one(
                "SELECT commitment FROM bidders WHERE tag = ? AND consultation = ?",
                (tag, consultation),
            )
            personal = None if found is None else self._open(found[0])
        if personal is None or not isinstance(personal.value, dict):
            raise NoSuchEntry(f"behind the tag {tag}")
        return personal.value


def _keep(answers: dict[K, str], asked: K, found: str) -> None:
    """Keep an answer; before there are too many, all are let go of."""
    if len(answers) >= MOST_ANSWERS:
        answers.clear()
    answers[asked] = found
