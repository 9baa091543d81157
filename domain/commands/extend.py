"""Move the deadline later, by T3 only (domain.md §1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
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
    raise NotImplementedError
