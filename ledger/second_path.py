"""The second path to a root (N5): what is stored is read back and hashed before a signature.

It shares nothing with the running tree: entries from another connection, leaves compared with the
stored ones and with the stored tile, the root of each tile by merkletools, the part above by
RFC 6962's recursion. A tile is verified once; the last, partial one each time.
"""

from __future__ import annotations

from collections.abc import Sequence

from crypto import merkle, merkle_peer
from ledger.entry import leaf
from ledger.errors import PathsDisagree
from ledger.store import Reads
from ledger.tiles import TILE_WIDTH, write_tile


class SecondPath:
    """Roots of the tiles that were verified; owned by whoever holds the signing lock."""

    def __init__(self, tile_roots: Sequence[bytes] = ()) -> None:
        self._roots = list(tile_roots)

    def root(self, reads: Reads, size: int) -> bytes:
        """Return the root over the first entries as they are stored, or raise PathsDisagree."""
        full = size // TILE_WIDTH
        for n in range(len(self._roots), full):
            leaves = _leaves(reads, n * TILE_WIDTH, (n + 1) * TILE_WIDTH)
            if reads.tiles(0, n, n + 1).get(n) != write_tile(leaves):
                raise PathsDisagree(f"tile {n} is not the tile of its entries")
            self._roots.append(merkle_peer.root(leaves))
        parts = self._roots[:full]
        if size % TILE_WIDTH:
            # What is complete below stands as one last, smaller leaf.
            parts.append(merkle_peer.root(_leaves(reads, full * TILE_WIDTH, size)))
        return merkle.root(parts)


def _leaves(reads: Reads, start: int, end: int) -> list[bytes]:
    rows = reads.rows(start, end)
    if [row.position for row in rows] != list(range(start, end)):
        raise PathsDisagree(f"positions {start} to {end - 1} are not all there")
    leaves = [leaf(row.entry) for row in rows]
    for row, hashed in zip(rows, leaves, strict=True):
        if row.leaf != hashed:
            raise PathsDisagree(
                f"leaf of position {row.position}, {row.stream} version {row.version}"
            )
    return leaves
