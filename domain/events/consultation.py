"""Events of a consultation (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.aggregate import Event


class Nature(StrEnum):
    """What is bought."""

    WORKS = "WORKS"
    SUPPLIES = "SUPPLIES"
    SERVICES = "SERVICES"


class Padding(StrEnum):
    """How the size of envelopes is hidden (envelope.md 1.8)."""

    NONE = "NONE"
    PADME = "PADME"


class Complements(StrEnum):
    """Which deposits may be complemented."""

    NONE = "NONE"
    APPLICATION = "APPLICATION"
    ALL = "ALL"


class EnvelopeMode(StrEnum):
    """Whether offers open with the applications or at a later stage."""

    SINGLE = "SINGLE"
    DOUBLE_ENVELOPE = "DOUBLE_ENVELOPE"


class Importance(StrEnum):
    """Weight of a correction of the dossier."""

    MINOR = "MINOR"
    IMPORTANT = "IMPORTANT"


@dataclass(frozen=True)
class Limits:
    """Technical limits, published before they are enforced (N17); defaults of domain.md §7."""

    max_file: int = 4 * 1024**3
    max_total: int = 20 * 1024**3
    max_files: int = 10_000
    formats: list[str] = field(default_factory=list)
    lead_time_min: int = 120
    reference_rate: int = 125_000
    padding: Padding = Padding.PADME


@dataclass(frozen=True)
class Criterion:
    """One award criterion and its weight in basis points."""

    name: str
    weight_bp: int


@dataclass(frozen=True)
class DepositRow:
    """One row of the closed register (envelope.md §13)."""

    deposit: str
    header_hash: str
    leaf: str
    on_time: bool
    version: int


class ConsultationDrafted(Event, kind="ConsultationDrafted"):
    """A consultation exists, not yet public."""

    reference: str
    object: str
    nature: Nature
    procedure: str
    cpv: str
    place: str
    technique: str
    estimated_cents: int | None = None


class LotDefined(Event, kind="LotDefined"):
    """A lot; a consultation without lots is the single lot "0"."""

    lot: str
    title: str
    estimated_cents: int


class CriteriaSet(Event, kind="CriteriaSet"):
    """How offers will be judged."""

    criteria: list[Criterion]
    price_formula: str


class CalendarSet(Event, kind="CalendarSet"):
    """The hours of the consultation, before publication."""

    questions_until_at: datetime
    deadline_at: datetime
    cool_down_s: int
    validity_days: int
    deadline_local: str | None = None
    zone: str | None = None
    opening_not_before_at: datetime | None = None


class TechnicalLimitsSet(Event, kind="TechnicalLimitsSet"):
    """The technical limits, before publication."""

    max_file: int
    max_total: int
    max_files: int
    formats: list[str]
    lead_time_min: int
    reference_rate: int
    padding: Padding


class DepositPolicySet(Event, kind="DepositPolicySet"):
    """What depositors may do."""

    complements: Complements
    backup_electronic: bool
    paper_exceptions: list[str]
    mode: EnvelopeMode


class ConsultationPublished(Event, kind="ConsultationPublished"):
    """Public from here on; the limits in this event are the ones enforced."""

    notice_ids: list[str]
    dossier_root: str
    limits: Limits
    deadline_at: datetime
    key_fingerprint: str
    procedure: str
    deadline_local: str | None = None
    zone: str | None = None


class LimitsCorrected(Event, kind="LimitsCorrected"):
    """Relaxed limits, in force from here on."""

    limits: Limits
    reason: str


class DossierCorrected(Event, kind="DossierCorrected"):
    """A new dossier version is in force."""

    new_root: str
    changed_files: list[str]
    lots: list[str]
    importance: Importance
    reason: str


class DeadlineExtended(Event, kind="DeadlineExtended"):
    """The deadline moved later (T3)."""

    old_at: datetime
    new_at: datetime
    reason: str
    triggered_by: str
    deadline_local: str | None = None
    zone: str | None = None


class ExtensionWaived(Event, kind="ExtensionWaived"):
    """A reasoned decision not to extend after an important correction."""

    correction: str
    reason: str


class ConsultationSuspended(Event, kind="ConsultationSuspended"):
    """No deadline is reached while suspended."""

    reason: str


class ConsultationResumed(Event, kind="ConsultationResumed"):
    """Goes on with a later deadline."""

    new_deadline_at: datetime
    deadline_local: str | None = None
    zone: str | None = None


class DeadlineReached(Event, kind="DeadlineReached"):
    """The deadline is certainly past; later deposits are late whatever a clock says."""

    deadline_at: datetime
    evidence: str


class RegisterListed(Event, kind="RegisterListed"):
    """One part, of at most 200 rows, of the closed register."""

    part: int
    deposits: list[DepositRow]


class RegisterClosed(Event, kind="RegisterClosed"):
    """The register of deposits is closed: nothing can be added or withheld later."""

    parts: int
    count: int
    list_root: str
    size: int
    root: str
