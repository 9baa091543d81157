"""Every blob in two places: acknowledged when both hold it, read from the one that is sound (T10).

A reading that finds one copy missing or altered takes the other, and the right bytes go back to
where they were lost; each such repair is told in the journal. Only what is damaged in both places
is missing, or differs. A place that does not answer is no damage: reads go on with the other one,
writes wait until it is back.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from api.journal import say
from ledger.errors import BlobDiffers, BlobMissing, LedgerError
from ledger.vault import proven

if TYPE_CHECKING:
    from api.adapters.blobs import Blobs

PART: Final = 1024 * 1024
SPOOL: Final = 8 * 1024 * 1024
"""Bytes that are held in memory until both places have them; what is larger waits in a file."""
FIRST, SECOND = "first", "second"


class TwoCopies:
    """Two stores of blobs as one; with ``mends`` false it only reads, and names what is weak."""

    def __init__(self, first: Blobs, second: Blobs, scratch: Path, *, mends: bool = True) -> None:
        self._places = ((FIRST, first), (SECOND, second))
        self._scratch = str(scratch) if scratch.is_dir() else None
        self._mends = mends
        self._weak: list[tuple[str, str]] = []

    def put(self, data: bytes | Iterable[bytes]) -> str:
        """Store bytes durably in both places and return their name."""
        if isinstance(data, bytes):
            (name, _) = {place: store.put(data) for place, store in self._places}.values()
            return name
        with tempfile.SpooledTemporaryFile(SPOOL, dir=self._scratch) as file:
            for part in data:
                file.write(part)
            for _, store in self._places:
                file.seek(0)
                name = store.put(_parts(cast("BinaryIO", file)))
        return name

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Make a file of this machine durable that will be adopted."""
        self._places[0][1].sync(file, path)

    def adopt(self, name: str, path: Path) -> None:
        """Take over a file of this machine whose hash this is; the file is gone afterwards."""
        with path.open("rb") as file:
            self._places[1][1].put(_parts(file))
        self._places[0][1].adopt(name, path)

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a blob, None if it is in neither place."""
        refused: list[LedgerError] = []
        for _, store in self._places:
            try:
                if (found := store.size(name)) is not None:
                    return found
            except LedgerError as refusal:
                refused.append(refusal)
        if refused:  # it may lie where nobody answers
            raise refused[0]
        return None

    def open(self, name: str) -> BinaryIO:
        """Return a blob for reading: the sound copy, else one as it lies there.

        Raises BlobMissing where both places lack it; where none is sound and one does not answer,
        what that one raised.
        """
        faults: dict[str, LedgerError] = {}
        altered: BinaryIO | None = None
        for place, store in self._places:
            try:
                file = store.open(name)
            except LedgerError as fault:
                faults[place] = fault
                continue
            if _hash(file) == name:
                self._mend(name, file, faults)
                if altered is not None:
                    altered.close()
                return file
            faults[place] = BlobDiffers(name)
            if altered is not None:
                altered.close()
            altered = file
        silent = [one for one in faults.values() if not isinstance(one, BlobMissing | BlobDiffers)]
        if altered is not None and not silent:
            return altered
        if altered is not None:
            altered.close()
        raise silent[0] if silent else BlobMissing(name)

    def get(self, name: str) -> bytes:
        """Return the bytes of a blob once they have its hash, or raise BlobDiffers."""
        with self.open(name) as file:
            return proven(name, file.read())

    def names(self, first: str = "") -> Iterator[str]:
        """Yield the names of what lies in either place, in order."""
        rows = merge(*(store.names(first) for _, store in self._places))
        for name, _ in groupby(rows):
            yield name

    def scrub(self, first: str = "") -> Iterator[tuple[str, str]]:
        """Read both copies again; yield each name with its own hash where one copy is sound."""
        found = [(place, dict(store.scrub(first))) for place, store in self._places]
        for name in sorted(set().union(*(rows for _, rows in found))):
            hashes = [rows.get(name) for _, rows in found]
            if name in hashes and hashes != [name, name]:
                self._restore(name)
            yield name, name if name in hashes else str(next(filter(None, hashes)))

    def weak(self) -> list[tuple[str, str]]:
        """Return, once, the blobs that were found with one damaged copy, and which one it is."""
        found, self._weak = self._weak, []
        return found

    def level(self, wanted: Collection[str]) -> set[str]:
        """Give the other place what only one has of these; return what both or one has."""
        held = [set(store.names()).intersection(wanted) for _, store in self._places]
        for name in sorted(held[0] ^ held[1]):
            self._restore(name)
        return held[0] | held[1]

    def _restore(self, name: str) -> None:
        """Open a blob of which a copy is sound, for the sake of the other copy."""
        self.open(name).close()
        first = self._places[0][1]
        if first.size(name) is None:
            return
        second = self._places[1][1]  # never looked at where the first is sound
        try:
            with second.open(name) as file:
                fault: LedgerError | None = None if _hash(file) == name else BlobDiffers(name)
        except LedgerError as refusal:
            fault = refusal
        if fault is not None:
            with first.open(name) as file:
                self._mend(name, file, {SECOND: fault})

    def _mend(self, name: str, sound: BinaryIO, faults: dict[str, LedgerError]) -> None:
        """Put the right bytes where they were lost; where nobody answers, nothing is lost."""
        for place, store in self._places:
            fault = faults.get(place)
            if not isinstance(fault, BlobMissing | BlobDiffers):
                continue
            self._weak.append((name, f"the {place} copy is damaged ({fault.code})"))
            if self._mends:
                sound.seek(0)
                try:
                    store.put(_parts(sound))
                except LedgerError as refusal:  # who reads has what it asked for
                    say("chore.failed", chore="blob copies", code=refusal.code)
                else:
                    say("blob.repaired", copy=place, code=fault.code)
        sound.seek(0)


def _hash(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for part in _parts(file):
        digest.update(part)
    file.seek(0)
    return digest.hexdigest()


def _parts(file: BinaryIO) -> Iterator[bytes]:
    return iter(partial(file.read, PART), b"")
