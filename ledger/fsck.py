"""Is a log what its checkpoint says? Checks 1–4 of `ledger.md` §10 over the files of a log.

1. The checkpoint under the policy; a pin larger than it, or of another origin, refuses.
2. Every entry: profile, fields, genesis, chains, time.
3. Every leaf and tile recomputed from entries and compared byte for byte; no other file there.
4. Recomputed root = signed root; root at the pin's size = the pin's.

The first finding is named and all are counted: a report that stops at one fault says nothing about
its extent. Nothing is kept between runs, so a run that was stopped is simply run again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple, Protocol, TypeAlias

from crypto.errors import CryptoError
from crypto.log_errors import BundleRefused, PathRefused, TileMissing, TileRefused
from crypto.notes import Checkpoint
from crypto.policies import Policy
from ledger.chains import Chains
from ledger.entry import Entry, parse
from ledger.errors import EntryRefused, LedgerError
from ledger.exported import LogFiles, LogFolder, read_checkpoint, read_entries
from ledger.links import Link
from ledger.proofs import read_tile_or_full
from ledger.rising_tree import RisingTree
from ledger.shapes import Shapes
from ledger.tiles import ENTRIES, TILE_WIDTH, TilePath, tile_at

_KEPT: Final = 1000

Judged: TypeAlias = Link | Entry | EntryRefused
"""What was read of an entry, of entry 0 all of it, or why it is none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: the rule it breaks and, where an entry breaks it, which one."""

    code: str
    detail: str
    position: int | None = None
    stream: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class SoundLog:
    """A log all of whose entries, chains and tiles are what its verified checkpoint says."""

    checkpoint: Checkpoint
    cosignatures: Mapping[str, int]
    streams: int
    pins: tuple[Checkpoint, ...]


class LogUnsound(LedgerError):
    """A log with at least one finding; `counts` has all of them by code."""

    code = "log.unsound"

    def __init__(self, findings: Sequence[Finding], counts: Mapping[str, int]) -> None:
        self.first = findings[0]
        self.findings = tuple(findings)
        self.counts = dict(counts)
        self.total = sum(counts.values())
        place = "" if self.first.position is None else f" at position {self.first.position}"
        what = f"first {self.first.code}{place}: {self.first.detail}"
        super().__init__(f"{self.total} findings, {what}")


def fsck(
    files: LogFiles,
    policy: Policy,
    pins: Sequence[bytes] = (),
    progress: Callable[[int], None] = lambda entries: None,
) -> SoundLog:
    """Return the log once it is proven sound, else raise LogUnsound."""
    report = Findings()
    # 1 without a believed checkpoint nothing else can be judged
    try:
        verified = policy.verify(read_checkpoint(files))
        pinned = [policy.log_alone().verify(pin).checkpoint for pin in pins]
    except CryptoError as error:
        report.add(Finding(error.code, str(error)))
        raise report.refusal() from error
    checkpoint = verified.checkpoint
    marks = [Mark(pin, "pin", "the pin") for pin in pinned]
    if isinstance(files, LogFolder):
        for name in files.strays():
            report.add(Finding(PathRefused.code, str(PathRefused(name))))
    # 2, 3, 4
    streams = inspect(_Served(files), checkpoint, marks, report, progress)
    if report.counts:
        raise report.refusal()
    return SoundLog(checkpoint, verified.cosignatures, streams, tuple(pinned))


class Mark(NamedTuple):
    """A signed state that the log must have passed through; `code` is of a finding against it."""

    checkpoint: Checkpoint
    code: str
    name: str


class Inspected(Protocol):
    """What checks 2–4 read, wherever it is kept."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a tile, or None where there is none."""

    def entries(self, path: TilePath) -> list[bytes]:
        """Return the entries of a bundle, or raise TileMissing or BundleRefused."""

    def compare(self, start: int, leaves: Sequence[bytes], links: Sequence[Judged]) -> None:
        """Compare what is kept beside these entries with what they say."""


class _Served:
    """A log as files, which hold nothing beside the entries."""

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self.read = files.read

    def entries(self, path: TilePath) -> list[bytes]:
        return read_entries(self._files, path)

    def compare(self, start: int, leaves: Sequence[bytes], links: Sequence[Judged]) -> None:
        pass


def inspect(
    files: Inspected,
    head: Checkpoint,
    marks: Sequence[Mark],
    report: Findings,
    progress: Callable[[int], None],
) -> int:
    """Do checks 2–4 up to a head, and compare the marks; return the number of streams."""
    older = [mark for mark in marks if _is_older(mark, head, report)]
    inspection = _Inspection(files, head, older, report)
    for n in range(-(-head.size // TILE_WIDTH)):
        if not inspection.take_bundle(n):
            break
        progress(inspection.tree.size)
    else:
        inspection.finish()
    return inspection.chains.streams


@dataclass(slots=True)
class Findings:
    """Findings in order; all are counted, the first thousand are kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Count one more."""
        self.counts[finding.code] += 1
        if len(self.kept) < _KEPT:
            self.kept.append(finding)

    def refusal(self) -> LogUnsound:
        """Return what is raised when something was found."""
        return LogUnsound(self.kept, self.counts)


def _is_older(mark: Mark, head: Checkpoint, report: Findings) -> bool:
    (origin, size), name = (mark.checkpoint.origin, mark.checkpoint.size), mark.name
    if origin != head.origin:
        report.add(Finding(mark.code, f"{name} is of {origin}, the log is {head.origin}"))
    elif size > head.size:
        report.add(Finding(mark.code, f"{name} has size {size}, the log {head.size}"))
    else:
        return True
    return False


class _Inspection:
    """One pass over the bundles of a log, in order."""

    def __init__(
        self,
        files: Inspected,
        checkpoint: Checkpoint,
        marks: Sequence[Mark],
        report: Findings,
    ) -> None:
        self.tree = RisingTree()
        self.chains = Chains(checkpoint.origin)
        self._shapes = Shapes()
        self._files = files
        self._checkpoint = checkpoint
        self._marks = defaultdict[int, list[Mark]](list)
        for mark in marks:
            self._marks[(mark.checkpoint.size - 1) // TILE_WIDTH].append(mark)
        self._report = report

    def take_bundle(self, n: int) -> bool:
        """Check one bundle and its leaf tile; False where neither tells the leaves."""
        start = n * TILE_WIDTH
        size = self._checkpoint.size
        stored = self._tile(tile_at(0, n, size))
        try:
            entries = self._files.entries(tile_at(ENTRIES, n, size))
        except (TileMissing, BundleRefused) as error:
            self._report.add(Finding(error.code, str(error), start))
            leaves = stored
        else:
            # merkle.leaf_hash, without a call for each entry
            leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
            self._entries(start, entries, leaves)
            self._compare(tile_at(0, n, size), leaves, stored)
        if leaves is None:
            return False
        for mark in self._marks[n]:
            self._mark_root(mark, leaves[: mark.checkpoint.size - start])
        for level, number, hashes in self.tree.grow(leaves):
            path = TilePath(level, number)
            self._compare(path, hashes, self._tile(path))
        return True

    def finish(self) -> None:
        """Check the partial tiles above the leaves, and the root."""
        for level, number, hashes in self.tree.partial_tiles():
            path = TilePath(level, number, len(hashes))
            self._compare(path, hashes, self._tile(path))
        if self.tree.root() != self._checkpoint.root:
            self._report.add(Finding("root", "the entries do not lead to the signed root"))

    def _entries(self, start: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        links: list[Judged] = list(self._shapes.read_all(entries))
        if not start and isinstance(links[0], Link):
            links[0] = parse(entries[0])
        self._files.compare(start, leaves, links)
        for position, (link, leaf) in enumerate(zip(links, leaves, strict=True), start):
            if isinstance(link, EntryRefused):
                self._report.add(Finding(link.code, str(link), position))
                continue
            if isinstance(link, Link):
                faults = self.chains.follow(link, leaf)
            else:
                faults = self.chains.begin(link, leaf)
            for code, detail in faults:
                self._report.add(Finding(code, detail, position, link.stream, link.version))

    def _tile(self, path: TilePath) -> list[bytes] | None:
        try:
            return read_tile_or_full(path, lambda wanted: self._files.read(str(wanted)))
        except (TileMissing, TileRefused) as error:
            self._report.add(Finding(error.code, str(error)))
            return None

    def _compare(
        self, path: TilePath, computed: Sequence[bytes], stored: Sequence[bytes] | None
    ) -> None:
        if stored is not None and stored != computed:
            place = next(i for i, (a, b) in enumerate(zip(computed, stored, strict=True)) if a != b)
            position = (path.n * TILE_WIDTH + place) << (8 * path.level)
            self._report.add(Finding("tile", f"{path} is not the tile of its entries", position))

    def _mark_root(self, mark: Mark, leaves: Sequence[bytes]) -> None:
        if self.tree.root(leaves) != mark.checkpoint.root:
            detail = f"the log has another root at size {mark.checkpoint.size} than {mark.name}"
            self._report.add(Finding(mark.code, detail))
