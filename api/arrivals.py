"""When the bytes of a transmission became durable, while its deposit waits for its turn.

A deposit is received when its last chunk is durable (T1), not when the consultation's turn comes to
it: seconds before a deadline many wait. Kept in memory, and only for sessions that run: what a
crash forgets is judged by the clock of the moment at which it is sealed, as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from api.adapters.uploads import Part
from domain.clock import Reading
from domain.errors import ClockDistrusted


@dataclass
class _Session:
    waiting: dict[int, tuple[Part, Reading]] = field(default_factory=dict)
    latest: Reading | None = None


class Arrivals:
    """Durable chunks by transmission; every thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def note(self, transmission: str, part: Part, now: Callable[[], Reading]) -> None:
        """Note that a chunk is durable now; the same chunk again is no later. Before the turn."""
        with suppress(ClockDistrusted):  # then whoever seals will say so
            at = now()
            with self._lock:
                session = self._sessions.setdefault(transmission, _Session())
                session.waiting.setdefault(part.index, (part, at))

    def waiting(self, transmission: str) -> list[Part]:
        """Return the durable chunks that wait for the turn, by index."""
        with self._lock:
            found = self._sessions.get(transmission)
            return [] if found is None else [part for _, (part, _) in sorted(found.waiting.items())]

    def taken(self, transmission: str, index: int) -> None:
        """Note that a chunk is among the kept ones. Under the turn."""
        with self._lock:
            session = self._sessions.get(transmission)
            found = session.waiting.pop(index, None) if session is not None else None
            if session is not None and found is not None:
                known = session.latest
                later = known is None or found[1].earliest > known.earliest
                session.latest = found[1] if later else known

    def leave(self, transmission: str, index: int) -> None:
        """Note that a chunk waits no more, whatever became of it."""
        with self._lock:
            session = self._sessions.get(transmission)
            if session is not None:
                session.waiting.pop(index, None)
                if not session.waiting and session.latest is None:
                    del self._sessions[transmission]

    def received(self, transmission: str) -> Reading | None:
        """Return the time at which the last of the kept chunks was durable, None if not known."""
        with self._lock:
            found = self._sessions.get(transmission)
            return None if found is None else found.latest

    def forget(self, transmission: str) -> None:
        """Let go of a session that ended."""
        with self._lock:
            self._sessions.pop(transmission, None)
