"""Check 5 of `ledger.md` §10: whatever a home holds more than once must agree.

Checks 2–4 run over every stored entry, those beyond the last published checkpoint too, and compare
the root at each published size and at the size of the mark. Then what only a home has: the columns
of `events` are those of the entry, tiles and edge are those of the leaves, commands point into the
log, cosignatures verify, blobs have the hash they are named by, private rows open to their
commitments. Views are compared by who rebuilds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from crypto import merkle
from crypto.blinding import open_row
from crypto.errors import CryptoError
from crypto.merkle import HASH_BYTES, CompactRange
from crypto.notes import Checkpoint
from crypto.policies import Policy
from crypto.timestamps import Certificates, Stamp
from ledger.anchors import AnchorRow, check_anchor
from ledger.command_rows import is_sound
from ledger.entry import MAX_BYTES, Row, parse
from ledger.errors import AnchorDiffers, EntryRefused
from ledger.fsck import Finding, Findings, Judged, Mark, inspect
from ledger.tiles import TILE_WIDTH, TilePath, read_bundle, read_tile, write_bundle, write_tile


class StoreReads(Protocol):
    """What is read of a store, all in one snapshot."""

    def head(self) -> tuple[int, bytes, str]:
        """Return size, edge (left to right) and largest `at`."""
        ...

    def rows(self, start: int, end: int) -> Sequence[Row]:
        """Return the rows of positions [start, end), in order."""
        ...

    def tiles(self, level: int, start: int, end: int) -> Mapping[int, bytes]:
        """Return the full tiles [start, end) of a level that are stored."""
        ...


@dataclass(frozen=True, slots=True)
class CommandRow:
    """Where the entries of a command stand, and its check (``ledger/command_rows.py``)."""

    key: str
    first: int
    count: int
    stored: bytes


class PrivateRow(NamedTuple):
    """A private row with the key of its subject."""

    commitment: bytes
    subject_key: bytes
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Home:
    """Everything of a home that fsck reads; iterables are read once, in any order."""

    origin: str
    reads: StoreReads
    mark: bytes | None
    checkpoints: Iterable[tuple[int, bytes]] = ()
    """Size column and note of each published checkpoint, with its cosignatures."""
    commands: Iterable[CommandRow] = ()
    blobs: Iterable[tuple[str, str]] = ()
    """Name, and the SHA-256 of the bytes found under it, in hexadecimal."""
    private_rows: Iterable[PrivateRow] = ()
    anchors: Iterable[AnchorRow] = ()
    trusted: Certificates = ()
    """Roots under which the tokens of anchors are judged."""


@dataclass(frozen=True, slots=True)
class SoundHome:
    """A home in which every copy agrees: the head, and the last published checkpoint."""

    head: Checkpoint
    published: Checkpoint | None
    streams: int
    stamps: Mapping[int, Stamp] = field(default_factory=dict)
    """The verified time stamp of each anchored size."""


def fsck_home(
    home: Home,
    policy: Policy,
    pins: Sequence[bytes] = (),
    progress: Callable[[int], None] = lambda entries: None,
) -> SoundHome:
    """Return the home once it is proven sound, else raise LogUnsound."""
    report = Findings()
    size, edge, _ = home.reads.head()
    head = Checkpoint(home.origin, size, _edge_root(size, edge, report))
    notes = dict(home.checkpoints)
    published = _published(notes, policy, report)
    marks = [Mark(one, "root", f"the checkpoint {one.size}") for one in published]
    marks += _signed(pins, policy, "pin", report)
    if home.mark is not None:
        marks += _signed([home.mark], policy, "mark", report)
    elif size > 1:
        report.add(Finding("mark", f"no mark outside the database for {size} entries"))
    inspected = inspect(_StoredLog(home.reads, size, report), head, marks, report, progress)
    mark = [] if home.mark is None else [home.mark]
    inspected.check_signers(policy.log_alone(), [*notes.values(), *mark, *pins], report)
    _check_commands(home, size, report)
    _check_blobs(home, report)
    _check_private_rows(home, report)
    stamps = _check_anchors(home, notes, policy, report)
    if report.counts:
        raise report.refusal()
    newest = max(published, key=lambda one: one.size, default=None)
    return SoundHome(head, newest, inspected.streams, stamps)


class _StoredLog:
    """The rows of a store in the shape of a served log; columns are compared on the way."""

    def __init__(self, reads: StoreReads, size: int, report: Findings) -> None:
        self._reads = reads
        self._size = size
        self._report = report
        self._rows: Sequence[Row] = ()  # those of the bundle that was read last

    def read(self, path: str) -> bytes | None:
        """Return a stored tile, or a partial tile as it would be served."""
        tile = TilePath.parse(path)
        start = tile.n * TILE_WIDTH
        if tile.width == TILE_WIDTH:
            return self._reads.tiles(tile.level, tile.n, tile.n + 1).get(tile.n)
        if tile.level == 0:
            return write_tile([row.leaf for row in self._reads.rows(start, start + tile.width)])
        below = self._reads.tiles(tile.level - 1, start, start + tile.width)
        return write_tile([merkle.root(read_tile(below[n], TILE_WIDTH)) for n in sorted(below)])

    def entries(self, path: TilePath) -> list[bytes]:
        """Return the entries of a bundle, which a served log could have."""
        start = path.n * TILE_WIDTH
        self._rows = self._reads.rows(start, start + path.width)
        entries = [row.entry for row in self._rows]
        if len(entries) != path.width or max(map(len, entries)) > MAX_BYTES:
            self.compare(start, [merkle.leaf_hash(each) for each in entries], _judged(entries))
            return read_bundle(write_bundle(entries), path.width)
        return entries

    def compare(self, start: int, leaves: Sequence[bytes], links: Sequence[Judged]) -> None:
        """Compare the columns of the rows that were read with their entries."""
        expected = start
        for (position, stream, version, kind, leaf, _), link, hashed in zip(
            self._rows, links, leaves, strict=True
        ):
            if position != expected:
                place = (position, stream, version)
                self._report.add(Finding("columns", f"position {expected} is missing", *place))
                return
            expected += 1
            if isinstance(link, EntryRefused):
                continue  # reported with its rule by the check of entries
            if (stream, version, kind, leaf) != (link.stream, link.version, link.kind, hashed):
                place = (position, stream, version)
                self._report.add(Finding("columns", "the row is not that of its entry", *place))


def _judged(entries: Sequence[bytes]) -> list[Judged]:
    """Return what there is to be read of rows that make no bundle."""
    found: list[Judged] = []
    for data in entries:
        try:
            found.append(parse(data))
        except EntryRefused as refused:
            found.append(refused)
    return found


def _edge_root(size: int, edge: bytes, report: Findings) -> bytes:
    hashes = [edge[at : at + HASH_BYTES] for at in range(0, len(edge), HASH_BYTES)]
    try:
        return CompactRange.from_hashes(size, hashes).root()
    except CryptoError as error:
        report.add(Finding("edge", str(error)))
        return b""


def _published(notes: Mapping[int, bytes], policy: Policy, report: Findings) -> list[Checkpoint]:
    found = []
    for size, note in notes.items():
        try:
            # Known cosignatures must verify; a beat is published with as many as came.
            checkpoint = policy.without_quorum().verify(note).checkpoint
        except CryptoError as error:
            report.add(Finding(error.code, f"published checkpoint {size}: {error}"))
            continue
        if checkpoint.size != size:
            report.add(Finding("columns", f"checkpoint {checkpoint.size} is stored as {size}"))
        found.append(checkpoint)
    return found


def _signed(notes: Sequence[bytes], policy: Policy, code: str, report: Findings) -> list[Mark]:
    marks = []
    for note in notes:
        try:
            checkpoint = policy.log_alone().verify(note).checkpoint
        except CryptoError as error:
            report.add(Finding(error.code, f"the {code}: {error}"))
        else:
            marks.append(Mark(checkpoint, code, f"the {code}"))
    return marks


def _check_commands(home: Home, size: int, report: Findings) -> None:
    for row in home.commands:
        if row.first < 0 or row.count < 1 or row.first + row.count > size:
            named = f"{row.count} entries from {row.first}"
            detail = f"command {row.key} names {named} in a log of {size}"
            report.add(Finding("command", detail))
        elif not is_sound(row.key, row.stored, row.first, row.count):
            report.add(Finding("command", f"command {row.key} is not the row that was written"))


def _check_blobs(home: Home, report: Findings) -> None:
    for name, found in home.blobs:
        if name != found:
            report.add(Finding("blob", f"the blob {name} has the hash {found}"))


def _check_private_rows(home: Home, report: Findings) -> None:
    for row in home.private_rows:
        try:
            open_row(row.commitment, row.subject_key, row.nonce, row.ciphertext)
        except CryptoError as error:
            report.add(Finding("commitment", f"private row {row.commitment.hex()}: {error}"))


def _check_anchors(
    home: Home, notes: Mapping[int, bytes], policy: Policy, report: Findings
) -> dict[int, Stamp]:
    stamps = {}
    for row in home.anchors:
        place = (row.position, row.stream, row.version)
        try:
            stamp = check_anchor(row, notes.get(row.size), policy.logs, home.trusted)
        except (CryptoError, AnchorDiffers) as error:
            report.add(Finding("anchor", f"anchor of size {row.size}: {error}", *place))
        else:
            if stamp is not None:
                stamps[row.size] = stamp
    return stamps
