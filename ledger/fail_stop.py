"""Fail-stop (N2): after the first failed write or read of the store nothing is served any more.

A failed fsync is never repeated: the kernel marks the pages clean and a second call would succeed
without having written anything. A new process reads its state from the disk.
"""

from __future__ import annotations

import threading

from ledger.errors import LedgerClosed, LedgerError, LedgerHalted
from ledger.ports import Halt


class FailStop:
    """One switch for all parts of a ledger; it is thrown once and never back."""

    def __init__(self, halt: Halt) -> None:
        self._halt = halt
        self._lock = threading.Lock()
        self._reason: str | None = None  # written once, under the lock
        self._closed = False

    def check(self) -> None:
        """Return quietly while nothing has failed, else raise LedgerHalted or LedgerClosed."""
        if self._closed:
            raise LedgerClosed
        if self._reason is not None:
            raise LedgerHalted(self._reason)

    def trip(self, reason: str) -> LedgerError:
        """Stop everything and return what the caller raises."""
        if self._closed:
            return LedgerClosed()
        with self._lock:
            first = self._reason is None
            self._reason = self._reason or reason
        failure = LedgerHalted(self._reason)
        if first:
            self._halt(failure)
        return failure

    def close(self) -> None:
        """Refuse everything from now on because the owner closed the ledger."""
        self._closed = True
