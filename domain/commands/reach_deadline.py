"""Close the register when the deadline is certainly past (T6, envelope.md 12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class ReachDeadline:
    """Close the register of a consultation."""

    consultation: str


def reach_deadline(desk: Desk, act: Act, command: ReachDeadline) -> Recorded:
    """Append DeadlineReached, RegisterListed in parts and RegisterClosed, in one save."""
    raise NotImplementedError
