"""How often somebody may try to log in: per account and per address, as data (T24, ASVS 6.3.1).

An attempt counts before any work is done for it, and for unknown accounts as for known ones, so
that the answer tells nothing. Who tries a stranger's account from one place shuts out that place
alone, and nobody who is signed in and proves it again: at the deadline that would cost a bid.
Counters live in memory: a start of the process forgives.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from math import ceil
from types import MappingProxyType

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.errors import LoginLimited

LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "password of an account from an address": "10/15minutes",
        "password of an account": "100/15minutes",
        "password of a session": "10/15minutes",
        "password from an address": "50/15minutes",
        "login begun from an address": "60/10minutes",
        "invitation opened from an address": "60/10minutes",
    }
)


class LoginLimits:
    """The counters of one process; they guard themselves."""

    def __init__(self, limits: Mapping[str, str] = LIMITS) -> None:
        self._items: dict[str, RateLimitItem] = {name: parse(text) for name, text in limits.items()}
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def count(self, name: str, who: str) -> None:
        """Count one attempt, or raise LoginLimited with the seconds to wait."""
        item, key = self._items[name], _key(who)
        if not self._window.hit(item, name, key):
            left = self._window.get_window_stats(item, name, key).reset_time - time.time()
            raise LoginLimited(max(1, ceil(left)))

    def forgive(self, name: str, who: str) -> None:
        """Forget the attempts of an account that has logged in."""
        self._window.clear(self._items[name], name, _key(who))


def _key(who: str) -> str:
    """Return what stands in memory for an address: no mail address, nothing long."""
    return hashlib.sha256(who.encode()).hexdigest()[:32]
