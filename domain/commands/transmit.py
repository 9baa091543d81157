"""Open, follow and end a transmission: every limit answers before the first byte (§4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.events.transmission import (
    DepositKind,
    Intent,
    Purpose,
    Readability,
    StallCause,
)
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class StartTransmission:
    """Announce sizes, kind, lots and intent; the caller's organisation is the bidder."""

    transmission: str
    consultation: str
    kind: DepositKind
    lots: tuple[str, ...]
    declared_bytes: int
    declared_files: int
    client: str
    terms_version: str
    round: int = 1
    intent: Intent = Intent.INITIAL
    target: str | None = None
    purpose: Purpose = Purpose.REAL
    entry_consultation: str | None = None
    dossier_version_seen: int | None = None
    sibling_downloaded: str | None = None


@dataclass(frozen=True)
class EnvelopeHead:
    """What the checked head of a ``.pli`` says (head check of envelope.md §5, done before)."""

    deposit: str
    header_hash: str
    capsule_hash: str
    documents_root: str
    documents_count: int
    bidder: str
    consultation: str
    dossier: str
    intent: str
    keyset: str
    kind: str
    lots: tuple[str, ...]
    not_before: datetime
    round: int
    target: str | None = None


@dataclass(frozen=True)
class AnnounceEnvelope:
    """Say which bytes will come: head and commitment; ``bytes`` is the whole file."""

    transmission: str
    head: EnvelopeHead
    commitment: str
    bytes: int
    chunks: int


@dataclass(frozen=True)
class StoreChunks:
    """Record that chunks first…last are durable; ``bytes_total``: all durable bytes so far."""

    transmission: str
    first: int
    last: int
    bytes_total: int


@dataclass(frozen=True)
class StallTransmission:
    """Record that bytes stopped coming."""

    transmission: str
    last_chunk: int
    cause: StallCause


@dataclass(frozen=True)
class ResumeTransmission:
    """Record that bytes come again."""

    transmission: str
    from_chunk: int


@dataclass(frozen=True)
class ShowMessage:
    """Record that a message of the closed list was shown; it must be true now."""

    transmission: str
    message: str
    text: str
    reason_id: str


@dataclass(frozen=True)
class WarnDrawer:
    """Record the warning that another consultation's dossier was downloaded."""

    transmission: str
    downloaded: str
    acknowledged: bool


@dataclass(frozen=True)
class CheckReadability:
    """Record the worst class which the sealer found; it only warns."""

    transmission: str
    worst: Readability
    acknowledged: bool


@dataclass(frozen=True)
class FailTransmission:
    """End the session without a deposit."""

    transmission: str
    code: str
    cause: StallCause
    refused_parts: int = 0


@dataclass(frozen=True)
class ExpireTransmission:
    """End a session in which nothing came for a day."""

    transmission: str
    refused_parts: int = 0


def start_transmission(desk: Desk, act: Act, command: StartTransmission) -> Recorded:
    """Append TransmissionStarted; on a refusal also FeasibilityRefused or TransmissionFailed."""
    raise NotImplementedError


def announce_envelope(desk: Desk, act: Act, command: AnnounceEnvelope) -> Recorded:
    """Append EnvelopeAnnounced; the label must be what was started."""
    raise NotImplementedError


def store_chunks(desk: Desk, act: Act, command: StoreChunks) -> Recorded:
    """Append ChunksStored."""
    raise NotImplementedError


def stall_transmission(desk: Desk, act: Act, command: StallTransmission) -> Recorded:
    """Append TransmissionStalled."""
    raise NotImplementedError


def resume_transmission(desk: Desk, act: Act, command: ResumeTransmission) -> Recorded:
    """Append TransmissionResumed."""
    raise NotImplementedError


def show_message(desk: Desk, act: Act, command: ShowMessage) -> Recorded:
    """Append MessageShown."""
    raise NotImplementedError


def warn_drawer(desk: Desk, act: Act, command: WarnDrawer) -> Recorded:
    """Append DrawerMismatchWarned."""
    raise NotImplementedError


def check_readability(desk: Desk, act: Act, command: CheckReadability) -> Recorded:
    """Append ReadabilityChecked."""
    raise NotImplementedError


def fail_transmission(desk: Desk, act: Act, command: FailTransmission) -> Recorded:
    """Append TransmissionFailed."""
    raise NotImplementedError


def expire_transmission(desk: Desk, act: Act, command: ExpireTransmission) -> Recorded:
    """Append TransmissionExpired."""
    raise NotImplementedError
