"""A consultation from its draft to its closed register (domain.md §4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from crypto.merkle import leaf_hash, root
from domain.aggregate import Aggregate, Event, Meta, folds
from domain.clock import LegalHour, Reading, Verdicts, rule_verdicts
from domain.errors import (
    ConsultationWrongState,
    DeadlineNotLater,
    DeadlinePassed,
    LimitsNotLower,
)
from domain.events.consultation import (
    CalendarSet,
    Complements,
    ConsultationDrafted,
    ConsultationPublished,
    ConsultationResumed,
    ConsultationSuspended,
    CriteriaSet,
    DeadlineExtended,
    DeadlineReached,
    DepositPolicySet,
    DepositRow,
    DossierCorrected,
    EnvelopeMode,
    ExtensionWaived,
    Limits,
    LimitsCorrected,
    LotDefined,
    Padding,
    RegisterClosed,
    RegisterListed,
    TechnicalLimitsSet,
)
from domain.events.transmission import MessageShown
from domain.identifiers import NO_LOT
from domain.plain import canonical

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
PART_ROWS = 200
RELAXED_UPWARDS = ("max_file", "max_total", "max_files")
PUBLIC = frozenset({"PUBLISHED", "SUSPENDED", "CLOSED", "ENDED"})


class Consultation(Aggregate):
    """One consultation; ``deadline`` is D, the deadline in force (T3)."""

    TOPIC = "Consultation"
    PREFIX = "consultation"
    MACHINE = "consultation"
    FIRST_STATE = "DRAFTED"
    EVENTS = (
        ConsultationDrafted,
        LotDefined,
        CriteriaSet,
        CalendarSet,
        TechnicalLimitsSet,
        DepositPolicySet,
        ConsultationPublished,
        LimitsCorrected,
        DossierCorrected,
        DeadlineExtended,
        ExtensionWaived,
        ConsultationSuspended,
        ConsultationResumed,
        DeadlineReached,
        RegisterListed,
        RegisterClosed,
        MessageShown,
    )

    def begin(self) -> None:
        """Start as an empty draft."""
        super().begin()
        self.procedure = ""
        self.title = ""
        self.reference = ""
        self.lots: tuple[str, ...] = ()
        self.criteria: CriteriaSet | None = None
        self.calendar: CalendarSet | None = None
        self.limits: Limits | None = None
        self.complements = Complements.APPLICATION
        self.mode = EnvelopeMode.SINGLE
        self.backup_electronic = False
        self.deadline = NEVER
        self.deadlines: tuple[datetime, ...] = ()
        self.not_before: datetime | None = None
        self.cool_down = timedelta(0)
        self.key_fingerprint = ""
        self.dossier_root = ""
        self.reached = False
        self.rows: tuple[DepositRow, ...] = ()
        self.closed_version = 0
        self.told: Mapping[str, tuple[str, datetime]] = {}

    # --- what the events say

    @folds(ConsultationDrafted)
    def _drafted(self, event: ConsultationDrafted) -> None:
        self.procedure, self.title = event.procedure, event.object
        self.reference = event.reference

    @folds(LotDefined)
    def _lot(self, event: LotDefined) -> None:
        self.lots = tuple(sorted({*self.lots, event.lot}))

    @folds(CriteriaSet)
    def _criteria(self, event: CriteriaSet) -> None:
        self.criteria = event

    @folds(CalendarSet)
    def _calendar(self, event: CalendarSet) -> None:
        self.calendar = event
        self.not_before = event.opening_not_before_at
        self.cool_down = timedelta(seconds=event.cool_down_s)

    @folds(TechnicalLimitsSet)
    def _limits(self, event: TechnicalLimitsSet) -> None:
        self.limits = Limits(**{field.name: getattr(event, field.name) for field in fields(Limits)})

    @folds(DepositPolicySet)
    def _policy(self, event: DepositPolicySet) -> None:
        self.complements, self.mode = event.complements, event.mode
        self.backup_electronic = event.backup_electronic

    @folds(ConsultationPublished)
    def _published(self, event: ConsultationPublished) -> None:
        self.limits, self.procedure = event.limits, event.procedure
        self.dossier_root, self.key_fingerprint = event.dossier_root, event.key_fingerprint
        self._deadline(event.deadline_at)

    @folds(LimitsCorrected)
    def _limits_corrected(self, event: LimitsCorrected) -> None:
        self.limits = event.limits

    @folds(DossierCorrected)
    def _corrected(self, event: DossierCorrected) -> None:
        self.dossier_root = event.new_root

    @folds(DeadlineExtended)
    def _extended(self, event: DeadlineExtended) -> None:
        self._deadline(event.new_at)

    @folds(ConsultationResumed)
    def _resumed(self, event: ConsultationResumed) -> None:
        self._deadline(event.new_deadline_at)

    @folds(DeadlineReached)
    def _reached(self, event: DeadlineReached) -> None:
        self.reached = True

    @folds(RegisterListed)
    def _listed(self, event: RegisterListed) -> None:
        self.rows = (*self.rows, *event.deposits)

    @folds(RegisterClosed)
    def _closed(self, event: RegisterClosed) -> None:
        self.closed_version = event.originator_version

    @folds(MessageShown)
    def _told(self, event: MessageShown) -> None:
        self.told = {**self.told, event.meta.command: (event.code, self.deadline)}

    def _deadline(self, at: datetime) -> None:
        self.deadline = at
        self.deadlines = (*self.deadlines, at)

    # --- what follows from them

    def lot_names(self) -> tuple[str, ...]:
        """Return the lots; without any, the single lot "0"."""
        return self.lots or (NO_LOT,)

    def lists(self, name: str) -> bool:
        """Say whether the closed register has a row of this name that was on time."""
        return any(row.deposit == name and row.on_time for row in self.rows)

    def opens_at(self) -> datetime:
        """Return O: envelopes open after it."""
        return max(self.deadline, self.not_before or self.deadline) + self.cool_down

    def verdicts(self, now: Reading, *loaded: Aggregate) -> Verdicts:
        """Say what the time allows; while suspended nothing reaches D (T3)."""
        stayed = self.state == "SUSPENDED"
        return rule_verdicts(
            deadline=NEVER if stayed else self.deadline,
            opens=NEVER if stayed else self.opens_at(),
            earliest=now.earliest,
            latest=now.latest,
            floor=max([self.floor, *(each.floor for each in loaded)]),
            reached=self.reached,
        )

    def require(self, event: type[Event], *states: str) -> None:
        """Refuse a fact which makes sense in some states only."""
        if self.state not in states:
            raise ConsultationWrongState(event.TOPIC, self.state)

    def check_movable(self, now: Reading, deadline: LegalHour) -> None:
        """Return quietly if D may move there now (T3)."""
        if not self.verdicts(now).extension:
            raise DeadlinePassed(self.deadline)
        if deadline.at <= self.deadline:
            raise DeadlineNotLater(self.deadline, deadline.at)

    def extend(self, meta: Meta, deadline: LegalHour, reason: str, triggered_by: str) -> None:
        """Move D later."""
        if self.reached:
            raise DeadlinePassed(self.deadline)
        self.require(DeadlineExtended, "PUBLISHED")
        self.check_movable(meta.clock, deadline)
        self.append(
            DeadlineExtended(
                **self.stamp(meta),
                old_at=self.deadline,
                new_at=deadline.at,
                deadline_local=deadline.local,
                zone=deadline.zone,
                reason=reason,
                triggered_by=triggered_by,
            )
        )

    def resume(self, meta: Meta, deadline: LegalHour) -> None:
        """Go on with a deadline later than the old one and than now."""
        earliest_allowed = max(self.deadline, meta.clock.latest)
        if deadline.at <= earliest_allowed:
            raise DeadlineNotLater(earliest_allowed, deadline.at)
        self.append(
            ConsultationResumed(
                **self.stamp(meta),
                new_deadline_at=deadline.at,
                deadline_local=deadline.local,
                zone=deadline.zone,
            )
        )

    def relax(self, meta: Meta, limits: Limits, reason: str) -> None:
        """Put wider limits in force; whatever is stricter is refused."""
        self.require(LimitsCorrected, "PUBLISHED", "SUSPENDED")
        check_not_stricter(self.limits or Limits(), limits)
        self.append(LimitsCorrected(**self.stamp(meta), limits=limits, reason=reason))

    def close_register(
        self, meta: Meta, rows: Sequence[DepositRow], size: int, head_root: str, evidence: str
    ) -> None:
        """Append that D is reached and the whole register, in one save."""
        self.append(
            DeadlineReached(**self.stamp(meta), deadline_at=self.deadline, evidence=evidence)
        )
        parts = list(in_parts(rows))
        for number, part in enumerate(parts, 1):
            self.append(RegisterListed(**self.stamp(meta), part=number, deposits=part))
        self.append(
            RegisterClosed(
                **self.stamp(meta),
                parts=len(parts),
                count=len(rows),
                list_root=root([leaf_hash(canonical(row)) for row in rows]).hex(),
                size=size,
                root=head_root,
            )
        )


def in_parts(rows: Sequence[DepositRow]) -> Iterator[list[DepositRow]]:
    """Cut rows into parts that fit an entry."""
    for start in range(0, len(rows), PART_ROWS):
        yield list(rows[start : start + PART_ROWS])


def check_not_stricter(old: Limits, new: Limits) -> None:
    """Return quietly if no new limit is stricter than the published one."""
    for name in RELAXED_UPWARDS:
        if getattr(new, name) < getattr(old, name):
            raise LimitsNotLower(name, str(getattr(new, name)), str(getattr(old, name)))
    if new.padding not in {old.padding, Padding.NONE}:
        raise LimitsNotLower("padding", new.padding, old.padding)
    if new.formats and (not old.formats or set(old.formats) - set(new.formats)):
        raise LimitsNotLower("formats", ",".join(new.formats), ",".join(old.formats) or "any")
