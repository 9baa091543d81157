"""Events of a sealed envelope (domain.md §4.7)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.aggregate import Event
from domain.events.transmission import DepositKind, Intent


class Fault(StrEnum):
    """Whose part failed when an envelope cannot be read."""

    DEPOSITOR = "DEPOSITOR"
    STORAGE = "STORAGE"
    CUSTODY = "CUSTODY"


class Form(StrEnum):
    """How the plaintext is handed over."""

    PACKAGE = "PACKAGE"
    RAW = "RAW"


class DepositSealed(Event, kind="DepositSealed"):
    """Received on time, or in doubt, which favours the bidder (T1, T2)."""

    transmission: str
    consultation: str
    lots: list[str]
    bidder: str
    kind: DepositKind
    round: int
    intent: Intent
    header_hash: str
    commitment: str
    ciphertext_root: str
    bytes_total: int
    capsule_hash: str
    documents_root: str
    documents_count: int
    announced_at: datetime
    started_at: datetime
    received_at: datetime
    uncertainty_ms: int
    receipt_id: str
    target: str | None = None


class LateDepositRecorded(Event, kind="LateDepositRecorded"):
    """Received late: kept sealed, never refused at the door."""

    late_by_ms: int
    transmission: str
    consultation: str
    lots: list[str]
    bidder: str
    kind: DepositKind
    round: int
    intent: Intent
    header_hash: str
    commitment: str
    ciphertext_root: str
    bytes_total: int
    capsule_hash: str
    documents_root: str
    documents_count: int
    announced_at: datetime
    started_at: datetime
    received_at: datetime
    uncertainty_ms: int
    receipt_id: str
    target: str | None = None


class LateDepositAdmitted(Event, kind="LateDepositAdmitted"):
    """A reasoned decision puts a late deposit into a later plan."""

    ground: str
    reasons: str
    findings: str


class LateDepositRejected(Event, kind="LateDepositRejected"):
    """A reasoned decision keeps a late deposit closed."""

    reasons: str


class DepositSuperseded(Event, kind="DepositSuperseded"):
    """Replaced for these lots, finally."""

    by: str
    lots: list[str]


class DepositWithdrawn(Event, kind="DepositWithdrawn"):
    """Withdrawn by the depositor before D."""

    reason: str | None = None


class OpeningRefused(Event, kind="OpeningRefused"):
    """Somebody tried to open and was refused (envelope.md §14)."""

    asked_by: str
    code: str
    deposit: str | None = None


class EnvelopeUnreadable(Event, kind="EnvelopeUnreadable"):
    """The envelope cannot be read, and whose part failed."""

    fault: Fault
    cause: str


class MalwareDetected(Event, kind="MalwareDetected"):
    """Malware was found in an opened document; ``file``: its place, such as ``piece-0003``."""

    file: str
    engine: str
    signature: str
    trace_hash: str


class EnvelopeOpened(Event, kind="EnvelopeOpened"):
    """The envelope was opened under a plan."""

    plan_no: int
    lots: list[str]
    custodians: list[str]
    operator: str
    form: Form
    commitment_matches: bool
    documents_match: bool
    documents_count: int
    external_references: int
