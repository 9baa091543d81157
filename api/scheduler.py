"""What happens by itself: deadlines, closing heads, stalls, expiry, beats, daily proofs of life.

Each tick is a list of independent chores; one that fails is said in the journal, tried again, and
never holds up another. Every chore is a command with an id that derives from what it is about, so
a crash between two of them repeats nothing. Deadlines have a thread of their own: witnesses and
custodians that keep the other chores waiting hold up no hour (``envelope.md`` 12.4).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from api import ceremonies, uploading
from api.adapters.clock import boot_us
from api.adapters.uploads import Upload
from api.closing import close
from api.errors import ProofMissing
from api.idempotency import derived_id
from api.journal import say
from api.platform import Platform, UseCase
from api.scrubbing import ScrubChore
from crypto.log_errors import QuorumNotMet
from domain.commands.hold_ceremony import RetireKeyset, retire_keyset
from domain.commands.prove_life import DecryptCanary, ProveLife, decrypt_canary, prove_life
from domain.commands.transmit import ExpireTransmission, expire_transmission
from domain.events.transmission import StallCause

TICK_S = 0.5
SECOND_US = 1_000_000
DAY_S = 86_400
CLOSINGS = 16  # the last closing heads whose missing cosignatures are asked for again
LATE_S = 30
"""Between two times that silent witnesses are asked again for a closing head."""
AGAIN_S = 60
"""After so long a proof of life that failed is asked for again."""
STOCK_S = 30
"""Between two keysets that are made ahead: a start has other things to do."""
HOUR_S = 3_600
"""After so long a custodian that gave none is asked again."""

SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The form of a transmission's name."""

C = TypeVar("C")


class Scheduler:
    """Three threads beside the requests; ``tick`` is also called by tests and by the story."""

    def __init__(self, platform: Platform, counter: Callable[[], int] = boot_us) -> None:
        self._platform = platform
        self._counter = counter
        self._stopping = threading.Event()
        self._closed = threading.Event()  # a register was closed, its head is wanted now
        # custodians have a thread of their own: one that is silent must not hold up a head
        self._threads = (
            threading.Thread(target=self._keep_hours, name="hours", daemon=True),
            threading.Thread(target=self._run, name="scheduler", daemon=True),
            threading.Thread(target=self._run_custody, name="custody", daemon=True),
        )
        self._closing = threading.Lock()  # one at a time looks which deadlines are past
        # owned by whoever ticks, one at a time under _lock; what custodians are asked under
        # another; _alarms: one thread for each thing
        self._lock = threading.Lock()
        self._custody_lock = threading.Lock()
        self._beat_at = counter()
        self._late_at = counter() - LATE_S * SECOND_US
        self._proofs: dict[str, str] = {}
        self._scrub = ScrubChore(platform, counter)
        self._again: dict[str, int] = {}
        self._hours: dict[str, str] = {}
        self._stock_at = counter()
        self._alarms: dict[str, str] = {}

    def start(self) -> None:
        """Begin in threads of their own."""
        if self._platform.reserve is not None:
            self._platform.reserve.hold()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and wait for them."""
        self._stopping.set()
        self._closed.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def tick(self) -> None:
        """Do everything that is due now."""
        self._tick()
        self._ask_custodians()

    def _tick(self) -> None:
        with self._lock:
            # first: after a restart, what is owed is known before anything larger is published
            self._chore("late cosignatures", self._late)
            self._chore("deadlines", self._deadlines)
            self._chore("closing heads", self._heads)
            self._chore("silence", self._silence)
            self._chore("beat", self._beat)
            self._chore("scrub", self._scrub.tick)

    def _ask_custodians(self) -> None:
        with self._custody_lock:
            self._chore("life", self._life)
            self._chore("keysets", self._stock)
            self._chore("shares", self._retire)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._closed.wait(TICK_S)
            if not self._stopping.is_set():
                self._tick()

    def _keep_hours(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._chore("deadlines", self._deadlines)

    def _run_custody(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._ask_custodians()

    def _chore(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._platform.note_ledger_error(error)
            code = getattr(error, "code", type(error).__name__)
            say("chore.failed", chore=name, code=code)

    def _deadlines(self) -> None:
        """Close the registers whose D is certainly past, each within seconds of it."""
        platform = self._platform
        with self._closing:
            awaited = platform.index.awaited().items()
            due = {name: wait for name, wait in awaited if not wait.suspended}
            if not due:
                return
            earliest = platform.desk.clock.now().earliest
            for name, wait in due.items():
                if earliest > wait.deadline:
                    self._apart(name, partial(self._close, name))

    def _close(self, name: str) -> None:
        close(self._platform, name, self._alarm)
        self._closed.set()

    def _heads(self) -> None:
        """Publish the closing head of what was closed, also after a crash between the two."""
        platform = self._platform
        self._closed.clear()
        if platform.index.closed_at() >= platform.published_size():
            self._publish(closing=True)

    def _late(self) -> None:
        """Ask again for the cosignatures that a closing head lacks: nothing opens before."""
        platform = self._platform
        if self._counter() - self._late_at < LATE_S * SECOND_US:
            return
        self._late_at = self._counter()
        published = platform.published_size()
        closings = platform.index.closings()[-CLOSINGS:]
        try:
            platform.ledger.complete(*(one for one in closings if one < published))
        except QuorumNotMet as error:
            say("chore.failed", chore="late cosignatures", code=error.code)

    def _silence(self) -> None:
        """Stall what is silent, expire what is silent for a day, seal what is whole."""
        for upload in self._platform.uploads.running():
            self._apart(upload.transmission, partial(self._listen, upload))

    def _listen(self, upload: Upload) -> None:
        platform = self._platform
        silent = platform.activity.silent_s(upload.transmission)
        expires = silent >= platform.settings.expire_s
        try:
            ended = uploading.seal_if_whole(platform, platform.itself, upload)
        except Exception:
            if expires:  # whole and unreadable here: it had a day to become readable again
                self._expire(upload)
            raise
        if expires and not ended:
            self._expire(upload)
        elif silent >= platform.settings.stall_s and not ended:
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

    def _apart(self, about: str, work: Callable[[], None]) -> None:
        """Do a piece of a chore: where it fails, the pieces after it are done all the same."""
        try:
            work()
        except Exception as error:
            self._platform.note_ledger_error(error)
            self._alarm(about, error)
        else:
            self._alarms.pop(about, None)

    def _alarm(self, about: str, error: Exception) -> None:
        """Say in the journal what goes wrong with a thing, once until it is something else."""
        code = getattr(error, "code", type(error).__name__)
        if self._alarms.get(about) != code:
            self._alarms[about] = code
            # before the opening no line says which upload it is, or whose (N11)
            say("alarm", about="upload" if SESSION.fullmatch(about) else about, code=code)

    def _life(self) -> None:
        """Ask each share for its proof of life, and open the canary, once a day."""
        platform = self._platform
        waiting = [name for name in platform.index.in_custody() if self._is_due(name)]
        if not waiting:
            return
        today = platform.desk.clock.now().earliest.date().isoformat()
        for name in waiting:
            if self._proofs.get(name) != today and self._counter() >= self._again.get(name, 0):
                self._again[name] = self._counter() + AGAIN_S * SECOND_US
                self._apart(f"life {name}", partial(self._prove, name, today))

    def _stock(self) -> None:
        """Make one keyset ahead, now and then; prove that those which wait are alive, each day."""
        if self._counter() - self._stock_at < STOCK_S * SECOND_US:
            return
        self._stock_at = self._counter()
        platform = self._platform
        if self._counter() >= self._again.get("stock", 0):
            self._again["stock"] = self._counter() + HOUR_S * SECOND_US  # unless it succeeds
            ceremonies.stock(platform)
            self._again.pop("stock")
        today = platform.desk.clock.now().earliest.date().isoformat()
        for name in ceremonies.waiting(platform):
            if self._proofs.get(name) != today:
                self._proofs[name] = today
                ceremonies.prove_stock(platform, name, today)

    def _retire(self) -> None:
        """Have the shares destroyed of keysets that have served, and ask for what is still owed."""
        platform = self._platform
        retention = timedelta(days=platform.settings.keyset_retention_days)
        now = platform.desk.clock.now().earliest
        for name, why in platform.index.retirements(now, retention).items():
            key = f"retire {name}"
            if self._counter() >= self._again.get(key, 0):
                self._again[key] = self._counter() + HOUR_S * SECOND_US
                command = RetireKeyset(name, why)
                when = f"{now:%Y-%m-%dT%H}"
                work = partial(self._act_daily, retire_keyset, command, name, when)
                self._apart(key, work)

    def _is_due(self, name: str) -> bool:
        return name in self._platform.index.awaited()

    def _prove(self, name: str, today: str) -> None:
        """Record both proofs; where one of them fails the day is not proven yet.

        Whoever was missing is asked again each hour, by acts of that hour.
        """
        hour = self._hours.get(name, today)
        self._act_daily(prove_life, ProveLife(name), name, hour)
        self._act_daily(decrypt_canary, DecryptCanary(name), name, hour)
        now = self._platform.desk.clock.now().earliest
        alarms = self._platform.index.custody_alarms(now)
        if missing := [one.missing for one in alarms if one.consultation == name]:
            self._hours[name] = f"{now:%Y-%m-%dT%H}"
            self._again[name] = self._counter() + HOUR_S * SECOND_US
            raise ProofMissing(", ".join(missing[0]))
        self._proofs[name] = today
        self._hours.pop(name, None)
        self._again.pop(name)

    def _act_daily(self, use_case: UseCase[C], command: C, name: str, when: str) -> None:
        key = derived_id(name, type(command).__name__, when.encode())
        self._platform.act(use_case, self._platform.own_act(key, name), command)

    def _beat(self) -> None:
        """Publish a checkpoint at each beat."""
        every = timedelta(seconds=self._platform.beat_s)
        if self._counter() - self._beat_at >= every.total_seconds() * SECOND_US:
            self._publish(closing=False)

    def _publish(self, *, closing: bool) -> None:
        if self._platform.probing is not None:
            # first, so that the checkpoint covers it; where it fails, nothing waits for it
            self._apart("probes", self._platform.probing.flush)
        self._platform.publish(closing=closing)
        self._beat_at = self._counter()
