"""Suspend and resume a consultation (domain.md §4.3, T3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
from domain.commands.loading import own_consultation
from domain.errors import DeadlinePassed
from domain.events.consultation import ConsultationSuspended
from domain.identifiers import check_text
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
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    check_text("reason", command.reason)
    consultation.require(ConsultationSuspended, "PUBLISHED")
    now = desk.reading(consultation)
    if not consultation.verdicts(now).extension:
        raise DeadlinePassed(consultation.deadline)
    meta = desk.meta(act, now, consultation.tenant)
    consultation.append(ConsultationSuspended(**consultation.stamp(meta), reason=command.reason))
    return desk.save(act, command, [consultation])


def resume(desk: Desk, act: Act, command: ResumeConsultation) -> Recorded:
    """Append ConsultationResumed."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    meta = desk.meta(act, desk.reading(consultation), consultation.tenant)
    consultation.resume(meta, command.deadline)
    return desk.save(act, command, [consultation])
