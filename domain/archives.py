"""What an archive inside an opened bid may be: entries, total, ratio, depth, overlap (N13).

Judged from its directory alone, before a byte is unpacked; nothing is looked into before the
opening. A refused archive is handed over as it was deposited: only its content is not listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from domain.errors import DomainError, refusal


@refusal
class ArchiveUnreadable(DomainError):
    """It is no archive that can be read in one way only."""

    code = "archive.unreadable"
    text = "the archive cannot be read: {reason}"
    reason: str


@refusal
class ArchiveEntries(DomainError):
    """More entries than are ever listed."""

    code = "archive.entries"
    text = "{asked} entries, {limit} are allowed"
    limit: int
    asked: int


@refusal
class ArchiveTotal(DomainError):
    """Unpacked it would be larger than any deposit."""

    code = "archive.total"
    text = "{asked} bytes when unpacked, {limit} are allowed"
    limit: int
    asked: int


@refusal
class ArchiveRatio(DomainError):
    """An entry, or all together, unpack to far more than they occupy."""

    code = "archive.ratio"
    text = "{size} bytes from {packed}, {limit} times as many are allowed"
    limit: int
    size: int
    packed: int


@refusal
class ArchiveOverlap(DomainError):
    """Two entries share bytes, or lie outside the file: one block counted many times."""

    code = "archive.overlap"
    text = "entries overlap at byte {place}"
    place: int


@refusal
class ArchiveDepth(DomainError):
    """Archives inside archives, deeper than anybody needs."""

    code = "archive.depth"
    text = "more than {limit} archives one inside the other"
    limit: int


@dataclass(frozen=True)
class ArchiveLimits:
    """The bounds; a document of an office suite is an archive too, so two levels are common."""

    entries: int = 10_000
    total: int = 4 * 1024**3
    ratio: int = 200
    spared: int = 1024**2
    """Below this size no ratio is asked for: small texts repeat themselves."""
    depth: int = 2
    inner: int = 8 * 1024**2
    """Largest archive inside an archive that is looked into."""
    work: int = 16 * 1024**2
    """Bytes unpacked for that in all."""


@dataclass(frozen=True)
class ArchiveEntry:
    """One row of a directory: sizes as it tells them, and where its bytes lie."""

    name: str
    packed: int
    size: int
    start: int
    end: int


@dataclass(frozen=True)
class ArchiveContents:
    """What is listed of a sound archive; ``unseen`` counts inner archives not looked into."""

    entries: int
    size: int
    unseen: int


class Archives(Protocol):
    """Reads directories of archives."""

    def contents(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> ArchiveContents | None:
        """Return what an archive holds, None for what is none; raise the reason it is refused."""


def check_count(entries: int, limits: ArchiveLimits) -> None:
    """Return quietly if so many entries may be read."""
    if entries > limits.entries:
        raise ArchiveEntries(limits.entries, entries)


def check_depth(depth: int, limits: ArchiveLimits) -> None:
    """Return quietly if an archive may lie so deep."""
    if depth > limits.depth:
        raise ArchiveDepth(limits.depth)


def check_entries(entries: Sequence[ArchiveEntry], end: int, limits: ArchiveLimits) -> None:
    """Return quietly if the entries of a directory that begins at ``end`` are within bounds."""
    check_count(len(entries), limits)
    total = sum(entry.size for entry in entries)
    if total > limits.total:
        raise ArchiveTotal(limits.total, total)
    whole = ArchiveEntry("", sum(entry.packed for entry in entries), total, 0, 0)
    for entry in (*entries, whole):
        if entry.size > max(limits.spared, entry.packed * limits.ratio):
            raise ArchiveRatio(limits.ratio, entry.size, entry.packed)
    place = 0
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if entry.start < place or entry.end > end:
            raise ArchiveOverlap(entry.start)
        place = entry.end
