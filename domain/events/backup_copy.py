"""Events of backup copies and of what comes outside the platform (domain.md §4.8)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.aggregate import Event


class Medium(StrEnum):
    """On what a backup copy came."""

    PAPER = "PAPER"
    USB = "USB"
    ELECTRONIC = "ELECTRONIC"


class BackupGround(StrEnum):
    """Why a backup copy may be opened, in the order in which the grounds are tried."""

    MALWARE = "MALWARE"
    INCOMPLETE = "INCOMPLETE"
    LATE = "LATE"
    UNREADABLE = "UNREADABLE"


class AsideReason(StrEnum):
    """Why a backup copy stays closed."""

    MALWARE = "MALWARE"
    LATE = "LATE"
    UNLABELLED = "UNLABELLED"
    NO_GROUND = "NO_GROUND"


class OutOfBandItem(StrEnum):
    """What may come outside the platform."""

    SAMPLE = "SAMPLE"
    MODEL = "MODEL"
    PAPER_EXCEPTION = "PAPER_EXCEPTION"
    OFFER_OUTSIDE_PLATFORM = "OFFER_OUTSIDE_PLATFORM"


class BackupCopyReceived(Event, kind="BackupCopyReceived"):
    """A backup copy came: over the desk, or as a sealed envelope by the usual upload."""

    consultation: str
    lots: list[str]
    bidder: str
    medium: Medium
    label_ok: bool
    received_at: datetime
    uncertainty_ms: int
    desk: str | None = None
    seal_no: str | None = None
    header_hash: str | None = None
    commitment: str | None = None
    capsule_hash: str | None = None


class BackupCopyOpeningAuthorised(Event, kind="BackupCopyOpeningAuthorised"):
    """One of the four grounds holds; ``evidence`` names the facts as ``stream#version``."""

    ground: BackupGround
    evidence: list[str]


class BackupCopyOpened(Event, kind="BackupCopyOpened"):
    """The copy was opened: in a session, or by its custodians under a plan."""


class BackupCopyMalwareDetected(Event, kind="BackupCopyMalwareDetected"):
    """The copy itself holds malware; the trace is kept under its hash."""

    trace_hash: str


class BackupCopySetAside(Event, kind="BackupCopySetAside"):
    """The copy stays closed, for a reason that was computed."""

    reason: AsideReason


class BackupCopyDestroyed(Event, kind="BackupCopyDestroyed"):
    """An unopened copy was destroyed before a witness."""

    witness: str


class OutOfBandItemRegistered(Event, kind="OutOfBandItemRegistered"):
    """Something came outside the platform and was written down where it came."""

    item: OutOfBandItem
    bidder: str
    channel: str
    received_at: datetime
    ground: str | None = None
