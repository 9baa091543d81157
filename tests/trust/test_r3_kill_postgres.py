"""R3: kill -9 of the whole database server, and of writers beside each other, loses nothing (H8).

1. Two writer processes append to one PostgreSQL; the parent, which alone survives, counts what it
   has read. After 80 to 230 ms (seeded) the server with all its processes and the writers are
   killed. The server starts again; every acknowledged command is known, and the log is sound.
2. Three writers on one server; one of them, at random, is killed and started again, until the time
   is over: no acknowledged entry is lost, no position is missing, one history.
3. The same where one of the three is elected and records for all: it is always the leader that is
   killed, and the others' saves go on with the next one.
Controls: a server that commits later than it says loses acknowledged entries; a writer that
answers before its commit is caught.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from doubles.kill_child import kill_bench, save_of
from doubles.ledger import check_ledger
from doubles.postgres import OwnServer
from doubles.proofs import Proof
from doubles.sizes import sized

CHILD = Path(__file__).parents[1] / "shared" / "doubles" / "kill_child.py"
CYCLES = sized(push=4, full=10, night=500)
SECONDS = sized(push=15, full=60, night=3_600)
LEADERS = sized(push=2, full=40, night=1_000)
WRITERS = 3
SCHEMA = "log"

pytestmark = pytest.mark.postgres


class Writer:
    """One writer process, and what it has acknowledged."""

    def __init__(self, home: Path, url: str, run: str, place: str, mode: str = "real") -> None:
        self.run = run
        self.place = place
        self.read = b""
        self.child = subprocess.Popen(
            [sys.executable, str(CHILD), str(home), run, mode, url, SCHEMA, place],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PGAPPNAME": run},
        )

    def drain(self, seconds: float) -> None:
        """Read for a while what is told."""
        assert self.child.stdout is not None
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if select.select([self.child.stdout], [], [], left)[0]:
                part = os.read(self.child.stdout.fileno(), 65_536)
                if not part:
                    return
                self.read += part

    def wait_ready(self) -> None:
        """Return once it appends."""
        while b"\n" not in self.read:
            assert self.child.poll() is None, "the writer ended by itself"
            self.drain(0.05)

    def kill(self) -> list[str]:
        """Kill it and return every command that it acknowledged."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        assert self.child.stdout is not None
        while part := os.read(self.child.stdout.fileno(), 65_536):
            self.read += part
        self.child.stdout.close()
        return [line.decode() for line in self.read.split(b"\n")[1:-1]]


@pytest.fixture
def server() -> Iterator[OwnServer]:
    own = OwnServer().create()
    yield own
    own.close()


def unknown(home: Path, url: str, acks: list[str]) -> list[str]:
    """Open the log as always; return the acknowledged commands that it does not know."""
    ledger = kill_bench(home, url, SCHEMA).open(pause=3600)
    missing = []
    for command in acks:
        name, _, number = command.partition("/")
        run, _, thread = name.rpartition("-")
        digest = save_of(run, int(thread), int(number)).digest
        if ledger.known(command, digest) is None:
            missing.append(command)
    ledger.close()
    return missing


def crashed(home: Path, server: OwnServer, run: str, mode: str, delay: float) -> list[str]:
    """Let two writers append, kill everything, and return what was acknowledged."""
    writers = [Writer(home, server.url, f"{run}{n}", f"w{n}", mode) for n in range(2)]
    for writer in writers:
        writer.wait_ready()
    for writer in writers:
        writer.drain(delay / 2)
    server.kill()
    return [command for writer in writers for command in writer.kill()]


def test_nothing_acknowledged_is_lost_with_the_server(
    tmp_path: Path, server: OwnServer, proof: Proof
) -> None:
    server.start()
    kill_bench(tmp_path, server.url, SCHEMA).create()
    chance = random.Random(2026)
    total, slowest = 0, 0.0
    for cycle in range(CYCLES):
        acks = crashed(tmp_path, server, f"r{cycle}w", "real", chance.uniform(0.080, 0.230))
        slowest = max(slowest, server.start())
        assert len(acks) == len(set(acks))
        assert not unknown(tmp_path, server.url, acks)
        total += len(acks)
    size = check_ledger(kill_bench(tmp_path, server.url, SCHEMA))
    assert total > CYCLES
    counted = f"{CYCLES} kills of the server with 2 writers, {total} acknowledged, 0 lost"
    proof("R3", f"{counted}, {size} entries, recovery at most {slowest:.2f} s, seed 2026")


def test_a_server_that_commits_later_than_it_says_is_caught(tmp_path: Path, proof: Proof) -> None:
    server = OwnServer("-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s").create()
    try:
        server.start()
        kill_bench(tmp_path, server.url + "&options=-c%20synchronous_commit%3Don", SCHEMA).create()
        lost = 0
        for cycle in range(10):
            acks = crashed(tmp_path, server, f"l{cycle}w", "lax", 0.2)
            server.start()
            strict = server.url + "&options=-c%20synchronous_commit%3Don"
            (tmp_path / "highwater" / "mark").unlink()
            lost += len(gone(strict, acks))
            if lost:
                break
    finally:
        server.close()
    assert lost
    proof("R3 control", f"synchronous_commit=off: {lost} acknowledged and lost, {cycle + 1} kills")


def gone(url: str, acks: list[str]) -> set[str]:
    """Return the acknowledged commands that the table of commands does not hold."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT key FROM {SCHEMA}.commands").fetchall()  # noqa: S608
    return set(acks) - {row[0] for row in rows}


def test_three_writers_under_kills_keep_one_history(
    tmp_path: Path, server: OwnServer, proof: Proof
) -> None:
    server.start()
    kill_bench(tmp_path, server.url, SCHEMA).create()
    chance = random.Random(7)
    runs = iter(range(1_000_000))

    def fresh(place: int) -> Writer:
        return Writer(tmp_path, server.url, f"k{next(runs)}", f"w{place}")

    writers = [fresh(place) for place in range(WRITERS)]
    acks: list[str] = []
    kills = 0
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        place = chance.randrange(WRITERS)
        writers[place].wait_ready()
        for writer in writers:
            writer.drain(chance.uniform(0.02, 0.15))
        acks += writers[place].kill()
        kills += 1
        writers[place] = fresh(place)
    for writer in writers:
        acks += writer.kill()
    assert len(acks) == len(set(acks))
    assert not unknown(tmp_path, server.url, acks)
    size = check_ledger(kill_bench(tmp_path, server.url, SCHEMA))
    assert kills >= SECONDS / 5
    counted = f"{WRITERS} processes, {SECONDS} s, {kills} kills, {len(acks)} acknowledged, 0 lost"
    proof("R3 writers", f"{counted}, 0 gaps, one history of {size} entries, seed 7")


def leader_of(url: str, alive: list[str]) -> str:
    """Return the run that holds the lock of the elected sequencer, once one of these does."""
    held = zlib.crc32(f"{SCHEMA}/sequencer".encode())
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            found = connection.execute(
                "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND granted AND objid = %s",
                (held,),
            ).fetchall()
            if found and found[0][0] in alive:
                return str(found[0][0])


def test_the_elected_leader_is_killed_and_another_goes_on(
    tmp_path: Path, server: OwnServer, proof: Proof
) -> None:
    server.start()
    kill_bench(tmp_path, server.url, SCHEMA).create()
    writers = {
        f"e{n}": Writer(tmp_path, server.url, f"e{n}", f"w{n}", "elected") for n in range(WRITERS)
    }
    for writer in writers.values():
        writer.wait_ready()
    acks: list[str] = []
    slowest = 0.0
    chance = random.Random(11)
    for kill in range(LEADERS):
        for writer in writers.values():
            writer.drain(chance.uniform(0.02, 0.15))
        name = leader_of(server.url, list(writers))
        place = writers[name].place
        acks += writers.pop(name).kill()
        begun = time.monotonic()
        leader_of(server.url, list(writers))
        for writer in writers.values():
            writer.drain(0.01)
        told = sum(len(writer.read) for writer in writers.values())
        while sum(len(writer.read) for writer in writers.values()) == told:
            for writer in writers.values():
                assert writer.child.poll() is None, "the writer ended by itself"
                writer.drain(0.01)
        slowest = max(slowest, time.monotonic() - begun)
        run = f"f{kill}"
        writers[run] = Writer(tmp_path, server.url, run, place, "elected")
        writers[run].wait_ready()
    for writer in writers.values():
        acks += writer.kill()
    assert len(acks) == len(set(acks))
    assert not unknown(tmp_path, server.url, acks)
    size = check_ledger(kill_bench(tmp_path, server.url, SCHEMA))
    assert len(acks) > LEADERS
    counted = f"{LEADERS} leaders of {WRITERS} processes killed, {len(acks)} acknowledged, 0 lost"
    proof("R3 elected", f"{counted}, {size} entries, another led after {slowest:.2f} s, seed 11")
