"""Statements in one trip: binary values, the first failure, a line that is lost on the way."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterator

import psycopg
import pytest
from doubles.postgres import server
from psycopg import pq

from ledger import postgres_session
from ledger.errors import BatchGivenUp, LedgerHalted, StorageFull, StoreUnreachable
from ledger.fail_stop import FailStop
from ledger.ports import never_halt
from ledger.postgres import BEGIN, LOCK, ROLLBACK
from ledger.postgres_session import (
    BYTES,
    PostgresJudge,
    Session,
    Statement,
    array,
    int4,
    int8,
    int8s,
    number,
    rows_of,
    texts,
)

pytestmark = pytest.mark.postgres
ECHO = Statement(
    b"echo",
    "SELECT * FROM unnest($1::text[], $2::bytea[], $3::int8[]) AS t(a, b, c) WHERE c < $4::int8",
)
FAIL = Statement(b"fail", "SELECT 1 / $1::int4")
END = Statement(b"end", "SELECT pg_terminate_backend(pg_backend_pid())")
ONE = Statement(b"one", "SELECT 1::int8")


@pytest.fixture
def session() -> Iterator[Session]:
    opened = server().database().connect(None)
    yield opened
    opened.close()


def test_values_and_rows_are_binary(session: Session) -> None:
    values = texts(["é", "", "a"]), array(BYTES, [b"", b"\x00\xff", b"x"]), int8s([1, 2**40, 2**41])
    _, found = session.together((BEGIN, ()), (ECHO, (*values, int8(2**41))))
    rows = [(a.decode(), b, number(c)) for a, b, c in rows_of(found)]
    assert rows == [("é", b"", 1), ("", b"\x00\xff", 2**40)]
    (none,) = session.together((ECHO, (texts([]), array(BYTES, []), int8s([]), int8(0))))
    assert list(rows_of(none)) == []
    session.together((ROLLBACK, ()))
    assert not session.in_transaction


def test_the_first_failure_of_a_trip_is_told_and_nothing_after_it_was_done(
    session: Session,
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        session.together((ONE, ()), (FAIL, (int4(0),)), (LOCK, (int8(7),)))
    (held,) = session.together(
        (Statement(b"held", "SELECT count(*) FROM pg_locks WHERE objid = 7"), ())
    )
    assert [number(count) for (count,) in rows_of(held)] == [0]
    with pytest.raises(psycopg.errors.SyntaxError):
        session.together((Statement(b"bad", "SELEKT"), ()))
    assert session.usable, "a refusal is no lost line"
    assert len(session.together((ONE, ()), (ONE, ()))) == 2


def test_a_line_that_is_lost_tells_the_servers_last_word(session: Session) -> None:
    with pytest.raises(psycopg.errors.AdminShutdown):
        session.together((ONE, ()), (END, ()), (ONE, ()))
    assert not session.usable
    with pytest.raises(psycopg.OperationalError):
        session.together((ONE, ()))


def test_a_line_that_is_cut_without_a_word_is_lost(session: Session) -> None:
    session.together((ONE, ()))
    with socket.socket(fileno=os.dup(session.inner.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(psycopg.OperationalError):
        session.together((ONE, ()))
    assert not session.usable


def test_an_interrupted_trip_leaves_no_line_that_would_answer_the_next_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(postgres_session, "_answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.together((ONE, ()))
    assert not session.usable


def test_what_the_clients_library_says_itself_is_a_lost_line(session: Session) -> None:
    made = session.inner.pgconn.make_empty_result(pq.ExecStatus.FATAL_ERROR)
    with pytest.raises(psycopg.OperationalError):
        postgres_session._check(made)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (psycopg.errors.DiskFull(), StorageFull),
        (psycopg.errors.DeadlockDetected(), BatchGivenUp),
        (psycopg.errors.SerializationFailure(), BatchGivenUp),
        (psycopg.OperationalError(), LedgerHalted),
        (ValueError(), ValueError),
    ],
)
def test_each_failure_has_its_meaning(
    session: Session, failure: Exception, told: type[Exception]
) -> None:
    with pytest.raises(told), PostgresJudge(FailStop(never_halt))("test", session):
        raise failure
    with pytest.raises(StoreUnreachable), PostgresJudge(FailStop(never_halt))("connect"):
        raise psycopg.OperationalError


def test_a_turn_whose_line_was_lost_is_taken_on_another_one() -> None:
    database = server().database()
    writer = database.writer(FailStop(never_halt))
    raw = server().connect()

    def end_kept() -> None:
        (kept,) = database._kept
        raw.execute("SELECT pg_terminate_backend(%s, 10000)", (kept.process,))

    with database.turn("sign"):
        pass
    first = database._kept[0]
    with database.turn("sign"):
        assert not database._kept, "a turn in use is nobody else's"
    assert database._kept == [first], "kept for the next turn"
    end_kept()
    with database.turn("sign"):
        pass
    assert database._kept != [first]
    with database.turn("sign"):
        raw.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
            " AND objid::bigint = %s",
            (zlib.crc32(f"{database.schema}/sign".encode()),),
        )
    assert not database._kept, "the lock fell with its line"
    with database.turn("sign"):
        pass
    database.close()
    assert not database._kept
    with database.turn("sign"):
        pass
    assert not database._kept, "nobody would give it back"
    writer.close()
    raw.close()
