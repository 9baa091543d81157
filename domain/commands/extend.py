"""Move the deadline later, by T3 only (domain.md §1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
from domain.commands.loading import found, own_consultation
from domain.commands.refusing import tell
from domain.consultation import Consultation
from domain.errors import DeadlineNotLater, DeadlinePassed
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
    """Append DeadlineExtended; or MessageShown, and refuse.

    ``deadline.not-later``, ``deadline.passed``.
    """
    if earlier := desk.earlier(act, command):
        _refused_before(desk, act, command)
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    check_text("reason", command.reason)
    meta = desk.meta(act, desk.reading(consultation), consultation.tenant)
    try:
        consultation.extend(meta, command.deadline, command.reason, command.triggered_by)
    except (DeadlineNotLater, DeadlinePassed) as refusal:
        raise tell(desk, act, command, consultation, meta, refusal) from None
    return desk.save(act, command, [consultation])


def _refused_before(desk: Desk, act: Act, command: ExtendDeadline) -> None:
    """Raise the refusal which the same act met before, with the deadline of that moment."""
    told = found(desk, Consultation, command.consultation).told.get(act.command_id)
    if told is None:
        return
    code, deadline = told
    if code == DeadlineNotLater.code:
        raise DeadlineNotLater(deadline, command.deadline.at)
    raise DeadlinePassed(deadline)
