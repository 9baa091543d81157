"""A refused attempt is an event, then an error; a retry gets the same error (envelope.md §14).

Openings have a kind of their own; for a withdrawal or an extension it is the message that was
shown, in the stream of the deposit or the consultation.
"""

from __future__ import annotations

from domain.aggregate import Meta
from domain.backup_copy import BackupCopy
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import DomainError, NotInPlan, OpeningNotAllowed, TooEarlyToOpen
from domain.events.deposit import OpeningRefused
from domain.events.transmission import MessageShown
from domain.opening import OpeningSession
from domain.ports import Act, Desk

RECORDED_IN = "fr"
"""The language of the texts in the ledger; the code says the same in every language."""


def refuse(  # noqa: PLR0913, PLR0917 - what one refusal records
    desk: Desk,
    act: Act,
    command: object,
    place: OpeningSession | SealedEnvelope | BackupCopy,
    meta: Meta,
    refusal: DomainError,
    deposit: str | None = None,
) -> DomainError:
    """Record the refusal in its stream and return it, to be raised."""
    place.append(
        OpeningRefused(
            **place.stamp(meta),
            asked_by=act.principal.role,
            code=refusal.code,
            deposit=deposit,
        )
    )
    desk.save(act, command, [place])
    return refusal


def tell(  # noqa: PLR0913, PLR0917 - what one refusal records
    desk: Desk,
    act: Act,
    command: object,
    place: Consultation | SealedEnvelope,
    meta: Meta,
    refusal: DomainError,
) -> DomainError:
    """Record that this refusal was shown and return it, to be raised."""
    message = desk.law.messages.of(refusal.code)
    place.append(
        MessageShown(
            **place.stamp(meta),
            code=message.code,
            text=message.text[RECORDED_IN],
            reason_id=act.command_id,
        )
    )
    desk.save(act, command, [place])
    return refusal


def refused_before(
    act: Act, consultation: Consultation, place: OpeningSession | SealedEnvelope, lot: str
) -> None:
    """Raise the refusal which the same act met before, if it met one."""
    for event in place.refusals:
        if event.meta.command == act.command_id:
            raise _refusal(event, consultation, lot)


def _refusal(event: OpeningRefused, consultation: Consultation, lot: str) -> DomainError:
    """Return the refusal which a recorded one means."""
    if event.code == TooEarlyToOpen.code:
        return TooEarlyToOpen(consultation.opens_at(), event.meta.clock.earliest)
    if event.code == OpeningNotAllowed.code:
        return OpeningNotAllowed(event.asked_by)
    return NotInPlan(str(event.deposit), lot)
