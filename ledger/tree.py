"""The whole tree in memory: rows of hashes, the right edge, and the tiles that became full.

One row of hashes a level costs 64 bytes an entry and makes every proof a walk over ready hashes.
The rows grow only after the commit (`adopt`), by the thread that commits; readers may use them at
any time for a size that was committed, because what stands in a row never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crypto import merkle
from crypto.log_errors import IndexOutside
from crypto.merkle import HASH_BYTES
from ledger.proofs import range_hash
from ledger.tiles import TILE_HEIGHT, TILE_WIDTH

TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Growth:
    """What a batch adds to the tree; nothing of it is visible before `Levels.adopt`."""

    size: int
    nodes: tuple[bytes, ...]
    hashes: tuple[bytes, ...]
    tiles: tuple[tuple[int, int, bytes], ...]

    @property
    def edge(self) -> bytes:
        """The right edge: roots of the complete subtrees, left (largest) to right."""
        return b"".join(self.hashes)


class Levels:
    """Hashes of all complete subtrees: row 0 the leaves, row k subtrees of 2**k leaves."""

    def __init__(self) -> None:
        self._rows: list[bytearray] = [bytearray()]
        self._edge: tuple[bytes, ...] = ()
        self._size = 0

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree of 2**level leaves at this index."""
        if index < 0 or (index + 1) << level > self._size:
            raise IndexOutside(index << level, self._size)
        return bytes(self._rows[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def root(self, size: int) -> bytes:
        """Return the root over the first leaves."""
        return range_hash(0, size, self.hash_at)

    def grow(self, leaves: Sequence[bytes]) -> Growth:
        """Compute what these leaves add, leaving the rows as they are."""
        added = [bytearray() for _ in range((self._size + len(leaves)).bit_length() or 1)]
        edge = list(self._edge)
        place = self._size
        for leaf in leaves:
            carry, index, level = leaf, place, 0
            added[0] += leaf
            while index & 1:
                carry = merkle.node_hash(edge.pop(), carry)
                index, level = index >> 1, level + 1
                added[level] += carry
            edge.append(carry)
            place += 1
        tiles = self._tiles(added, place)
        return Growth(place, tuple(map(bytes, added)), tuple(edge), tuple(tiles))

    def adopt(self, growth: Growth) -> None:
        """Take over what is durable now."""
        while len(self._rows) < len(growth.nodes):
            self._rows.append(bytearray())
        for level, nodes in enumerate(growth.nodes):
            self._rows[level] += nodes
        self._edge = growth.hashes
        # Last: a reader which sees the new size finds every hash below it.
        self._size = growth.size

    def _span(self, added: Sequence[bytearray], level: int, index: int, count: int) -> bytes:
        """Return hashes of a row, of which the last ones may be new."""
        start, end = index * HASH_BYTES, (index + count) * HASH_BYTES
        held = self._rows[level] if level < len(self._rows) else b""
        known = len(held)
        return bytes(held[start:end] + added[level][max(0, start - known) : max(0, end - known)])

    def _tiles(self, added: Sequence[bytearray], size: int) -> list[tuple[int, int, bytes]]:
        found = []
        for level in range(0, len(added), TILE_HEIGHT):
            tile_level = level // TILE_HEIGHT
            span = TILE_HEIGHT * (tile_level + 1)
            found += [
                (tile_level, n, self._span(added, level, n * TILE_WIDTH, TILE_WIDTH))
                for n in range(self._size >> span, size >> span)
            ]
        return found
