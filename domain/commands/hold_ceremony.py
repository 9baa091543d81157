"""Make a keyset by joint generation, assign it once, retire it (envelope.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.ports import Act, Desk, Recorded


class KeysetPurpose(StrEnum):
    """A canary keyset never opens a bid, a consultation keyset never answers a test."""

    CONSULTATION = "consultation"
    CANARY = "canary"


@dataclass(frozen=True)
class HoldCeremony:
    """Run the rounds of one ceremony among these custodians of the roster, in order of index."""

    ceremony: str
    custodians: tuple[str, ...]
    k: int = 2
    purpose: KeysetPurpose = KeysetPurpose.CONSULTATION


@dataclass(frozen=True)
class AssignKeyset:
    """Give a ready keyset, and the canary keyset of the same custodians, to a consultation."""

    consultation: str
    ceremony: str
    canary_ceremony: str


@dataclass(frozen=True)
class ReportShareLost:
    """Record that a custodian has lost its share."""

    consultation: str
    custodian: str


@dataclass(frozen=True)
class RetireKeyset:
    """Make the custodians erase the shares of a consultation's keyset."""

    consultation: str
    reason: str


def hold_ceremony(desk: Desk, act: Act, command: HoldCeremony) -> Recorded:
    """Append the rounds, one save each, up to KeysetReady or CeremonyFailed."""
    raise NotImplementedError


def assign_keyset(desk: Desk, act: Act, command: AssignKeyset) -> Recorded:
    """Append CustodianAppointed for each custodian and KeyCeremonyCompleted."""
    raise NotImplementedError


def report_share_lost(desk: Desk, act: Act, command: ReportShareLost) -> Recorded:
    """Append ShareReportedLost."""
    raise NotImplementedError


def retire_keyset(desk: Desk, act: Act, command: RetireKeyset) -> Recorded:
    """Append KeysetRetired, then ShareDestroyed for each custodian that states it."""
    raise NotImplementedError
