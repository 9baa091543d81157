"""What the record says for and against the opening of one backup copy (domain.md §4.8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.aggregate import Event
from domain.backup_copy import BackupCopy
from domain.backup_right import Copy, Incident, Right, opening_right
from domain.commands.loading import envelopes_of, found
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.events.deposit import EnvelopeUnreadable
from domain.ports import Desk
from domain.transmission import TransmissionSession


def right_of(desk: Desk, consultation: Consultation, copy: BackupCopy) -> Right:
    """Return why this copy may be opened, else raise the first reason why not."""
    came = copy.received()
    asked = Copy(
        earliest=copy.earliest(),
        listed=not copy.electronic or consultation.lists(copy.name),
        offered=not copy.electronic or consultation.backup_electronic,
        label_ok=came.label_ok,
        malware=copy.infected,
    )
    return opening_right(
        asked, incidents(desk, consultation, came.bidder, came.lots), consultation.deadline
    )


def incidents(
    desk: Desk, consultation: Consultation, bidder: str, lots: Sequence[str]
) -> Iterator[Incident]:
    """Yield what befell the bidder's deposits and transmissions of these lots."""
    mine = [
        envelope
        for envelope, _ in envelopes_of(desk, consultation.name, bidder)
        if not {*lots}.isdisjoint(envelope.sealed().lots)
    ]
    for envelope in mine:
        yield from _of_deposit(desk, envelope)
    for name in desk.register.broken_off(consultation.name, bidder):
        session = found(desk, TransmissionSession, name)
        if session.is_bid() and not {*lots}.isdisjoint(session.start().lots):
            yield _of_session(session, mine)


def _of_deposit(desk: Desk, envelope: SealedEnvelope) -> Iterator[Incident]:
    """Yield the grounds that one deposit gives: late, unreadable, infected."""
    sealed = envelope.sealed()
    session = desk.files.find(TransmissionSession, f"transmission/{sealed.transmission}")
    found_in: list[Event | None] = [
        sealed if envelope.was_late() else None,
        envelope.outcome if isinstance(envelope.outcome, EnvelopeUnreadable) else None,
        envelope.infected,
    ]
    for event in found_in:
        if event is not None:
            yield _incident(event, session, deposited=True)


def _of_session(session: TransmissionSession, mine: Sequence[SealedEnvelope]) -> Incident:
    """Return what a session that ended by itself is worth: nothing if a deposit came after all."""
    started, end = session.start(), session.broken_off
    if end is None:
        raise LookupError(f"{session.id} has not ended")
    alike = (started.kind.value, started.round)
    came = any(
        (one.sealed().kind.value, one.sealed().round) == alike
        and not {*started.lots}.isdisjoint(one.sealed().lots)
        for one in mine
    )
    return _incident(end, session, deposited=came)


def _incident(event: Event, session: TransmissionSession | None, *, deposited: bool) -> Incident:
    """Return one fact with the beginning of the sending that it is about."""
    reference = f"{event.originator_id}#{event.originator_version}"
    if session is None or session.started is None:
        return Incident(event.TOPIC, reference, reference, None, deposited)
    started = session.started
    return Incident(
        event.TOPIC,
        reference,
        f"{session.id}#{started.originator_version}",
        started.meta.clock.earliest,
        deposited,
    )
