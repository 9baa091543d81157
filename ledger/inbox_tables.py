"""The inbox of an elected sequencer in PostgreSQL: its two tables and who speaks with them.

`inbox` is not logged: a crash of the server empties it, and the callers put their saves again.
`results` is written with the entries, by the transaction that records them. Neither is part of the
log: both are made on first use, and whatever is lost of them costs a repetition, no entry.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.postgres_session import BYTES, Statement, array, int8, number, texts
from ledger.queue import MOST_BYTES, MOST_ENTRIES

if TYPE_CHECKING:
    from ledger.postgres import PostgresDatabase, PostgresWriter
    from ledger.postgres_session import PostgresJudge, Session

TABLES: Final = (
    "CREATE UNLOGGED TABLE IF NOT EXISTS inbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " source text NOT NULL, key text NOT NULL, body bytea NOT NULL)",
    "CREATE TABLE IF NOT EXISTS results"
    " (key text PRIMARY KEY, source text NOT NULL, body bytea NOT NULL)",
    "CREATE INDEX IF NOT EXISTS results_source ON results (source)",
)
MADE: Final = (
    "SELECT to_regclass('inbox') IS NOT NULL AND to_regclass('results_source') IS NOT NULL"
)
MAKE_ALONE: Final = "SELECT pg_advisory_lock({})"  # until the line is closed
LAZY: Final = "SET synchronous_commit = off"
PUT: Final = (
    "INSERT INTO inbox (source, key, body)"
    " SELECT %s, * FROM unnest(%s::text[], %s::bytea[]) RETURNING id"
)
TELL: Final = "SELECT pg_notify(%s, '')"
HEAR: Final = "DELETE FROM results WHERE source = %s RETURNING key, body"
ELECT: Final = "SELECT pg_try_advisory_lock(%s::int8)"
FORGET: Final = (
    "DELETE FROM results WHERE source NOT IN (SELECT application_name FROM pg_stat_activity"
    " WHERE application_name IS NOT NULL) RETURNING key"
)
ANY: Final = "SELECT EXISTS (SELECT 1 FROM inbox)"
TAKE: Final = Statement(
    b"take",
    "DELETE FROM inbox WHERE id IN (SELECT id FROM (SELECT id,"
    " sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before"
    " FROM (SELECT id, body FROM inbox ORDER BY id LIMIT $1) AS oldest) AS weighed"
    " WHERE before < $2::int8) RETURNING id, source, key, body",
)
ANSWER: Final = Statement(
    b"answer",
    "WITH answered AS (INSERT INTO results SELECT * FROM"
    " unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING)"
    " SELECT pg_notify($4, '')",
)


class Waiting(NamedTuple):
    """One row of the inbox: `key` names the call that waits, `source` its process."""

    id: int
    source: str
    key: str
    body: bytes


class Answer(NamedTuple):
    """One row of the results: the first answer to a call stands."""

    key: str
    source: str
    body: bytes


class Line:
    """A connection that one thread uses; where it was lost, the next use opens another one."""

    def __init__(self, database: PostgresDatabase, judge: PostgresJudge, *begin: str) -> None:
        self._database = database
        self._judge = judge
        self._begin = begin
        self._session: Session | None = None

    def run(self, doing: str, text: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a statement that answers rows, or raise what the judge makes of its failure."""
        session = self._ready()
        with self._judge(doing, session):
            return session.execute(text, tuple(parameters)).fetchall()  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        """Return once something was announced on a channel of this line, or after this long."""
        session = self._ready()
        with self._judge("listen", session):
            for _ in session.inner.notifies(timeout=seconds, stop_after=1):
                pass

    def close(self) -> None:
        """Give the connection back, and with it every lock that it holds."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ready(self) -> Session:
        if self._session is not None and self._session.usable:
            return self._session
        self.close()
        with self._judge("open a line of the inbox"):
            session = self._database.connect()
        try:
            with self._judge("prepare a line of the inbox", session):
                for statement in self._begin:
                    session.execute(statement)
        except BaseException:
            session.close()
            raise
        self._session = session
        return session


class Inbox:
    """Three lines, one for each thread, and what the leader does within its batch."""

    def __init__(
        self, database: PostgresDatabase, writer: PostgresWriter, judge: PostgresJudge
    ) -> None:
        self._writer = writer
        self._saves, self._answers = f"{database.channel}_saves", f"{database.channel}_answers"
        self._lock = zlib.crc32(f"{database.schema}/sequencer".encode())
        self._putting = Line(database, judge, LAZY)
        # The server's own chance: two processes never get one name, whatever they were seeded with.
        self.source = str(
            self._putting.run("name a process", "SELECT gen_random_uuid()::text")[0][0]
        )
        if not self._putting.run("look for the inbox", MADE)[0][0]:
            alone = zlib.crc32(f"{database.schema}/inbox".encode())
            with closing(Line(database, judge, MAKE_ALONE.format(alone), *TABLES)) as making:
                making.wait(0)
        name = f"SET application_name = '{self.source}'"
        self._hearing = Line(database, judge, LAZY, name, f'LISTEN "{self._answers}"')
        self._leading = Line(database, judge, LAZY, f'LISTEN "{self._saves}"')

    # -- of the thread that puts -------------------------------------------------------------

    def put(self, keys: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Let saves wait. They are seen before they are announced, which may take a flush."""
        self._putting.run("put saves", PUT, (self.source, list(keys), list(bodies)))
        self._putting.run("announce saves", TELL, (self._saves,))

    # -- of the thread that hears ------------------------------------------------------------

    def heard(self) -> list[tuple[str, bytes]]:
        """Take the answers to this process; what is read here was durable before."""
        return self._hearing.run("hear answers", HEAR, (self.source,))

    def wait_for_answers(self, seconds: float) -> None:
        """Return once answers were announced, or after this long."""
        self._hearing.wait(seconds)

    # -- of the thread that leads ------------------------------------------------------------

    def elected(self) -> bool:
        """Tell whether this process leads from now on; it does so until its line is lost."""
        if not self._leading.run("elect", ELECT, (self._lock,))[0][0]:
            return False
        self._leading.run("forget answers to the dead", FORGET)
        return True

    def wait_for_saves(self, seconds: float) -> None:
        """Return once saves were announced, or after this long."""
        self._leading.wait(seconds)

    def any(self) -> bool:
        """Tell whether a save waits, without a lock; a lost line is a lost lead."""
        return bool(self._leading.run("look into the inbox", ANY)[0][0])

    def take(self) -> list[Waiting]:
        """Take what waits longest, within the batch, under the lock of the head."""
        rows = self._writer.run("take saves", TAKE, int8(MOST_ENTRIES), int8(MOST_BYTES))
        return sorted(
            Waiting(number(place), source.decode(), key.decode(), body)
            for place, source, key, body in rows
        )

    def answer(self, answers: Sequence[Answer]) -> None:
        """Write the answers within the batch: they are there if, and only if, its entries are."""
        keys, sources, bodies = zip(*answers, strict=True)
        columns = texts(keys), texts(sources), array(BYTES, bodies)
        self._writer.run("answer", ANSWER, *columns, self._answers.encode())

    def resign(self) -> None:
        """Let another process lead."""
        self._leading.close()

    def close(self) -> None:
        """Give every connection back."""
        for line in (self._putting, self._hearing, self._leading):
            line.close()
