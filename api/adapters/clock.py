"""The host's clock behind the port Clock: an interval, checked against the boot-time counter.

``envelope.md`` 12.1 and 12.2: the bound is the kernel's ``maxerror`` when it says synchronised,
else the setting; a clock that jumps against the counter is distrusted, and stays so: at level A0
no second source can give it back its credit, only a new start of the process.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from domain.clock import ClockSource, Reading, step_check
from domain.errors import ClockDistrusted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNSYNCHRONISED = 0x0040
TIME_ERROR = 5


def wall_us() -> int:
    """Return the host's time in microseconds since 1970."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """Return microseconds since the machine started, sleep included where the system says."""
    counter = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if counter is None else time.clock_gettime_ns(counter)) // 1000


def kernel_bound_us() -> int | None:
    """Return the kernel's own error bound, None unless it says that it is synchronised."""
    if not sys.platform.startswith("linux"):
        return None
    state = (ctypes.c_long * 32)()  # struct timex of a 64-bit Linux, modes 0: only read
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):
        return None
    status = state[5] & 0xFFFFFFFF
    if answer in {-1, TIME_ERROR} or status & UNSYNCHRONISED:
        return None
    return int(state[3])


class HostClock:
    """Readings of this host, never backwards, refused after a jump."""

    def __init__(
        self,
        bound_ms: int,
        *,
        wall: Callable[[], int] = wall_us,
        boot: Callable[[], int] = boot_us,
        kernel: Callable[[], int | None] = kernel_bound_us,
    ) -> None:
        self._bound_ms = bound_ms
        self._wall = wall
        self._boot = boot
        self._kernel = kernel
        # guarded by _lock: the last reading in ms, the counter then, and whether it jumped since
        self._lock = threading.Lock()
        self._last: tuple[tuple[int, int], int] | None = None
        self._distrusted: ClockDistrusted | None = None

    def now(self) -> Reading:
        """Return an interval that holds the true time; raise ClockDistrusted after a jump."""
        with self._lock:
            if self._distrusted is not None:
                raise ClockDistrusted(self._distrusted.reason)
            try:
                earliest, latest = self._checked()
            except ClockDistrusted as error:
                self._distrusted = error
                raise
        return Reading(ClockSource.HOST, _instant(earliest), _instant(latest))

    def _checked(self) -> tuple[int, int]:
        counter = self._boot() // 1000
        wall = self._wall()
        kernel = self._kernel()
        bound = self._bound_ms if kernel is None else -(-kernel // 1000)
        reading = (wall // 1000 - bound, -(-wall // 1000) + bound)
        if self._last is not None:
            before, then = self._last
            reading = step_check(before, counter - then, reading)
        self._last = (reading, counter)
        return reading


def host_time() -> datetime:
    """Return the host's time for what decides nothing, such as the end of a token."""
    return EPOCH + timedelta(microseconds=wall_us())


def _instant(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
