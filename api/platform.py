"""One running platform, as routes, scheduler and commands hold it; built by ``api/wiring.py``."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from api.adapters.clock import host_time
from api.arrivals import Arrivals
from api.journal import say
from api.seats import SeatsInForce
from api.settings import Settings
from crypto.notes import parse_checkpoint, parse_note
from domain.clock import local_date
from domain.commands.grant_access import PLATFORM_WIDE
from domain.custody import KeyCeremony
from domain.errors import DomainError
from domain.ports import AT_HOME, Act, Desk, Principal, Recorded
from domain.tenure import EVERYTHING
from ledger.errors import NotPublished, StorageFull

if TYPE_CHECKING:
    from api.accounts import Accounts
    from api.adapters.activity import Activity
    from api.adapters.blobs import Blobs
    from api.adapters.bodies import Allowance
    from api.adapters.index import LedgerIndex
    from api.adapters.oidc import Provider
    from api.adapters.refusal_book import RefusalBook
    from api.adapters.reserve import Reserve
    from api.adapters.uploads import Uploads
    from api.adapters.vault import EnvelopeVault
    from api.anchoring import Anchoring
    from api.home import Home
    from api.privacy import Privacy
    from api.probe import Probing
    from api.rates import Rates
    from ledger.application import Ledger
    from projections.runner import Runner

C = TypeVar("C")
UseCase = Callable[[Desk, Act, C], Recorded]
ATTEMPTS = 8
AUDITOR = "AU"


class Runs(Protocol):
    """Something that works beside the requests, until it is stopped."""

    def start(self) -> None:
        """Begin in a thread of its own."""

    def stop(self) -> None:
        """End it and wait for its end."""


@dataclass
class Platform:
    """The finished platform. Threads share it; what it holds guards itself."""

    settings: Settings
    home: Home
    ledger: Ledger
    desk: Desk
    accounts: Accounts
    uploads: Uploads
    vault: EnvelopeVault
    blobs: Blobs
    index: LedgerIndex
    activity: Activity
    anchoring: Anchoring
    views: Runner
    moved: tuple[type[Exception], ...]
    fatal: tuple[type[Exception], ...]
    bidder_salt: Callable[[str, str], str]
    beat_s: int
    refusals: RefusalBook
    bodies: Allowance
    rates: Rates
    waiting_grants: set[str] = field(default_factory=set)
    arrivals: Arrivals = field(default_factory=Arrivals)
    runners: list[Runs] = field(default_factory=list)
    closers: Sequence[Callable[[], None]] = ()
    on_fail_stop: Callable[[Platform], None] | None = None
    reserve: Reserve | None = None
    privacy: Privacy = field(init=False, repr=False)
    """Set by the wiring once the platform stands, because it acts on it."""
    now: Callable[[], datetime] = host_time
    """The time by which credentials and sessions end."""
    provider: Provider | None = None
    probing: Probing | None = None
    """What tries the platform once a minute; None where nothing does."""

    @cached_property
    def seats(self) -> SeatsInForce:
        """Who holds which role now."""
        desk = self.desk
        moved = self.index.members_moved
        return SeatsInForce(desk.files, desk.clock, desk.subjects.reveal, moved, self.now)

    def act(self, use_case: UseCase[C], act: Act, command: C) -> Recorded:
        """Run one command; one that raced with another is decided again on the new state.

        Also where that other one was the same command, sent twice: a rule that the first has moved
        (what it made exists now) refuses the second no more than a later repetition (N3).
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return use_case(self.desk, act, command)
            except self.moved:
                continue
            except DomainError:
                if self.desk.earlier(act, command) is None:
                    raise
                break
        return use_case(self.desk, act, command)

    def keyset_document(self, digest: str) -> Mapping[str, Any]:
        """Return the document of a ready keyset, found through its ceremony."""
        ceremony = self.index.ceremony(digest)
        held = self.desk.files.find(KeyCeremony, f"ceremony/{ceremony}") if ceremony else None
        return held.document if held is not None else {}

    def act_of(self, command_id: str, principal: Principal, correlation: str) -> Act:
        """Return the act of a caller."""
        return Act(command_id, principal, correlation)

    def own_act(self, command_id: str, correlation: str) -> Act:
        """Return an act of the platform itself: deadlines, stalls, proofs of life."""
        return Act(command_id, self.itself, correlation)

    def home_act(self, command_id: str, correlation: str) -> Act:
        """Return an act of the operator of the home, known by its files alone; entries say so."""
        return Act(command_id, replace(self.itself, auth=AT_HOME), correlation)

    @property
    def itself(self) -> Principal:
        """The platform as a caller: its own organisation, no person."""
        return Principal(self.desk.platform, "PA", "platform", "scheduler")

    @property
    def policies(self) -> Mapping[str, str]:
        """The texts of ``policy.txt`` and ``policy-log.txt``."""
        return self.ledger.policies

    def publish(self, *, closing: bool = False) -> bytes:
        """Publish a checkpoint now; a closing head must reach the quorum of the policy."""
        return self.ledger.publish(closing)

    def served(self, path: str) -> bytes | None:
        """Return what the log serves at a path: nothing beyond the last published checkpoint."""
        try:
            return self.ledger.files().read(path)
        except NotPublished:
            return None

    def published_size(self) -> int:
        """Return the size of the last published checkpoint, 0 for none."""
        note = self.ledger.published()
        return parse_checkpoint(parse_note(note).text).size if note else 0

    def may_read_entries(self, caller: Principal) -> bool:
        """Say whether the whole log is open to the caller, by the word of the platform."""
        return (self.desk.platform, PLATFORM_WIDE) in self.accesses(caller)

    def may_audit(self, caller: Principal, buyer: str, consultation: str = EVERYTHING) -> bool:
        """Say whether a buyer opened its files to the caller: all of them, or this consultation's.

        The word of the platform opens its log and never what a buyer holds.
        """
        return not {(buyer, EVERYTHING), (buyer, consultation)}.isdisjoint(self.accesses(caller))

    def accesses(self, caller: Principal) -> frozenset[tuple[str, str]]:
        """Return (granter, scope) of all that is open to an auditor on this legal day."""
        if caller.role != AUDITOR:
            return frozenset()
        return self.index.accesses(caller.org, local_date(self.desk.clock.now().latest))

    def start(self) -> None:
        """Start what runs beside the requests."""
        for runner in self.runners:
            runner.start()

    def close(self) -> None:
        """Stop everything in reverse order and give the files and the lock back."""
        for runner in reversed(self.runners):
            runner.stop()
        for close in self.closers:
            close()

    def note_ledger_error(self, error: Exception) -> None:
        """Leave the process at once after a failed write (N2): nothing is read afterwards.

        A full disk is no such failure: the room kept for the log is given up.
        """
        if isinstance(error, StorageFull) and self.reserve is not None:
            self.reserve.release()
        if isinstance(error, self.fatal) and self.on_fail_stop is not None:
            threading.Thread(target=self.on_fail_stop, args=(self,), daemon=True).start()

    def log_unexpected(self, error: Exception) -> None:
        """Tell an error of ours: no message of it, no body, no path, no number of deposits."""
        trace = [
            {"file": Path(frame.filename).name, "line": frame.lineno, "in": frame.name}
            for frame in traceback.extract_tb(error.__traceback__)[-6:]
        ]
        say("unexpected", kind=type(error).__name__, trace=trace)
