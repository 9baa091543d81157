"""Reading a whole log: scan, fold, proof, and aggregates again from their streams."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from eventsourcing.application import Application

from benchmarks.lives import fill, log_of_lives
from benchmarks.parcels import Parcel, moved, open_ledger
from ledger.application import Ledger
from ledger.entry import Draft
from projections.facts import Fact
from replay.fold import Proof, fold, rebuilt

SCAN = "SELECT position, stream, version, kind, entry FROM events ORDER BY position"
EVENTS_EACH = 50


class Deposits:
    """A statistic over the whole log, which reads the kinds that it counts."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0

    def sealed(self, fact: Fact) -> None:
        self.count += 1
        self.bytes += fact.number("bytes_total")


KINDS = {"DepositSealed": Deposits.sealed, "LateDepositRecorded": Deposits.sealed}


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many a second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def folding(seconds: float, folder: Path, count: int) -> dict[str, float]:
    """Scan, fold, fold with every entry parsed, fold with everything proven: the same log."""
    ledger = log_of_lives(folder, count)
    size = ledger.head()
    root = ledger._store.sequencer.levels.root(size)

    def scan() -> None:
        connection = sqlite3.connect(folder / "ledger.db")
        for _ in connection.execute(SCAN):
            pass
        connection.close()

    def proven() -> None:
        proof = Proof()
        fold(ledger, Deposits(), KINDS, proof)
        proof.finish(root)

    every = dict.fromkeys({row.kind for row in ledger.read(-1, 400)}, lambda state, fact: None)
    scan()  # the page cache is warm for all of them
    found = {
        "scan": rate(size, scan),
        "fold": rate(size, lambda: fold(ledger, Deposits(), KINDS)),
        "fold_parsed": rate(size, lambda: fold(ledger, None, every)),
        "verified": rate(size, proven),
    }
    ledger.close()
    return found


def rebuilding(seconds: float, folder: Path, count: int) -> dict[str, float]:
    """Rebuild all aggregates, stream by stream, against the library's repository over its own."""
    streams = max(1, count // EVENTS_EACH // 10)
    ledger, application = open_ledger(folder), library_of(folder)
    parcels = [Parcel(name=str(number), timestamp=datetime.now(UTC)) for number in range(streams)]
    for parcel in parcels:
        for number in range(EVENTS_EACH - 1):
            moved(parcel, number)
        events = parcel.collect_events()
        stored = [ledger.application.mapper.to_stored_event(each) for each in events]
        fill(
            ledger,
            (
                Draft(str(each.originator_id), each.originator_version, each.topic, each.state)
                for each in stored
            ),
            f"{parcel.id}/",
        )
        application.recorder.insert_events(
            [application.mapper.to_stored_event(each) for each in events]
        )
    names = [parcel.id for parcel in parcels]

    def lean() -> None:
        for _name, state in rebuilt(ledger, names, lambda name: [0], {"ParcelMoved": counted}):
            if state[0] != EVENTS_EACH - 2:
                raise ValueError(state[0])

    def by(app: Application[str]) -> None:
        for name in names:
            app.repository.get(name)

    total = streams * EVENTS_EACH
    found = {
        "rebuild": rate(total, lean),
        "rebuild_library": rate(total, lambda: by(application)),
        "rebuild_repository": rate(total, lambda: repository(ledger, names)),
    }
    ledger.close()
    application.close()
    return found


def counted(state: list[int], fact: Fact) -> None:
    """Keep what a parcel's last move says."""
    state[0] = fact.number("count")


def repository(ledger: Ledger, names: list[str]) -> None:
    """Get each aggregate as the commands do."""
    for name in names:
        ledger.find(Parcel, name)


def library_of(folder: Path) -> Application[str]:
    """Return the library's application on SQLite in this folder."""
    return Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(folder / "library.db"),
            "ORIGINATOR_ID_TYPE": "text",
            "SQLITE_LOCK_TIMEOUT": "60",
        }
    )
