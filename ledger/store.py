"""What every store of the log is made of: rows read by prepared texts, and what a writer does.

``ledger/sqlite.py`` and ``ledger/postgres.py`` hold what differs: locks, bulk writes, the judgement
of failures. What is read is the same, in the dialect of each (``ledger/tables.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, cast

from ledger import tables
from ledger.chains import Tip
from ledger.command_rows import bare_digest
from ledger.entry import Row

FOREVER: Final = 2**62
TRIED: Final = ("log/tried", b"", 0, 0)
"""The row of ``commands`` that `try_write` writes and takes away again: nobody ever sees it."""

Value = str | int | bytes
Params = Sequence[Value] | Mapping[str, Value]


class Cursor(Protocol):
    """What is used of a cursor."""

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""


class Connection(Protocol):
    """What is used of a connection."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, parameters: Params = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Params], /) -> Cursor:
        """Run one statement for each row."""

    def close(self) -> None:
        """Give the connection back."""


class Head(NamedTuple):
    """The right end of the log as stored: size, edge (left to right), largest `at`."""

    size: int
    edge: bytes
    max_at: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was recorded: digest of its content, first position, number of entries."""

    digest: bytes
    first: int
    count: int

    @classmethod
    def of_row(cls, stored: bytes, first: int, count: int) -> Command:
        """Return the command of a row: its column ``digest`` holds a check too."""
        return cls(bare_digest(stored), first, count)


class Begun(NamedTuple):
    """What a transaction that alone may write finds: the head, and what was asked for."""

    head: Head
    known: dict[str, Command]
    tips: dict[str, Tip]


# Row(*row) for each would be a third of the time of reading a whole log
_made: Final = cast("Callable[[tuple[Any, ...]], Row]", partial(tuple.__new__, Row))


def _rows(cursor: Cursor) -> list[Row]:
    return list(map(_made, cursor.fetchall()))


class Reads:
    """The reads of a store over one connection; several of them see one state in a snapshot."""

    texts = tables.SQLITE

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def head(self) -> Head:
        """Return the right end of the log."""
        return Head(*self.connection.execute(self.texts.head).fetchall()[0])

    def counted(self) -> tuple[int, int]:
        """Return the number of rows, and one more than the largest position."""
        count, largest = self.connection.execute(self.texts.count).fetchall()[0]
        return count, 0 if largest is None else largest + 1

    def rows(self, start: int, end: int, limit: int = FOREVER) -> list[Row]:
        """Return the rows of positions [start, end), in order."""
        params = {"start": start, "end": end, "limit": limit}
        return _rows(self.connection.execute(self.texts.rows, params))

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the stored leaves of positions [start, end)."""
        params = {"start": start, "end": end}
        found = self.connection.execute(self.texts.leaves, params).fetchall()
        return [row[0] for row in found]

    def tiles(self, level: int, start: int, end: int) -> dict[int, bytes]:
        """Return the full tiles [start, end) of a level that are stored."""
        params = {"level": level, "start": start, "end": end}
        return dict(self.connection.execute(self.texts.tiles, params).fetchall())

    def stream(  # noqa: PLR0913 - the bounds of one read
        self,
        stream: str,
        *,
        after: int = 0,
        last: int = FOREVER,
        end: int = FOREVER,
        backwards: bool = False,
        limit: int = FOREVER,
    ) -> list[Row]:
        """Return the entries of a stream by version, below a position."""
        sql = self.texts.stream_backwards if backwards else self.texts.stream
        params: Params = {
            "stream": stream,
            "after": after,
            "last": last,
            "end": end,
            "limit": limit,
        }
        return _rows(self.connection.execute(sql, params))

    def command(self, key: str) -> Command | None:
        """Return the record of a command."""
        found = self.connection.execute(self.texts.command, {"key": key}).fetchall()
        return Command.of_row(*found[0]) if found else None

    def checkpoint(self, least: int) -> tuple[int, bytes] | None:
        """Return the first published checkpoint of at least this size, with its cosignatures."""
        return self._note(self.texts.checkpoint, {"least": least, "limit": 1})

    def last_checkpoint(self) -> tuple[int, bytes] | None:
        """Return the newest published checkpoint, with its cosignatures."""
        return self._note(self.texts.last_checkpoint, {"limit": 1})

    def _note(self, sql: str, params: Params) -> tuple[int, bytes] | None:
        found = self.connection.execute(sql, params).fetchall()
        if not found:
            return None
        size, note = found[0]
        lines = self.connection.execute(self.texts.cosignatures, {"size": size}).fetchall()
        return size, note + b"".join(f"{line}\n".encode() for (line,) in lines)


class Reader(Protocol):
    """A connection that only reads, used by one thread at a time."""

    @property
    def usable(self) -> bool:
        """Whether the connection can be used again."""

    def snapshot(self) -> AbstractContextManager[Reads]:
        """Let several reads see one state."""

    def once(self) -> AbstractContextManager[Reads]:
        """Let one statement read, which sees one state by itself."""

    def close(self) -> None:
        """Give the connection back."""


class Writer(Protocol):
    """The connection that writes; owned by whoever leads a batch."""

    def exists(self) -> bool:
        """Tell whether the schema is there."""

    def create(self) -> None:
        """Create the empty schema, all or nothing."""

    def head(self) -> Head:
        """Return the right end of the log as this connection sees it."""

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the stored leaves of positions [start, end)."""

    def begin(self, keys: Sequence[str] = (), streams: Sequence[str] = ()) -> Begun:
        """Begin a transaction that alone may write; return the head, then `known` and `tips`."""

    def known(self, keys: Sequence[str]) -> dict[str, Command]:
        """Return the commands among these that were recorded."""

    def tips(self, streams: Sequence[str]) -> dict[str, Tip]:
        """Return the last entry of each of these streams that exists."""

    def write(
        self,
        rows: Sequence[Row],
        tiles: Sequence[tuple[int, int, bytes]],
        commands: Sequence[tuple[str, bytes, int, int]],
        old: Head,
        new: Head,
    ) -> None:
        """Write one batch inside the open transaction."""

    def try_write(self) -> None:
        """Write inside the open transaction, so that its commit syncs, and leave nothing."""

    def commit(self) -> None:
        """Make the transaction durable; when this returns, it is."""

    def rollback(self) -> None:
        """Give up the open transaction, if the failure has not ended it already."""

    def recover(self) -> None:
        """Stand on a working connection again, or raise StoreUnreachable."""

    def last_checkpoint(self) -> tuple[int, bytes] | None:
        """Return the newest published checkpoint, with its cosignatures."""

    def publish(self, size: int, note: bytes, cosignatures: Mapping[str, str]) -> None:
        """Store a published checkpoint with the lines of its witnesses, durably and at once."""

    def add_cosignatures(self, size: int, cosignatures: Mapping[str, str]) -> None:
        """Add lines that came late to a published checkpoint; one that is there stays."""

    def close(self) -> None:
        """Give the connection back."""
