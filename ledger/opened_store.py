"""A store that is open for writing: the home's lock held for life, the writer, readers, the tree.

Closing goes in the order readers, writer, lock: the last connection empties the WAL, and nobody
else may open one before.
"""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from ledger.entry import Draft
from ledger.errors import LedgerAbsent, LedgerError, LedgerLocked, StoreDamaged
from ledger.fail_stop import FailStop
from ledger.files import Files
from ledger.ports import Ports
from ledger.queue import Save
from ledger.readers import STORE, LogReader, Readers
from ledger.recovery import load_levels
from ledger.sequencer import Sequencer
from ledger.sqlite import SqliteDatabase

LOCK = "ledger.lock"


def check_unlocked(folder: Path) -> None:
    """Return quietly if no other process holds a home now, else raise LedgerLocked."""
    with (folder / LOCK).open("ab") as lock:
        _lock(lock, folder)


def _lock(lock: BinaryIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LedgerLocked(str(folder / LOCK)) from error


class OpenedStore:
    """The parts of a ledger that stand on one database."""

    def __init__(self, folder: Path, ports: Ports, *, create: bool = False) -> None:
        self.database = ports.database or SqliteDatabase(folder / STORE, ports.connect)
        if ports.database is None and not create and not (folder / STORE).is_file():
            raise LedgerAbsent(self.database.name)
        self.fail_stop = FailStop(ports.halt)
        self._held = ExitStack()  # closed in the order readers, writer, lock
        try:
            self._take_lock(folder)
            self._held.callback(self.database.close)
            self.writer = self.database.writer(self.fail_stop)
            self._held.callback(self.writer.close)
            self.readers = Readers(self.database, self.fail_stop)
            self._held.callback(self.readers.close)
            self.reader = LogReader(self.readers)
            self.sequencer = self._ready(ports, create=create)
            if ports.database is None:
                self._make_names_durable(folder, ports.files)
        except BaseException:
            self._held.close()
            raise

    def _take_lock(self, folder: Path) -> None:
        _lock(self._held.enter_context((folder / LOCK).open("ab")), folder)

    def _make_names_durable(self, folder: Path, files: Files) -> None:
        """Sync the names of database and WAL: SQLite does it too, but ignores a failure."""
        try:
            files.sync_folder(folder)
        except OSError as error:
            raise self.fail_stop.trip(f"sync of {folder.name}: {error}") from error

    def _ready(self, ports: Ports, *, create: bool) -> Sequencer:
        if not self.writer.exists():
            if not create:
                raise LedgerAbsent(self.database.name)
            self.writer.create()
        with self.readers.snapshot() as reads:
            try:
                levels = load_levels(reads)
            except (TypeError, ValueError, IndexError) as error:
                raise StoreDamaged(f"what is stored has not its type: {error}") from error
        return Sequencer(self.writer, levels, ports.clock, ports.rng, self.fail_stop)

    def append(self, command: str, digest: bytes, draft: Draft) -> None:
        """Record one entry of the ledger's own."""
        self.sequencer.submit(Save(command, digest, [draft]))

    def close(self) -> None:
        """End the batch in progress, close readers, then the writer, then give the lock back."""
        with suppress(LedgerError):
            self.sequencer.alone(self.fail_stop.close)
        self.sequencer.close()
        self._held.close()

    def __enter__(self) -> OpenedStore:
        """Use the store for the length of a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
