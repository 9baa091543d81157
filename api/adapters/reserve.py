"""Room that is kept for the log itself: a file that is given up when the disk is full (T08).

Twice what the WAL may take, so that deadlines, closing heads and checkpoints are still recorded
while deposits are refused with 507 before their first byte. It is taken again once there is room.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ledger.sqlite import WAL_LIMIT

RESERVE_BYTES = 2 * WAL_LIMIT


class Reserve:
    """The file ``reserve`` of one home."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def held(self) -> bool:
        """Whether the whole room is kept."""
        return self._path.is_file() and self._path.stat().st_size == self._size

    def hold(self) -> bool:
        """Keep the room if as much again stays free; say whether it is kept."""
        if self.held:
            return True
        self.release()
        if shutil.disk_usage(self._path.parent).free < 2 * self._size:
            return False
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(handle, 0, self._size)
        except OSError:
            self.release()
            return False
        finally:
            os.close(handle)
        return True

    def release(self) -> None:
        """Give the room to whoever writes next."""
        with suppress(FileNotFoundError):
            self._path.unlink()
