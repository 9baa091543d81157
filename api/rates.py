"""How often who may ask: the table ``rates.toml``, kept by the library ``limits`` (T23, T24).

An account is limited wherever it comes from, an address only where no deposit depends on it. A
refusal (429) says when to come again, and nothing of anybody else.
"""

from __future__ import annotations

import ipaddress
import math
import pkgutil
import re
import time
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from api.errors import TooOften

if TYPE_CHECKING:
    from api.guards import Scope

SWEEP_S = 5.0
"""Between two times that what has expired is let go of."""
ANYBODY = 1_000_000
"""Places of a class that the table does not bound."""


@dataclass(frozen=True)
class Row:
    """One class of requests with what bounds it."""

    name: str
    matches: re.Pattern[str]
    account: RateLimitItem | None
    address: RateLimitItem | None
    running: int
    waiting: int


@lru_cache(maxsize=1)
def table() -> tuple[Row, ...]:
    """Return the rows in the order in which they are tried."""
    return tuple(
        Row(
            name=row["name"],
            matches=re.compile(row["matches"], re.DOTALL),  # a path may hold a line end
            account=parse(row["account"]) if "account" in row else None,
            address=parse(row["address"]) if "address" in row else None,
            running=row.get("running", ANYBODY),
            waiting=row.get("waiting", 0),
        )
        for row in _data()["class"]
    )


def class_of(method: str, path: str) -> Row:
    """Return the class of a request; the last row fits everything."""
    return next(row for row in table() if row.matches.fullmatch(f"{method} {path}"))


class Storage(MemoryStorage):
    """The library's memory, swept once in a while: by itself it starts a thread at nearly each hit.

    That thread walks over every account that asked within a minute; what has expired counts for
    nothing before it is swept away.
    """

    def __init__(self) -> None:
        self._swept_at = time.monotonic()
        super().__init__()

    def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the library's private name
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            super()._MemoryStorage__schedule_expiry()  # type: ignore[misc]


class Rates:
    """Counts requests of one process; shared by threads, guarded by the library's locks."""

    def __init__(self, scale: int = 1) -> None:
        self._scale = scale
        self._storage = Storage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._wrong = parse(_data()["wrong_token"]["address"])

    def account(self, scope: Scope, account: str) -> None:
        """Return quietly unless this account asked too often, else raise TooOften."""
        row = class_of(scope["method"], scope["path"])
        self._hit(row.account, f"account:{row.name}", account)

    def address(self, row: Row, address: str) -> None:
        """Return quietly unless too many requests came from there, else raise TooOften."""
        self._hit(row.address, f"address:{row.name}", address)

    def wrong_token(self, address: str) -> None:
        """Return quietly unless too many wrong tokens came from there, else raise TooOften."""
        self._hit(self._wrong, "wrong", address)

    def _hit(self, item: RateLimitItem | None, kind: str, who: str) -> None:
        if item is None or not who:
            return
        scaled = type(item)(item.amount * self._scale, item.multiples)
        if not self._limiter.hit(scaled, kind, who):
            reset = self._limiter.get_window_stats(scaled, kind, who).reset_time
            wait = max(1, math.ceil(reset - time.time()))
            raise TooOften("asked too often", retry_after=min(wait, item.get_expiry()))


def address_of(scope: Scope, proxies: frozenset[str] = frozenset()) -> str:
    """Return where a request comes from, "" for this machine itself; IPv6 by its /64.

    A listed proxy is believed about the address that reached it, and about nothing before that.
    """
    peer = _plain(str((scope.get("client") or ("",))[0]))
    if str(peer) in proxies:
        told = dict(scope["headers"]).get(b"x-forwarded-for", b"").decode("latin-1")
        peer = _plain(told.rpartition(",")[2].strip())
    if not isinstance(peer, ipaddress.IPv4Address | ipaddress.IPv6Address) or peer.is_loopback:
        return ""
    if peer.version == 6:
        return str(ipaddress.ip_network((peer, 64), strict=False))
    return str(peer)


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """Return an address in its own family, any other text as it is.

    A socket for both families names those of the older one in the newer one's form, where all of
    them lie in one /64.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text
    return (found.ipv4_mapped or found) if found.version == 6 else found


def _data() -> dict[str, Any]:
    return tomllib.loads((pkgutil.get_data("api", "rates.toml") or b"").decode())
