"""Probes that the log does not hold yet, durably: a crash loses no minute that was proven.

Successes wait here for the next beat (``domain.md`` §4.17). What is being recorded is a batch with
a key of its own, kept before the command is sent: a repetition after a crash is the same command.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from domain.clock import instant_text
from domain.events.health import Probe
from domain.health import ClockCheck, Probed

SCHEMA = """
CREATE TABLE IF NOT EXISTS probes(
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, probe TEXT NOT NULL, path TEXT,
  latency_ms INTEGER NOT NULL, error TEXT, batch TEXT);
CREATE TABLE IF NOT EXISTS batches(
  batch TEXT PRIMARY KEY, offset_ms INTEGER, uncertainty_ms INTEGER, sources INTEGER);
"""
COLUMNS = "probe, at, latency_ms, path, error"


@dataclass(frozen=True)
class Batch:
    """What one command records; ``key`` makes it repeatable."""

    key: str
    seen: tuple[Probed, ...]
    clock: ClockCheck | None


class ProbeBook:
    """One file; _lock, and nothing else, guards its connection."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def add(self, seen: Sequence[Probed]) -> None:
        """Keep what a round found, durably."""
        rows = [
            (instant_text(one.at), one.probe, one.path, one.latency_ms, one.error) for one in seen
        ]
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO probes(at, probe, path, latency_ms, error) VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def waiting(self) -> list[Probed]:
        """Return what the log does not hold yet, oldest first."""
        with self._lock:
            return self._rows("1 = 1")

    def unfinished(self) -> Batch | None:
        """Return a batch that was made and is not known to be recorded."""
        with self._lock:
            found = self._db.execute(
                "SELECT batch, offset_ms, uncertainty_ms, sources FROM batches LIMIT 1"
            ).fetchall()
            if not found:
                return None
            key, *clock = found[0]
            check = None if clock[0] is None else ClockCheck(*clock)
            return Batch(key, tuple(self._rows("batch = ?", key)), check)

    def gather(self, key: str, clock: ClockCheck | None, *, failures: bool) -> Batch | None:
        """Make a batch of all that waits, or of the failures alone; None where there is nothing."""
        which = "batch IS NULL AND error IS NOT NULL" if failures else "batch IS NULL"
        numbers = (
            (None, None, None)
            if clock is None
            else (clock.offset_ms, clock.uncertainty_ms, clock.sources)
        )
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            taken = self._db.execute(
                f"UPDATE probes SET batch = ? WHERE {which}",  # noqa: S608 - one of two texts
                (key,),
            )
            if taken.rowcount:
                self._db.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", (key, *numbers))
        return self.unfinished()

    def recorded(self, batch: Batch) -> None:
        """Forget what the log holds now."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM probes WHERE batch = ?", (batch.key,))
            self._db.execute("DELETE FROM batches WHERE batch = ?", (batch.key,))

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def _rows(self, where: str, *values: str) -> list[Probed]:
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM probes WHERE {where} ORDER BY at, id",  # noqa: S608
            values,
        ).fetchall()
        return [
            Probed(Probe(probe), datetime.fromisoformat(at), latency, path, error)
            for probe, at, latency, path, error in rows
        ]
