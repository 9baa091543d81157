"""The book of refused accesses: append-only rows in a hash chain beside the ledger (art. 2 I).

One thread writes, so that neither the time nor the fate of an answer depends on it. Equal refusals
of one hour are one key: its first is a row at once, then each time its count has doubled, so a
flood of a million is twenty rows. Keys of one caller and callers of one hour are capped; what goes
beyond is counted under ``*``. Whoever kept a head sees whether a later book extends it.
"""

from __future__ import annotations

import hashlib
import hmac
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from api.journal import say
from crypto import canonical
from crypto.log_errors import NotCanonical

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS refusals(
  number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, row BLOB NOT NULL, hash BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS refusals_of ON refusals(tenant);
CREATE TRIGGER IF NOT EXISTS refusals_stay BEFORE UPDATE ON refusals
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS refusals_last BEFORE DELETE ON refusals
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
DOMAIN: Final = b"pli/refused-access/v1\0"
START: Final = bytes(32)
WAITING: Final = 10_000
"""Refusals that wait for the thread; further ones are counted without their facts."""
KEYS_OF_CALLER: Final = 64
CALLERS: Final = 5_000
OTHERS: Final = "*"


class RefusalsDamaged(Exception):
    """The book of refused accesses is not the chain that it was."""

    code = "refusals.damaged"

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"row {number}: {reason}")
        self.number = number


@dataclass(frozen=True)
class Refusal:
    """One access that was refused: who, at which act, of whose object, by which code."""

    operation: str
    status: int
    code: str
    caller: str
    role: str
    org: str
    tenant: str


@dataclass(frozen=True)
class Row:
    """One row of the book: ``count`` more of these refusals in this hour."""

    number: int
    hour: str
    count: int
    refusal: Refusal

    def encoded(self) -> bytes:
        """Return the canonical bytes that the chain covers."""
        facts = {**asdict(self.refusal), "count": self.count, "hour": self.hour}
        return canonical.encode({**facts, "number": self.number})

    @classmethod
    def parse(cls, data: bytes) -> Row:
        """Return the row behind its canonical bytes."""
        found = canonical.decode(data)
        number, hour, count = found.pop("number"), found.pop("hour"), found.pop("count")
        return cls(number, hour, count, Refusal(**found))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Head:
    """How many rows the book has, and the hash over all of them."""

    size: int
    hash: str


class RefusalBook:
    """The book of one home. ``note`` may be called by any thread; one thread writes."""

    def __init__(self, path: Path, key: bytes, now: Callable[[], datetime]) -> None:
        # check_same_thread is off because _lock, and nothing else, guards the connection
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)
        self._key = key
        self._now = now
        self._waiting: queue.Queue[Callable[[], Refusal | None] | None] = queue.Queue(WAITING)
        # owned by the thread that writes
        self._hour = ""
        self._counts: dict[Refusal, list[int]] = {}
        self._keys: dict[str, int] = {}
        self._losing = threading.Lock()
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="refusals", daemon=True)
        self._thread.start()

    def blinded(self, *parts: str) -> str:
        """Return a name that only the holder of this home can tie to an account or address."""
        text = "\0".join(parts).encode()
        return hmac.new(self._key, DOMAIN + text, hashlib.sha256).hexdigest()[:16]

    def note(self, told: Callable[[], Refusal | None]) -> None:
        """Take a refusal; what it was is found out by the thread, after the answer."""
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            with self._losing:
                self._lost += 1

    def settle(self) -> None:
        """Return once everything noted before has its row."""
        self._waiting.join()

    def rows(self, tenant: str | None = None) -> list[Row]:
        """Return the rows of a tenant, or all, in order."""
        with self._lock:
            found = self._db.execute(
                "SELECT row FROM refusals WHERE ?1 IS NULL OR tenant = ?1 ORDER BY number",
                (tenant,),
            ).fetchall()
        return [Row.parse(row) for (row,) in found]

    def head(self) -> Head:
        """Return size and hash of the chain as it stands."""
        with self._lock:
            return Head(*_head(self._db))

    def close(self) -> None:
        """Write what was counted and give the file back."""
        self._waiting.put(None)
        self._thread.join()
        self._db.close()

    def _write(self) -> None:
        while True:
            told = self._waiting.get()
            try:
                if told is None:
                    self._flush()
                elif (refusal := told()) is not None:
                    self._count(refusal)
            except Exception as error:
                say("refusals.failed", code=type(error).__name__)
            finally:
                self._waiting.task_done()
            if told is None:
                return

    def _count(self, refusal: Refusal) -> None:
        hour = self._now().astimezone(UTC).strftime("%Y-%m-%dT%HZ")
        if hour != self._hour:
            self._flush()
            self._hour, self._counts, self._keys = hour, {}, {}
        with self._losing:
            lost, self._lost = self._lost, 0
        for one, more in ((self._capped(refusal), 1), (OVERFLOW, lost)):
            counts = self._counts.setdefault(one, [0, 0])
            counts[0] += more
            if counts[0] >= 2 * counts[1] and counts[0] > counts[1]:
                self._append(one, counts)

    def _capped(self, refusal: Refusal) -> Refusal:
        """Return the key under which a refusal is counted."""
        if refusal in self._counts:
            return refusal
        if refusal.caller not in self._keys and len(self._keys) >= CALLERS:
            return replace(OVERFLOW, status=refusal.status)
        kept = self._keys.get(refusal.caller, 0)
        if kept >= KEYS_OF_CALLER:
            return replace(refusal, operation=OTHERS, code=OTHERS, tenant="")
        self._keys[refusal.caller] = kept + 1
        return refusal

    def _flush(self) -> None:
        for refusal, counts in self._counts.items():
            if counts[0] > counts[1]:
                self._append(refusal, counts)

    def _append(self, refusal: Refusal, counts: list[int]) -> None:
        with self._lock:
            size, before = _head(self._db)
            row = Row(size, self._hour, counts[0] - counts[1], refusal)
            data = row.encoded()
            after = _chained(bytes.fromhex(before), data)
            self._db.execute(
                "INSERT INTO refusals VALUES (?, ?, ?, ?)", (size, refusal.tenant, data, after)
            )
        counts[1] = counts[0]


OVERFLOW: Final = Refusal(OTHERS, 0, OTHERS, OTHERS, OTHERS, "", "")


def checked(path: Path, pin: Head | None = None) -> tuple[list[Row], Head]:
    """Return every row and the head of a book that is a chain and extends the pin, else raise."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        stored = database.execute(
            "SELECT number, tenant, CAST(row AS BLOB), hash FROM refusals ORDER BY number"
        ).fetchall()
    finally:
        database.close()
    before, found = START, []
    if pin is not None and pin.size > len(stored):
        raise RefusalsDamaged(len(stored), "rows that the pin has seen are missing")
    for size, (number, tenant, data, kept) in enumerate(stored):
        before = _chained(before, data)
        try:
            row = Row.parse(data)
        except (NotCanonical, KeyError, TypeError) as error:
            raise RefusalsDamaged(size, "it is no row") from error
        if (number, row.number, row.refusal.tenant, kept) != (size, size, tenant, before):
            raise RefusalsDamaged(size, "it is not what the chain says")
        if pin is not None and pin.size == size + 1 and pin.hash != before.hex():
            raise RefusalsDamaged(size, "the pin knows another history")
        found.append(row)
    return found, Head(len(found), before.hex())


def _head(database: sqlite3.Connection) -> tuple[int, str]:
    row = database.execute(
        "SELECT number, hash FROM refusals ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return (0, START.hex()) if row is None else (int(row[0]) + 1, bytes(row[1]).hex())


def _chained(before: bytes, data: bytes) -> bytes:
    return hashlib.sha256(DOMAIN + before + data).digest()
