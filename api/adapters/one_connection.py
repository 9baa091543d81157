"""One connection to a SQLite file for all threads of a process (`trust.md` §5).

Before 3.51.3 SQLite may corrupt a file in WAL mode when two connections write or checkpoint at the
same instant. So there is one, and whoever is in a transaction holds off all others until it ends:
nobody reads what is not committed, and nothing is rolled back with what another thread wrote.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Row = Sequence[Any]


class OneConnection:
    """A connection in autocommit mode, made with `check_same_thread=False`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._lock = threading.RLock()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def rows(self, statement: str, values: Row = ()) -> list[Row]:
        """Run a statement; return its rows, all of them."""
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def row(self, statement: str, values: Row = ()) -> Row | None:
        """Run a statement; return its first row, if there is one."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def each(self, statement: str, many: Sequence[Row]) -> None:
        """Run a statement once for each row of values."""
        with self._lock:
            self._db.executemany(statement, many)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what the block writes durable together, or nothing of it; never one in another."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
