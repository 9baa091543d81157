"""The scrub as a chore: a whole home in seven days; what is sealed is looked at every five minutes.

Each look tells the operator of every blob of a sealed deposit that is missing, or was found altered
and still is, until it is mended (T10); while deposits are open a part of the sealed blobs is read
again too, so that a damage is found before the deadline and not only within a week. Who deposited
reads it beside the receipt (``api/attestations.py``) and can deposit again; nobody else learns it:
the journal has codes alone, before the opening no line names a deposit (N11). ``pli ledger scrub``
names the places to whoever holds the home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from api.adapters.scrub import ScrubPlace, held, scrubbed
from api.journal import say
from api.platform import Platform
from domain.consultation import Consultation
from ledger.errors import BlobDiffers, BlobMissing
from ledger.fsck import Finding
from ledger.scrub import PASS_S, Stored, missing_blobs, scrub_slice, slices

SECOND_US = 1_000_000
LOOK_S = 300
READ_AGAIN = 64
"""Sealed blobs that one look reads: 64 MiB at most, 18 GiB in a day."""
MISSING, ALTERED = "sealed-missing", "sealed-altered"


class ScrubChore:
    """One slice now and then; owned by whoever ticks."""

    def __init__(self, platform: Platform, counter: Callable[[], int]) -> None:
        self._platform = platform
        self._counter = counter
        self._place = ScrubPlace(platform.home.scrub)
        self._read_at = self._looked_at = counter()
        self._last = ""
        """The sealed blob that was read again last."""

    def tick(self) -> None:
        """Read one slice if it is due; look for damaged blobs and keep room every five minutes."""
        now = self._counter()
        every = PASS_S / slices(self._platform.ledger.head())
        if now - self._read_at >= every * SECOND_US:
            self._read_at = now
            self._slice()
        if now - self._looked_at >= LOOK_S * SECOND_US:
            self._looked_at = now
            if self._platform.reserve is not None:
                self._platform.reserve.hold()
            self._look()

    def _slice(self) -> None:
        altered: set[str] = set()
        stored = self._stored()
        noted = replace(stored, blobs=lambda byte: _noting(stored.blobs(byte), altered))
        place, found = scrub_slice(noted, self._place.load())
        self._place.save(place)
        self._tell(found)
        needed = altered.intersection(stored.needed()) if altered else set()
        if needed:
            uploads = self._platform.uploads
            uploads.set_damaged(uploads.damaged() | dict.fromkeys(needed, ALTERED))

    def _look(self) -> None:
        platform, stored = self._platform, self._stored()
        wanted = stored.needed()
        here = held(platform.blobs, wanted)
        missing = missing_blobs(stored, here)
        found = {name: MISSING for name in wanted if not here(name)}
        before = {name for name, code in platform.uploads.damaged().items() if code == ALTERED}
        for name in sorted(before.union(self._again()).intersection(wanted) - found.keys()):
            if (code := self._fault(name)) is not None:
                found[name] = code
        platform.uploads.set_damaged(found)
        altered = [Finding(code, "") for code in found.values() if code == ALTERED]
        self._tell([*missing, *altered, *map(_of_copy, stored.copies())])

    def _again(self) -> list[str]:
        """Return the next sealed blobs to be read, of consultations whose deadline is to come."""
        rows = self._platform.uploads.sealed()
        open_ones = {name for name in {row[0] for row in rows} if self._is_open(name)}
        names = sorted({blob for consultation, _, blob in rows if consultation in open_ones})
        due = [name for name in names if name > self._last][:READ_AGAIN]
        due += names[: READ_AGAIN - len(due)] if len(due) < READ_AGAIN else []
        if due:
            self._last = due[-1]
        return due

    def _is_open(self, consultation: str) -> bool:
        desk = self._platform.desk
        found = desk.files.find(Consultation, f"consultation/{consultation}")
        return found is not None and not found.reached

    def _fault(self, name: str) -> str | None:
        """Return what is wrong with a blob that is read now, None for nothing."""
        try:
            self._platform.blobs.get(name)
        except BlobMissing:
            return MISSING
        except BlobDiffers:
            return ALTERED
        return None

    def _stored(self) -> Stored:
        platform = self._platform
        policy, mark = platform.policies["policy.txt"], platform.settings.highwater
        return scrubbed(platform.home, platform.ledger.reader, policy, mark, platform.blobs)

    def _tell(self, found: Iterable[Finding]) -> None:
        for code in sorted({one.code for one in found}):
            say("scrub.found", code=code)


def _noting(rows: Iterable[tuple[str, str]], altered: set[str]) -> Iterator[tuple[str, str]]:
    for name, found in rows:
        if name != found:
            altered.add(name)
        yield name, found


def _of_copy(row: tuple[str, str]) -> Finding:
    return Finding("blob-copy", row[1])
