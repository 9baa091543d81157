"""When bytes of each running transmission last came: what stalls and expires is read from here.

Memory only: after a restart every running transmission counts as heard of just then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from api.adapters.clock import boot_us

SECOND = 1_000_000


@dataclass(frozen=True)
class Pulse:
    """What is known of one transmission: instants of the boot counter, in microseconds."""

    heard: int
    recorded: int
    recorded_bytes: int = 0
    recorded_chunk: int = -1


class Activity:
    """The pulses of all running transmissions; _lock guards the table."""

    def __init__(self, counter: Callable[[], int] = boot_us) -> None:
        self._counter = counter
        self._lock = threading.Lock()
        self._pulses: dict[str, Pulse] = {}

    def heard(self, transmission: str) -> Pulse:
        """Note that bytes came now."""
        now = self._counter()
        with self._lock:
            pulse = self._pulses.get(transmission, Pulse(now, now))
            pulse = replace(pulse, heard=now)
            self._pulses[transmission] = pulse
        return pulse

    def recorded(self, transmission: str, total: int, chunk: int) -> None:
        """Note that the ledger holds the progress up to here."""
        now = self._counter()
        with self._lock:
            self._pulses[transmission] = Pulse(now, now, total, chunk)

    def silent_s(self, transmission: str) -> float:
        """Return for how many seconds nothing came; an unknown one begins to count now."""
        now = self._counter()
        with self._lock:
            pulse = self._pulses.setdefault(transmission, Pulse(now, now))
        return (now - pulse.heard) / SECOND

    def due(self, transmission: str, total: int, every_s: int, every_bytes: int) -> bool:
        """Say whether progress is to be recorded: so long ago, or so many bytes ago."""
        now = self._counter()
        with self._lock:
            pulse = self._pulses.setdefault(transmission, Pulse(now, now))
        long_ago = now - pulse.recorded >= every_s * SECOND
        return long_ago or total - pulse.recorded_bytes >= every_bytes

    def forget(self, transmission: str) -> None:
        """Drop an ended transmission."""
        with self._lock:
            self._pulses.pop(transmission, None)
