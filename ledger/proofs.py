"""Proofs over tiles in O(log n), and the C2SP tlog-proof text that carries one.

A proof is computed from `hash_at(level, index)`, the hash of the complete subtree of 2**level
leaves that starts at leaf index * 2**level; `TileHashes` answers it from tiles, the store from its
rows. All reads of one proof must come from one snapshot (`trust.md` N9): tiles never change, so any
reader of tiles gives that for a size that was once signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crypto import merkle
from crypto.log_errors import InconsistentTrees, IndexOutside, ProofError, TileMissing
from crypto.notes import Checkpoint, read_base64, read_decimal, write_base64
from crypto.policies import Policy
from ledger.tiles import TILE_HEIGHT, TILE_WIDTH, TilePath, read_tile, tile_at

HashAt = Callable[[int, int], bytes]

MAX_PROOF_HASHES: Final = 63
_HEADER: Final = "c2sp.org/tlog-proof@v1"


def range_hash(start: int, end: int, hash_at: HashAt) -> bytes:
    """Return the root of the leaves [start, end), a range that a proof may name."""
    if start == end:
        return merkle.EMPTY_ROOT
    # Complete subtrees from left to right; each following one is smaller.
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(hash_at(level, start >> level))
        start += 1 << level
    reached = parts.pop()
    while parts:
        reached = merkle.node_hash(parts.pop(), reached)
    return reached


def root_at(size: int, hash_at: HashAt) -> bytes:
    """Return the root of the tree of the first leaves."""
    return range_hash(0, size, hash_at)


def inclusion(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """Return the proof that leaf index stands in the tree of this size."""
    return [range_hash(*bounds, hash_at) for bounds in merkle.inclusion_ranges(index, size)]


def consistency(first: int, second: int, hash_at: HashAt) -> list[bytes]:
    """Return the proof that the tree of size first leads to that of size second."""
    return [range_hash(*bounds, hash_at) for bounds in merkle.consistency_ranges(first, second)]


class TileHashes:
    """`hash_at` over the tiles of a log of one size; each tile is read once.

    `read` returns the bytes of a path or None; a partial tile that is gone is read in the full one.
    """

    def __init__(self, size: int, read: Callable[[TilePath], bytes | None]) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of one complete subtree."""
        if index < 0 or (index + 1) << level > self._size:
            raise IndexOutside(index << level, self._size)
        tile_level, height = divmod(level, TILE_HEIGHT)
        n, place = divmod(index << height, TILE_WIDTH)
        return merkle.root(self._tile(tile_level, n)[place : place + (1 << height)])

    def _tile(self, level: int, n: int) -> list[bytes]:
        known = self._tiles.get((level, n))
        if known is None:
            path = tile_at(level, n, self._size)
            known = read_tile_or_full(path, self._read)
            self._tiles[level, n] = known
        return known


def read_tile_or_full(path: TilePath, read: Callable[[TilePath], bytes | None]) -> list[bytes]:
    """Return the hashes of a tile from its own file or, once grown, from the full one."""
    data = read(path)
    if data is not None:
        return read_tile(data, path.width)
    data = read(path.full)
    if data is None:
        raise TileMissing(str(path))
    return read_tile(data, TILE_WIDTH)[: path.width]


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry which stands at this index of a log, under a checkpoint that a policy believes."""

    entry: bytes
    index: int
    checkpoint: Checkpoint
    cosignatures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A C2SP tlog-proof: in receipts, `extra` holds the bytes of the entry."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        """Return the file."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {write_base64(self.extra)}")
        lines += [f"index {self.index}", *map(write_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.note

    @classmethod
    def parse(cls, data: bytes) -> TlogProof:
        """Read a proof strictly; the note in it is not judged here."""
        head, blank, note = data.partition(b"\n\n")
        if not blank or not head.isascii():
            raise ProofError("no empty line before the checkpoint, or no ASCII above it")
        header, *lines = head.decode().split("\n")
        if header != _HEADER:
            raise ProofError(f"the first line is {header[:40]!r}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = read_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise ProofError("no index line")
        index = read_decimal(lines.pop(0).removeprefix("index "))
        return cls(index, tuple(read_hashes(lines)), note, extra)

    def verify(self, policy: Policy, entry: bytes | None = None) -> ProvenEntry:
        """Return what is proven of the entry (the one given, else `extra`), or raise."""
        given = self.extra if entry is None else entry
        if given is None:
            raise ProofError("neither the proof nor the caller holds the entry")
        verified = policy.verify(self.note)
        checkpoint = verified.checkpoint
        merkle.check_inclusion(
            merkle.leaf_hash(given), self.index, checkpoint.size, self.hashes, checkpoint.root
        )
        return ProvenEntry(given, self.index, checkpoint, verified.cosignatures)


def read_hashes(lines: Sequence[str]) -> list[bytes]:
    """Return the hashes of a proof, one base64 a line, 63 at most."""
    if len(lines) > MAX_PROOF_HASHES:
        raise ProofError(f"{len(lines)} hashes, {MAX_PROOF_HASHES} at most")
    return [read_base64(line, merkle.HASH_BYTES) for line in lines]


def write_hashes(hashes: Sequence[bytes]) -> str:
    """Return the lines of a proof."""
    return "".join(f"{write_base64(value)}\n" for value in hashes)


def check_growth(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Return quietly if new is proven to be a later state of the same log as old, else raise."""
    if old.origin != new.origin:
        raise InconsistentTrees(old.size, new.size, f"{old.origin} is not {new.origin}")
    merkle.check_consistency(old.size, new.size, old.root, new.root, proof)
