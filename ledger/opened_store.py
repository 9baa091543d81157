"""A store that is open for writing: the lock held for life, one writer, readers, the tree.

Closing goes in the order readers, writer, lock: the last connection empties the WAL, and nobody
else may open one before.
"""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from ledger.entry import Draft
from ledger.errors import LedgerAbsent, LedgerError, LedgerLocked, StoreDamaged
from ledger.fail_stop import FailStop
from ledger.files import Files
from ledger.ports import Ports
from ledger.readers import STORE, LogReader, Readers
from ledger.recovery import load_levels
from ledger.sequencer import Save, Sequencer
from ledger.sqlite import Judge, SqliteWriter

LOCK = "ledger.lock"


class OpenedStore:
    """The parts of a ledger that stand on one database file."""

    def __init__(self, folder: Path, ports: Ports, *, create: bool = False) -> None:
        path = folder / STORE
        if not create and not path.is_file():
            raise LedgerAbsent(str(path))
        self.fail_stop = FailStop(ports.halt)
        self._held = ExitStack()  # closed in the order readers, writer, lock
        try:
            self._take_lock(folder)
            judge = Judge(self.fail_stop)
            with judge("open the store"):
                connection = ports.connect(str(path))
            self._held.callback(connection.close)
            self.writer = SqliteWriter(connection, judge)
            self.readers = Readers(str(path), ports.connect, judge)
            self._held.callback(self.readers.close)
            self.reader = LogReader(self.readers)
            self.sequencer = self._ready(path, ports, create=create)
            self._make_names_durable(folder, ports.files)
        except BaseException:
            self._held.close()
            raise

    def _take_lock(self, folder: Path) -> None:
        lock = self._held.enter_context((folder / LOCK).open("ab"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerLocked(str(folder / LOCK)) from error

    def _make_names_durable(self, folder: Path, files: Files) -> None:
        """Sync the names of database and WAL: SQLite does it too, but ignores a failure."""
        try:
            files.sync_folder(folder)
        except OSError as error:
            raise self.fail_stop.trip(f"sync of {folder.name}: {error}") from error

    def _ready(self, path: Path, ports: Ports, *, create: bool) -> Sequencer:
        if not self.writer.exists():
            if not create:
                raise LedgerAbsent(str(path))
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
