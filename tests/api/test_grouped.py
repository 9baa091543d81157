"""Writers of a small file share their commits; each is told what became of its own statement."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.adapters.grouped import SQLITE_BUSY, SQLITE_FULL, GroupedDatabase
from ledger.errors import LedgerHalted

SCHEMA = "CREATE TABLE IF NOT EXISTS names(name TEXT PRIMARY KEY)"
INSERT = "INSERT INTO names VALUES (?)"
SELECT = "SELECT name FROM names ORDER BY name"
PATIENCE_S = 20


class Gated(GroupedDatabase):
    """The first batch stops at its beginning until the gate opens; every batch is noted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.gate = threading.Event()
        self.inside = threading.Event()
        self.batches: list[int] = []

    def _written(self, batch: Sequence[Any]) -> Exception | None:
        self.batches.append(len(batch))
        self.inside.set()
        assert self.gate.wait(PATIENCE_S)
        return super()._written(batch)


class Failing:
    """A connection whose commits fail as planned."""

    def __init__(self, inner: sqlite3.Connection, *failures: BaseException | None) -> None:
        self.inner = inner
        self.failures = list(failures)
        self.commits = 0

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.commits += 1
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
        return self.inner.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Gated]:
    made = Gated(tmp_path / "names.db")
    yield made
    made.gate.set()
    made.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


def behind_one(
    gated: Gated, pool: ThreadPoolExecutor, names: Sequence[str]
) -> tuple[Future[None], list[Future[None]]]:
    """Let one writer stop in its commit, and these wait behind it; return all of them."""
    first = pool.submit(gated.write, (INSERT, ("first",)))
    assert gated.inside.wait(PATIENCE_S)
    others = [pool.submit(gated.write, (INSERT, (name,))) for name in names]
    until = time.monotonic() + PATIENCE_S
    while len(gated._waiting) < len(names):
        assert time.monotonic() < until
    return first, others


def test_whoever_comes_during_a_commit_shares_the_next(
    gated: Gated, pool: ThreadPoolExecutor
) -> None:
    first, others = behind_one(gated, pool, [f"n{number}" for number in range(8)])
    assert not any(one.done() for one in others)
    gated.gate.set()
    for one in (first, *others):
        one.result(PATIENCE_S)
    assert gated.batches == [1, 8]
    assert len(gated.rows(SELECT, ())) == 9


def test_readers_wait_for_no_commit_and_see_none_that_is_under_way(
    gated: Gated, pool: ThreadPoolExecutor
) -> None:
    first, _ = behind_one(gated, pool, [])
    assert gated.rows(SELECT, ()) == []
    gated.gate.set()
    first.result(PATIENCE_S)
    assert gated.rows(SELECT, ()) == [("first",)]


def test_a_refused_statement_is_the_affair_of_its_own_caller(
    gated: Gated, pool: ThreadPoolExecutor
) -> None:
    _, (before, double, after) = behind_one(gated, pool, ["a", "first", "b"])
    gated.gate.set()
    before.result(PATIENCE_S)
    after.result(PATIENCE_S)
    with pytest.raises(sqlite3.IntegrityError):
        double.result(PATIENCE_S)
    assert gated.batches == [1, 3, 1, 1, 1]
    assert gated.rows(SELECT, ()) == [("a",), ("b",), ("first",)]


def test_a_commit_that_fails_is_told_to_all_and_is_not_tried_again(
    gated: Gated, pool: ThreadPoolExecutor
) -> None:
    first, others = behind_one(gated, pool, ["a", "b"])
    failing = Failing(gated._writer, None, sqlite3.OperationalError("disk I/O error"))
    gated._writer = failing  # type: ignore[assignment]
    gated.gate.set()
    first.result(PATIENCE_S)
    assert {str(one.exception(PATIENCE_S)) for one in others} == {"disk I/O error"}
    assert failing.commits == 2
    gated.write((INSERT, ("later",)))
    assert gated.rows(SELECT, ()) == [("first",), ("later",)]


def test_a_failed_commit_of_uploads_ends_everything(tmp_path: Path) -> None:
    told: list[Exception] = []
    database = GroupedDatabase(tmp_path / "names.db", SCHEMA, told.append)
    database.write((INSERT, ("before",)))
    failing = Failing(database._writer, sqlite3.OperationalError("disk I/O error"))
    database._writer = failing  # type: ignore[assignment]
    for _ in range(2):
        with pytest.raises(LedgerHalted):
            database.write((INSERT, ("lost",)))
    with pytest.raises(LedgerHalted):
        database.rows(SELECT, ())
    assert (len(told), failing.commits) == (1, 1)


@pytest.mark.parametrize("code", [SQLITE_FULL, SQLITE_BUSY])
def test_a_full_disk_or_a_lock_ends_nothing(tmp_path: Path, code: int) -> None:
    told: list[Exception] = []
    database = GroupedDatabase(tmp_path / "names.db", SCHEMA, told.append)
    failure = sqlite3.OperationalError("not now")
    failure.sqlite_errorcode = code
    database._writer = Failing(database._writer, failure)  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError, match="not now"):
        database.write((INSERT, ("later",)))
    database.write((INSERT, ("later",)))
    with pytest.raises(sqlite3.IntegrityError):
        database.write((INSERT, ("later",)))
    assert (database.rows(SELECT, ()), told) == ([("later",)], [])


def test_a_page_that_cannot_be_read_ends_everything(tmp_path: Path) -> None:
    told: list[Exception] = []
    path = tmp_path / "names.db"
    GroupedDatabase(path, SCHEMA).close()
    size = path.stat().st_size
    database = GroupedDatabase(path, SCHEMA, told.append)
    path.write_bytes(b"\xff" * size)
    with pytest.raises(LedgerHalted):
        database.rows(SELECT, ())
    with pytest.raises(LedgerHalted):
        database.write((INSERT, ("lost",)))
    assert len(told) == 1


def test_nobody_takes_an_interrupted_commit_for_done(
    gated: Gated, pool: ThreadPoolExecutor
) -> None:
    first, others = behind_one(gated, pool, ["a", "b"])
    gated._writer = Failing(gated._writer, None, KeyboardInterrupt())  # type: ignore[assignment]
    gated.gate.set()
    first.result(PATIENCE_S)
    told = {type(one.exception(PATIENCE_S)) for one in others}
    assert told == {KeyboardInterrupt, sqlite3.OperationalError}
    gated.write((INSERT, ("later",)))
    assert gated.rows(SELECT, ()) == [("first",), ("later",)]


def test_only_what_must_be_durable_waits_for_the_disk(tmp_path: Path) -> None:
    database = GroupedDatabase(tmp_path / "names.db", SCHEMA)
    said: list[str] = []
    database._writer.set_trace_callback(said.append)
    for name, durable in (("a", True), ("b", False), ("c", False), ("d", True)):
        database.write((INSERT, (name,)), durable=durable)
    database.close()
    assert [line for line in said if line.startswith("PRAGMA")] == [
        "PRAGMA synchronous=NORMAL",
        "PRAGMA synchronous=FULL",
    ]
    assert said.index("PRAGMA synchronous=FULL") < said.index("INSERT INTO names VALUES ('d')")
