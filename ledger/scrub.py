"""Scrub: what was written long ago is read again, a slice at a time, and what changed is named.

Checks 2-5 of `ledger.md` §10 at a low rate: one slice is 256 entries with their tile, or what spans
the log (head, upper tiles, marks, commands), or the blobs of one first byte. Of the three copies of
a leaf hash (entry, column, tile) the one that differs from the others is named. A slice needs
nothing of the one before, so a pass goes on after a restart where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple

from crypto.policies import Policy
from ledger.chains import NO_ENTRY
from ledger.entry import Entry, Row, leaf, parse
from ledger.errors import EntryRefused
from ledger.fsck import Finding
from ledger.scrub_span import span_findings
from ledger.store import Reads
from ledger.tiles import TILE_WIDTH, read_tile

PASS_S: Final = 7 * 86_400
BLOB_SLICES: Final = 256
PARTS = ENTRIES, SPAN, BLOBS = "entries", "span", "blobs"


class Slice(NamedTuple):
    """Where a pass is: the next thing to read."""

    part: str = ENTRIES
    n: int = 0


@dataclass(frozen=True)
class Stored:
    """What a scrub reads: the log, its mark, and the blobs with who needs them."""

    snapshot: Callable[[], AbstractContextManager[Reads]]
    policy: Policy
    mark: Callable[[], bytes | None]
    blobs: Callable[[int], Iterable[tuple[str, str]]]
    """Name, and hash of what is found under it, of the blobs with this first byte."""
    needed: Callable[[], Mapping[str, str]]
    """The blobs that must be there, each with the stream that it belongs to."""
    copies: Callable[[], Iterable[tuple[str, str]]] = tuple
    """Name, and fault in one of two copies, of blobs just read of which the other is sound."""


def slices(size: int) -> int:
    """Return the number of slices of a whole pass."""
    return -(-size // TILE_WIDTH) + 1 + BLOB_SLICES


def scrub_slice(stored: Stored, place: Slice) -> tuple[Slice, list[Finding]]:
    """Read one slice; return the next one, `Slice()` after the last, and what was found."""
    if place.part == BLOBS:
        following = Slice(BLOBS, place.n + 1) if place.n + 1 < BLOB_SLICES else Slice()
        return following, list(_blobs(stored, place.n))
    if place.part == SPAN:
        mark = stored.mark()  # before the snapshot, so that it is never ahead of it
        with stored.snapshot() as reads:
            return Slice(BLOBS), list(span_findings(reads, stored.policy, mark))
    with stored.snapshot() as reads:
        size = reads.head().size
        found = list(_entries(reads, place.n, size))
    more = (place.n + 1) * TILE_WIDTH < size
    return (Slice(ENTRIES, place.n + 1) if more else Slice(SPAN)), found


def missing_blobs(stored: Stored, here: Callable[[str], bool]) -> list[Finding]:
    """Return the needed blobs that are not there: quick, for every beat before a deadline (T10)."""
    return [_missing(name, stream) for name, stream in stored.needed().items() if not here(name)]


def _missing(name: str, stream: str) -> Finding:
    return Finding("sealed-missing", f"the blob {name} is gone", None, stream)


def _blobs(stored: Stored, byte: int) -> Iterator[Finding]:
    first = f"{byte:02x}"
    needed = {name: to for name, to in stored.needed().items() if name.startswith(first)}
    here = set()
    for name, found in stored.blobs(byte):
        here.add(name)
        if name != found:
            detail = f"the blob {name} has the hash {found}"
            yield Finding("blob", detail, None, needed.get(name))
    for name, fault in stored.copies():
        yield Finding("blob-copy", f"the blob {name}: {fault}", None, needed.get(name))
    for name in sorted(needed.keys() - here):
        yield _missing(name, needed[name])


# -- entries ---------------------------------------------------------------------------------


def _entries(reads: Reads, n: int, size: int) -> Iterator[Finding]:
    start = n * TILE_WIDTH
    end = min(size, start + TILE_WIDTH)
    stored = reads.tiles(0, n, n + 1).get(n) if end == start + TILE_WIDTH else None
    if stored is None and end == start + TILE_WIDTH:
        yield Finding("tile", f"tile 0/{n} is missing", start)
    tile = read_tile(stored, TILE_WIDTH) if stored is not None else None
    rows = {row.position: row for row in reads.rows(start, end)}
    max_at = reads.head().max_at
    for position in range(start, end):
        row = rows.get(position)
        if row is None:
            yield Finding("missing", f"position {position} is not there", position)
        else:
            yield from _row(reads, row, tile[position - start] if tile else None, max_at)


def _row(reads: Reads, row: Row, copy: bytes | None, max_at: str) -> Iterator[Finding]:
    place = (row.position, row.stream, row.version)
    hashed = leaf(row.entry)
    if hashed != row.leaf or copy not in (None, hashed):
        code, detail = _damaged(row.position, hashed, row.leaf, copy)
        yield Finding(code, detail, *place)
    try:
        entry = parse(row.entry)
    except EntryRefused as refused:
        yield Finding(refused.code, str(refused), *place)
        return
    proven = hashed in (row.leaf, copy)
    if (row.stream, row.version, row.kind) != (entry.stream, entry.version, entry.kind):
        named = (row.position, entry.stream, entry.version) if proven else place
        yield Finding("columns", "the row is not that of its entry", *named)
    if proven:
        yield from _chain(reads, entry, row.position)
    if entry.at > max_at:
        yield Finding("head", f"the largest time is {max_at}, an entry has {entry.at}", *place)


def _damaged(position: int, entry: bytes, column: bytes, tile: bytes | None) -> tuple[str, str]:
    """Return which of the copies of a leaf hash stands alone."""
    if entry == column:
        return "tile", f"the tile has another leaf for position {position}"
    if entry == tile:
        return "leaf", "the stored leaf is not that of the entry, which the tile proves"
    if column == tile:
        return "entry", "the entry is not that of its leaf, which the tile proves"
    return "entry", "entry and leaf differ, nothing proves either"


def _chain(reads: Reads, entry: Entry, position: int) -> Iterator[Finding]:
    """Check the link to the entry before; what is damaged there is named there."""
    if position == 0:
        expected = {NO_ENTRY}
    elif entry.version == 1:
        expected = {known for row in reads.rows(0, 1) for known in _hashes(row)}
    else:
        before = reads.stream(entry.stream, after=entry.version - 2, last=entry.version - 1)
        expected = {known for row in before for known in _hashes(row)}
    if entry.prev not in expected:
        place = (position, entry.stream, entry.version)
        yield Finding("chain", f"it links to {entry.prev}, which is not the entry before", *place)


def _hashes(row: Row) -> set[str]:
    return {row.leaf.hex(), leaf(row.entry).hex()}
