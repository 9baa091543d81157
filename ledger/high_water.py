"""The high-water mark in a folder: the last signed note, outside the database.

Compare-and-swap under a lock: write a temporary file, fsync, rename, fsync the folder. In the
embedded default the folder stands beside the database and guards against mistakes, not against the
operator; on another volume it guards against a restored backup.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import HighWaterMoved


class FolderHighWater:
    """A mark in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mark = folder / "mark"

    def load(self) -> bytes | None:
        """Return the note, None if nothing was ever signed."""
        try:
            return self._mark.read_bytes()
        except FileNotFoundError:
            return None

    def swap(self, expected: bytes | None, new: bytes) -> None:
        """Store a note durably if the stored one is the expected one, else HighWaterMoved."""
        with self._held():
            if self.load() != expected:
                raise HighWaterMoved
            temporary = self._folder / "mark.new"
            with temporary.open("wb") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._mark)
            sync_folder(self._folder)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with (self._folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a rename alone is not."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
