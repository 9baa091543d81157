"""Prepare a consultation: lots, criteria, calendar, limits, policy, dossier (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.clock import LegalHour
from domain.events.consultation import Complements, Criterion, EnvelopeMode, Limits, Nature
from domain.events.dossier import FileRow
from domain.ports import Act, Desk, Recorded


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
    raise NotImplementedError


def define_lot(desk: Desk, act: Act, command: DefineLot) -> Recorded:
    """Append LotDefined."""
    raise NotImplementedError


def set_criteria(desk: Desk, act: Act, command: SetCriteria) -> Recorded:
    """Append CriteriaSet."""
    raise NotImplementedError


def set_calendar(desk: Desk, act: Act, command: SetCalendar) -> Recorded:
    """Append CalendarSet."""
    raise NotImplementedError


def set_technical_limits(desk: Desk, act: Act, command: SetTechnicalLimits) -> Recorded:
    """Append TechnicalLimitsSet."""
    raise NotImplementedError


def set_deposit_policy(desk: Desk, act: Act, command: SetDepositPolicy) -> Recorded:
    """Append DepositPolicySet."""
    raise NotImplementedError


def freeze_dossier(desk: Desk, act: Act, command: FreezeDossier) -> Recorded:
    """Append DossierFilesListed, in parts, and DossierVersionFrozen in ``dossier/<id>``."""
    raise NotImplementedError
