"""Saving on SQLite: ours, the library, the bare driver, the disk itself; one process each."""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from eventsourcing.application import Application

from benchmarks.parcels import Parcel, moved, open_ledger
from ledger.application import Ledger

Work: TypeAlias = Callable[[int], Callable[[], None]]
"""Given the number of a thread: what this thread does once, again and again."""


def run_threads(threads: int, seconds: float, work: Work) -> dict[str, float]:
    """Run each thread's work for these seconds; return the rate and the slowest percent."""
    steps = [work(thread) for thread in range(threads)]
    latencies: list[list[float]] = [[] for _ in range(threads)]
    begin = threading.Barrier(threads + 1)
    stop = threading.Event()

    def loop(thread: int) -> None:
        step, mine = steps[thread], latencies[thread]
        begin.wait()
        while not stop.is_set():
            started = time.perf_counter()
            step()
            mine.append(time.perf_counter() - started)

    running = [threading.Thread(target=loop, args=(thread,)) for thread in range(threads)]
    for each in running:
        each.start()
    begin.wait()
    started = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for each in running:
        each.join()
    took = time.perf_counter() - started
    every = sorted(itertools.chain.from_iterable(latencies))
    return {"rate": len(every) / took, "p99_ms": 1000 * every[int(len(every) * 0.99)]}


def ours(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    return saved_by(open_ledger(folder), threads, seconds)


def saved_by(ledger: Ledger, threads: int, seconds: float) -> dict[str, float]:
    """Let threads save through a ledger, whatever it stands on."""
    batches = itertools.count()
    told = ledger._store.sequencer.moved

    def counted(size: int) -> None:
        next(batches)
        told(size)

    ledger._store.sequencer.moved = counted

    def work(thread: int) -> Callable[[], None]:
        parcel = Parcel(name=str(thread), timestamp=datetime.now(UTC))
        numbers = itertools.count()

        def step() -> None:
            number = next(numbers)
            moved(parcel, number)
            command = f"{thread}/{number}"
            digest = hashlib.sha256(command.encode()).digest()
            ledger.application.save(parcel, command=command, digest=digest)

        step()
        return step

    before, base = ledger.head(), next(batches)
    found = run_threads(threads, seconds, work)
    found["saves_per_fsync"] = (ledger.head() - before) / max(1, next(batches) - base)
    found["entry_bytes"] = len(ledger.read(ledger.head() - 2, 1)[0].entry)
    ledger.close()
    return found


def library(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    application: Application[str] = Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(folder / "library.db"),
            "ORIGINATOR_ID_TYPE": "text",
            "SQLITE_LOCK_TIMEOUT": "60",
        }
    )

    def work(thread: int) -> Callable[[], None]:
        parcel = Parcel(name=str(thread), timestamp=datetime.now(UTC))
        numbers = itertools.count()

        def step() -> None:
            moved(parcel, next(numbers))
            application.save(parcel)

        step()
        return step

    found = run_threads(threads, seconds, work)
    application.close()
    return found


def raw(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    """One row of the same size, one commit; one connection, one thread."""
    connection = sqlite3.connect(
        folder / "raw.db", isolation_level=None, check_same_thread=False, cached_statements=16
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events(position INTEGER PRIMARY KEY, entry BLOB)")
    entry = bytes(800)

    def step() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO events(entry) VALUES (?)", (entry,))
        connection.execute("COMMIT")

    found = run_threads(threads, seconds, lambda thread: step)
    connection.close()
    return found


def probe(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    """4 KiB written and fdatasync, nothing else: what the disk allows."""
    handle = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY)

    def step() -> None:
        os.pwrite(handle, bytes(4096), 0)
        os.fdatasync(handle)

    found = run_threads(threads, seconds, lambda thread: step)
    os.close(handle)
    return found


CONFIGURATIONS: dict[str, tuple[Callable[[int, float, Path], dict[str, float]], int]] = {
    "probe": (probe, 1),
    "raw1": (raw, 1),
    "library1": (library, 1),
    "ours1": (ours, 1),
    "library64": (library, 64),
    "ours64": (ours, 64),
}
