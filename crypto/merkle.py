"""RFC 6962 trees: leaf and node hashes, roots, proofs and their checks, the compact range.

Leaf = SHA-256(0x00 || data), node = SHA-256(0x01 || left || right), empty root = SHA-256("").
Every function below takes leaf *hashes*. A proof does not always bind the size of the tree
(RFC 9162 §2.1.3): take sizes from a signed checkpoint only, and leaf hashes from entry bytes only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from crypto.log_errors import HashLength, InconsistentTrees, IndexOutside, ProofError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the leaf of one entry; the prefix keeps inner nodes from posing as entries."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the parent of two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    _check_lengths(leaves)
    if not leaves:
        return EMPTY_ROOT
    row, sha256 = list(leaves), hashlib.sha256
    while len(row) > 1:
        # A lone last node rises unchanged: that is RFC 6962's split at a power of two.
        # node_hash, without a call for each node: this is a fifth of a check of a whole log
        parents = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=False)
        ]
        row = parents + row[len(row) - len(row) % 2 :]
    return row[0]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges [start, end) whose roots prove a leaf, from the sibling up."""
    if not 0 <= index < size:
        raise IndexOutside(index, size)
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[tuple[int, int]]:
    """Return the ranges [start, end) whose roots prove that size first leads to size second."""
    if not 0 <= first <= second:
        raise InconsistentTrees(first, second, "the first is larger, or negative")
    if first in {0, second}:
        return []
    ranges = []
    start, end = 0, second
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # else the verifier starts from the first root, which it knows
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of one leaf, from the sibling up."""
    return [root(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(
    leaves: Sequence[bytes], first: int, second: int | None = None
) -> list[bytes]:
    """Return the proof that the tree of size first leads to that of size second (or of all)."""
    size = len(leaves) if second is None else second
    if size > len(leaves):
        raise IndexOutside(size, len(leaves))
    return [root(leaves[start:end]) for start, end in consistency_ranges(first, size)]


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Return quietly if leaf stands at index in the tree, else raise ProofError.

    There is deliberately no boolean result: a caller who forgets to look at one
    would accept a forged receipt.
    """
    _check_lengths((leaf, expected_root, *proof))
    if not 0 <= index < size:
        raise IndexOutside(index, size)
    place, last = index, size - 1
    reached = leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is longer than the tree is high")
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            place, last = _rise(place, last)
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    if last or reached != expected_root:
        raise ProofError(f"the proof of index {index} does not lead to the root of size {size}")


def check_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return quietly if the first tree is a prefix of the second, else raise ProofError."""
    _check_lengths((first_root, second_root, *proof))
    if not 0 <= first <= second:
        raise InconsistentTrees(first, second, "the first is larger, or negative")
    # Decided before RFC 9162's loop, which does not cover them: equal sizes, and size 0.
    if first in {0, second}:
        if proof:
            raise InconsistentTrees(first, second, "this proof must be empty")
        if first_root != (second_root if first == second else EMPTY_ROOT):
            raise InconsistentTrees(first, second, "the roots contradict each other")
        return
    if not proof:
        raise InconsistentTrees(first, second, "the proof is empty")
    _walk_consistency(first, second, first_root, second_root, proof)


def _walk_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 §2.1.4.2, for 0 < first < second and a proof that is not empty."""
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise InconsistentTrees(first, second, "the proof is longer than the tree is high")
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            place, last = _rise(place, last)
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    if last or older != first_root or newer != second_root:
        raise InconsistentTrees(first, second, "the proof does not lead to both roots")


def _rise(place: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a right edge node has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _split(size: int) -> int:
    """Return the largest power of two below size (size >= 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_lengths(hashes: Iterable[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise HashLength(len(value))


class CompactRange:
    """The right edge of a growing tree: one hash for each set bit of the size, left to right.

    It is owned by one thread; take a `copy` to try out appends that may be thrown away.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def from_hashes(cls, size: int, hashes: Sequence[bytes]) -> CompactRange:
        """Rebuild an edge that was stored; a wrong number of hashes raises ProofError."""
        _check_lengths(hashes)
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofError(f"an edge of {len(hashes)} hashes does not belong to size {size}")
        edge = cls()
        edge._size = size
        edge._hashes = list(hashes)
        return edge

    @property
    def size(self) -> int:
        """Number of leaves under the edge."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the full subtrees, left (largest) to right."""
        return tuple(self._hashes)

    def copy(self) -> CompactRange:
        """Return an edge that grows apart from this one."""
        return CompactRange.from_hashes(self._size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        _check_lengths((leaf,))
        carry = leaf
        place = self._size
        while place & 1:
            carry = node_hash(self._hashes.pop(), carry)
            place >>= 1
        self._hashes.append(carry)
        self._size += 1

    def root(self) -> bytes:
        """Return the root of the tree whose edge this is."""
        if not self._hashes:
            return EMPTY_ROOT
        reached = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            reached = node_hash(left, reached)
        return reached
