"""How long the deposits will take here: measured before the deadline is set, never assumed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

MEASURED = 16 << 20
SLOWEST = 2 << 20  # bytes a second: below it, waiting longer would not help a reader
SEALED_TIMES = 14  # making, hashing, planning, checking, sending, storing and two spare: see below
EACH_S = 0.35  # what a deposit costs besides its bytes: announce, ledger, receipt
SPARE_S = 3


def bytes_per_second(counter: Callable[[], float]) -> float:
    """Return how fast this machine hashes now, the unit in which a deposit's cost is told.

    A byte of a deposit is made once, hashed five times, encrypted twice and written twice; all of
    these run within a small factor of SHA-256, so one measurement scales with the machine's load.
    """
    start = counter()
    hashlib.sha256(bytes(MEASURED)).digest()
    return max(SLOWEST, MEASURED / max(counter() - start, 1e-6))


def deadline(now: datetime, total: int, deposits: int, speed: float) -> datetime:
    """Return a deadline in whole seconds by which every deposit on time should have arrived."""
    seconds = SPARE_S + EACH_S * deposits + SEALED_TIMES * total / speed
    later = now + timedelta(seconds=seconds + 1)
    return later.replace(microsecond=0)
