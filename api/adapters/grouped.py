"""A small SQLite file whose writers share their commits, and whose readers wait for no disk.

Under load the disk is what everybody waits for: whoever comes while a commit is on its way waits
together with the others for the next one, which is theirs all. Readers have a connection of their
own and see what was committed, never what is being written.

With a ``halt``, what the disk fails ends the process (N2): here the first commit that fails, or the
first page that cannot be read. Commits that nobody waits for are on their way to the disk with the
next one, so a sync that is tried again could call durable what the first had lost.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ledger.fail_stop import FailStop
from ledger.ports import Halt
from ledger.sqlite import SQLITE_FULL, primary_code

SQLITE_BUSY = 5
PASSING = frozenset({SQLITE_FULL, SQLITE_BUSY})
"""What a commit may fail with and be tried again: nothing was written."""
OF_THE_DISK = frozenset({10, 11, 14, 26})
"""Results of a statement that are the disk's: IOERR, CORRUPT, CANTOPEN, NOTADB."""
Values = tuple[object, ...]
Row = tuple[int | str, ...]
Change = tuple[str, Values]
"""One statement, and what stands in the place of its question marks."""


class _Write:
    """Statements whose caller waits; ``woken`` is released when it is settled, or shall lead."""

    def __init__(self, changes: Sequence[Change], *, durable: bool) -> None:
        self.changes = changes
        self.durable = durable
        self.woken = threading.Lock()
        self.woken.acquire()
        self.settled = False
        self.error: Exception | None = sqlite3.OperationalError("interrupted")


class GroupedDatabase:
    """One file of one process; every thread may use it."""

    def __init__(self, path: Path, schema: str, halt: Halt | None = None) -> None:
        self._stop = None if halt is None else FailStop(halt)
        # check_same_thread is off because one leads at a time, and _reading guards the other one
        self._writer = _opened(path)
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=FULL")
        self._writer.executescript(schema)
        self._reader = _opened(path)
        self._reader.execute("PRAGMA query_only=ON")
        self._reading = threading.Lock()
        self._mutex = threading.Lock()
        # under _mutex:
        self._waiting: list[_Write] = []
        self._led = False
        # owned by whoever leads:
        self._full = True

    def rows(self, query: str, values: Values) -> list[Row]:
        """Return every row of a question."""
        self._check()
        try:
            with self._reading:
                return self._reader.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._judged(error) from error

    def write(self, *changes: Change, durable: bool = True) -> None:
        """Change something at once; when this returns it is seen by all, and durable if need be.

        What need not be durable survives the end of this process, perhaps not that of the machine.
        """
        write = _Write(changes, durable=durable)
        with self._mutex:
            self._waiting.append(write)
            leads, self._led = not self._led, True
        if not leads:
            write.woken.acquire()
        if not write.settled:
            self._lead()
        if write.error is not None:
            raise write.error

    def close(self) -> None:
        """Give the file back; the connection that writes is the last."""
        self._reader.close()
        self._writer.close()

    def _lead(self) -> None:
        """Write what waits, one's own included, then let the first that came meanwhile lead."""
        with self._mutex:
            batch, self._waiting = self._waiting, []
        try:
            self._commit(batch)
        finally:
            with self._mutex:
                heir = self._waiting[0] if self._waiting else None
                self._led = heir is not None
            for write in batch:
                write.settled = True
                write.woken.release()
            if heir is not None:
                heir.woken.release()

    def _commit(self, batch: Sequence[_Write]) -> None:
        """Write a batch as one transaction; where one is refused, each alone: it was its own."""
        try:
            self._check()
            refused = self._written(batch)
        except Exception as error:
            # of the commit: nobody knows what is on the disk, and it is not tried again (N2)
            told = self._judged(error, committing=True)
            for write in batch:
                write.error = told
            return
        if refused is not None and len(batch) > 1:
            for write in batch:
                self._commit([write])
            return
        for write in batch:
            write.error = refused

    def _written(self, batch: Sequence[_Write]) -> Exception | None:
        """Run the statements and commit; return what one of them was refused with: none is kept."""
        full = any(write.durable for write in batch)
        if full != self._full:
            self._writer.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            self._full = full
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                for statement, values in write.changes:
                    self._writer.execute(statement, values)
        except sqlite3.Error as error:
            self._give_up()
            if primary_code(error) in OF_THE_DISK:
                raise
            return error
        try:
            self._writer.execute("COMMIT")
        except BaseException:
            self._give_up()
            raise
        return None

    def _check(self) -> None:
        if self._stop is not None:
            self._stop.check()

    def _judged(self, error: Exception, *, committing: bool = False) -> Exception:
        """Return what the caller is told; where the disk failed, nothing is served any more."""
        code = primary_code(error)
        grave = code not in PASSING if committing else code in OF_THE_DISK
        if self._stop is None or not grave or not isinstance(error, sqlite3.Error):
            return error
        return self._stop.trip(f"uploads: {error}")

    def _give_up(self) -> None:
        """End the transaction, unless the failure has ended it already."""
        with suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
