"""A tree that is recomputed tile by tile, in the memory of its right edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crypto import merkle
from ledger.tiles import TILE_HEIGHT, TILE_WIDTH


class RisingTree:
    """Takes leaf hashes 256 at a time (the last time fewer) and gives every tile above them."""

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = [[]]  # unfinished tile of each level, leaves first

    def grow(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        """Add one leaf tile; yield (level, number, hashes) of each full tile above the leaves."""
        self.size += len(leaves)
        self._rows[0] = list(leaves)
        level = 0
        while len(self._rows[level]) == TILE_WIDTH:
            full, self._rows[level] = self._rows[level], []
            if level:
                yield level, (self.size >> (TILE_HEIGHT * (level + 1))) - 1, full
            level += 1
            if level == len(self._rows):
                self._rows.append([])
            self._rows[level].append(merkle.root(full))

    def partial_tiles(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """Yield (level, number, hashes) of each unfinished tile above the leaves."""
        for level, hashes in enumerate(self._rows[1:], 1):
            if hashes:
                yield level, self.size >> (TILE_HEIGHT * (level + 1)), hashes

    def root(self, leaves: Sequence[bytes] = ()) -> bytes:
        """Return the root, with these leaves of the next tile added."""
        reached: bytes | None = None
        for row in (list(leaves) or self._rows[0], *self._rows[1:]):
            # What is complete below stands as one last, smaller leaf of the row above it.
            parts = row if reached is None else [*row, reached]
            reached = merkle.root(parts) if parts else None
        return merkle.EMPTY_ROOT if reached is None else reached
