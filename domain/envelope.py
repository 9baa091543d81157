"""The sealed envelope: kept closed until its hour, by rules that favour the bidder (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.aggregate import Aggregate, Meta, folds
from domain.clock import ceil_ms
from domain.events.deposit import (
    DepositSealed,
    DepositSuperseded,
    DepositWithdrawn,
    EnvelopeOpened,
    EnvelopeUnreadable,
    LateDepositAdmitted,
    LateDepositRecorded,
    LateDepositRejected,
    MalwareDetected,
    OpeningRefused,
)
from domain.events.transmission import DepositKind, Intent, MessageShown
from domain.plan import PlanDeposit


@dataclass(frozen=True)
class Sealing:
    """The facts of a sealed envelope, the same for a deposit on time and a late one."""

    transmission: str
    consultation: str
    lots: tuple[str, ...]
    bidder: str
    kind: DepositKind
    round: int
    intent: Intent
    target: str | None
    header_hash: str
    commitment: str
    ciphertext_root: str
    bytes_total: int
    capsule_hash: str
    documents_root: str
    documents_count: int
    announced_at: datetime
    started_at: datetime
    receipt_id: str


class SealedEnvelope(Aggregate):
    """One deposit; its id was drawn by the depositor."""

    TOPIC = "SealedEnvelope"
    PREFIX = "deposit"
    MACHINE = "deposit"
    EVENTS = (
        DepositSealed,
        LateDepositRecorded,
        LateDepositAdmitted,
        LateDepositRejected,
        DepositSuperseded,
        DepositWithdrawn,
        OpeningRefused,
        EnvelopeUnreadable,
        EnvelopeOpened,
        MalwareDetected,
        MessageShown,
    )

    def begin(self) -> None:
        """Start without an envelope."""
        super().begin()
        self.facts: DepositSealed | LateDepositRecorded | None = None
        self.sealed_version = 0
        self.withdrawn_version: int | None = None
        self.admitted = False
        self.superseded_lots: frozenset[str] = frozenset()
        self.opened_lots: frozenset[str] = frozenset()
        self.refusals: tuple[OpeningRefused, ...] = ()
        self.outcome: EnvelopeOpened | EnvelopeUnreadable | None = None
        self.malware: MalwareDetected | None = None
        self.told: frozenset[str] = frozenset()

    @folds(DepositSealed, LateDepositRecorded)
    def _sealed(self, event: DepositSealed | LateDepositRecorded) -> None:
        self.facts, self.sealed_version = event, event.originator_version

    @folds(LateDepositAdmitted)
    def _admitted(self, event: LateDepositAdmitted) -> None:
        self.admitted = True

    @folds(DepositSuperseded)
    def _superseded(self, event: DepositSuperseded) -> None:
        self.superseded_lots = self.superseded_lots | {*event.lots}

    @folds(DepositWithdrawn)
    def _withdrawn(self, event: DepositWithdrawn) -> None:
        self.withdrawn_version = event.originator_version

    @folds(EnvelopeOpened)
    def _opened(self, event: EnvelopeOpened) -> None:
        self.opened_lots = self.opened_lots | {*event.lots}
        self.outcome = event

    @folds(EnvelopeUnreadable)
    def _unreadable(self, event: EnvelopeUnreadable) -> None:
        self.outcome = event

    @folds(MalwareDetected)
    def _malware(self, event: MalwareDetected) -> None:
        self.malware = event

    @folds(OpeningRefused)
    def _refused(self, event: OpeningRefused) -> None:
        self.refusals = (*self.refusals, event)

    @folds(MessageShown)
    def _told(self, event: MessageShown) -> None:
        self.told = self.told | {event.meta.command}

    def reaches(self, event: object) -> bool:
        """Hold SUPERSEDED back until all lots are superseded."""
        if isinstance(event, DepositSuperseded) and self.facts is not None:
            return self.superseded_lots >= {*self.facts.lots}
        return True

    def sealed(self) -> DepositSealed | LateDepositRecorded:
        """Return the facts of the sealed envelope; the caller knows that it exists."""
        if self.facts is None:
            raise LookupError(f"{self.id} holds no envelope")
        return self.facts

    @property
    def commitment(self) -> str:
        """Return the recorded commitment of the sealed bytes."""
        return self.sealed().commitment

    def was_late(self) -> bool:
        """Say whether the deposit came late, admitted or not."""
        return isinstance(self.facts, LateDepositRecorded)

    def active_for(self, lots: tuple[str, ...]) -> bool:
        """Say whether the deposit can still be replaced or complemented for these lots."""
        alive = self.state in {"SEALED", "LATE"}
        return alive and {*self.sealed().lots} - self.superseded_lots >= {*lots}

    def seal(self, meta: Meta, facts: Sealing, deadline: datetime, *, late: bool) -> None:
        """Append DepositSealed, or LateDepositRecorded: a late envelope is kept sealed."""
        values = {**vars(facts), "lots": list(facts.lots)}
        values["received_at"] = meta.clock.middle()
        values["uncertainty_ms"] = meta.clock.uncertainty_ms()
        if late:
            by = max(meta.clock.middle() - deadline, timedelta(0))
            self.append(LateDepositRecorded(**self.stamp(meta), late_by_ms=ceil_ms(by), **values))
        else:
            self.append(DepositSealed(**self.stamp(meta), **values))

    def handled(self, lot: str) -> bool:
        """Say whether an opening of this lot found what is inside, or that it cannot be read."""
        return lot in self.opened_lots or self.state in {"UNREADABLE", "QUARANTINED"}

    def supersede(self, meta: Meta, by: str, lots: list[str]) -> None:
        """Append that another deposit replaced this one for these lots."""
        self.append(DepositSuperseded(**self.stamp(meta), by=by, lots=lots))

    def in_plan(self, positions: tuple[int, ...]) -> PlanDeposit:
        """Return what the plan needs; ``positions`` of the stream in the ledger, by version."""
        facts = self.sealed()
        withdrawn = self.withdrawn_version
        return PlanDeposit(
            deposit=self.name,
            bidder=facts.bidder,
            kind=facts.kind,
            lots=tuple(facts.lots),
            round=facts.round,
            intent=facts.intent,
            sealed_no=positions[self.sealed_version - 1],
            target=facts.target,
            late=self.was_late(),
            admitted=self.admitted,
            withdrawn_no=None if withdrawn is None else positions[withdrawn - 1],
        )
