"""Follows what other processes append to the same log (ledger.md §4, §12).

A batch is announced once, by the transaction that commits it; a poll makes good what was not heard.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError, StoreUnreachable

if TYPE_CHECKING:
    from ledger.opened_store import OpenedStore
    from ledger.ports import Waiting
    from ledger.sequencer import Sequencer

POLL_SECONDS: Final = 0.2


class OtherWriters:
    """One thread that takes what others wrote soon after they committed it."""

    def __init__(self, waiting: Waiting, sequencer: Sequencer) -> None:
        self._waiting = waiting
        self._sequencer = sequencer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="other-writers", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, store: OpenedStore) -> OtherWriters | None:
        """Return who follows this store, None where nobody else can write."""
        waiting = store.database.waiting(store.writer)
        return None if waiting is None else cls(waiting, store.sequencer)

    def close(self) -> None:
        """End within a poll."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                self._waiting.wait(POLL_SECONDS)
                self._sequencer.refresh()
            except StoreUnreachable:
                self._ended.wait(POLL_SECONDS)
            except LedgerError:  # the ledger has stopped
                break
        self._waiting.close()
