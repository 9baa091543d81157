"""Clocks outside this host: signed times of custodians, stamps of RFC 3161 (``envelope.md`` 12.1).

Each is asked in a thread of its own with a fresh nonce. What it said is kept with the counter's
instants at which it was asked and heard: the true time lay in its interval at some moment between
both, and is carried on by the counter, wider by 500 ppm of its age. After five periods it no longer
counts: a source that is silent is absent, never consent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from api.adapters.clock import EPOCH, ClockFacts, Interval, SourcedClock, boot_us
from api.adapters.keys import Random
from api.journal import say
from crypto import statements, timestamps
from crypto.timestamps import NONCE_BYTES, Certificates
from domain.clock import STEP_PPM
from domain.errors import ClockDistrusted
from domain.ports import Clock

PERIODS = 5
AGAIN_S = 5
"""After so long a source that failed is asked again."""
PAUSE_S = 1
"""At least so long lies between two questions to one source, whatever happens."""
UNSTATED_US = 1_000_000
"""Accuracy of a stamp that states none: what ETSI EN 319 421 asks of every authority."""
FRESH_BYTES = 32
STAMPED = b"pli/v1/clock\x00"
MICROSECOND = timedelta(microseconds=1)


class Teller(Protocol):
    """An outside clock as it is asked."""

    @property
    def name(self) -> str:
        """What people call it."""

    def ask(self) -> Interval:
        """Return microseconds since 1970 that held the true time at some moment of this call.

        What is raised says why there is none: no answer, or one that proves nothing.
        """


class Stamping(Protocol):
    """A time-stamping authority: bytes of a request in, bytes of an answer out."""

    trusted: Certificates

    def stamp(self, request: bytes) -> bytes:
        """Return the answer, or raise OSError."""


class SignedInterval(Protocol):
    """A custodian's time as it came: milliseconds since 1970, and its signature."""

    @property
    def earliest(self) -> int:
        """It is this or later."""

    @property
    def latest(self) -> int:
        """It is this or earlier."""

    @property
    def sig(self) -> bytes:
        """By the custodian's signing key, over the nonce and both."""


class TimeService(Protocol):
    """A custodian's ``POST /v1/time``."""

    def time(self, nonce: bytes) -> SignedInterval:
        """Return its time for a nonce of 32 bytes; OSError: no answer."""


class StampedTime:
    """An authority of RFC 3161 as a clock: genTime and its accuracy, over fresh bytes."""

    def __init__(self, name: str, authority: Stamping, random: Random) -> None:
        self.name = name
        self._authority = authority
        self._random = random

    def ask(self) -> Interval:
        """Return what a new stamp says; StampError: it proves nothing."""
        nonce, data = self._random.bytes(NONCE_BYTES), STAMPED + self._random.bytes(FRESH_BYTES)
        answer = self._authority.stamp(timestamps.request(data, nonce))
        stamp = timestamps.verify(answer, data, self._authority.trusted, nonce)
        at, bound = (stamp.time - EPOCH) // MICROSECOND, stamp.accuracy_us or UNSTATED_US
        return at - bound, at + bound


class CustodianTime:
    """A custodian as a clock: an interval over a fresh nonce, signed by the configured key."""

    def __init__(self, name: str, sign: bytes, service: TimeService, random: Random) -> None:
        self.name = name
        self._sign = sign
        self._service = service
        self._random = random

    def ask(self) -> Interval:
        """Return the signed interval; StatementRefused: signed by another, or for another nonce."""
        nonce = self._random.bytes(FRESH_BYTES)
        told = self._service.time(nonce)
        signed = statements.time(nonce, told.earliest, told.latest)
        statements.check(self._sign, signed, told.sig)
        if told.earliest > told.latest:
            raise ClockDistrusted("an interval that ends before it begins")
        return told.earliest * 1000, told.latest * 1000


@dataclass(frozen=True, slots=True)
class Said:
    """An interval in microseconds that was true between two instants of the counter."""

    low: int
    high: int
    asked_us: int
    heard_us: int

    def at(self, counter_us: int) -> Interval:
        """Return the milliseconds that hold the true time at another instant of the counter."""
        drift = -(-abs(counter_us - self.asked_us) * STEP_PPM // 1_000_000)
        low = self.low + counter_us - self.heard_us - drift
        high = self.high + counter_us - self.asked_us + drift
        return low // 1000, -(-high // 1000)


class KeptTime:
    """The last statement of an outside clock, with its age."""

    def __init__(self, teller: Teller, every_s: int, *, boot: Callable[[], int] = boot_us) -> None:
        self.name = teller.name
        self.every_s = every_s
        self.wanted = threading.Event()
        self.failure: str | None = None
        """Why the last question brought nothing, None after one that did."""
        self._teller = teller
        self._boot = boot
        self._said: Said | None = None  # replaced whole by the one thread that asks

    def refresh(self) -> None:
        """Ask now. What was said before stays where nothing new comes, until it is too old."""
        asked = self._boot()
        try:
            low, high = self._teller.ask()
        except Exception as error:  # whatever is answered elsewhere, this thread asks again
            code = str(getattr(error, "code", type(error).__name__))
            if code != self.failure:
                say("clock.silent", source=self.name, code=code)
            self.failure = code
            return
        self._said = Said(low, high, asked, self._boot())
        self.failure = None

    def interval(self, counter_us: int, since_us: int) -> Interval | None:
        """Return what it says of this instant; None: asked by ``since_us``, or too old."""
        said = self._said
        if said is None or said.asked_us <= since_us:
            return None
        if counter_us - said.asked_us > PERIODS * self.every_s * 1_000_000:
            return None
        return said.at(counter_us)

    def want(self) -> None:
        """Have it asked soon."""
        self.wanted.set()

    def wait_s(self) -> int:
        """Return how long to wait before the next question."""
        return self.every_s if self.failure is None else min(AGAIN_S, self.every_s)


class Asking:
    """Asks outside clocks beside the requests, one thread each: a slow one delays no other."""

    def __init__(self, kept: Sequence[KeptTime]) -> None:
        self._kept = kept
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"clock {one.name}", daemon=True)
            for one in kept
        ]

    def once(self) -> None:
        """Ask all of them side by side, and wait for their answers or failures."""
        if self._kept:
            with ThreadPoolExecutor(len(self._kept)) as pool:
                list(pool.map(KeptTime.refresh, self._kept))

    def start(self) -> None:
        """Begin in threads of their own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and wait for them."""
        self._stopping.set()
        for one in self._kept:
            one.want()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _run(self, one: KeptTime) -> None:
        while not self._stopping.wait(PAUSE_S):
            one.wanted.wait(max(one.wait_s() - PAUSE_S, 0))
            one.wanted.clear()
            if not self._stopping.is_set():
                one.refresh()


def clock_facts(clock: Clock) -> ClockFacts:
    """Return what a minute's ``ClockChecked`` records of a clock, or raise ClockDistrusted."""
    if isinstance(clock, SourcedClock):
        return clock.facts()
    reading = clock.now()
    return ClockFacts(0, reading.uncertainty_ms(), (str(reading.source),))
