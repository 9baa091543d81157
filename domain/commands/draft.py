"""Prepare a consultation: lots, criteria, calendar, limits, policy, dossier (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.aggregate import Event, Meta
from domain.clock import LegalHour, local_date
from domain.commands.loading import check_present, found_or_blank, new, own_consultation
from domain.consultation import Consultation
from domain.dossier import Dossier
from domain.errors import BadForm, BeforePublication
from domain.events.consultation import (
    CalendarSet,
    Complements,
    ConsultationDrafted,
    CriteriaSet,
    Criterion,
    DepositPolicySet,
    EnvelopeMode,
    Limits,
    LotDefined,
    Nature,
    TechnicalLimitsSet,
)
from domain.events.dossier import DossierVersionFrozen, FileRow
from domain.identifiers import CPV, ID, LOT, NO_LOT, check, check_text
from domain.ports import Act, Desk, Recorded

DRAFTING = "draft consultation"
WHOLE_BP = 10_000
MOST_FILES = 65_536
ELECTRONIC_COPY = "backup.electronic"
"""The rule from whose first day on a backup copy may be electronic."""


@dataclass(frozen=True)
class DraftConsultation:
    """Open the file of a consultation; the caller's organisation is its buyer."""

    consultation: str
    reference: str
    object: str
    nature: Nature
    procedure: str
    cpv: str
    place: str
    technique: str = "NONE"
    estimated_cents: int | None = None


@dataclass(frozen=True)
class DefineLot:
    """Define one lot; without any, the consultation is the single lot "0"."""

    consultation: str
    lot: str
    title: str
    estimated_cents: int


@dataclass(frozen=True)
class SetCriteria:
    """Say how offers will be judged."""

    consultation: str
    criteria: tuple[Criterion, ...]
    price_formula: str


@dataclass(frozen=True)
class SetCalendar:
    """Set the hours."""

    consultation: str
    questions_until_at: datetime
    deadline: LegalHour
    opening_not_before_at: datetime | None = None
    cool_down_s: int = 60
    validity_days: int = 120


@dataclass(frozen=True)
class SetTechnicalLimits:
    """Set the limits that publication will make enforceable."""

    consultation: str
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class SetDepositPolicy:
    """Say what depositors may do."""

    consultation: str
    complements: Complements = Complements.APPLICATION
    backup_electronic: bool = False
    paper_exceptions: tuple[str, ...] = ()
    mode: EnvelopeMode = EnvelopeMode.SINGLE


@dataclass(frozen=True)
class FreezeDossier:
    """Freeze the next version of the dossier."""

    consultation: str
    files: tuple[FileRow, ...]


def draft_consultation(desk: Desk, act: Act, command: DraftConsultation) -> Recorded:
    """Append ConsultationDrafted."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, DRAFTING)
    check_present(desk, act.principal.org)
    check(ID, "consultation", command.consultation)
    check(CPV, "cpv", command.cpv)
    for field_name in ("reference", "object", "place", "technique"):
        check_text(field_name, getattr(command, field_name))
    desk.law.procedures.of(command.procedure)
    check_cents("estimated_cents", command.estimated_cents)
    consultation = new(desk, Consultation, command.consultation)
    values = {name: value for name, value in vars(command).items() if name != "consultation"}
    meta = desk.meta(act, desk.reading(), act.principal.org)
    consultation.append(ConsultationDrafted(**consultation.stamp(meta), **values))
    return desk.save(act, command, [consultation])


def define_lot(desk: Desk, act: Act, command: DefineLot) -> Recorded:
    """Append LotDefined."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, LotDefined)
    check(LOT, "lot", command.lot)
    if command.lot in consultation.lots or command.lot == NO_LOT:
        raise BadForm("lot", f"{command.lot} exists already, or means no lots")
    check_cents("estimated_cents", command.estimated_cents)
    consultation.append(
        LotDefined(
            **consultation.stamp(meta),
            lot=command.lot,
            title=check_text("title", command.title),
            estimated_cents=command.estimated_cents,
        )
    )
    return desk.save(act, command, [consultation])


def set_criteria(desk: Desk, act: Act, command: SetCriteria) -> Recorded:
    """Append CriteriaSet; the weights make 100 %."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, CriteriaSet)
    weights = [criterion.weight_bp for criterion in command.criteria]
    if sum(weights) != WHOLE_BP or min(weights) <= 0:
        raise BadForm("criteria", "the weights must be positive and make 10000 basis points")
    consultation.append(
        CriteriaSet(
            **consultation.stamp(meta),
            criteria=list(command.criteria),
            price_formula=check_text("price_formula", command.price_formula, 400),
        )
    )
    return desk.save(act, command, [consultation])


def set_calendar(desk: Desk, act: Act, command: SetCalendar) -> Recorded:
    """Append CalendarSet."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, CalendarSet)
    if command.cool_down_s < 0 or command.validity_days < 1:
        raise BadForm("calendar", "cool_down_s at least 0, validity_days at least 1")
    if command.deadline.at <= meta.clock.latest:
        raise BeforePublication(command.deadline.at, meta.clock.latest)
    consultation.append(
        CalendarSet(
            **consultation.stamp(meta),
            questions_until_at=command.questions_until_at,
            deadline_at=command.deadline.at,
            deadline_local=command.deadline.local,
            zone=command.deadline.zone,
            opening_not_before_at=command.opening_not_before_at,
            cool_down_s=command.cool_down_s,
            validity_days=command.validity_days,
        )
    )
    return desk.save(act, command, [consultation])


def set_technical_limits(desk: Desk, act: Act, command: SetTechnicalLimits) -> Recorded:
    """Append TechnicalLimitsSet."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, TechnicalLimitsSet)
    check_limits(command.limits)
    consultation.append(TechnicalLimitsSet(**consultation.stamp(meta), **vars(command.limits)))
    return desk.save(act, command, [consultation])


def set_deposit_policy(desk: Desk, act: Act, command: SetDepositPolicy) -> Recorded:
    """Append DepositPolicySet."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, DepositPolicySet)
    if command.backup_electronic:
        desk.law.rules.at(ELECTRONIC_COPY, local_date(meta.clock.earliest))
    consultation.append(
        DepositPolicySet(
            **consultation.stamp(meta),
            complements=command.complements,
            backup_electronic=command.backup_electronic,
            paper_exceptions=list(command.paper_exceptions),
            mode=command.mode,
        )
    )
    return desk.save(act, command, [consultation])


def freeze_dossier(desk: Desk, act: Act, command: FreezeDossier) -> Recorded:
    """Append DossierFilesListed, in parts, and DossierVersionFrozen in ``dossier/<id>``."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, meta = _draft(desk, act, command.consultation, DossierVersionFrozen)
    dossier = found_or_blank(desk, Dossier, command.consultation)
    dossier.freeze(meta, command.files)
    return desk.save(act, command, [dossier], {consultation.id: consultation.version})


def check_limits(limits: Limits) -> Limits:
    """Return limits which are positive and in order."""
    numbers = (limits.max_file, limits.max_total, limits.max_files, limits.reference_rate)
    if min(numbers) < 1 or limits.lead_time_min < 0 or limits.max_files > MOST_FILES:
        raise BadForm("limits", f"positive, at most {MOST_FILES} documents")
    return limits


def check_cents(field_name: str, cents: int | None) -> None:
    """Return quietly if an amount is absent or not negative."""
    if cents is not None and cents < 0:
        raise BadForm(field_name, "not negative")


def _draft(desk: Desk, act: Act, name: str, event: type[Event]) -> tuple[Consultation, Meta]:
    """Return the caller's own draft and the metadata of this act."""
    consultation = own_consultation(desk, act, name, DRAFTING)
    consultation.require(event, "DRAFTED")
    return consultation, desk.meta(act, desk.reading(consultation), consultation.tenant)
