"""The platform tries itself once a minute, as a depositor does, and keeps what it found (T32).

One thread of its own: a slow door holds up no deadline. Without a sound clock nothing is said,
which proves nothing. What is tried stands in ``api/probe_checks.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.adapters.clock_sources import clock_facts
from api.idempotency import derived_id
from api.journal import say
from api.probe_checks import SECOND_US, Check, Checks, Found, code_of_failure
from domain.commands.probe import RecordProbes, record_probes
from domain.events.health import Probe
from domain.health import ClockCheck, Probed

if TYPE_CHECKING:
    from api.adapters.own_door import Door
    from api.adapters.probe_book import Batch, ProbeBook
    from api.adapters.probe_room import ProbeRoom
    from api.canary import Canary
    from api.platform import Platform

TICK_S = 0.5
OPENING_S = 60
"""So long after the start a door that does not answer yet is no failure: it is being opened."""


class Probing:
    """Probes, and their way into the log; ``tick`` and ``flush`` are also called by tests."""

    def __init__(
        self,
        platform: Platform,
        *,
        door: Door,
        book: ProbeBook,
        room: ProbeRoom,
        counter: Callable[[], int],
    ) -> None:
        self._platform = platform
        self.checks = Checks(platform, door, room, counter)
        self._book = book
        self._counter = counter
        self._every = platform.settings.probe_s * SECOND_US
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        # owned by whoever ticks, one at a time under _lock
        self._lock = threading.Lock()
        self._begun: int | None = None
        self._told: dict[Probe, str] = {}
        # one batch is recorded at a time
        self._flushing = threading.Lock()

    def start(self) -> None:
        """Begin in a thread of its own, unless the setting says that nothing is probed."""
        if self._every:
            self._thread.start()

    def stop(self) -> None:
        """End the thread and record what it found; after a crash the next start does."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
            self._chore(self.flush)

    def close(self) -> None:
        """Give the files back."""
        self._book.close()
        if self.checks.canary is not None:
            self.checks.canary.close()

    def canary(self, token: str, operation: str) -> Canary | None:
        """Return the depositor behind a token, if it is the platform itself."""
        found = self.checks.canary
        return found if found is not None and found.knows(token, operation) else None

    def waiting(self) -> list[Probed]:
        """Return what was found and does not stand in the log yet, oldest first."""
        return self._book.waiting()

    def tick(self) -> None:
        """Make a round, if a minute has passed since the last one began."""
        with self._lock:
            now = self._counter()
            if self._begun is None or now - self._begun >= self._every:
                self._begun = now
                self._round()

    def flush(self) -> None:
        """Record what was found: before each published checkpoint."""
        self._record(failures=False)

    # -- one round

    def _run(self) -> None:
        self._chore(self.flush)
        self._await_door()
        while not self._stopping.is_set():
            self._chore(self.tick)
            self._stopping.wait(TICK_S)

    def _await_door(self) -> None:
        begun = self._counter()
        while self._counter() - begun < OPENING_S * SECOND_US:
            try:
                self.checks.door.ask("GET", "/checkpoint")
            except OSError:
                if self._stopping.wait(TICK_S):
                    return
            else:
                return

    def _chore(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._platform.note_ledger_error(error)
            say("chore.failed", chore="probes", code=code_of_failure(error))

    def _round(self) -> None:
        seen = [
            one for probe, check in self.checks.all().items() for one in self._probed(probe, check)
        ]
        self._book.add(seen)
        self._tell(seen)
        if any(one.error is not None for one in seen):
            self._record(failures=True)

    def _probed(self, probe: Probe, check: Check) -> list[Probed]:
        at = self._platform.desk.clock.now().latest
        begun = self._counter()
        try:
            found = check()
        except Exception as error:
            found = [Found(code_of_failure(error))]
        took = (self._counter() - begun) // 1000
        return [Probed(probe, at, took, one.path, one.error) for one in found]

    def _tell(self, seen: Sequence[Probed]) -> None:
        """Say in the journal what fails, once until it is something else."""
        failed = {one.probe: one.error for one in seen if one.error is not None}
        for probe, error in failed.items():
            if self._told.get(probe) != error:
                say("alarm", about=f"probe {probe}", code=error)
        self._told = {probe: error or "" for probe, error in failed.items()}

    # -- into the log

    def _record(self, *, failures: bool) -> None:
        with self._flushing:
            left = self._book.unfinished()
            if left is not None:
                self._keep(left)
            check = None if failures else self._checked()
            key = self._platform.desk.rng.bytes(16).hex()
            made = self._book.gather(key, check, failures=failures)
            if made is not None:
                self._keep(made)

    def _keep(self, batch: Batch) -> None:
        act = self._platform.own_act(derived_id("health", "probes", batch.key.encode()), "health")
        command = RecordProbes(batch.seen, batch.clock)
        self._platform.act(record_probes, act, command)
        # after a crash here the batch is sent again, and the command is known
        self._book.recorded(batch)

    def _checked(self) -> ClockCheck:
        """Return what the clock says of this host, and how many sources have a part in it."""
        told = clock_facts(self._platform.desk.clock)
        return ClockCheck(told.offset_ms, told.uncertainty_ms, len(told.sources))
