"""Key ceremonies, and the keyset assigned to a consultation (domain.md §4.9, envelope.md §2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.aggregate import Aggregate, folds
from domain.errors import CustodyTooWeak
from domain.events.custody import (
    CanaryDecrypted,
    CeremonyCommitted,
    CeremonyComplained,
    CeremonyConfirmed,
    CeremonyFailed,
    CeremonyShared,
    CeremonyStarted,
    CustodianAppointed,
    CustodianRefused,
    KeyCeremonyCompleted,
    KeysetReady,
    KeysetRetired,
    OpeningShareReleased,
    ProofOfLifeGiven,
    ProofOfLifeMissed,
    ShareDestroyed,
    ShareReportedLost,
)

CANARY_HOURS = timedelta(hours=24)


class KeyCeremony(Aggregate):
    """One joint key generation and, until it is assigned, the keyset that came of it."""

    TOPIC = "KeyCeremony"
    PREFIX = "ceremony"
    EVENTS = (
        CeremonyStarted,
        CeremonyCommitted,
        CeremonyShared,
        CeremonyConfirmed,
        CeremonyComplained,
        CeremonyFailed,
        KeysetReady,
        ProofOfLifeGiven,
        ProofOfLifeMissed,
    )

    def begin(self) -> None:
        """Start without members."""
        super().begin()
        self.ceremony: Mapping[str, Any] = {}
        self.committed: tuple[CeremonyCommitted, ...] = ()
        self.shared: tuple[CeremonyShared, ...] = ()
        self.confirmed: tuple[CeremonyConfirmed, ...] = ()
        self.failed = ""
        self.digest = ""
        self.document: Mapping[str, Any] = {}

    @folds(CeremonyStarted)
    def _started(self, event: CeremonyStarted) -> None:
        self.ceremony = event.ceremony

    @folds(CeremonyCommitted)
    def _committed(self, event: CeremonyCommitted) -> None:
        self.committed = (*self.committed, event)

    @folds(CeremonyShared)
    def _shared(self, event: CeremonyShared) -> None:
        self.shared = (*self.shared, event)

    @folds(CeremonyConfirmed)
    def _confirmed(self, event: CeremonyConfirmed) -> None:
        self.confirmed = (*self.confirmed, event)

    @folds(CeremonyFailed)
    def _failed(self, event: CeremonyFailed) -> None:
        self.failed = event.reason

    @folds(KeysetReady)
    def _ready(self, event: KeysetReady) -> None:
        self.digest, self.document = event.digest, event.document

    def custodians(self) -> tuple[str, ...]:
        """Return the custodians in order of index."""
        return tuple(member["custodian"] for member in self.ceremony["members"])

    def organisations(self) -> Mapping[str, int]:
        """Return how many shares each organisation holds."""
        return Counter(member["organisation"] for member in self.ceremony["members"])


class Custody(Aggregate):
    """The keyset of one consultation: assigned once, alive until the opening, then retired."""

    TOPIC = "Custody"
    PREFIX = "custody"
    EVENTS = (
        CustodianAppointed,
        KeyCeremonyCompleted,
        CanaryDecrypted,
        ProofOfLifeGiven,
        ProofOfLifeMissed,
        ShareReportedLost,
        OpeningShareReleased,
        CustodianRefused,
        KeysetRetired,
        ShareDestroyed,
    )

    def begin(self) -> None:
        """Start without a keyset."""
        super().begin()
        self.keyset: KeyCeremonyCompleted | None = None
        self.canary_at: datetime | None = None
        self.lost: frozenset[str] = frozenset()
        self.missing: frozenset[str] = frozenset()
        self.retired = False
        self.destroyed: frozenset[str] = frozenset()
        self.released: frozenset[tuple[str, str, str, str]] = frozenset()

    @folds(KeyCeremonyCompleted)
    def _completed(self, event: KeyCeremonyCompleted) -> None:
        self.keyset = event

    @folds(CanaryDecrypted)
    def _canary(self, event: CanaryDecrypted) -> None:
        self.canary_at = event.meta.clock.earliest

    @folds(ProofOfLifeGiven)
    def _alive(self, event: ProofOfLifeGiven) -> None:
        self.missing = self.missing - {event.custodian}
        self.lost = self.lost - {event.custodian}  # restored from its recovery copy

    @folds(ProofOfLifeMissed)
    def _missed(self, event: ProofOfLifeMissed) -> None:
        self.missing = self.missing | {event.custodian}

    @folds(ShareReportedLost)
    def _lost(self, event: ShareReportedLost) -> None:
        self.lost = self.lost | {event.custodian}

    @folds(OpeningShareReleased)
    def _released(self, event: OpeningShareReleased) -> None:
        answer = (event.deposit, event.lot, event.custodian, event.partial_hash)
        self.released = self.released | {answer}
        self.lost = self.lost - {event.custodian}

    @folds(KeysetRetired)
    def _retired(self, event: KeysetRetired) -> None:
        self.retired = True

    @folds(ShareDestroyed)
    def _destroyed(self, event: ShareDestroyed) -> None:
        self.destroyed = self.destroyed | {event.custodian}

    def canary_fresh(self, latest: datetime) -> bool:
        """Say whether the canary was opened at most 24 hours ago."""
        return self.canary_at is not None and latest - self.canary_at <= CANARY_HOURS

    def needed(self) -> int:
        """Return how many custodians open; the keyset is assigned by then."""
        return 0 if self.keyset is None else self.keyset.k

    def in_danger(self) -> bool:
        """Say whether more than n - k custodians give no sign of life: alarm, postpone D."""
        if self.keyset is None:
            return False
        return len(self.missing | self.lost) > self.keyset.n - self.keyset.k


def check_strength(k: int, custodians: Sequence[str]) -> None:
    """Return quietly if the threshold needs two different custodians at least."""
    n = len(custodians)
    if k < 2 or k > n:
        raise CustodyTooWeak(k, n, "the threshold must lie between 2 and the number of shares")
    if len(set(custodians)) < n:
        raise CustodyTooWeak(k, n, "each custodian holds one share")
