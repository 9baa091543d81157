"""One at a time in one consultation: who seals, withdraws or closes there waits for the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class LocalTurns:
    """Turns inside one process, which is the only writer of its home."""

    def __init__(self) -> None:
        # guarded by _lock: the lock of each consultation that was ever held
        self._lock = threading.Lock()
        self._held: dict[str, threading.RLock] = {}

    @contextmanager
    def hold(self, consultation: str) -> Iterator[None]:
        """Hold the turn of a consultation; the holder may take it again."""
        with self._lock:
            turn = self._held.setdefault(consultation, threading.RLock())
        with turn:
            yield
