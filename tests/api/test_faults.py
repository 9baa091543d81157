"""A disk that fills or fails: nothing half-written, nothing lost, nothing read after a failure."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import Bench, shown

from api.facts import facts
from ledger.sqlite import connect
from ledger.store import Connection

FULL, IOERR = 13, 10


class Disk:
    """Fails the next writes of the log's connections with one of SQLite's codes."""

    def __init__(self) -> None:
        self.code: int | None = None

    def connect(self, path: str) -> Connection:
        return Faulty(connect(path), self, "ledger.db" in path)  # type: ignore[return-value]


class Faulty:
    def __init__(self, inner: Connection, disk: Disk, log: bool) -> None:
        self.inner = inner
        self.disk = disk
        self.log = log

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self.inner.execute(sql, parameters)

    def executemany(self, sql: str, rows: Sequence[Any]) -> sqlite3.Cursor:
        if self.log and self.disk.code is not None:
            error = sqlite3.OperationalError("disk")
            error.sqlite_errorcode = self.disk.code
            raise error
        return self.inner.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def bench(tmp_path: Path, disk: Disk):
    made = Bench(tmp_path, connect=disk.connect)
    made.register()
    yield made
    made.close()


def test_a_full_disk_is_507_and_everything_goes_on_afterwards(bench: Bench, disk: Disk) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    size = bench.platform.ledger.head()
    disk.code = FULL
    answer = bench.chunk(name, envelope, 0)
    assert (answer.status_code, shown(answer)) == (507, "ledger.storage-full")
    assert bench.get(at).status_code == 200
    assert bench.platform.ledger.head() == size
    disk.code = None
    done = bench.chunk(name, envelope, 0)
    assert done.json()["state"] == "COMPLETED"
    assert len(facts(bench.platform.ledger, f"deposit/{envelope.made.deposit}")) == 1


def test_a_failed_write_stops_the_process_and_no_read_is_served(bench: Bench, disk: Disk) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    stopped = threading.Event()
    bench.platform.on_fail_stop = lambda _platform: stopped.set()
    disk.code = IOERR
    answer = bench.announce(envelope)
    assert (answer.status_code, shown(answer)) == (503, "ledger.halted")
    assert answer.headers["retry-after"]
    assert stopped.wait(5)
    disk.code = None
    assert bench.get(at).status_code == 503
    assert bench.announce(envelope).status_code == 503
