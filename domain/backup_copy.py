"""Backup copies, and the register of what comes outside the platform (domain.md §4.8).

A copy opens on one of the four grounds of ``backup_right`` and never otherwise: what was not
authorised is in no plan, and a copy on paper is not recorded as opened.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Aggregate, Meta, folds
from domain.errors import NotFound
from domain.events.backup_copy import (
    AsideReason,
    BackupCopyDestroyed,
    BackupCopyMalwareDetected,
    BackupCopyOpened,
    BackupCopyOpeningAuthorised,
    BackupCopyReceived,
    BackupCopySetAside,
    Medium,
    OutOfBandItemRegistered,
)
from domain.events.deposit import EnvelopeUnreadable, OpeningRefused


class BackupCopy(Aggregate):
    """One backup copy; an electronic one is named by the id of its label."""

    TOPIC = "BackupCopy"
    PREFIX = "backup"
    MACHINE = "backup"
    EVENTS = (
        BackupCopyReceived,
        BackupCopyOpeningAuthorised,
        BackupCopyOpened,
        EnvelopeUnreadable,
        BackupCopyMalwareDetected,
        BackupCopySetAside,
        BackupCopyDestroyed,
        OpeningRefused,
    )

    def begin(self) -> None:
        """Start without a copy."""
        super().begin()
        self.facts: BackupCopyReceived | None = None
        self.authorised: BackupCopyOpeningAuthorised | None = None
        self.outcome: BackupCopyOpened | EnvelopeUnreadable | None = None
        self.aside: AsideReason | None = None
        self.infected = False
        self.refusals: tuple[OpeningRefused, ...] = ()

    @folds(BackupCopyReceived)
    def _received(self, event: BackupCopyReceived) -> None:
        self.facts = event

    @folds(BackupCopyOpeningAuthorised)
    def _authorised(self, event: BackupCopyOpeningAuthorised) -> None:
        self.authorised = event

    @folds(BackupCopyOpened, EnvelopeUnreadable)
    def _handled(self, event: BackupCopyOpened | EnvelopeUnreadable) -> None:
        self.outcome = event

    @folds(BackupCopyMalwareDetected)
    def _infected(self, event: BackupCopyMalwareDetected) -> None:
        self.infected = True

    @folds(BackupCopySetAside)
    def _set_aside(self, event: BackupCopySetAside) -> None:
        self.aside = event.reason

    @folds(OpeningRefused)
    def _refused(self, event: OpeningRefused) -> None:
        self.refusals = (*self.refusals, event)

    def received(self) -> BackupCopyReceived:
        """Return how the copy came; its first event is the reception, else there is no copy."""
        if self.facts is None:
            raise NotFound(self.PREFIX, self.name)
        return self.facts

    @property
    def electronic(self) -> bool:
        """Say whether the copy is a sealed envelope."""
        return self.received().medium == Medium.ELECTRONIC

    def earliest(self) -> datetime:
        """Return the first instant at which the copy can have come (T1: doubt favours it)."""
        came = self.received()
        if self.electronic:
            return came.meta.clock.earliest
        return came.received_at - timedelta(milliseconds=came.uncertainty_ms)

    # --- what an opening under a plan asks of an envelope

    @property
    def commitment(self) -> str:
        """Return the recorded commitment of an electronic copy."""
        return self.received().commitment or ""

    def handled(self, lot: str) -> bool:
        """Say whether the copy was opened or found unreadable already: it has one lot."""
        return self.outcome is not None

    def open(self, meta: Meta) -> None:
        """Append BackupCopyOpened; only an authorised copy opens."""
        self.append(BackupCopyOpened(**self.stamp(meta)))

    def infect(self, meta: Meta, trace_hash: str) -> None:
        """Append BackupCopyMalwareDetected, and BackupCopySetAside unless that was done before."""
        self.append(BackupCopyMalwareDetected(**self.stamp(meta), trace_hash=trace_hash))
        if self.aside is None:
            self.append(BackupCopySetAside(**self.stamp(meta), reason=AsideReason.MALWARE))

    def detail(self) -> str:
        """Return what the minutes say of the outcome: the ground, or fault and cause."""
        if isinstance(self.outcome, EnvelopeUnreadable):
            return f"{self.outcome.fault} {self.outcome.cause}"
        return "" if self.authorised is None else self.authorised.ground.value


class OutOfBandRegister(Aggregate):
    """What came outside the platform for one consultation: samples, models, paper."""

    TOPIC = "OutOfBandRegister"
    PREFIX = "register"
    EVENTS = (OutOfBandItemRegistered,)

    def begin(self) -> None:
        """Start empty."""
        super().begin()
        self.items: tuple[OutOfBandItemRegistered, ...] = ()

    @folds(OutOfBandItemRegistered)
    def _registered(self, event: OutOfBandItemRegistered) -> None:
        self.items = (*self.items, event)
