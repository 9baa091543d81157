"""The scrub as a chore: a whole home in seven days; missing blobs are told every five minutes.

What is found is told in the journal by its codes alone: before the opening no line names a deposit
(N11). ``pli ledger scrub`` names the places to whoever holds the home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from api.adapters.scrub import ScrubPlace, is_stored, scrubbed
from api.journal import say
from api.platform import Platform
from ledger.fsck import Finding
from ledger.scrub import PASS_S, Stored, missing_blobs, scrub_slice, slices

SECOND_US = 1_000_000
LOOK_S = 300


class ScrubChore:
    """One slice now and then; owned by whoever ticks."""

    def __init__(self, platform: Platform, counter: Callable[[], int]) -> None:
        self._platform = platform
        self._counter = counter
        self._place = ScrubPlace(platform.home.scrub)
        self._read_at = self._looked_at = counter()

    def tick(self) -> None:
        """Read one slice if it is due; look for missing blobs and keep room every five minutes."""
        now = self._counter()
        every = PASS_S / slices(self._platform.ledger.head())
        if now - self._read_at >= every * SECOND_US:
            self._read_at = now
            place, found = scrub_slice(self._stored(), self._place.load())
            self._place.save(place)
            self._tell(found)
        if now - self._looked_at >= LOOK_S * SECOND_US:
            self._looked_at = now
            blobs = self._platform.home.blobs
            self._tell(missing_blobs(self._stored(), lambda name: is_stored(blobs, name)))
            if self._platform.reserve is not None:
                self._platform.reserve.hold()

    def _stored(self) -> Stored:
        platform = self._platform
        policy = platform.policies["policy.txt"]
        return scrubbed(platform.home, platform.ledger.reader, policy, platform.settings.highwater)

    def _tell(self, found: Iterable[Finding]) -> None:
        for code in sorted({one.code for one in found}):
            say("scrub.found", code=code)
