"""The platform tries itself once a minute, as a depositor does, and keeps what it found (T32).

DEPOSIT sends a synthetic envelope through the platform's own door; DOWNLOAD takes a file there;
LOGIN asks for the page of entrance and its accounts; LINK asks for the page of each open
consultation; STORAGE commits, writes, syncs and reads again; CLOCK asks for a sound reading. One
thread of its own: a slow door holds up no deadline. Without a sound clock nothing is said, which
proves nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.canary import CONTENT, FILE, NAME, Canary
from api.errors import LoginRequired, code_of
from api.idempotency import derived_id
from api.journal import say
from domain.commands.probe import MOST_ERROR, RecordProbes, record_probes
from domain.errors import DomainError
from domain.events.health import Probe
from domain.health import ClockCheck, Probed

if TYPE_CHECKING:
    from api.adapters.own_door import Answered, Door
    from api.adapters.probe_book import Batch, ProbeBook
    from api.adapters.probe_room import ProbeRoom
    from api.platform import Platform

TICK_S = 0.5
SECOND_US = 1_000_000
OPENING_S = 60
"""So long after the start a door that does not answer yet is no failure: it is being opened."""
PAGES_US = 10 * SECOND_US
"""How long the pages of one round may take; those that were not asked come first in the next."""
SENT = "/api/v1/transmissions"
STRANGER = "pli_" + "0" * 64


@dataclass(frozen=True)
class Found:
    """What one check found, of a path where it has several."""

    error: str | None = None
    path: str | None = None


Check = Callable[[], Sequence[Found]]


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
        self._door = door
        self._book = book
        self._room = room
        self._counter = counter
        self._every = platform.settings.probe_s * SECOND_US
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        # owned by whoever ticks, one at a time under _lock
        self._lock = threading.Lock()
        self._begun: int | None = None
        self._canary: Canary | None = None
        self._asked = ""
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
        if self._canary is not None:
            self._canary.close()

    def canary(self, token: str, operation: str) -> Canary | None:
        """Return the depositor behind a token, if it is the platform itself."""
        found = self._canary
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
                self._door.ask("GET", "/checkpoint")
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
            say("chore.failed", chore="probes", code=_code(error))

    def _round(self) -> None:
        checks: Mapping[Probe, Check] = {
            Probe.DEPOSIT: self._deposit,
            Probe.DOWNLOAD: self._download,
            Probe.LOGIN: self._login,
            Probe.STORAGE: self._storage,
            Probe.CLOCK: self._clock,
            Probe.LINK: self._links,
        }
        seen = [one for probe, check in checks.items() for one in self._probed(probe, check)]
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
            found = [Found(_code(error))]
        took = (self._counter() - begun) // 1000
        return [Probed(probe, at, took, one.path, one.error) for one in found]

    def _tell(self, seen: Sequence[Probed]) -> None:
        """Say in the journal what fails, once until it is something else."""
        failed = {one.probe: one.error for one in seen if one.error is not None}
        for probe, error in failed.items():
            if self._told.get(probe) != error:
                say("alarm", about=f"probe {probe}", code=error)
        self._told = {probe: error or "" for probe, error in failed.items()}

    # -- what is tried

    def _deposit(self) -> Sequence[Found]:
        """Announce, head, chunk, finish: each must be answered as a depositor needs it."""
        canary = self._own()
        try:
            return [Found(self._sent(canary))]
        finally:
            canary.forget()

    def _sent(self, canary: Canary) -> str | None:
        made = canary.sealed()
        bearer = f"Bearer {canary.token}"
        key = f"probe-{self._platform.desk.rng.bytes(8).hex()}"
        told = self._door.ask(
            "POST",
            SENT,
            json.dumps(made.form).encode(),
            Authorization=bearer,
            Content_Type="application/json",
            Idempotency_Key=key,
        )
        if told.status != 201:
            return _refused("announce", told)
        at = f"{SENT}/{json.loads(told.body)['transmission']}"
        told = self._door.ask(
            "PUT", f"{at}/head", made.head, Authorization=bearer, Pli_Commitment=made.commitment
        )
        if told.status != 201:
            return _refused("head", told)
        told = self._door.ask(
            "PUT", f"{at}/chunks/0", made.chunk, Authorization=bearer, Pli_Leaf=made.leaf
        )
        if told.status != 201:
            return _refused("chunk", told)
        told = self._door.ask(
            "POST", f"{at}/finish", Authorization=bearer, Idempotency_Key=f"{key}-end"
        )
        if told.status != 200:
            return _refused("finish", told)
        shown = json.loads(told.body)
        whole = shown["state"] == "COMPLETED" and bool(shown["attestation"])
        return None if whole else f"finish {shown['state']}"

    def _download(self) -> Sequence[Found]:
        """Take a file of a dossier, byte for byte."""
        canary = self._own()
        canary.stock()
        told = self._door.ask(
            "GET",
            f"/api/v1/consultations/{NAME}/dossier/files/{FILE}",
            Authorization=f"Bearer {canary.token}",
        )
        if told.status != 200:
            return [Found(_refused("file", told))]
        return [Found(None if told.body == CONTENT else "file differs")]

    def _login(self) -> Sequence[Found]:
        """Ask for the page of entrance, and the accounts for somebody whom they do not know."""
        told = self._door.ask("GET", "/login")
        if told.status != 200:
            return [Found(_refused("page", told))]
        try:
            self._platform.accounts.authenticate(STRANGER, self._platform.now())
        except LoginRequired:
            return [Found()]
        return [Found("a stranger was let in")]

    def _storage(self) -> Sequence[Found]:
        """Commit on the log's database, then write, sync and read a file of the home."""
        self._platform.ledger.confirm()
        return [Found(self._room.tried(self._platform.desk.rng.bytes(4096)))]

    def _clock(self) -> Sequence[Found]:
        """Ask for a reading, which the step check accepts or refuses."""
        self._platform.desk.clock.now()
        return [Found()]

    def _links(self) -> Sequence[Found]:
        """Ask for the page of each open consultation, beginning after the last that was asked.

        Without a failure one success stands for all of them; beside a failure, one that succeeded
        is named, because another path that works is a fact (``disputes.md`` §3).
        """
        names = sorted(self._platform.index.awaited())
        if not names:
            return []
        # a page that was published this very moment is in the views a little later
        self._platform.views.wait(self._platform.ledger.head() - 1)
        after = [name for name in names if name > self._asked]
        begun = self._counter()
        good, bad = "", []
        for name in [*after, *names[: len(names) - len(after)]]:
            error = self._page(name)
            self._asked = name
            if error is None:
                good = name
            else:
                bad.append(Found(error, name))
            if self._counter() - begun > PAGES_US:
                break
        return [*bad, *([Found(None, good)] if good else [])] if bad else [Found()]

    def _page(self, name: str) -> str | None:
        try:
            told = self._door.ask("GET", f"/consultations/{name}")
        except OSError as error:
            return _code(error)
        return None if told.status == 200 else _refused("page", told)

    def _own(self) -> Canary:
        if self._canary is None:
            self._canary = Canary(self._platform, self._room.canary)
        return self._canary

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
        """Return what the clock says of itself: one source, this host, so no distance from it."""
        return ClockCheck(0, self._platform.desk.clock.now().uncertainty_ms(), 1)


def _refused(step: str, told: Answered) -> str:
    """Return where a probe was refused: our own words and a code, nothing of the answer's text."""
    try:
        code = str(json.loads(told.body)["code"])
    except (ValueError, KeyError, TypeError):
        code = ""
    plain = "".join(char for char in code if char.isascii() and (char.isalnum() or char in ".-"))
    return f"{step} {told.status} {plain}".strip()[:MOST_ERROR]


def _code(error: BaseException) -> str:
    known = isinstance(error, DomainError) or isinstance(getattr(error, "code", None), str)
    return (code_of(error) if known else type(error).__name__)[:MOST_ERROR]
