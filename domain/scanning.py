"""Malware in opened documents: what a scanner says of each, and what a scan leaves (§4.7, T22).

A scanner that does not answer never holds up an opening: its documents are "not scanned", which is
said wherever they are shown, and they can be scanned again. What was found stands in the ledger by
the place of the document, never by its name; the trace holds the words of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from crypto.canonical import Json, decode, encode
from crypto.digests import sha256

WHOLE: Final = 4 * 1024**3
"""Bytes of one envelope that are scanned at most."""


class ScanVerdict(StrEnum):
    """What came of scanning one document."""

    CLEAN = "CLEAN"
    MALWARE = "MALWARE"
    NOT_SCANNED = "NOT_SCANNED"


class NotScanned(StrEnum):
    """Why a document was not scanned."""

    NONE = "none"
    """No scanner is configured."""
    SILENT = "silent"
    """It cannot be reached, or did not answer in time."""
    ANSWER = "answer"
    """Its answer is not one that we know."""
    SIZE = "size"
    """The document is larger than it takes."""


@dataclass(frozen=True)
class Scan:
    """What a scanner says of one document."""

    verdict: ScanVerdict
    engine: str = ""
    signature: str = ""
    reason: NotScanned | None = None


class Scanner(Protocol):
    """An engine that looks for malware; it never raises for being away."""

    def scan(self, parts: Iterable[bytes], size: int) -> Scan:
        """Return what it says of a document, given by its parts."""


class NoScanner:
    """The scanner of a platform that has none."""

    def scan(self, parts: Iterable[bytes], size: int) -> Scan:
        """Say that nothing was scanned."""
        return Scan(ScanVerdict.NOT_SCANNED, reason=NotScanned.NONE)


@dataclass(frozen=True)
class Piece:
    """One opened document: its place in the list, from 1 on, its size, its bytes."""

    place: int
    size: int
    parts: Callable[[], Iterator[bytes]]

    @property
    def file(self) -> str:
        """The name under which the ledger knows it (``envelope.md`` §6)."""
        return f"piece-{self.place:04}"


@dataclass(frozen=True)
class Looked:
    """What one scan found in an envelope, document by document; ``at``: when it began."""

    at: str
    scans: tuple[tuple[str, Scan], ...]

    @property
    def malware(self) -> tuple[str, Scan] | None:
        """The first document with malware, None where none was found."""
        return next((one for one in self.scans if one[1].verdict == ScanVerdict.MALWARE), None)

    @property
    def trace(self) -> bytes:
        """The canonical bytes that are kept; the ledger names their hash."""
        rows: list[Json] = [
            {"file": file, "verdict": scan.verdict.value, **_words(scan)}
            for file, scan in self.scans
        ]
        return encode({"at": self.at, "documents": rows, "v": 1})

    @property
    def trace_hash(self) -> str:
        """The hash of the trace, 64 hex."""
        return sha256(self.trace).hex()


def look(scanner: Scanner, pieces: Sequence[Piece], at: str) -> Looked:
    """Scan every document; once the scanner is silent, it is not waited for again.

    An opening has an end: beyond ``WHOLE`` bytes of one envelope the rest is not scanned.
    """
    found: list[tuple[str, Scan]] = []
    silent: Scan | None = None
    left = WHOLE
    for piece in pieces:
        if piece.size > left:
            scan = Scan(ScanVerdict.NOT_SCANNED, reason=NotScanned.SIZE)
        else:
            scan = silent or scanner.scan(piece.parts(), piece.size)
            left -= piece.size
        if scan.reason in {NotScanned.SILENT, NotScanned.NONE}:
            silent = scan
        found.append((piece.file, scan))
    return Looked(at, tuple(found))


def looked(trace: bytes) -> Looked:
    """Return what a kept trace says."""
    told = decode(trace)
    rows = told["documents"]
    assert isinstance(rows, list)  # noqa: S101 - `Looked.trace` alone is kept
    return Looked(str(told["at"]), tuple(_row(row) for row in rows if isinstance(row, dict)))


def _row(row: dict[str, Json]) -> tuple[str, Scan]:
    reason = row.get("reason")
    return str(row["file"]), Scan(
        ScanVerdict(str(row["verdict"])),
        engine=str(row.get("engine", "")),
        signature=str(row.get("signature", "")),
        reason=None if reason is None else NotScanned(str(reason)),
    )


def _words(scan: Scan) -> dict[str, Json]:
    words = {"engine": scan.engine, "signature": scan.signature, "reason": scan.reason or ""}
    return {name: str(word) for name, word in words.items() if word}
