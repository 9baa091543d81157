"""Events of a transmission, one attempt to deposit (domain.md §4.6, envelope.md §8 and §14)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.aggregate import Event


class Purpose(StrEnum):
    """A rehearsal runs the same code and makes no deposit."""

    REAL = "REAL"
    REHEARSAL = "REHEARSAL"


class DepositKind(StrEnum):
    """What an envelope holds."""

    APPLICATION = "APPLICATION"
    OFFER = "OFFER"
    BOTH = "BOTH"
    FINAL_OFFER = "FINAL_OFFER"


class EnvelopeKind(StrEnum):
    """What an upload brings: a deposit of one of its kinds, or a backup copy."""

    APPLICATION = "APPLICATION"
    OFFER = "OFFER"
    BOTH = "BOTH"
    FINAL_OFFER = "FINAL_OFFER"
    BACKUP = "BACKUP"


class Intent(StrEnum):
    """What the bidder wants with an earlier deposit; UNDECLARED exists in imports only."""

    INITIAL = "INITIAL"
    REPLACE = "REPLACE"
    COMPLEMENT = "COMPLEMENT"
    UNDECLARED = "UNDECLARED"


class StallCause(StrEnum):
    """Why bytes stopped coming."""

    CLIENT = "CLIENT"
    NETWORK = "NETWORK"
    SERVER = "SERVER"
    UNKNOWN = "UNKNOWN"


class Readability(StrEnum):
    """The worst class found by the sealer among the documents."""

    OK = "OK"
    ENCRYPTED_ARCHIVE = "ENCRYPTED_ARCHIVE"
    UNREADABLE = "UNREADABLE"


class TransmissionStarted(Event, kind="TransmissionStarted"):
    """Sending began: the announce, before the first byte."""

    consultation: str
    lots: list[str]
    bidder: str
    purpose: Purpose
    kind: EnvelopeKind
    round: int
    intent: Intent
    declared_bytes: int
    declared_files: int
    entry_consultation: str
    client: str
    terms_version: str
    target: str | None = None
    dossier_version_seen: int | None = None
    sibling_downloaded: str | None = None


class FeasibilityRefused(Event, kind="FeasibilityRefused"):
    """A published limit was exceeded by the announce."""

    limit: str
    allowed: int
    asked: int


class EnvelopeAnnounced(Event, kind="EnvelopeAnnounced"):
    """Which bytes will come: proven before D, the rest may arrive later."""

    deposit: str
    header_hash: str
    commitment: str
    bytes: int
    chunks: int


class ChunksStored(Event, kind="ChunksStored"):
    """Chunks are durable."""

    first: int
    last: int
    bytes_total: int


class TransmissionStalled(Event, kind="TransmissionStalled"):
    """Bytes stopped coming."""

    last_chunk: int
    cause: StallCause


class TransmissionResumed(Event, kind="TransmissionResumed"):
    """Bytes come again."""

    from_chunk: int


class MessageShown(Event, kind="MessageShown"):
    """A message of the closed list was shown to the depositor."""

    code: str
    text: str
    reason_id: str


class DrawerMismatchWarned(Event, kind="DrawerMismatchWarned"):
    """The depositor had downloaded the dossier of another consultation."""

    downloaded: str
    acknowledged: bool


class ReadabilityChecked(Event, kind="ReadabilityChecked"):
    """The sealer tried to read the documents; it only warns."""

    worst: Readability
    acknowledged: bool


class TransmissionFailed(Event, kind="TransmissionFailed"):
    """The session ended without a deposit."""

    code: str
    cause: StallCause
    refused_parts: int
    limit: str | None = None
    allowed: int | None = None


class TransmissionExpired(Event, kind="TransmissionExpired"):
    """Nothing came for a day."""

    refused_parts: int


class TransmissionCompleted(Event, kind="TransmissionCompleted"):
    """The last missing chunk is durable."""

    received_at: datetime
    uncertainty_ms: int
    ciphertext_root: str
    bytes_total: int
    refused_parts: int
