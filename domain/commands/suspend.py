"""Suspend and resume a consultation (domain.md §4.3, T3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class SuspendConsultation:
    """Stop the clock: nothing reaches the deadline."""

    consultation: str
    reason: str


@dataclass(frozen=True)
class ResumeConsultation:
    """Go on with a later deadline."""

    consultation: str
    deadline: LegalHour


def suspend(desk: Desk, act: Act, command: SuspendConsultation) -> Recorded:
    """Append ConsultationSuspended."""
    raise NotImplementedError


def resume(desk: Desk, act: Act, command: ResumeConsultation) -> Recorded:
    """Append ConsultationResumed."""
    raise NotImplementedError
