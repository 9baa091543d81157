"""The high-water mark in a folder: the last signed note, outside the database.

Compare-and-swap under a lock: write a temporary file, fsync, rename, fsync the folder. In the
embedded default the folder stands beside the database and guards against mistakes, not against the
operator; on another volume it guards against a restored backup.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import HighWaterMoved, StorageFull
from ledger.files import SYSTEM, Files

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class FolderHighWater:
    """A mark in a folder of its own."""

    def __init__(self, folder: Path, files: Files = SYSTEM) -> None:
        self._files = files
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
        self._files.make(self._folder)
        with self._held():
            if self.load() != expected:
                raise HighWaterMoved
            try:
                self._replace(new)
            except OSError as error:
                if error.errno in _FULL:  # the note that was there is there still
                    raise StorageFull from error
                raise

    def _replace(self, new: bytes) -> None:
        temporary = self._folder / "mark.new"
        with self._files.create(temporary) as file:
            file.write(new)
            self._files.sync(file)
        self._files.rename(temporary, self._mark)
        self._files.sync_folder(self._folder)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with (self._folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
