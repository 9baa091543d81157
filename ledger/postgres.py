"""The store on PostgreSQL: the head row is the fence, whichever process writes (ledger.md §3, §4).

Only what differs from SQLite is here. One log is one schema. A batch locks the head row, so any
number of processes may append; a process that finds the head elsewhere takes the other's edge. A
lost connection is no failure of the disk: nothing was recorded, or nobody knows, and a new
connection reads what is there. Everything else that the server reports stops the ledger.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Final, cast

import psycopg
from psycopg import sql
from psycopg.pq.abc import PGresult

from ledger import tables
from ledger.chains import Tip
from ledger.command_rows import checked
from ledger.entry import Row
from ledger.errors import EngineUnsafe, LedgerAbsent, StoreUnreachable
from ledger.fail_stop import FailStop
from ledger.inbox_tables import Inbox
from ledger.postgres_session import (
    BYTES,
    PostgresJudge,
    Session,
    Statement,
    Step,
    array,
    int4,
    int8,
    int8s,
    number,
    rows_of,
    texts,
)
from ledger.store import (
    TRIED,
    Begun,
    Command,
    Connection,
    Cursor,
    Head,
    Params,
    Reads,
    Writer,
)

CONNECT_SECONDS: Final = 5
SAFE: Final = {"fsync": "on", "full_page_writes": "on", "data_sync_retry": "off"}
BEGIN: Final = Statement(b"begin", "BEGIN ISOLATION LEVEL READ COMMITTED")
HEAD: Final = Statement(b"head", "SELECT size, edge, max_at FROM head WHERE id = 1 FOR UPDATE")
KNOWN: Final = Statement(
    b"known", "SELECT key, digest, first, count FROM commands WHERE key = ANY($1::text[])"
)
TIPS: Final = Statement(
    b"tips",
    "SELECT e.stream, e.version, e.leaf, substr(e.entry, 8, 27)"
    " FROM unnest($1::text[]) AS w(stream)"
    ' JOIN LATERAL (SELECT * FROM events WHERE events.stream = w.stream COLLATE "C"'
    " ORDER BY version DESC LIMIT 1) AS e ON true",
)
TILE: Final = Statement(b"tile", "INSERT INTO tiles VALUES ($1, $2, $3)")
# One statement for a batch of any size: its rows, its commands, the head, one announcement.
APPEND: Final = Statement(
    b"append",
    "WITH appended AS (INSERT INTO events SELECT * FROM unnest($1::int8[], $2::text[], $3::int8[],"
    " $4::text[], $5::bytea[], $6::bytea[])),"
    " keyed AS (INSERT INTO commands SELECT * FROM unnest($7::text[], $8::bytea[], $9::int8[],"
    " $10::int8[]))"
    " UPDATE head SET size = $11, edge = $12, max_at = $13 WHERE id = 1 AND size = $14"
    " RETURNING size, pg_notify($15, '')",
)
COMMIT: Final = Statement(b"commit", "COMMIT")
ROLLBACK: Final = Statement(b"rollback", "ROLLBACK")
LOCK: Final = Statement(b"lock", "SELECT pg_advisory_lock($1)")
UNLOCK: Final = Statement(b"unlock", "SELECT pg_advisory_unlock($1)")


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

    def once(self) -> AbstractContextManager[Reads]:
        """Let one statement read; the same as any other, since sessions fail in transactions."""
        return self.snapshot()

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
        self._keeps = False  # while a store is open
        self._kept: list[Session] = []  # by `turn`, for the next one

    @property
    def name(self) -> str:
        """What messages call it: no address, which may hold a password."""
        return f"PostgreSQL schema {self.schema}"

    def connect(self, prepare_after: int | None = 2) -> Session:
        """Open a connection whose statements mean this schema.

        Where a session prepares its own, psycopg shall not (None): its clearing would take both.
        """
        inner = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=prepare_after,
        )
        inner.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))
        return Session(inner)

    def writer(self, fail_stop: FailStop) -> PostgresWriter:
        """Open the writing connection, or refuse a server that may lose a commit."""
        opened = PostgresWriter(self, PostgresJudge(fail_stop))
        self._keeps = True
        return opened

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
        key = int8(zlib.crc32(f"{self.schema}/{what}".encode()))
        session = self._locked(key)
        try:
            yield
        finally:
            self._give_back(session, key)

    def _give_back(self, session: Session, key: bytes) -> None:
        """Keep a session for the next turn, without its lock; a lock falls with its line."""
        if self._keeps:
            with suppress(psycopg.Error):
                session.together((UNLOCK, (key,)))
                self._kept.append(session)
                return
        session.close()

    def _locked(self, key: bytes) -> Session:
        """Return a session that holds a lock: a kept one, unless it was lost meanwhile."""
        while self._kept:
            session = self._kept.pop()
            try:
                session.together((LOCK, (key,)))
            except psycopg.Error:
                session.close()
            else:
                return session
        with ExitStack() as opened:
            try:
                session = self.connect(None)
                opened.callback(session.close)
                session.together((LOCK, (key,)))
            except psycopg.Error as error:
                raise StoreUnreachable(str(error).strip()) from error
            opened.pop_all()
            return session

    def close(self) -> None:
        """Give back the connections that were kept, and keep none until a store is open again."""
        self._keeps = False
        while self._kept:
            self._kept.pop().close()

    def waiting(self, writer: Writer) -> Waiting:
        """Return something that tells when another process has written."""
        return Waiting(self, cast("PostgresWriter", writer))

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
            self._session = database.connect(None)
            try:
                check_engine(self._session)
            except BaseException:
                self._session.close()
                raise
        super().__init__(cast("Connection", self._session))

    @property
    def process(self) -> int:
        """The number of the server's process that carries out what this one writes."""
        return self._session.process

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

    def begin(self, keys: Sequence[str] = (), streams: Sequence[str] = ()) -> Begun:
        """Begin, lock the head row, then look: one trip, because each looks after the lock."""
        steps: list[Step] = [(BEGIN, ()), (HEAD, ())]
        steps += [(KNOWN, (texts(keys),))] if keys else []
        steps += [(TIPS, (texts(streams),))] if streams else []
        with self._judge("begin", self._session):
            _, head, *looked = self._session.together(*steps)
        size, edge, max_at = next(rows_of(head))
        return Begun(
            Head(number(size), edge, max_at.decode()),
            _commands(looked.pop(0)) if keys else {},
            _tips(looked.pop(0)) if streams else {},
        )

    def known(self, keys: Sequence[str]) -> dict[str, Command]:
        """Return the commands among these that were recorded."""
        with self._judge("look for commands", self._session):
            return _commands(*self._session.together((KNOWN, (texts(keys),))))

    def tips(self, streams: Sequence[str]) -> dict[str, Tip]:
        """Return the last entry of each of these streams that exists."""
        with self._judge("look for streams", self._session):
            return _tips(*self._session.together((TIPS, (texts(streams),))))

    def write(
        self,
        rows: Sequence[Row],
        tiles: Sequence[tuple[int, int, bytes]],
        commands: Sequence[tuple[str, bytes, int, int]],
        old: Head,
        new: Head,
    ) -> None:
        """Write one batch inside the open transaction: one trip."""
        positions, streams, versions, kinds, leaves, entries = zip(*rows, strict=True)
        keys, digests, firsts, counts = zip(*map(checked, commands), strict=True)
        values = (
            int8s(positions),
            texts(streams),
            int8s(versions),
            texts(kinds),
            array(BYTES, leaves),
            array(BYTES, entries),
            texts(keys),
            array(BYTES, digests),
            int8s(firsts),
            int8s(counts),
            int8(new.size),
            new.edge,
            new.max_at.encode(),
            int8(old.size),
            self._database.channel.encode(),
        )
        full = [(TILE, (int4(level), int8(n), hashes)) for level, n, hashes in tiles]
        with self._judge("append", self._session):
            *_, moved = self._session.together(*full, (APPEND, values))
            if [number(size) for size, _ in rows_of(moved)] != [new.size]:
                raise self._judge.fail_stop.trip(f"the head left size {old.size} during a batch")

    def run(self, doing: str, statement: Statement, *values: bytes) -> list[list[bytes]]:
        """Run one more statement that answers rows inside the open transaction."""
        with self._judge(doing, self._session):
            return list(rows_of(*self._session.together((statement, values))))

    def try_write(self) -> None:
        """Write inside the open transaction, so that its commit syncs, and leave nothing."""
        with self._judge("try a write", self._session):
            self._session.execute("INSERT INTO commands VALUES (%s, %s, %s, %s)", TRIED)
            self._session.execute("DELETE FROM commands WHERE key = %s", TRIED[:1])

    def commit(self) -> None:
        """Make the transaction durable; when this returns, it is."""
        with self._judge("commit", self._session):
            self._session.together((COMMIT, ()))

    def rollback(self) -> None:
        """Give up the open transaction; a lost connection has given it up already."""
        with suppress(StoreUnreachable), self._judge("roll back", self._session):
            if self._session.usable and self._session.in_transaction:
                self._session.together((ROLLBACK, ()))

    def recover(self) -> None:
        """Stand on a working connection again, or raise StoreUnreachable."""
        if self._session.usable:
            return
        self._session.close()
        with self._judge("connect again"):
            self._session = self._database.connect(None)
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


def _commands(found: PGresult) -> dict[str, Command]:
    return {
        key.decode(): Command.of_row(digest, number(first), number(count))
        for key, digest, first, count in rows_of(found)
    }


def _tips(found: PGresult) -> dict[str, Tip]:
    return {
        stream.decode(): Tip(number(version), leaf.hex(), at.decode())
        for stream, version, leaf, at in rows_of(found)
    }


class Waiting:
    """Listens for other processes' batches; where the line is lost, the caller polls."""

    def __init__(self, database: PostgresDatabase, writer: PostgresWriter) -> None:
        self._database = database
        self._writer = writer
        self._session: Session | None = None

    def wait(self, seconds: float) -> None:
        """Return once a batch was announced, or after this long."""
        try:
            if self._session is None or not self._session.usable:
                self._session = self._database.connect()
                self._session.execute(f'LISTEN "{self._database.channel}"')
                return  # what came before is not announced: look at once
            for heard in self._session.inner.notifies(timeout=seconds):
                if heard.pid != self._writer.process:
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
