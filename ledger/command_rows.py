"""The row of a command proves itself: its digest is followed by a check of the whole row (R7).

A key names the command of its first entry, but not how it was recorded in parts, and the digest of
a request stands nowhere else (ADR 0025). The schema is frozen and says of ``digest`` only that it
is bytes, so the check stands there, behind the digest (ADR 0039). It tells what decayed; whoever
can write to the store can also write the check.

    check = the first 8 bytes of SHA-256(key || 0 || first || count || digest), numbers of 8 bytes

A value of exactly 32 bytes is the bare digest of a row that was written before there were checks.
"""

from __future__ import annotations

import hashlib
from typing import Final

CHECK: Final = 8
BARE: Final = 32


def checked(row: tuple[str, bytes, int, int]) -> tuple[str, bytes, int, int]:
    """Return the row (key, digest, first, count) as it is stored."""
    key, digest, first, count = row
    return key, digest + _check(key, digest, first, count), first, count


def bare_digest(stored: bytes) -> bytes:
    """Return the digest of the request, from what stands in the column."""
    return stored if len(stored) == BARE else stored[:-CHECK]


def is_sound(key: str, stored: bytes, first: int, count: int) -> bool:
    """Tell whether nothing in this row has changed; of a row without a check nothing is known."""
    if len(stored) == BARE:
        return True
    return stored == checked((key, bare_digest(stored), first, count))[1]


def _check(key: str, digest: bytes, first: int, count: int) -> bytes:
    # what decayed may be no number of the range: signed, and wide enough for any of the store
    place = first.to_bytes(8, "big", signed=True) + count.to_bytes(8, "big", signed=True)
    return hashlib.sha256(key.encode() + b"\x00" + place + digest).digest()[:CHECK]
