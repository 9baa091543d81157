"""Where probes write: durably, on the volume of the home, and nothing of it stays.

A folder of its own beside blobs and envelopes, so that no scrub, backup or count ever meets it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from api.adapters.blobs import Bucket, object_store, places_of
from api.adapters.keys import sync_folder
from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from domain.errors import PlatformUnavailable
from domain.ports import Rng
from ledger.errors import LedgerHalted
from ledger.vault import Vault as Blobs

if TYPE_CHECKING:
    from api.home import Home
    from api.settings import Settings


Try = Callable[[bytes], str | None]
"""Writes these bytes, reads them again, drops them; returns what is wrong."""


def tries_of(home: Home, settings: Settings) -> list[Try]:
    """Return how each place of blobs outside the home is tried."""
    return [
        object_store(place).tried if isinstance(place, Bucket) else ProbeRoom(place / "probe").tried
        for place in places_of(home, settings)
        if place != home.blobs
    ]


class ProbeRoom:
    """The folder of all probes."""

    def __init__(self, folder: Path, elsewhere: Sequence[Try] = ()) -> None:
        self._folder = folder
        self._elsewhere = elsewhere

    @property
    def canary(self) -> Path:
        """The part in which synthetic envelopes lie."""
        return self._folder / "canary"

    def tried(self, data: bytes) -> str | None:
        """Write, sync, read again and drop these bytes; return what is wrong, None for nothing.

        Also wherever else the blobs of bids lie: without each place nobody can deposit.
        """
        for one in self._elsewhere:
            if (wrong := one(data)) is not None:
                return wrong
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = self._folder / "written"
        with place.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)
        found = place.read_bytes()
        place.unlink()
        return None if found == data else "read differs"


class CanaryUploads(Uploads):
    """The index of synthetic uploads, in a file that nothing else reads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(folder / "uploads.db")
        self.clear()  # what a process that was killed left

    def clear(self) -> None:
        """Forget every upload."""
        self._write("DELETE FROM uploads", ())
        self._write("DELETE FROM parts", ())


class CanaryVault(EnvelopeVault):
    """Custody of synthetic envelopes; room is asked of the vault of the bids itself.

    A write that fails here is a failed probe and stops nothing: the log and the vault of the bids
    judge their own disk.
    """

    def __init__(self, folder: Path, uploads: Uploads, bids: EnvelopeVault, rng: Rng) -> None:
        self._room = folder / "blobs"
        self._room.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._bids = bids
        self._held: set[str] = set()
        place = folder / "envelopes"
        super().__init__(
            Blobs(self._room), uploads, place, 0, lambda: rng.bytes(8).hex(), bids.keys
        )

    def put(self, data: bytes) -> str:
        """Store bytes durably; return their name, or raise PlatformUnavailable."""
        with suppress(LedgerHalted):
            return super().put(data)
        try:
            self._blobs = Blobs(self._room)  # one that failed writes no more
            return super().put(data)
        except LedgerHalted as failure:
            raise PlatformUnavailable("the folder of the probes cannot be written") from failure

    def reserve(self, transmission: str, size: int) -> bool:
        """Keep room as any depositor's; False: there is none."""
        kept = self._bids.reserve(transmission, size)
        if kept:
            self._held.add(transmission)
        return kept

    def release(self, transmission: str) -> None:
        """Give back the room of an ended transmission."""
        self._held.discard(transmission)
        self._bids.release(transmission)

    def release_all(self) -> None:
        """Give back the room of whatever did not end."""
        for transmission in tuple(self._held):
            self.release(transmission)


class CanaryRoom:
    """Synthetic envelopes, as bids lie: blobs, and rows in a file; one probe uses it at a time."""

    def __init__(self, folder: Path, bids: EnvelopeVault, rng: Rng) -> None:
        self._blobs = folder / "blobs"
        self.uploads = CanaryUploads(folder)
        self.vault = CanaryVault(folder, self.uploads, bids, rng)

    def clear(self, keep: str = "") -> None:
        """Drop every row, every blob but one, and the room of whatever did not end."""
        self.vault.release_all()
        self.uploads.clear()
        for blob in self._blobs.glob("*/*"):
            if blob.name != keep:
                blob.unlink()

    def close(self) -> None:
        """Give the rows back."""
        self.uploads.close()
