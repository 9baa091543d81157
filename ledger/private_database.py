"""A database of personal data: durable when a write returns, overwritten when something is erased.

WAL and synchronous=FULL; secure_delete=1 overwrites what is deleted with zeros. What an older page
still holds after it was moved, and what lies in the WAL, is gone after ``wipe``: the file is built
anew and the WAL cut to nothing (ledger.md §11). DELETE alone leaves the bytes on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.errors import LedgerHalted, WipeBlocked
from ledger.fail_stop import FailStop
from ledger.ports import Halt
from ledger.sqlite import Judge
from ledger.store import Connection, Params

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=1")


class PrivateDatabase:
    """One file, one connection; its owner lets one thread at a time in."""

    def __init__(
        self, path: Path, schema: str, connect: Callable[[str], Connection], halt: Halt
    ) -> None:
        self._path = path
        self._judge = Judge(FailStop(halt))
        with self._judge("open personal data"):
            self._connection = connect(str(path))
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            for statement in schema.split(";"):
                self._connection.execute(statement)

    def one(self, sql: str, params: Params = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, None if there is none."""
        found = self.all(sql, params)
        return found[0] if found else None

    def all(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """Return every row of a query."""
        with self._judge("read personal data"):
            return self._connection.execute(sql, params).fetchall()

    def write(self, sql: str, params: Params) -> None:
        """Change rows, inside a transaction."""
        self._connection.execute(sql, params)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing; when the block has ended, it is durable."""
        try:
            with self._judge("write personal data"):
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
        except LedgerHalted:
            raise
        except Exception:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def wipe(self) -> None:
        """Leave no byte of what was deleted in file or WAL, else raise WipeBlocked."""
        with self._judge("wipe what was erased"):
            self._connection.execute("VACUUM").fetchall()
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        if busy:
            raise WipeBlocked(self._path.name)

    def close(self) -> None:
        """Give the file back."""
        self._judge.fail_stop.close()
        self._connection.close()
