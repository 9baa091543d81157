"""What a depositor announces before the first byte, and what the sealed head says (§4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.events.transmission import EnvelopeKind, Intent, Purpose


@dataclass(frozen=True)
class StartTransmission:
    """Announce sizes, kind, lots and intent; the caller's organisation is the bidder."""

    transmission: str
    consultation: str
    kind: EnvelopeKind
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
    """Say which bytes will come; ``bytes``: the whole file, ``head_bytes``: before chunk 0."""

    transmission: str
    head: EnvelopeHead
    commitment: str
    bytes: int
    chunks: int
    head_bytes: int
