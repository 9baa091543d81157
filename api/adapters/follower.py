"""The projections' runner in a thread of its own, woken as soon as the ledger has grown."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from api.journal import say
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ledger.application import Ledger
    from projections.runner import Runner

WAIT_S = 0.5
PACE_S = 0.2
"""Between two wakings: what comes in a rush is folded in batches; who waits for a position wakes at
once all the same."""
AGAIN_S = 2.0


class ViewsFollower:
    """Keeps the views behind the ledger by as little as it can."""

    def __init__(self, ledger: Ledger, runner: Runner, engine: Engine) -> None:
        self._ledger = ledger
        self._runner = runner
        self._engine = engine
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, name="views", daemon=True),
            threading.Thread(target=self._wake, name="views-wake", daemon=True),
        ]

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the present batch, and give the views back."""
        self._stopping.set()
        self._runner.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._engine.dispose()

    def _follow(self) -> None:
        """Follow until stopped; a failure (a full disk) is said once, and tried again.

        A batch is written whole or not at all, so nothing has to be repaired; views can always be
        built again, and the ledger and the deposits go on meanwhile.
        """
        said = ""
        while not self._stopping.is_set():
            try:
                self._runner.follow()
            except Exception as error:
                code = getattr(error, "code", type(error).__name__)
                if code != said:
                    say("views.failed", code=code)
                said = code
                self._stopping.wait(AGAIN_S)

    def _wake(self) -> None:
        with suppress(LedgerError):  # it has stopped: nothing more will come
            size = self._ledger.head()
            while not self._stopping.is_set():
                grown = self._ledger.wait_beyond(size, WAIT_S)
                if grown > size:
                    self._runner.wake()
                    size = grown
                    self._stopping.wait(PACE_S)
