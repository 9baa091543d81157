"""The platform's clock behind the port Clock: sources that agree, checked against the boot counter.

``envelope.md`` 12.1 and 12.2. The host is always a source; outside ones (``clock_sources``) are
asked in the background, so that a reading never waits for a network. A reading that jumps against
the counter is refused, and then nothing is decided until two outside sources, asked after the
refusal, agree: a host alone gets its credit back by a new start of the process only.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol, cast

from api.journal import say
from domain.clock import ClockSource, Reading, quorum_reading, step_check
from domain.errors import ClockDistrusted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNSYNCHRONISED = 0x0040
TIME_ERROR = 5
EMBEDDED_BOUND_MS = 250
"""Level A0: how far the host may be off where neither kernel nor operator says."""
OUTSIDE_QUORUM = 2
"""Outside sources that must agree before anything is decided again."""

Interval = tuple[int, int]
"""Milliseconds since 1970: the true time lies between both, both included."""


def wall_us() -> int:
    """Return the host's time in microseconds since 1970."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """Return microseconds since the machine started, sleep included where the system says."""
    counter = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if counter is None else time.clock_gettime_ns(counter)) // 1000


@cache
def _adjtimex() -> Callable[..., int] | None:
    """Return the kernel's question about its clock, None where there is none; found once."""
    try:
        return cast("Callable[..., int]", ctypes.CDLL(None, use_errno=True).adjtimex)
    except (OSError, AttributeError):
        return None


def kernel_bound_us() -> int | None:
    """Return the kernel's own error bound, None unless it says that it is synchronised."""
    ask = _adjtimex() if sys.platform.startswith("linux") else None
    if ask is None:
        return None
    state = (ctypes.c_long * 32)()  # struct timex of a 64-bit Linux, modes 0: only read
    answer = ask(ctypes.byref(state))
    status = state[5] & 0xFFFFFFFF
    if answer in {-1, TIME_ERROR} or status & UNSYNCHRONISED:
        return None
    return int(state[3])


class Outside(Protocol):
    """A clock elsewhere, whose last statement is kept."""

    @property
    def name(self) -> str:
        """What people call it."""

    def interval(self, counter_us: int, since_us: int) -> Interval | None:
        """Return what it says of this instant of the counter; None: nothing asked since, or old."""

    def want(self) -> None:
        """Have it asked soon."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The host's time, read within ``gap_us`` before the counter stood at ``counter_us``."""

    counter_us: int
    wall_us: int
    gap_us: int

    def interval(self, bound_us: int) -> Interval:
        """Return what it says of that instant of the counter, rounded outwards."""
        low, high = self.wall_us - bound_us, self.wall_us + bound_us + self.gap_us
        return low // 1000, -(-high // 1000)


class HostSource:
    """The clock of this host; ``bound_ms`` holds when the kernel does not say, None: no source."""

    name = "host"

    def __init__(
        self,
        bound_ms: int | None,
        *,
        wall: Callable[[], int] = wall_us,
        boot: Callable[[], int] = boot_us,
        kernel: Callable[[], int | None] = kernel_bound_us,
    ) -> None:
        self._bound_us = None if bound_ms is None else bound_ms * 1000
        self._wall = wall
        self._boot = boot
        self._kernel = kernel

    def sample(self) -> Sample:
        """Return the time; a pause of this process between the clocks only widens it."""
        before, wall, after = self._boot(), self._wall(), self._boot()
        return Sample(after, wall, after - before)

    def interval(self, sample: Sample) -> Interval | None:
        """Return what the host says, None where nobody vouches for it."""
        kernel = self._kernel()
        bound = self._bound_us if kernel is None else kernel
        return None if bound is None else sample.interval(bound)


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What a minute's ``ClockChecked`` tells: milliseconds, and who agreed."""

    offset_ms: int
    """Host's time less the middle of the reading; what the host would have been wrong by."""
    uncertainty_ms: int
    sources: tuple[str, ...]
    """Names of the sources that have a part in the reading."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """A reading and what it was made of."""

    interval: Interval
    sample: Sample
    reads: tuple[tuple[str, Interval], ...]


class SourcedClock:
    """Readings on which a majority of the configured sources agrees, refused after a jump."""

    def __init__(self, host: HostSource, outside: Sequence[Outside] = ()) -> None:
        self.outside = tuple(outside)
        self.quorum = (1 + len(self.outside)) // 2 + 1
        self._host = host
        self._kind = ClockSource.QUORUM if outside else ClockSource.HOST
        # guarded by _lock: the last reading and the last host's time with the counter in ms then;
        # why nothing is decided; and the counter before which no statement counts any more
        self._lock = threading.Lock()
        self._last: tuple[Interval, int] | None = None
        self._watched: tuple[Interval, int] | None = None
        self._refusal: ClockDistrusted | None = None
        self._void_us = -1

    def begin(self) -> None:
        """Take the reading by which the next one is judged, if there can be one yet."""
        with suppress(ClockDistrusted):
            self.now()

    def now(self) -> Reading:
        """Return an interval that holds the true time, or raise ClockDistrusted."""
        with self._lock:
            earliest, latest = self._decide().interval
        return Reading(self._kind, _instant(earliest), _instant(latest))

    def facts(self) -> ClockFacts:
        """Return what the reading of this moment is worth, or raise ClockDistrusted."""
        with self._lock:
            found = self._decide()
        low, high = found.interval
        return ClockFacts(
            offset_ms=found.sample.wall_us // 1000 - (low + high) // 2,
            uncertainty_ms=-(-(high - low) // 2),
            sources=tuple(
                name for name, (first, last) in found.reads if first <= high and low <= last
            ),
        )

    def _decide(self) -> _Decided:
        sample = self._host.sample()
        counter = sample.counter_us // 1000
        if self.outside:
            self._watch(sample, counter)
        reads = tuple(self._reads(sample))
        reading = quorum_reading([interval for _, interval in reads], self.quorum)
        if self._refusal is None:
            reading = self._step(reading, sample, counter)
        else:
            reading = self._resume(self._refusal, reading, reads)
        self._last = (reading, counter)
        return _Decided(reading, sample, reads)

    def _watch(self, sample: Sample, counter: int) -> None:
        """Void what outside sources said once host and counter part: either may be the wrong one.

        A machine that slept without counting makes every kept statement old without a trace.
        """
        seen, before = sample.interval(0), self._watched
        self._watched = (seen, counter)
        try:
            if before is not None:
                step_check(before[0], counter - before[1], seen)
        except ClockDistrusted:
            self._void(sample)

    def _void(self, sample: Sample) -> None:
        self._void_us = sample.counter_us
        for one in self.outside:
            one.want()

    def _reads(self, sample: Sample) -> Iterator[tuple[str, Interval]]:
        """Yield what each source says of this instant; one that says nothing is absent."""
        if (own := self._host.interval(sample)) is not None:
            yield self._host.name, own
        for one in self.outside:
            if (told := one.interval(sample.counter_us, self._void_us)) is not None:
                yield one.name, told

    def _step(self, reading: Interval, sample: Sample, counter: int) -> Interval:
        if self._last is None:
            return reading
        before, then = self._last
        try:
            return step_check(before, counter - then, reading)
        except ClockDistrusted as error:
            self._refusal = error
            self._void(sample)
            say("clock.distrusted", reason=error.reason)
            raise

    def _resume(
        self, refusal: ClockDistrusted, reading: Interval, reads: Sequence[tuple[str, Interval]]
    ) -> Interval:
        """Trust again what two outside sources, asked since the refusal, say; else refuse again."""
        told = [interval for name, interval in reads if name != self._host.name]
        try:  # where they agree the reading reaches: a majority of all of us is at least as many
            quorum_reading(told, OUTSIDE_QUORUM)
        except ClockDistrusted:
            raise ClockDistrusted(refusal.reason) from None
        self._refusal = None
        say("clock.trusted")
        return reading


class HostClock(SourcedClock):
    """Readings of this host alone, never backwards, refused after a jump.

    ``bound_ms`` None: none at all unless the kernel says that it is synchronised.
    """

    def __init__(
        self,
        bound_ms: int | None,
        *,
        wall: Callable[[], int] = wall_us,
        boot: Callable[[], int] = boot_us,
        kernel: Callable[[], int | None] = kernel_bound_us,
    ) -> None:
        super().__init__(HostSource(bound_ms, wall=wall, boot=boot, kernel=kernel))


def host_time() -> datetime:
    """Return the host's time for what decides nothing, such as the end of a token."""
    return EPOCH + timedelta(microseconds=wall_us())


def _instant(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
