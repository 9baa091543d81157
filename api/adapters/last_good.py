"""What a service published, kept for a while: one caller at a time asks for it, under no lock.

Whoever comes while somebody asks gets the last good copy at once; where there is none, or it is not
enough, they wait for that answer, but not for ever. A service that failed is left alone for a
moment while its last good copy serves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from api.adapters.http import EXCHANGE_S, NoAnswer
from api.errors import ApiError

T = TypeVar("T")
WAIT_S = EXCHANGE_S + 1
"""How long whoever does not ask waits for the one who does: an exchange, and a little more."""
LAST_GOOD = timedelta(hours=2)
"""How old a copy may be that serves while its service cannot be asked."""
PAUSE = timedelta(seconds=15)
"""How long a service that failed is left alone while its last good copy serves."""


@dataclass(frozen=True)
class _Copy(Generic[T]):
    """An answer, and when it was asked for."""

    value: T
    at: datetime


class LastGood(Generic[T]):
    """One thing that a service publishes; threads share it."""

    def __init__(
        self, ask: Callable[[], T], now: Callable[[], datetime], wait_s: float = WAIT_S
    ) -> None:
        self._ask = ask
        self._now = now
        self._wait_s = wait_s
        # guards all below; never held while the service is asked
        self._turn = threading.Condition()
        self._copy: _Copy[T] | None = None
        self._failed_at: datetime | None = None
        self._asking = False

    def within(self, age: timedelta, *, patient: bool = False) -> T:
        """Return a copy of at most this age, or the last good one while none can be had.

        ``patient``: an older copy would not do, so an answer that is under way is awaited. Where no
        good copy is left, raises what asking raised, or NoAnswer to those who waited for it.
        """
        with self._turn:
            waits = self._asking and (patient or self._good(LAST_GOOD) is None)
            if waits:
                self._turn.wait_for(lambda: not self._asking, self._wait_s)
            found = self._good(age)
            if found is None and (waits or self._asking or self._left_alone()):
                found = self._good(LAST_GOOD)
                if found is None and (waits or self._asking):
                    raise NoAnswer("it was asked for already, and no answer came in time")
            if found is not None:
                return found.value
            self._asking = True
        return self._asked()

    def _asked(self) -> T:
        at, made = self._now(), None
        try:
            made = _Copy(self._ask(), at)
        except ApiError:
            with self._turn:
                found = self._good(LAST_GOOD)
            if found is None:
                raise
            return found.value
        finally:
            with self._turn:
                self._asking = False
                self._failed_at = at if made is None else None
                self._copy = made or self._copy
                self._turn.notify_all()
        return made.value

    def _good(self, age: timedelta) -> _Copy[T] | None:
        copy = self._copy
        return copy if copy is not None and self._now() - copy.at <= age else None

    def _left_alone(self) -> bool:
        return self._failed_at is not None and self._now() - self._failed_at < PAUSE
