"""What the record says for and against the opening of one backup copy (domain.md §4.8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.aggregate import Event
from domain.backup_copy import BackupCopy
from domain.backup_right import Copy, Incident, Right, opening_right
from domain.commands.loading import envelopes_of, found, found_or_blank
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
        end = session.broken_off
        if end is not None and session.is_bid() and not {*lots}.isdisjoint(session.start().lots):
            yield _incident(end, session, deposited=_made_good(session, mine))


def _of_deposit(desk: Desk, envelope: SealedEnvelope) -> Iterator[Incident]:
    """Yield the grounds that one deposit gives: late, unreadable, infected."""
    sealed = envelope.sealed()
    session = found_or_blank(desk, TransmissionSession, sealed.transmission)
    events: list[Event | None] = [
        sealed if envelope.was_late() else None,
        envelope.outcome if isinstance(envelope.outcome, EnvelopeUnreadable) else None,
        envelope.malware,
    ]
    for event in events:
        if event is not None:
            yield _incident(event, session, deposited=True)


def _made_good(session: TransmissionSession, mine: Sequence[SealedEnvelope]) -> bool:
    """Say whether a deposit of some of its lots, of its kind and round, came all the same."""
    started = session.start()
    alike = (started.kind.value, started.round)
    return any(
        (one.sealed().kind.value, one.sealed().round) == alike
        and not {*started.lots}.isdisjoint(one.sealed().lots)
        for one in mine
    )


def _incident(event: Event, session: TransmissionSession, *, deposited: bool) -> Incident:
    """Return one fact with the beginning of the sending that it is about, if that is on record."""
    reference = f"{event.originator_id}#{event.originator_version}"
    begun = session.started
    return Incident(
        kind=event.TOPIC,
        reference=reference,
        session=f"{session.id}#{begun.originator_version}" if begun else reference,
        started=begun.meta.clock.earliest if begun else None,
        deposited=deposited,
    )
