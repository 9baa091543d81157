"""The store on SQLite: one writing connection, readers that only read, every failure judged.

WAL and synchronous=FULL: what COMMIT returned is on the disk. One connection of one process writes
and checkpoints the WAL (the lock is in ``ledger.lock``); readers are ``query_only``, never
checkpoint, and close first. This discipline makes SQLite before 3.51.3 safe (WAL-reset bug).

The connection comes from outside (``connect``), and only ``execute``, ``executemany``,
``in_transaction`` and ``close`` of it are used, so that a faulty disk can stand under the store.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

from ledger import tables
from ledger.chains import Tip
from ledger.command_rows import checked
from ledger.entry import Row
from ledger.errors import LedgerError, StorageFull
from ledger.fail_stop import FailStop
from ledger.store import TRIED, Begun, Command, Connection, Head, Params, Reads, Writer

SQLITE_FULL: Final = 13
WAL_LIMIT: Final = 64 * 1024 * 1024
CHECKPOINT_PAGES: Final = 1_000
BUSY_SECONDS: Final = 5.0


def connect(path: str) -> Connection:
    """Return a connection of the standard library; ``file:`` addresses are URIs."""
    opened = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=path.startswith("file:"),
        cached_statements=256,
    )
    return cast("Connection", opened)


def primary_code(error: Exception) -> int | None:
    """Return SQLite's primary result code, None where the error is none of SQLite's."""
    code = getattr(error, "sqlite_errorcode", getattr(error, "extendedresult", None))
    return None if code is None else int(code) & 0xFF


class Judge:
    """Turns the errors of a connection into those of the ledger; all but a full disk stop it."""

    def __init__(self, fail_stop: FailStop) -> None:
        self.fail_stop = fail_stop

    def __call__(self, doing: str) -> _Judged:
        """Run a block of statements."""
        return _Judged(self.fail_stop, doing)


class _Judged:
    """One block; a class, because a generator costs three times as much in every save."""

    __slots__ = ("_doing", "_fail_stop")

    def __init__(self, fail_stop: FailStop, doing: str) -> None:
        self._fail_stop = fail_stop
        self._doing = doing

    def __enter__(self) -> None:
        self._fail_stop.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, LedgerError):
            return
        code = primary_code(error)
        if code is None and not isinstance(error, sqlite3.Error):
            return
        if code == SQLITE_FULL:
            raise StorageFull from error
        raise self._fail_stop.trip(f"{self._doing}: {error}") from error


class SqliteReader:
    """Connections that only read; each is used by one thread at a time."""

    def __init__(self, connection: Connection, judge: Judge) -> None:
        self._judge = judge
        self.reads = Reads(connection)
        with judge("open a reader"):
            for pragma in ("query_only=1", "wal_autocheckpoint=0", "cell_size_check=1"):
                connection.execute(f"PRAGMA {pragma}").fetchall()

    @property
    def usable(self) -> bool:
        """Whether the connection can be used again: always, while the ledger is not stopped."""
        return True

    @contextmanager
    def snapshot(self) -> Iterator[Reads]:
        """Let several reads see one state."""
        with self._judge("read"):
            self.reads.connection.execute("BEGIN")
            try:
                yield self.reads
            finally:
                self.reads.connection.execute("ROLLBACK")

    @contextmanager
    def once(self) -> Iterator[Reads]:
        """Let one statement read: it is a transaction by itself."""
        with self._judge("read"):
            yield self.reads

    def close(self) -> None:
        """Close; the writer closes after all readers."""
        self.reads.connection.close()


class SqliteWriter(Reads):
    """The one connection that writes and checkpoints the WAL; owned by whoever leads a batch."""

    def __init__(self, connection: Connection, judge: Judge) -> None:
        super().__init__(connection)
        self._judge = judge
        self._pages = 0  # in the WAL since the last checkpoint, nearly
        self.checkpoint_pages = CHECKPOINT_PAGES
        with judge("open the store"):
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "wal_autocheckpoint=0",  # its failed fsync would be swallowed
                f"journal_size_limit={WAL_LIMIT}",
                "recursive_triggers=1",  # or INSERT OR REPLACE would delete unseen
                "cell_size_check=1",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()

    def exists(self) -> bool:
        """Tell whether the schema is there: a store that was begun, if only just."""
        with self._judge("look for the schema"):
            sql = "SELECT 1 FROM sqlite_schema WHERE name = 'head'"
            return bool(self.connection.execute(sql).fetchall())

    def create(self) -> None:
        """Create the empty schema, all or nothing."""
        with self._judge("create the store"):
            self.connection.execute("BEGIN IMMEDIATE")
            for statement in tables.sqlite_schema():
                self.connection.execute(statement)
            self.connection.execute("COMMIT")

    def head(self) -> Head:
        """Return the right end of the log as this connection sees it."""
        with self._judge("read the head"):
            return super().head()

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the stored leaves of positions [start, end)."""
        with self._judge("read leaves"):
            return super().leaves(start, end)

    def begin(self, keys: Sequence[str] = (), streams: Sequence[str] = ()) -> Begun:
        """Begin a transaction that may write; return the head, then `known` and `tips`."""
        with self._judge("begin"):
            self.connection.execute("BEGIN IMMEDIATE")
        return Begun(
            self.head(),
            self.known(keys) if keys else {},
            self.tips(streams) if streams else {},
        )

    def known(self, keys: Sequence[str]) -> dict[str, Command]:
        """Return the commands among these that were recorded."""
        sql = "SELECT commands.key, digest, first, count FROM commands WHERE commands.key = ?"
        params: Params = keys
        if len(keys) > 1:
            sql = (
                "SELECT commands.key, digest, first, count FROM json_each(?) AS wanted"
                " JOIN commands ON commands.key = wanted.value"
            )
            params = (json.dumps(keys),)
        with self._judge("look for commands"):
            found = self.connection.execute(sql, params).fetchall()
        return {key: Command.of_row(*rest) for key, *rest in found}

    def tips(self, streams: Sequence[str]) -> dict[str, Tip]:
        """Return the last entry of each of these streams that exists."""
        sql = (
            "SELECT e.stream, e.version, e.leaf, substr(e.entry, 8, 27) FROM json_each(?) AS wanted"
            " JOIN events AS e ON e.stream = wanted.value"
            " WHERE e.version = (SELECT max(version) FROM events WHERE stream = wanted.value)"
        )
        with self._judge("look for streams"):
            found = self.connection.execute(sql, (json.dumps(streams),)).fetchall()
        return {
            stream: Tip(version, leaf.hex(), at.decode()) for stream, version, leaf, at in found
        }

    def write(
        self,
        rows: Sequence[Row],
        tiles: Sequence[tuple[int, int, bytes]],
        commands: Sequence[tuple[str, bytes, int, int]],
        old: Head,
        new: Head,
    ) -> None:
        """Write one batch inside the open transaction."""
        with self._judge("append"):
            run = self.connection.executemany
            run("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            if tiles:
                run("INSERT INTO tiles VALUES (?, ?, ?)", tiles)
            run("INSERT INTO commands VALUES (?, ?, ?, ?)", [checked(row) for row in commands])
            moved = self.connection.execute(
                "UPDATE head SET size = ?, edge = ?, max_at = ? WHERE id = 1 AND size = ?"
                " RETURNING size",
                (*new, old.size),
            ).fetchall()
            self._pages += 6 + 3 * len(rows)
            if moved != [(new.size,)]:
                raise self._judge.fail_stop.trip(f"the head left size {old.size} during a batch")

    def try_write(self) -> None:
        """Write inside the open transaction, so that its commit syncs, and leave nothing.

        A row that comes and goes: writing the same value again would not change a page.
        """
        with self._judge("try a write"):
            self.connection.execute("INSERT INTO commands VALUES (?, ?, ?, ?)", TRIED)
            self.connection.execute("DELETE FROM commands WHERE key = ?", TRIED[:1])
            self._pages += 2

    def commit(self) -> None:
        """Make the transaction durable; when this returns, it is."""
        with self._judge("commit"):
            self.connection.execute("COMMIT")
        if self._pages >= self.checkpoint_pages:
            self._pages = 0
            with suppress(StorageFull):  # what is committed stays in the WAL
                self._checkpoint()

    def _checkpoint(self) -> None:
        """Move what the WAL holds into the database; a failed fsync stops the process here too."""
        with self._judge("checkpoint"):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def rollback(self) -> None:
        """Give up the open transaction, if the failure has not ended it already."""
        with self._judge("roll back"):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def recover(self) -> None:
        """Do nothing: a file does not go away, and a failure of it stops the ledger."""

    def last_checkpoint(self) -> tuple[int, bytes] | None:
        """Return the newest published checkpoint, with its cosignatures."""
        with self._judge("read the checkpoint"):
            return super().last_checkpoint()

    def publish(self, size: int, note: bytes, cosignatures: Mapping[str, str]) -> None:
        """Store a published checkpoint with the lines of its witnesses, durably and at once.

        A reader never sees it without the cosignatures that came.
        """
        lines = [(size, witness, line) for witness, line in cosignatures.items()]
        try:
            with self._judge("publish"):
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.execute("INSERT INTO checkpoints VALUES (?, ?)", (size, note))
                self.connection.executemany("INSERT INTO cosignatures VALUES (?, ?, ?)", lines)
                self.connection.execute("COMMIT")
        except StorageFull:
            self.rollback()
            raise

    def add_cosignatures(self, size: int, cosignatures: Mapping[str, str]) -> None:
        """Add lines that came late to a published checkpoint; one that is there stays."""
        lines = [(size, witness, line) for witness, line in cosignatures.items()]
        try:
            with self._judge("add cosignatures"):
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.executemany(
                    "INSERT INTO cosignatures VALUES (?, ?, ?) ON CONFLICT DO NOTHING", lines
                )
                self.connection.execute("COMMIT")
        except StorageFull:
            self.rollback()
            raise

    def close(self) -> None:
        """Close; as the last connection it empties the WAL."""
        self.connection.close()


class SqliteDatabase:
    """One log in one file of a home: one process writes, the lock is held for life."""

    def __init__(self, path: Path, connect: Callable[[str], Connection] = connect) -> None:
        self._path = path
        self._connect = connect
        self.name = str(path)

    def writer(self, fail_stop: FailStop) -> SqliteWriter:
        """Open the one connection that writes."""
        judge = Judge(fail_stop)
        with judge("open the store"):
            connection = self._connect(str(self._path))
        try:
            return SqliteWriter(connection, judge)
        except BaseException:
            connection.close()
            raise

    def reader(self, fail_stop: FailStop) -> SqliteReader:
        """Open a connection that only reads, beside the writer of this process."""
        return self._reader(str(self._path), fail_stop)

    def alone(self) -> SqliteFile:
        """Return the same file for reading only, also beside a running server."""
        return SqliteFile(self._path, self._connect)

    def _reader(self, address: str, fail_stop: FailStop) -> SqliteReader:
        judge = Judge(fail_stop)
        with judge("open a reader"):
            return SqliteReader(self._connect(address), judge)

    def turn(self, what: str) -> AbstractContextManager[None]:
        """Return at once: one process writes here."""
        return nullcontext()

    def close(self) -> None:
        """Do nothing: every connection has an owner who closes it."""

    def waiting(self, writer: Writer) -> None:
        """Return nothing: nobody else writes."""

    def inbox(self, writer: Writer, fail_stop: FailStop) -> None:
        """Return nothing: the one process that writes records its saves itself."""


class SqliteFile(SqliteDatabase):
    """A home's file opened by a command that only reads: never written, never checkpointed."""

    def reader(self, fail_stop: FailStop) -> SqliteReader:
        """Open the file ``mode=ro``."""
        return self._reader(f"file:{quote(str(self._path.absolute()))}?mode=ro", fail_stop)
