"""Where probes write: durably, on the volume of the home, and nothing of it stays.

A folder of its own beside blobs and envelopes, so that no scrub, backup or count ever meets it.
"""

from __future__ import annotations

import os
from pathlib import Path

from api.adapters.keys import sync_folder
from api.adapters.uploads import Uploads
from api.adapters.vault import EnvelopeVault
from domain.ports import Rng
from ledger.vault import Vault as Blobs

MEMORY = Path(":memory:")


class ProbeRoom:
    """The folder of all probes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def canary(self) -> Path:
        """The part in which synthetic envelopes lie."""
        return self._folder / "canary"

    def tried(self, data: bytes) -> str | None:
        """Write, sync, read again and drop these bytes; return what is wrong, None for nothing."""
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


class CanaryRoom:
    """Synthetic envelopes: blobs on disk, rows in memory; one probe uses it at a time."""

    def __init__(self, folder: Path, reserve: int, rng: Rng) -> None:
        self._blobs = folder / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.uploads = Uploads(MEMORY)
        # a failed write here is a failed probe; the vault of the bids stops the process itself
        self.vault = EnvelopeVault(
            Blobs(self._blobs),
            self.uploads,
            folder / "envelopes",
            reserve,
            lambda: rng.bytes(8).hex(),
        )

    def clear(self, keep: str = "") -> None:
        """Drop every blob but one."""
        for folder in self._blobs.iterdir():
            for blob in folder.iterdir():
                if blob.name != keep:
                    blob.unlink()

    def close(self) -> None:
        """Give the rows back."""
        self.uploads.close()
