"""Fakes of the ledger's ports, a small aggregate, and the checker used after each ledger test."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doubles.clock import FixedClock
from doubles.rng import SeededRng

from crypto import notes
from crypto.notes import COSIGNATURE, LOG, Checkpoint, VerifierKey
from crypto.policies import Policy, log_policy, witness_policy
from ledger.application import Ledger
from ledger.creation import create
from ledger.errors import HighWaterMoved, LedgerHalted
from ledger.exported import LogFiles
from ledger.files import SYSTEM, Files
from ledger.fsck import fsck
from ledger.home_check import Home, fsck_home
from ledger.ports import Ports
from ledger.postgres import PostgresDatabase
from ledger.readers import LogReader, open_reader, reader_of
from ledger.sqlite import connect
from ledger.store import Connection, Cursor, Params
from ledger.witness import Reply
from ledger.witness import Witness as WitnessDecision

START = datetime(2026, 3, 2, 7, tzinfo=UTC)
ORIGIN = "ledger.pli.example/2026"
LOG_SEED = hashlib.sha256(b"pli test vector log key").digest()


@dataclass
class SeedSigner:
    """The log's key, from a public test label."""

    name: str = ORIGIN
    seed: bytes = LOG_SEED

    @property
    def key(self) -> VerifierKey:
        return VerifierKey.of_seed(self.name, LOG, self.seed)

    def sign(self, checkpoint: Checkpoint) -> str:
        return notes.sign(checkpoint, self.name, self.seed)


class MemoryHighWater:
    """A mark in memory; `fails` is raised once by the next swap."""

    def __init__(self, note: bytes | None = None) -> None:
        self.note = note
        self.fails: list[Exception] = []

    def load(self) -> bytes | None:
        return self.note

    def swap(self, expected: bytes | None, new: bytes) -> None:
        if self.fails:
            raise self.fails.pop()
        if self.note != expected:
            raise HighWaterMoved
        self.note = new


class LocalWitness:
    """A real witness in this process; `down` makes it silent."""

    def __init__(self, name: str = "witness.example/w1", signer: SeedSigner | None = None) -> None:
        seed = hashlib.sha256(name.encode()).digest()
        log = (signer or SeedSigner()).key
        self.decision = WitnessDecision(name, seed, {log.name: (log,)})
        self.stored: bytes | None = None
        self.down = False
        self.asked = 0

    @property
    def key(self) -> VerifierKey:
        return VerifierKey.of_seed(self.decision.name, COSIGNATURE, self.decision.seed)

    def add_checkpoint(self, body: bytes) -> Reply:
        if self.down:
            raise OSError("no answer")
        self.asked += 1
        answer = self.decision.answer(body, lambda origin: self.stored, 1_772_434_800)
        if answer.remember is not None:
            self.stored = answer.remember.note
        return Reply(answer.status, answer.content_type, answer.body)

    def checkpoint(self) -> bytes | None:
        if self.down:
            raise OSError("no answer")
        return self.stored


class DiskError(sqlite3.OperationalError):
    """A failure of the disk as SQLite reports it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"injected failure {code}")
        self.sqlite_errorcode = code


Fault = tuple[str, bool, int]
"""Start of the statement that fails, whether it is carried out all the same, SQLite's code."""


class FaultyConnection:
    """A real connection; one statement fails as planned, with its effect or without."""

    def __init__(self, inner: Connection, faults: list[Fault]) -> None:
        self.inner = inner
        self.faults = faults

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction

    def execute(self, sql: str, parameters: Params = (), /) -> Cursor:
        return self._run(sql, lambda: self.inner.execute(sql, parameters))

    def executemany(self, sql: str, rows: Iterable[Params], /) -> Cursor:
        return self._run(sql, lambda: self.inner.executemany(sql, rows))

    def _run(self, sql: str, statement: Callable[[], Cursor]) -> Cursor:
        if self.faults and sql.startswith(self.faults[0][0]):
            _, carried_out, code = self.faults.pop(0)
            if carried_out:
                statement().fetchall()
            raise DiskError(code)
        return statement()

    def close(self) -> None:
        self.inner.close()


class Bench:
    """Everything one ledger under test stands on; it survives the ledger's restarts."""

    def __init__(
        self,
        folder: Path,
        *,
        pad: int = 16,
        witnesses: int = 0,
        database: PostgresDatabase | None = None,
    ) -> None:
        self.folder = folder
        self.database = database
        self.clock = FixedClock(START)
        self.rng: Any = SeededRng()
        self.signer = SeedSigner()
        self.signers: list[SeedSigner] = []  # the log's other keys
        self.high_water: Any = MemoryHighWater()
        self.witnesses = [LocalWitness(f"witness.example/w{n}") for n in range(1, witnesses + 1)]
        self.faults: list[Fault] = []
        self.halts: list[LedgerHalted] = []
        self.pad = pad
        self.files: Files = SYSTEM

    def connect(self, path: str) -> Connection:
        return FaultyConnection(connect(path), self.faults)

    @property
    def policy(self) -> str:
        if not self.witnesses:
            return log_policy(self.signer.key)
        keys = {f"w{n}": each.key for n, each in enumerate(self.witnesses, 1)}
        return witness_policy(self.signer.key, keys, max(1, len(keys) - 1), "custodians")

    def ports(self) -> Ports:
        return Ports(
            self.clock,
            self.rng,
            self.signer,
            self.high_water,
            self.connect,
            self.witnesses,
            self.halts.append,
            self.files,
            self.database,
            self.signers,
        )

    def create(self) -> Bench:
        create(self.folder, self.ports(), pad=self.pad, simulated=True)
        return self

    def open(self, *, pause: float = 0.0) -> Ledger:
        return Ledger(
            self.folder,
            clock=self.clock,
            rng=self.rng,
            signer=self.signer,
            high_water=self.high_water,
            witnesses=self.witnesses,
            connect=self.connect,
            database=self.database,
            halt=self.halts.append,
            policy=self.policy,
            pause=pause,
            files=self.files,
            signers=self.signers,
        )

    def raw(self) -> Any:
        """Return a connection for looking at, and damaging, what is stored."""
        if self.database is not None:
            return self.database.connect().inner
        return sqlite3.connect(self.folder / "ledger.db", isolation_level=None)

    def damage(self, sql: str, table: str = "events") -> None:
        """Change what is stored as somebody with the database could, past the triggers."""
        raw = self.raw()
        if self.database is not None:
            raw.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            sql = sql.replace(" AS BLOB", " AS bytea").replace("x'00'", "'\\x00'::bytea")
            sql = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", sql)
        elif table != "head":
            raw.execute(f"DROP TRIGGER {table}_no_update")
        raw.execute(sql)
        raw.close()

    def reader(self) -> LogReader:
        """Return what can be asked of the stored log without its writer."""
        if self.database is not None:
            return reader_of(self.database)
        return open_reader(self.folder, connect)


def check_ledger(bench: Bench) -> int:
    """Read everything again that the ledger holds or serves; return its size."""
    reader = bench.reader()
    try:
        with reader.snapshot() as reads:
            connection: Any = reads.connection
            noted = connection.execute("SELECT size, note FROM checkpoints").fetchall()
            home = Home(
                origin=bench.signer.name,
                reads=reads,
                mark=bench.high_water.load(),
                checkpoints=[found for size, _ in noted if (found := reads.checkpoint(size))],
            )
            sound = fsck_home(home, Policy.parse(log_policy(bench.signer.key)))
            if bench.database is None:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            commands = connection.execute("SELECT first, count FROM commands").fetchall()
        covered = sorted(
            place for first, count in commands for place in range(first, first + count)
        )
        assert covered == list(range(sound.head.size)), "every entry belongs to one command"
        if noted:
            files: LogFiles = reader.files()
            fsck(files, Policy.parse(bench.policy).log_alone())
        return sound.head.size
    finally:
        reader.close()
