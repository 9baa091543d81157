"""The ledger on SQLite against its peers, in interleaved rounds of one run (``ledger.md`` §15).

Every round runs each configuration for the same seconds in a fresh process and database; reported
are medians and the medians of the ratios of each round. Durable everywhere: WAL with
synchronous=FULL. One save = one event of about 0.8 KB through ``Application.save``, profile and
mapper included; the peers save the same event. Ours signs checkpoints meanwhile, as always.

"Slow": each fsync and fdatasync takes at least 2 ms more (a preloaded shim, where a C compiler is);
a quick disk hides the point of group commit. ``--quick`` takes 2 rounds of 1 s instead of 3 of 3 s;
``--json`` prints one object as the only line.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "benchmarks"):  # or this file would stand before the package ledger
    sys.path[0] = str(ROOT)

import argparse  # noqa: E402
import hashlib  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import secrets  # noqa: E402
import shutil  # noqa: E402
import sqlite3  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from typing import Any  # noqa: E402

from eventsourcing.application import Application  # noqa: E402
from eventsourcing.domain import (  # noqa: E402
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)

from crypto import notes  # noqa: E402
from crypto.notes import LOG, Checkpoint, VerifierKey  # noqa: E402
from ledger.application import Ledger  # noqa: E402
from ledger.creation import create  # noqa: E402
from ledger.entry import leaf, splice  # noqa: E402
from ledger.high_water import FolderHighWater  # noqa: E402
from ledger.ports import Ports  # noqa: E402
from ledger.proofs import inclusion  # noqa: E402
from ledger.second_path import SecondPath  # noqa: E402
from ledger.sqlite import connect  # noqa: E402
from ledger.tree import Levels  # noqa: E402

# goal, and whether more is better
GOALS = {
    "sqlite64_vs_library": (2.0, True),
    "sqlite64_slow_vs_library": (10.0, True),
    "sqlite1_vs_library": (1.0, True),
    "sqlite1_slow_vs_raw": (0.7, True),
    "integrity_share": (0.10, False),
    "saves_per_fsync": (10.0, True),
    "proof_us_1e6": (50.0, False),
}
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void pause_2ms(void) { struct timespec t = {0, 2000000}; nanosleep(&t, 0); }
int fsync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); pause_2ms(); return real(fd); }
int fdatasync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); pause_2ms(); return real(fd); }
"""
META = {
    "actor": {"auth": "oidc", "org": "21590512200017", "person": "5d" * 32, "role": "BU"},
    "clock": {
        "earliest": "2026-03-02T07:10:14.119820Z",
        "latest": "2026-03-02T07:10:14.121820Z",
        "source": "HOST",
    },
    "command": "0f9d3f0e-6a86-4a5e-9d53-6f2d3b0a7c11",
    "correlation": "need/2026-0147",
    "rulebook": "2026-01-01",
    "tenant": "21590512200017",
}


class Root(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """Root of the events, for the library and for us."""

    originator_id: str
    originator_version: int
    timestamp: datetime

    def _as_dict(self) -> dict[str, Any]:
        return vars(self)


class RootCreated(Root, CanInitAggregate[str]):
    """Root of first events."""

    originator_topic: str


class Parcel(BaseAggregate[str]):
    """An aggregate whose every save is one event of about 0.8 KB as entry."""

    TOPIC = "Parcel"

    class Event(Root):
        """Root of its events."""

        TOPIC = "ParcelEvent"

    class Sent(Event, RootCreated):
        """The first event."""

        TOPIC = "ParcelSent"
        name: str

    class Moved(Event):
        """What is measured."""

        TOPIC = "ParcelMoved"
        place: str
        count: int
        digest: str
        meta: dict[str, Any]

    @event(Sent)
    def __init__(self, name: str, timestamp: datetime) -> None:
        self.name = name

    @staticmethod
    def create_id(name: str) -> str:
        return f"parcel/{name}"

    @event(Moved)
    def move(
        self, place: str, count: int, digest: str, meta: dict[str, Any], timestamp: datetime
    ) -> None:
        pass


def moved(parcel: Parcel, number: int) -> None:
    parcel.move(
        place="Villeneuve d'Ascq",
        count=number,
        digest="c5" * 32,
        meta=META,
        timestamp=datetime.now(UTC),
    )


# -- ports of ours -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    latest: datetime


class HostClock:
    def now(self) -> Reading:
        return Reading(datetime.now(UTC))


class HostRng:
    def bytes(self, count: int) -> bytes:
        return os.urandom(count)


class Signer:
    name = "bench.example/ledger"

    def __init__(self) -> None:
        self._seed = secrets.token_bytes(32)
        self.key = VerifierKey.of_seed(self.name, LOG, self._seed)

    def sign(self, checkpoint: Checkpoint) -> str:
        return notes.sign(checkpoint, self.name, self._seed)


def open_ledger(folder: Path) -> Ledger:
    high_water = FolderHighWater(folder / "highwater")
    ports = Ports(HostClock(), HostRng(), Signer(), high_water, connect)
    create(folder, ports)
    return Ledger(
        folder, clock=ports.clock, rng=ports.rng, signer=ports.signer, high_water=high_water
    )


# -- configurations: each returns what happened ------------------------------------------------

Work = Callable[[int], Callable[[], None]]
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
    ledger = open_ledger(folder)
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


# -- what integrity costs, and a proof ---------------------------------------------------------


def integrity_us() -> float:
    """Return the microseconds an entry costs in chain, leaf, tree and the second path."""
    count, tile = 25_600, 256
    state = json.dumps(
        {"at": "2026-03-02T07:10:14.121820Z", "data": {"fill": "x" * 480}, "v": 1},
        separators=(",", ":"),
    ).encode()
    prev = "ab" * 32
    levels, kept = Levels(), []
    started = time.perf_counter()
    for start in range(0, count, 16):  # a batch as 64 writers make it
        leaves = []
        for number in range(start, start + 16):
            entry = splice(state, "ParcelMoved", prev, "cd" * 16, "parcel/1", number + 1)
            hashed = leaf(entry)
            prev = hashed.hex()
            leaves.append(hashed)
            kept.append((entry, hashed))
        levels.adopt(levels.grow(leaves))
    chain = time.perf_counter() - started
    # the baseline of the same work without chain and tree: the bytes must be joined anyway
    started = time.perf_counter()
    for number in range(count):
        splice(state, "ParcelMoved", prev, "cd" * 16, "parcel/1", number + 1)
    joined = time.perf_counter() - started

    class Stored:
        def rows(self, start: int, end: int) -> list[Any]:
            return [Row(place, *kept[place]) for place in range(start, end)]

        def tiles(self, level: int, start: int, end: int) -> dict[int, bytes]:
            rows = kept[start * tile : end * tile]
            return {start: b"".join(hashed for _, hashed in rows)}

    @dataclass(frozen=True)
    class Row:
        position: int
        entry: bytes
        leaf: bytes

    stored: Any = Stored()
    started = time.perf_counter()
    root = SecondPath().root(stored, count)
    second = time.perf_counter() - started
    if root != levels.root(count):
        raise ValueError("the second path differs")
    return 1e6 * (chain - joined + second) / count


def proof_us(entries: int) -> float:
    """Return the microseconds of one inclusion proof, all levels in memory."""
    levels = Levels()
    for start in range(0, entries, 4096):
        end = min(start + 4096, entries)
        leaves = [hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(start, end)]
        levels.adopt(levels.grow(leaves))
    places = [(n * 7_919_993) % entries for n in range(5_000)]
    started = time.perf_counter()
    for place in places:
        inclusion(place, entries, levels.hash_at)
    return 1e6 * (time.perf_counter() - started) / len(places)


# -- rounds ------------------------------------------------------------------------------------


def in_fresh_process(name: str, seconds: float, shim: Path | None) -> dict[str, float]:
    """Run one configuration in its own process, database and folder."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        run = [sys.executable, __file__, "--worker", name, "--seconds", str(seconds), folder]
        ran = subprocess.run(run, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return result


def compile_shim(folder: Path) -> Path | None:
    """Return the shim that slows each fsync, None where no C compiler is."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    (folder / "slow.c").write_text(SHIM)
    shim = folder / "slow.so"
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(folder / "slow.c"), "-ldl"]
    subprocess.run(build, check=True)
    return shim


def measure(rounds: int, seconds: float) -> dict[str, list[dict[str, float]]]:
    """Run the rounds; every configuration has its turn in each."""
    results: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        shim = compile_shim(Path(folder))
        for _ in range(rounds):
            for name in CONFIGURATIONS:
                results.setdefault(name, []).append(in_fresh_process(name, seconds, None))
                if shim is not None and name != "probe":
                    found = in_fresh_process(name, seconds, shim)
                    results.setdefault(f"{name}_slow", []).append(found)
    return results


def summary(results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return medians and round-wise ratios."""

    def ratio(one: str, other: str) -> float | None:
        if one not in results or other not in results:
            return None
        pairs = zip(results[one], results[other], strict=True)
        return round(statistics.median(a["rate"] / b["rate"] for a, b in pairs), 3)

    def median(name: str, what: str) -> float:
        return round(statistics.median(each[what] for each in results[name]), 2)

    cost = integrity_us()
    return {
        "sqlite64_vs_library": ratio("ours64", "library64"),
        "sqlite64_slow_vs_library": ratio("ours64_slow", "library64_slow"),
        "sqlite1_vs_library": ratio("ours1", "library1"),
        "sqlite1_vs_raw": ratio("ours1", "raw1"),
        "sqlite1_slow_vs_library": ratio("ours1_slow", "library1_slow"),
        "sqlite1_slow_vs_raw": ratio("ours1_slow", "raw1_slow"),
        "integrity_us": round(cost, 2),
        "integrity_share": round(cost * median("ours64", "rate") / 1e6, 3),
        "saves_per_fsync": median("ours64", "saves_per_fsync"),
        "p99_ms_64": median("ours64", "p99_ms"),
        "proof_us_1e6": round(proof_us(1_000_000), 1),
        "entry_bytes": median("ours64", "entry_bytes"),
        "rates": {name: median(name, "rate") for name in results},
    }


def worker(name: str, seconds: float, folder: str) -> None:
    run, threads = CONFIGURATIONS[name]
    print(json.dumps(run(threads, seconds, Path(folder))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s, not 3 of 3 s")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seconds, options.folder)
        return 0
    rounds, seconds = (2, 1.0) if options.quick else (3, 3.0)
    before = os.getloadavg()[0]
    figures = summary(measure(rounds, seconds))
    figures |= {
        "rounds": rounds,
        "seconds": seconds,
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    if not options.json:
        for name, (goal, more) in GOALS.items():
            found = figures[name]
            if found is None:
                print(f"{name:26} not met: no C compiler for the slow disk")
                continue
            met = "met" if (found >= goal if more else found <= goal) else "NOT MET"
            print(f"{name:26} {found:10}   goal {'>=' if more else '<='} {goal:<6} {met}")
        for name, rate in figures["rates"].items():
            print(f"{name:26} {rate:10.0f} a second")
    print(json.dumps(figures, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
