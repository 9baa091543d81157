"""Reading the log: beside the writer in one process, or by a command beside a running server.

Nothing published goes beyond the last published checkpoint: a tile of a larger log is absent, with
the same answer as a tile that does not exist.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crypto import merkle
from crypto.log_errors import PathRefused
from ledger.entry import Row
from ledger.errors import LedgerAbsent, NoSuchEntry, NotPublished
from ledger.exported import CHECKPOINT, hashes_of
from ledger.fail_stop import FailStop
from ledger.ports import Database, never_halt
from ledger.proofs import root_at
from ledger.receipt import checkpoint_of, make_receipt
from ledger.sqlite import SqliteDatabase
from ledger.store import FOREVER, Connection, Reader, Reads
from ledger.tiles import ENTRIES, TILE_WIDTH, TilePath, tile_at, write_bundle

STORE = "ledger.db"


class Readers:
    """As many reading connections as threads read at once; they are kept and used again."""

    def __init__(self, database: Database, fail_stop: FailStop) -> None:
        self._database = database
        self._fail_stop = fail_stop
        self._changed = threading.Condition()
        # under _changed:
        self._idle: list[Reader] = []
        self._busy = 0

    @contextmanager
    def snapshot(self) -> Iterator[Reads]:
        """Let several reads see one state of the store."""
        with self._reader() as reader, reader.snapshot() as reads:
            yield reads

    @contextmanager
    def once(self) -> Iterator[Reads]:
        """Let one statement read the store, without a transaction around it."""
        with self._reader() as reader, reader.once() as reads:
            yield reads

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        with self._changed:
            self._fail_stop.check()
            reader = self._idle.pop() if self._idle else None
            self._busy += 1
        try:
            if reader is None:
                reader = self._database.reader(self._fail_stop)
            yield reader
        finally:
            self._return(reader)

    def _return(self, reader: Reader | None) -> None:
        """Keep a connection for the next snapshot, unless it was lost."""
        with self._changed:
            self._busy -= 1
            if reader is not None and reader.usable:
                self._idle.append(reader)
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for those who read, then close every connection; the writer closes after them."""
        self._fail_stop.close()
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0)
            readers, self._idle = self._idle, []
        for reader in readers:
            reader.close()


class LogReader:
    """What can be asked of a log without writing to it."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.snapshot = readers.snapshot
        self.once = readers.once

    def read(self, after: int, limit: int) -> list[Row]:
        """Return the rows of positions > after, in order; -1 begins with entry 0."""
        with self.once() as reads:
            return reads.rows(after + 1, FOREVER, limit)

    def grown_beyond(self, position: int) -> bool:
        """Say whether there are rows after a position."""
        return self.size() > position + 1

    def row(self, position: int) -> Row:
        """Return the row of one position, or raise NoSuchEntry."""
        with self.once() as reads:
            rows = reads.rows(position, position + 1)
        if not rows:
            raise NoSuchEntry(f"at position {position}")
        return rows[0]

    def stream(self, name: str, until: int | None = None) -> list[Row]:
        """Return the entries of a stream by version, up to and including a position."""
        with self.once() as reads:
            return reads.stream(name, end=FOREVER if until is None else until + 1)

    def size(self) -> int:
        """Return the number of entries as stored."""
        with self.snapshot() as reads:
            return reads.head().size

    def root(self, size: int) -> bytes:
        """Return the root that the stored tree has at a size."""
        return root_at(size, hashes_of(self.files(size), size))

    def published(self) -> bytes | None:
        """Return the newest published note with its cosignatures, None before the first."""
        with self.snapshot() as reads:
            found = reads.last_checkpoint()
        return None if found is None else found[1]

    def published_covering(self, position: int) -> bytes | None:
        """Return the first published note that covers a position, with its cosignatures."""
        with self.snapshot() as reads:
            found = reads.checkpoint(position + 1)
        return None if found is None else found[1]

    def published_receipt(self, position: int) -> bytes:
        """Return the receipt under the first published checkpoint, or raise NotPublished."""
        note = self.published_covering(position)
        if note is None:
            raise NotPublished
        row = self.row(position)
        size = checkpoint_of(note).size
        return make_receipt(row, note, hashes_of(self.files(size), size))

    def files(self, size: int | None = None) -> StoredLog:
        """Return the log of one size (else of the last published one) as its served files."""
        note = self.published()
        if size is None:
            if note is None:
                raise NotPublished
            size = checkpoint_of(note).size
        return StoredLog(self, size, note)

    def close(self) -> None:
        """Give the connections back."""
        self._readers.close()


class StoredLog:
    """A log of exactly one size as the files that it serves: tiles never change below it."""

    def __init__(self, reader: LogReader, size: int, note: bytes | None) -> None:
        self._reader = reader
        self._note = note
        self.size = size

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a path, or None where nothing is served."""
        if path == CHECKPOINT:
            return self._note
        try:
            return self.tile(TilePath.parse(path))
        except PathRefused:
            return None

    def tile(self, path: TilePath) -> bytes | None:
        """Return a tile or a bundle that a log of this size has, full or in its last width."""
        expected = tile_at(path.level, path.n, self.size)
        if not 0 < path.width <= expected.width:
            return None
        start = path.n * TILE_WIDTH
        with self._reader.snapshot() as reads:
            if path.level == ENTRIES:
                rows = reads.rows(start, start + path.width)
                return write_bundle([row.entry for row in rows])
            return _hashes(reads, path.level, start, start + path.width)


def _hashes(reads: Reads, level: int, start: int, end: int) -> bytes:
    """Return nodes [start, end) of a tile level: stored in a full tile, else recomputed."""
    n = start // TILE_WIDTH
    stored = reads.tiles(level, n, n + 1).get(n)
    if stored is not None:
        return stored[: (end - start) * 32]
    if level == 0:
        return b"".join(reads.leaves(start, end))
    below = reads.tiles(level - 1, start, end)
    return b"".join(_tile_root(below[each]) for each in range(start, end))


def _tile_root(hashes: bytes) -> bytes:
    return merkle.root([hashes[at : at + 32] for at in range(0, len(hashes), 32)])


def open_reader(folder: Path, connect: Callable[[str], Connection]) -> LogReader:
    """Open a home's log for reading only, also beside a running server; it is never written."""
    path = folder / STORE
    if not path.is_file():
        raise LedgerAbsent(str(path))
    return reader_of(SqliteDatabase(path, connect).alone())


def reader_of(database: Database) -> LogReader:
    """Return what can be asked of a stored log, after a first look at it."""
    reader = LogReader(Readers(database, FailStop(never_halt)))
    reader.size()
    return reader
