"""Move the deadline later, by T3 only (domain.md §1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
from domain.commands.loading import own_consultation
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class ExtendDeadline:
    """Set a later deadline."""

    consultation: str
    deadline: LegalHour
    reason: str
    triggered_by: str = "BUYER"


def extend(desk: Desk, act: Act, command: ExtendDeadline) -> Recorded:
    """Append DeadlineExtended, or refuse: ``deadline.not-later``, ``deadline.passed``."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    check_text("reason", command.reason)
    meta = desk.meta(act, desk.reading(consultation), consultation.tenant)
    consultation.extend(meta, command.deadline, command.reason, command.triggered_by)
    return desk.save(act, command, [consultation])
