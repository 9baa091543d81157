"""C2SP tlog-tiles: the paths and the bytes of hash tiles and entry bundles.

Tiles are 256 wide, at tile levels 0, 1, 2… (tree heights 0, 8, 16…): `tile/<L>/<N>[.p/<W>]`, and
`tile/entries/<N>[.p/<W>]` for bundles of entries, each after its length as two bytes big-endian.
Every path and every file has one form; anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from crypto.log_errors import BundleRefused, PathRefused, TileRefused
from crypto.merkle import HASH_BYTES

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
TILES: Final = "tile"
ENTRIES: Final = -1
"""The level that stands for entry bundles."""

_MAX_LEVEL: Final = 5
_MAX_ENTRY: Final = 65_535
_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(
    r"tile/(entries|[0-5])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TilePath:
    """One file of a served log; width 256 is a full tile, less a partial one."""

    level: int
    n: int
    width: int = TILE_WIDTH

    def __str__(self) -> str:
        """Return the path below the log's address."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        groups = []
        rest = self.n
        while rest >= 1000:
            groups.append(f"{rest % 1000:03}")
            rest //= 1000
        groups.append(f"{rest:03}")
        number = "/".join([*(f"x{group}" for group in groups[:0:-1]), groups[0]])
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{number}{partial}"

    @classmethod
    def parse(cls, path: str) -> TilePath:
        """Read a path in its only form, or raise PathRefused."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise PathRefused(path)
        level, number, width = found.groups()
        parsed = cls(
            ENTRIES if level == "entries" else int(level),
            int(number.replace("/", "").replace("x", "")),
            TILE_WIDTH if width is None else int(width),
        )
        # Refuses a leading group of zeros and a width that is not partial.
        if str(parsed) != path or parsed.width > TILE_WIDTH:
            raise PathRefused(path)
        return parsed

    @property
    def full(self) -> TilePath:
        """The full tile that a partial one becomes."""
        return TilePath(self.level, self.n)


def is_tile_path(path: str) -> bool:
    """Say whether a path is one of a tile or bundle, in its only form."""
    try:
        TilePath.parse(path)
    except PathRefused:
        return False
    return True


def tiles_of(size: int) -> Iterator[TilePath]:
    """Yield every file that a log of exactly this size serves: bundles, then tiles by level."""
    yield from _row(ENTRIES, size)
    level = 0
    while size >> (TILE_HEIGHT * level):
        yield from _row(level, size)
        level += 1


def tile_at(level: int, n: int, size: int) -> TilePath:
    """Return tile n of a level as a log of this size serves it, partial or full."""
    height = 0 if level == ENTRIES else TILE_HEIGHT * level
    return TilePath(level, n, min(TILE_WIDTH, (size >> height) - n * TILE_WIDTH))


def write_tile(hashes: Sequence[bytes]) -> bytes:
    """Return the bytes of a tile."""
    return b"".join(hashes)


def read_tile(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile of exactly this width."""
    if len(data) != width * HASH_BYTES:
        raise TileRefused(len(data), width)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle."""
    parts = []
    for entry in entries:
        if len(entry) > _MAX_ENTRY:
            raise BundleRefused(f"an entry of {len(entry)} bytes has no length in two bytes")
        parts += [len(entry).to_bytes(_LENGTH_BYTES, "big"), entry]
    return b"".join(parts)


def read_bundle(data: bytes, width: int | None = None) -> list[bytes]:
    """Return the entries of a bundle: exactly this many, or all up to the last byte."""
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end if width is None else len(entries) < width:
        start = at + _LENGTH_BYTES
        # int.from_bytes, at half the price
        at = end + 1 if start > end else start + (data[at] << 8) + data[at + 1]
        if at > end:
            raise BundleRefused(f"it ends inside entry {len(entries)}")
        entries.append(data[start:at])
    if at != end:
        raise BundleRefused(f"{end - at} bytes after the last of {width} entries")
    return entries


def _row(level: int, size: int) -> Iterator[TilePath]:
    height = 0 if level == ENTRIES else TILE_HEIGHT * level
    count = size >> height
    bounds = [*range(0, count, TILE_WIDTH), count]
    for n, (start, end) in enumerate(pairwise(bounds)):
        yield TilePath(level, n, end - start)
