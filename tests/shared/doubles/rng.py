"""Random bytes that a test can repeat."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable


class SeededRng:
    """The same bytes for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        with self._lock:
            return self._random.randbytes(count)


class ScriptedRng:
    """Hands out given bytes in order, and fails where they end."""

    def __init__(self, script: Iterable[bytes]) -> None:
        self._left = deque(b"".join(script))

    def bytes(self, count: int) -> bytes:
        """Return the next bytes of the script."""
        return bytes(self._left.popleft() for _ in range(count))
