"""Reading in pieces with constant memory; this layer is handed open streams and knows no path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Reader(Protocol):
    """What a binary file opened for reading offers."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer from its beginning; return how many bytes came, 0 at the end."""
        ...


class Writer(Protocol):
    """What a binary file opened for writing offers."""

    def write(self, data: memoryview, /) -> object:
        """Take all of the data before returning: the buffer behind it is used again."""
        ...


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a stream in a buffer that is filled again some pieces later."""

    index: int
    buffer: bytearray
    size: int
    last: bool

    @property
    def view(self) -> memoryview:
        """The bytes of this piece, without a copy."""
        return memoryview(self.buffer)[: self.size]


def read_into(reader: Reader, view: memoryview) -> int:
    """Fill the view as far as the stream goes; short only at the end."""
    filled = 0
    while filled < len(view):
        count = reader.readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled


def read_exactly(reader: Reader, size: int) -> bytes:
    """Return the next bytes, fewer than ``size`` only at the end of the stream."""
    buffer = bytearray(size)
    return bytes(memoryview(buffer)[: read_into(reader, memoryview(buffer))])


def pieces(reader: Reader, size: int, room: int = 0, in_flight: int = 0) -> Iterator[Piece]:
    """Cut a stream into pieces of ``size``; at least one, which may be empty.

    Each buffer has ``room`` bytes more than a piece. The caller may still work on the
    ``in_flight`` newest pieces when it asks for the next one; older buffers are filled again.
    """
    ring = [bytearray(size + room) for _ in range(in_flight + 2)]
    filled = read_into(reader, memoryview(ring[0])[:size])
    index = 0
    while True:
        buffer, following = ring[index % len(ring)], ring[(index + 1) % len(ring)]
        # A full piece may be the last one: only the next read tells.
        ahead = read_into(reader, memoryview(following)[:size]) if filled == size else 0
        yield Piece(index, buffer, filled, last=ahead == 0)
        if ahead == 0:
            return
        filled, index = ahead, index + 1
