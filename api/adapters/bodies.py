"""Bodies of chunks while they come: in memory as far as it goes, else on disk, never refused (T24).

However many transmissions send at once, they hold no more memory together than the allowance; who
comes beyond it is a little slower and is served all the same. A file on disk has no name, so that
nothing is left of it after a crash.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

ALLOWANCE: Final = 32 * 1024 * 1024


class Allowance:
    """Bytes of memory that all bodies of one platform share; used by the event loop alone."""

    def __init__(self, folder: Path, most: int = ALLOWANCE) -> None:
        self.folder = folder
        self.left = most

    def body(self) -> Body:
        """Return a place for one body."""
        return Body(self)


class Body:
    """One body; ``write`` and ``close`` belong to the event loop, ``read`` to one worker."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._parts: list[bytes] = []
        self._taken = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Body:
        """Use the body for the length of a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give memory and file back."""
        self.close()

    def write(self, part: bytes) -> None:
        """Take the next bytes."""
        if self._file is None and len(part) <= self._allowance.left:
            self._allowance.left -= len(part)
            self._taken += len(part)
            self._parts.append(part)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._allowance.folder)  # noqa: SIM115
            self._file.writelines(self._parts)
            self._give_back()
        self._file.write(part)

    def read(self) -> bytes:
        """Return the whole body."""
        if self._file is None:
            return b"".join(self._parts)
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Let go of everything."""
        self._give_back()
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _give_back(self) -> None:
        self._allowance.left += self._taken
        self._taken = 0
        self._parts = []
