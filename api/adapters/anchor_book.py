"""Which sizes are stamped, and when: what the stream ``anchors/main`` says, kept in memory.

One process appends to that stream and tells the book; a new start reads the stream again, so no
other file has to agree with the ledger.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from ledger.application import Ledger

STREAM = "anchors/main"


class Stamped(NamedTuple):
    """One anchor: its size, the name of its token, when it was recorded."""

    size: int
    token_hash: str
    at: datetime


class AnchorBook:
    """The anchors of one ledger, in order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # guarded by _lock
        self._lock = threading.Lock()
        self._rows: list[Stamped] | None = None

    def rows(self) -> list[Stamped]:
        """Return every anchor, in order."""
        with self._lock:
            if self._rows is None:
                rows = [_stamped(row.entry) for row in self._ledger.stream(STREAM)]
                self._rows = [row for row in rows if row.token_hash]
            return list(self._rows)

    def forget(self) -> None:
        """Read the stream again at the next question: it has grown."""
        with self._lock:
            self._rows = None

    def token(self, size: int) -> str | None:
        """Return the name of the token over a size, None if it was not stamped."""
        return next((row.token_hash for row in self.rows() if row.size == size), None)


def _stamped(entry: bytes) -> Stamped:
    body = orjson.loads(entry)
    data = body["data"]
    return Stamped(data["size"], data.get("token_hash", ""), datetime.fromisoformat(body["at"]))
