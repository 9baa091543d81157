"""The store on PostgreSQL: the head row is the fence, whichever process writes (ledger.md §3, §4).

Only what differs from SQLite is here. One log is one schema. A batch locks the head row, so any
number of processes may append; a process that finds the head elsewhere takes the other's edge. A
lost connection is no failure of the disk: nothing was recorded, or nobody knows, and a new
connection reads what is there. Everything else that the server reports stops the ledger.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final, cast

import psycopg
from psycopg import errors, sql

from ledger import tables
from ledger.chains import Tip
from ledger.entry import Row
from ledger.errors import (
    BatchGivenUp,
    EngineUnsafe,
    LedgerAbsent,
    LedgerError,
    StorageFull,
    StoreUnreachable,
)
from ledger.fail_stop import FailStop
from ledger.inbox_tables import Inbox
from ledger.store import Command, Connection, Cursor, Head, Params, Reads, Writer

COPY_FROM: Final = 8
CONNECT_SECONDS: Final = 5
SAFE: Final = {"fsync": "on", "full_page_writes": "on", "data_sync_retry": "off"}
BEGIN_HEAD: Final = (
    "BEGIN ISOLATION LEVEL READ COMMITTED;"
    " SELECT size, edge, max_at FROM head WHERE id = 1 FOR UPDATE"
)
KNOWN: Final = "SELECT key, digest, first, count FROM commands WHERE key = ANY(%s)"
TIPS: Final = (
    "SELECT e.stream, e.version, e.leaf, substr(e.entry, 8, 27)"
    " FROM unnest(%s::text[]) AS w(stream)"
    ' JOIN LATERAL (SELECT * FROM events WHERE events.stream = w.stream COLLATE "C"'
    " ORDER BY version DESC LIMIT 1) AS e ON true"
)
ROWS_BY_COPY: Final = (
    "COPY events (position, stream, version, kind, leaf, entry) FROM STDIN (FORMAT BINARY)"
)
TYPES: Final = ("int8", "text", "int8", "text", "bytea", "bytea")
ROWS: Final = (
    "WITH appended AS (INSERT INTO events SELECT * FROM unnest(%s::int8[], %s::text[], %s::int8[],"
    " %s::text[], %s::bytea[], %s::bytea[])), "
)
NO_ROWS: Final = "WITH "
MOVE: Final = (
    "keyed AS (INSERT INTO commands SELECT * FROM unnest(%s::text[], %s::bytea[], %s::int8[],"
    " %s::int4[]))"
    " UPDATE head SET size = %s, edge = %s, max_at = %s WHERE id = 1 AND size = %s"
    " RETURNING size, pg_notify(%s, '')"
)


class Session:
    """A psycopg connection in the shape that reads and writes of the store use."""

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self.inner = inner

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.inner.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    @property
    def usable(self) -> bool:
        """Whether the server is still at the other end."""
        return not (self.inner.closed or self.inner.broken)

    def execute(self, text: str, parameters: Params = (), /) -> Cursor:
        """Run one statement; without parameters several may stand in one text."""
        if not parameters:
            return cast("Cursor", self.inner.execute(text))
        return cast("Cursor", self.inner.execute(text, parameters, binary=True))

    def close(self) -> None:
        """Give the connection back."""
        self.inner.close()


class PostgresJudge:
    """Turns what the server or the line reports into the ledger's errors (ledger.md §4)."""

    def __init__(self, fail_stop: FailStop) -> None:
        self.fail_stop = fail_stop

    @contextmanager
    def __call__(self, doing: str, session: Session | None = None) -> Iterator[None]:
        """Run a block of statements."""
        self.fail_stop.check()
        try:
            yield
        except LedgerError:
            raise
        except errors.DiskFull as error:
            raise StorageFull from error
        except (errors.SerializationFailure, errors.DeadlockDetected) as error:
            raise BatchGivenUp(str(error).strip()) from error
        except psycopg.Error as error:
            lost = session is None or not session.usable
            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and lost:
                raise StoreUnreachable(str(error).strip()) from error
            raise self.fail_stop.trip(f"{doing}: {error}") from error


class PostgresReads(Reads):
    """The reads of every store, in PostgreSQL's words."""

    texts = tables.POSTGRES


class _Judged:
    """A reading session whose failure is named where it happens, whoever catches it above."""

    def __init__(self, session: Session, judge: PostgresJudge) -> None:
        self._session = session
        self._judge = judge

    def execute(self, text: str, parameters: Params = (), /) -> Cursor:
        """Run one statement."""
        with self._judge("read", self._session):
            return self._session.execute(text, parameters)


class PostgresReader:
    """A connection that only reads; on a standby too."""

    def __init__(self, session: Session, judge: PostgresJudge) -> None:
        self._session = session
        self._judge = judge
        self.reads = PostgresReads(cast("Connection", _Judged(session, judge)))

    @property
    def usable(self) -> bool:
        """Whether the connection can be used again."""
        return self._session.usable

    @contextmanager
    def snapshot(self) -> Iterator[Reads]:
        """Let several reads see one state."""
        with self._judge("read", self._session):
            self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield self.reads
            finally:
                if self._session.usable:
                    self._session.execute("ROLLBACK")

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


class PostgresDatabase:
    """One log in one schema of one server; every connection of the ledger comes from here."""

    def __init__(self, url: str, schema: str = "pli", *, elected: bool = False) -> None:
        self._url = url
        self.elected = elected
        self.schema = schema
        self.channel = f"pli_{schema}"

    @property
    def name(self) -> str:
        """What messages call it: no address, which may hold a password."""
        return f"PostgreSQL schema {self.schema}"

    def connect(self) -> Session:
        """Open a connection whose statements mean this schema."""
        inner = psycopg.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, prepare_threshold=2
        )
        inner.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))
        return Session(inner)

    def writer(self, fail_stop: FailStop) -> PostgresWriter:
        """Open the writing connection, or refuse a server that may lose a commit."""
        return PostgresWriter(self, PostgresJudge(fail_stop))

    def reader(self, fail_stop: FailStop) -> PostgresReader:
        """Open a connection that only reads."""
        judge = PostgresJudge(fail_stop)
        with judge("open a reader"):
            return PostgresReader(self.connect(), judge)

    @contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Hold, alone among all processes, the right to sign or to publish this log.

        The lock belongs to its connection: a process that dies gives it back.
        """
        key = zlib.crc32(f"{self.schema}/{what}".encode())
        with ExitStack() as held:
            try:
                session = self.connect()
                held.callback(session.close)
                session.execute(f"SELECT pg_advisory_lock({key})")
            except psycopg.Error as error:
                raise StoreUnreachable(str(error).strip()) from error
            yield

    def waiting(self) -> Waiting:
        """Return something that tells when another process has written."""
        return Waiting(self)

    def inbox(self, writer: Writer, fail_stop: FailStop) -> Inbox | None:
        """Return the inbox of the elected sequencer, None where each process records itself."""
        if not self.elected:
            return None
        return Inbox(self, cast("PostgresWriter", writer), PostgresJudge(fail_stop))


class PostgresWriter(PostgresReads):
    """The connection that writes; owned by whoever leads a batch in this process."""

    def __init__(self, database: PostgresDatabase, judge: PostgresJudge) -> None:
        self._database = database
        self._judge = judge
        with judge("open the store"):
            self._session = database.connect()
            try:
                check_engine(self._session)
            except BaseException:
                self._session.close()
                raise
        super().__init__(cast("Connection", self._session))

    def exists(self) -> bool:
        """Tell whether the schema is there."""
        with self._judge("look for the schema", self._session):
            found = self._session.execute(
                "SELECT to_regclass(%s)", (f'"{self._database.schema}".head',)
            )
            return found.fetchall()[0][0] is not None

    def create(self) -> None:
        """Create the empty schema, all or nothing."""
        name = sql.Identifier(self._database.schema)
        with self._judge("create the store", self._session), self._session.inner.transaction():
            self._session.inner.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            for statement in tables.postgres_schema():
                self._session.execute(statement)

    def head(self) -> Head:
        """Return the right end of the log as this connection sees it."""
        with self._judge("read the head", self._session):
            return super().head()

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the stored leaves of positions [start, end)."""
        with self._judge("read leaves", self._session):
            return super().leaves(start, end)

    def last_checkpoint(self) -> tuple[int, bytes] | None:
        """Return the newest published checkpoint, with its cosignatures."""
        with self._judge("read the checkpoint", self._session):
            return super().last_checkpoint()

    def begin(self) -> Head:
        """Begin and lock the head row: one trip."""
        with self._judge("begin", self._session):
            cursor = self._session.execute(BEGIN_HEAD)
            cast("psycopg.Cursor[Any]", cursor).nextset()
            return Head(*cursor.fetchall()[0])

    def known(self, keys: Sequence[str]) -> dict[str, Command]:
        """Return the commands among these that were recorded."""
        with self._judge("look for commands", self._session):
            found = self._session.execute(KNOWN, (list(keys),)).fetchall()  # type: ignore[arg-type]
        return {key: Command(*rest) for key, *rest in found}

    def tips(self, streams: Sequence[str]) -> dict[str, Tip]:
        """Return the last entry of each of these streams that exists."""
        with self._judge("look for streams", self._session):
            found = self._session.execute(TIPS, (list(streams),)).fetchall()  # type: ignore[arg-type]
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
        """Write one batch inside the open transaction: one trip for a small one."""
        with self._judge("append", self._session):
            values: list[object] = []
            if len(rows) >= COPY_FROM:
                self._copy(rows)
            else:
                values += map(list, zip(*rows, strict=True))
            for tile in tiles:
                self._session.execute("INSERT INTO tiles VALUES (%s, %s, %s)", tile)
            values += map(list, zip(*commands, strict=True))
            values += [*new, old.size, self._database.channel]
            start = NO_ROWS if len(rows) >= COPY_FROM else ROWS
            moved = self._session.execute(start + MOVE, tuple(values)).fetchall()  # type: ignore[arg-type]
            if [row[0] for row in moved] != [new.size]:
                raise self._judge.fail_stop.trip(f"the head left size {old.size} during a batch")

    def _copy(self, rows: Sequence[Row]) -> None:
        with self._session.inner.cursor() as cursor, cursor.copy(ROWS_BY_COPY) as copy:
            copy.set_types(TYPES)
            for row in rows:
                copy.write_row(row)

    def run(self, doing: str, text: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one more statement that answers rows inside the open transaction."""
        with self._judge(doing, self._session):
            return self._session.execute(text, tuple(parameters)).fetchall()  # type: ignore[arg-type]

    def commit(self) -> None:
        """Make the transaction durable; when this returns, it is."""
        with self._judge("commit", self._session):
            self._session.execute("COMMIT")

    def rollback(self) -> None:
        """Give up the open transaction; a lost connection has given it up already."""
        with suppress(StoreUnreachable), self._judge("roll back", self._session):
            if self._session.usable and self._session.in_transaction:
                self._session.execute("ROLLBACK")

    def recover(self) -> None:
        """Stand on a working connection again, or raise StoreUnreachable."""
        if self._session.usable:
            return
        self._session.close()
        with self._judge("connect again"):
            self._session = self._database.connect()
        self.connection = cast("Connection", self._session)

    def publish(self, size: int, note: bytes, cosignatures: Mapping[str, str]) -> None:
        """Store a published checkpoint with the lines of its witnesses, durably and at once."""
        self.recover()
        with self._judge("publish", self._session), self._session.inner.transaction():
            self._session.execute("INSERT INTO checkpoints VALUES (%s, %s)", (size, note))
            for witness, line in cosignatures.items():
                self._session.execute(
                    "INSERT INTO cosignatures VALUES (%s, %s, %s)", (size, witness, line)
                )

    def add_cosignatures(self, size: int, cosignatures: Mapping[str, str]) -> None:
        """Add lines that came late to a published checkpoint; one that is there stays."""
        self.recover()
        with self._judge("add cosignatures", self._session), self._session.inner.transaction():
            for witness, line in cosignatures.items():
                self._session.execute(
                    "INSERT INTO cosignatures VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                    (size, witness, line),
                )

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


class Waiting:
    """Listens for other processes' batches; where the line is lost, the caller polls."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._session: Session | None = None

    def wait(self, seconds: float) -> None:
        """Return once a batch was announced, or after this long."""
        try:
            if self._session is None or not self._session.usable:
                self._session = self._database.connect()
                self._session.execute(f'LISTEN "{self._database.channel}"')
                return  # what came before is not announced: look at once
            for _ in self._session.inner.notifies(timeout=seconds, stop_after=1):
                return
        except psycopg.Error:
            self.close()
            raise StoreUnreachable("while listening") from None

    def close(self) -> None:
        """Give the connection back."""
        if self._session is not None:
            self._session.close()
            self._session = None


def check_engine(session: Session) -> None:
    """Return quietly if the server keeps what it commits, else raise EngineUnsafe."""
    for setting, wanted in SAFE.items():
        found = str(session.execute(f"SHOW {setting}").fetchall()[0][0])
        if found != wanted:
            raise EngineUnsafe(setting, found, wanted)
    found = str(session.execute("SHOW synchronous_commit").fetchall()[0][0])
    if found == "off":
        raise EngineUnsafe("synchronous_commit", found, "on")


def checksums(session: Session) -> bool:
    """Say whether the server checks its pages: without, a flipped bit is found by fsck alone."""
    return bool(session.execute("SHOW data_checksums").fetchall()[0][0] == "on")


def existing(database: PostgresDatabase, fail_stop: FailStop) -> None:
    """Return quietly if the schema holds a log, else raise LedgerAbsent."""
    reader = database.reader(fail_stop)
    try:
        with reader.snapshot() as reads:
            found = reads.connection.execute(
                "SELECT to_regclass(%s)", (f'"{database.schema}".head',)
            ).fetchall()
    finally:
        reader.close()
    if found[0][0] is None:
        raise LedgerAbsent(database.name)
