"""What a ledger does while the power is cut: create, save, keep blobs, sign, publish, start again.

Everything is told by a seed, in one thread but for the first signature after each start, which is
awaited; so a trace is the same in each run.
"""

from __future__ import annotations

import hashlib
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from doubles.kill_child import save_of
from doubles.ledger import Bench
from doubles.power import Disk, PowerFiles

from crypto.notes import parse_checkpoint, parse_note
from ledger.application import Ledger
from ledger.errors import LedgerError, LedgerExists
from ledger.files import Files, SystemFiles
from ledger.high_water import FolderHighWater
from ledger.queue import Save
from ledger.second_path import SecondPath
from ledger.sqlite import connect
from ledger.vault import Vault

STREAMS = 4
WAL_PAGES = 60
UNSYNCED = SystemFiles(lambda handle: None)


@dataclass(frozen=True)
class Variant:
    """The real store, or one of those that must be caught."""

    synchronous: str = "FULL"
    syncs_folders: bool = True


REAL = Variant()


class ForgetfulFiles(PowerFiles):
    """Files whose names are never made durable: a planted mistake."""

    def sync_folder(self, folder: Path) -> None:
        if folder.parent.name != "blobs":
            super().sync_folder(folder)


class Weakened:
    """A connection that asks for another durability than the store does."""

    def __init__(self, inner: Any, synchronous: str) -> None:
        self.inner = inner
        self.synchronous = synchronous
        self.executemany = inner.executemany
        self.close = inner.close

    @property
    def in_transaction(self) -> bool:
        return bool(self.inner.in_transaction)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        if sql == "PRAGMA synchronous=FULL":
            sql = f"PRAGMA synchronous={self.synchronous}"
        return self.inner.execute(sql, parameters)


@dataclass
class Works:
    """One ledger with its vault on one disk, and whoever uses them."""

    disk: Disk
    seed: int
    variant: Variant = REAL
    restarts: bool = True
    bench: Bench = field(init=False)
    ledger: Ledger = field(init=False)
    vault: Vault = field(init=False)
    files: Files = field(init=False)
    versions: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.bench = Bench(self.disk.folder)
        self.files = (
            PowerFiles(self.disk) if self.variant.syncs_folders else ForgetfulFiles(self.disk)
        )
        self.bench.files = self.files
        self.bench.high_water = FolderHighWater(self.disk.folder / "highwater", self.files)
        self.bench.connect = self.connect  # type: ignore[method-assign]

    def connect(self, path: str) -> Any:
        return Weakened(self.disk.connect(path), self.variant.synchronous)

    def create(self) -> None:
        self.bench.create()
        self.disk.note("created", None)
        self.start()

    def start(self) -> None:
        self.ledger = self.bench.open(pause=3600)
        self.ledger._store.writer.checkpoint_pages = WAL_PAGES
        self.vault = Vault(self.disk.folder / "blobs", halt=self.ledger.stop, files=self.files)
        self.ledger.covering(self.ledger.head() - 1)
        with self.ledger._checkpointer._signing:  # its reader has let go of the WAL
            pass

    def run(self, steps: int) -> None:
        """Do so many things, each told only once it is durable."""
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        dice = self.chance.random()
        if dice < 0.62:
            self.save()
        elif dice < 0.84:
            name = self.vault.put(self.chance.randbytes(self.chance.randrange(1, 3_000)))
            self.disk.note("blob", name)
        elif dice < 0.93:
            self.disk.note("note", self.ledger._checkpointer.sign_head().note)
        elif dice < 0.97:
            self.disk.note("note", self.ledger.publish())
        elif self.restarts:
            self.ledger.close()
            self.start()

    def save(self) -> Save:
        stream = self.chance.randrange(STREAMS)
        number = self.versions.get(stream, 0) + 1
        save = save_of("p", stream, number)
        self.ledger._store.sequencer.submit(save)
        self.versions[stream] = number
        self.disk.note("save", (stream, number))
        return save


@dataclass(frozen=True)
class Verdict:
    """What a disk after a cut has lost; `refused`: the ledger did not open."""

    lost: int = 0
    refused: str = ""


def judge(copy: Path, told: list[tuple[str, Any]]) -> Verdict:
    """Start from an image as always, with the stock SQLite, and compare it with all that was told.

    Raises nothing: what is broken is said in the verdict.
    """
    bench = Bench(copy)
    bench.high_water = FolderHighWater(copy / "highwater", UNSYNCED)
    # Nothing is to survive this start: the image is judged, not used.
    bench.connect = lambda path: Weakened(connect(path), "OFF")  # type: ignore[method-assign,assignment]
    try:
        if ("created", None) not in told:
            with suppress(LedgerExists):
                bench.create()
        with closing(bench.open(pause=3600)) as ledger:
            return Verdict(lost=_lost(ledger, copy, told))
    except Exception as refused:  # a broken store may break anything: all of it counts
        return Verdict(refused=f"{getattr(refused, 'code', type(refused).__name__)}: {refused}")


def _lost(ledger: Ledger, copy: Path, told: list[tuple[str, Any]]) -> int:
    lost = 0
    blobs = Vault(copy / "blobs", files=UNSYNCED)
    levels = ledger._store.sequencer.levels
    # The second path over every stored entry, those below the mark too.
    with ledger._store.readers.snapshot() as reads:
        ended = SecondPath().root(reads, levels.size) != levels.root(levels.size)
        integrity = reads.connection.execute("PRAGMA quick_check").fetchall()
    lost += ended + (integrity != [("ok",)])
    for kind, value in told:
        if kind == "save":
            save = save_of("p", *value)
            lost += ledger.known(save.command, save.digest) is None
        elif kind == "blob":
            try:
                lost += hashlib.sha256(blobs.get(value)).hexdigest() != value
            except LedgerError:
                lost += 1
        elif kind == "note":
            checkpoint = parse_checkpoint(parse_note(value).text)
            size = checkpoint.size
            lost += size > levels.size or levels.root(size) != checkpoint.root
    return lost
