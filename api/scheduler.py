"""What happens by itself: deadlines, closing heads, stalls, expiry, beats, daily proofs of life.

Each tick is a list of independent chores; one that fails is said on stderr and tried again, and
never holds up another. Every chore is a command with an id that derives from what it is about, so
a crash between two of them repeats nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import timedelta

from api import uploading
from api.adapters.clock import boot_us
from api.adapters.uploads import Upload
from api.idempotency import derived_id
from api.platform import Platform
from api.scrubbing import ScrubChore
from crypto.log_errors import QuorumNotMet
from domain.commands.prove_life import DecryptCanary, ProveLife, decrypt_canary, prove_life
from domain.commands.reach_deadline import ReachDeadline, reach_deadline
from domain.commands.transmit import ExpireTransmission, expire_transmission
from domain.errors import DomainError
from domain.events.transmission import StallCause

TICK_S = 0.5
SECOND_US = 1_000_000
DAY_S = 86_400
CLOSINGS = 16  # the last closing heads whose missing cosignatures are asked for again
LATE_S = 30
"""Between two times that silent witnesses are asked again for a closing head."""


class Scheduler:
    """One thread beside the requests; ``tick`` is also called by tests and by the story."""

    def __init__(self, platform: Platform, counter: Callable[[], int] = boot_us) -> None:
        self._platform = platform
        self._counter = counter
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        # owned by whoever ticks, one at a time under _lock
        self._lock = threading.Lock()
        self._beat_at = counter()
        self._late_at = counter() - LATE_S * SECOND_US
        self._proofs: dict[str, str] = {}
        self._scrub = ScrubChore(platform, counter)

    def start(self) -> None:
        """Begin in a thread of its own."""
        if self._platform.reserve is not None:
            self._platform.reserve.hold()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def tick(self) -> None:
        """Do everything that is due now."""
        with self._lock:
            # first: after a restart, what is owed is known before anything larger is published
            self._chore("late cosignatures", self._late)
            self._chore("deadlines", self._deadlines)
            self._chore("silence", self._silence)
            self._chore("life", self._life)
            self._chore("beat", self._beat)
            self._chore("scrub", self._scrub.tick)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            self.tick()

    def _chore(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._platform.note_ledger_error(error)
            code = getattr(error, "code", type(error).__name__)
            sys.stderr.write(f"pli : scheduler {name} [{code}]\n")

    def _deadlines(self) -> None:
        """Close the registers whose D is certainly past, and publish their closing head at once."""
        platform = self._platform
        due = {name: wait for name, wait in platform.index.awaited().items() if not wait.suspended}
        if due:
            earliest = platform.desk.clock.now().earliest
            for name, wait in due.items():
                if earliest > wait.deadline:
                    self._close(name)
        # also after a crash between the two: a closed register without a published head is due
        if platform.index.closed_at() >= platform.published_size():
            self._publish(closing=True)

    def _late(self) -> None:
        """Ask again for the cosignatures that a closing head lacks: nothing opens before."""
        platform = self._platform
        if self._counter() - self._late_at < LATE_S * SECOND_US:
            return
        self._late_at = self._counter()
        published = platform.published_size()
        for position in platform.index.closings()[-CLOSINGS:]:
            if position < published:
                try:
                    platform.ledger.complete(position)
                except QuorumNotMet as error:  # an older one must not stand before a newer one
                    sys.stderr.write(f"pli : scheduler late cosignatures [{error.code}]\n")

    def _close(self, name: str) -> None:
        """Seal what was whole before D, then reach D: both under the consultation's turn."""
        platform = self._platform
        with platform.desk.turns.hold(name):
            for upload in platform.uploads.running():
                if upload.consultation == name:
                    uploading.seal_if_whole(platform, platform.itself, upload)
            act = platform.own_act(derived_id(name, "reach-deadline"), name)
            platform.act(reach_deadline, act, ReachDeadline(name))

    def _silence(self) -> None:
        """Stall what is silent, expire what is silent for a day, seal what is whole."""
        platform = self._platform
        for upload in platform.uploads.running():
            if uploading.seal_if_whole(platform, platform.itself, upload):
                continue
            silent = platform.activity.silent_s(upload.transmission)
            if silent >= platform.settings.expire_s:
                self._expire(upload)
            elif silent >= platform.settings.stall_s:
                uploading.stall(platform, upload, StallCause.UNKNOWN)

    def _expire(self, upload: Upload) -> None:
        platform = self._platform
        with platform.desk.turns.hold(upload.consultation):
            session = uploading.session_of(platform, upload.transmission)
            if session is not None and session.state not in uploading.ENDED:
                key = derived_id(upload.transmission, "expire")
                command = ExpireTransmission(upload.transmission, upload.refused)
                platform.act(
                    expire_transmission, platform.own_act(key, upload.consultation), command
                )
            uploading.forget(platform, upload)

    def _life(self) -> None:
        """Ask each share for its proof of life, and open the canary, once a day."""
        platform = self._platform
        waiting = [name for name in platform.index.in_custody() if self._is_due(name)]
        if not waiting:
            return
        today = platform.desk.clock.now().earliest.date().isoformat()
        for name in waiting:
            if self._proofs.get(name) == today:
                continue
            self._proofs[name] = today
            self._prove(name, today)

    def _is_due(self, name: str) -> bool:
        return name in self._platform.index.awaited()

    def _prove(self, name: str, today: str) -> None:
        platform = self._platform
        for use_case, command in (
            (prove_life, ProveLife(name)),
            (decrypt_canary, DecryptCanary(name)),
        ):
            act = platform.own_act(derived_id(name, type(command).__name__, today.encode()), name)
            try:
                platform.act(use_case, act, command)  # type: ignore[arg-type]
            except DomainError as error:
                sys.stderr.write(f"pli : {type(command).__name__} {name} [{error.code}]\n")

    def _beat(self) -> None:
        """Publish a checkpoint at each beat."""
        every = timedelta(seconds=self._platform.beat_s)
        if self._counter() - self._beat_at >= every.total_seconds() * SECOND_US:
            self._publish(closing=False)

    def _publish(self, *, closing: bool) -> None:
        self._platform.publish(closing=closing)
        self._beat_at = self._counter()
