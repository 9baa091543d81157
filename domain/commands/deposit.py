"""Seal a deposit: the last missing chunk is durable, nothing else has to come (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.aggregate import Aggregate, Meta
from domain.backup_copy import BackupCopy
from domain.clock import Reading, as_received
from domain.commands.loading import (
    blinded,
    envelopes_of,
    found,
    found_or_blank,
    new,
    session_of,
)
from domain.commands.superseding import LAST, supersede_replaced
from domain.commands.transmit import EnvelopeHead
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope, Sealing
from domain.errors import CommitmentDiffers, EnvelopeIncomplete, EnvelopeMismatch
from domain.events.backup_copy import BackupCopyReceived, Medium
from domain.events.transmission import DepositKind, EnvelopeKind, Intent, StallCause
from domain.ports import Act, Desk, Recorded, Tip
from domain.transmission import TransmissionSession


@dataclass(frozen=True)
class SealDeposit:
    """The envelope is whole and durable; ``commitment`` is recomputed from the stored leaves."""

    transmission: str
    head: EnvelopeHead
    commitment: str
    ciphertext_root: str
    bytes_total: int
    receipt_id: str
    refused_parts: int = 0


def seal_deposit(
    desk: Desk, act: Act, command: SealDeposit, received: Reading | None = None
) -> Recorded:
    """Append the end of the session and DepositSealed or LateDepositRecorded, in one save.

    ``received``: the reading at which its last byte was durable (T1), None where nobody took one.
    """
    session = session_of(desk, act, command.transmission)
    if earlier := desk.earlier(act, command):
        if session.failed is not None:
            raise CommitmentDiffers(command.transmission)
        return earlier
    started = session.start()
    _check_whole(session, command)
    with desk.turns.hold(started.consultation):
        consultation = found(desk, Consultation, started.consultation)
        others: list[tuple[SealedEnvelope, Tip]] = []
        if started.intent == Intent.REPLACE:
            others = envelopes_of(desk, started.consultation, started.bidder)
        # no event goes back in time, in the streams of what is superseded neither
        loaded = (consultation, session, *(one for one, _ in others))
        now = desk.reading(*loaded)
        if received is not None and not consultation.reached:
            now = as_received(now, received, max(one.floor for one in loaded))
        meta = blinded(desk, act, now, session.tenant, started.bidder)
        if command.commitment != session.announce().commitment:
            session.fail(meta, CommitmentDiffers.code, StallCause.CLIENT, command.refused_parts)
            desk.save(act, command, [session])
            raise CommitmentDiffers(command.transmission)
        session.complete(meta, command.ciphertext_root, command.bytes_total, command.refused_parts)
        if session.rehearses():
            return desk.save(act, command, [session])
        changed: list[Aggregate]
        if started.kind == EnvelopeKind.BACKUP:
            changed = [_keep_copy(desk, command, meta, session)]
        else:
            changed = [*_seal(desk, command, meta, consultation, session, others)]
        expect = {consultation.id: consultation.version}
        return desk.save(act, command, [session, *changed], expect)


def _check_whole(session: TransmissionSession, command: SealDeposit) -> None:
    """Return quietly if this is the announced envelope, every byte of it."""
    announced = session.announce()
    named = (command.head.deposit, command.head.header_hash)
    if named != (announced.deposit, announced.header_hash):
        raise EnvelopeMismatch("header_hash")
    if command.bytes_total != announced.bytes:
        raise EnvelopeIncomplete(command.transmission, "some of its bytes")


def _seal(  # noqa: PLR0913, PLR0917 - the facts of one sealed deposit
    desk: Desk,
    command: SealDeposit,
    meta: Meta,
    consultation: Consultation,
    session: TransmissionSession,
    others: list[tuple[SealedEnvelope, Tip]],
) -> list[SealedEnvelope]:
    """Append the deposit, on time or late, and what it supersedes."""
    envelope = found_or_blank(desk, SealedEnvelope, command.head.deposit)
    late = consultation.verdicts(meta.clock, session, envelope).deposit == "late"
    facts = _facts(command, session)
    envelope.seal(meta, facts, consultation.deadline, late=late)
    if late or facts.intent != Intent.REPLACE:
        return [envelope]
    places = (LAST,) * envelope.version
    return [envelope, *supersede_replaced(meta, consultation, envelope, places, others)]


def _keep_copy(
    desk: Desk, command: SealDeposit, meta: Meta, session: TransmissionSession
) -> BackupCopy:
    """Append the backup copy, on time or late: it says when it came, and stays closed."""
    started, announced = session.start(), session.announce()
    copy = new(desk, BackupCopy, command.head.deposit)
    copy.append(
        BackupCopyReceived(
            **copy.stamp(meta),
            consultation=started.consultation,
            lots=list(started.lots),
            bidder=started.bidder,
            medium=Medium.ELECTRONIC,
            label_ok=True,  # the sealed label is what was started: checked before the first byte
            received_at=meta.clock.middle(),
            uncertainty_ms=meta.clock.uncertainty_ms(),
            header_hash=announced.header_hash,
            commitment=announced.commitment,
            capsule_hash=command.head.capsule_hash,
        )
    )
    return copy


def _facts(command: SealDeposit, session: TransmissionSession) -> Sealing:
    started, announced = session.start(), session.announce()
    return Sealing(
        transmission=session.name,
        consultation=started.consultation,
        lots=tuple(started.lots),
        bidder=started.bidder,
        kind=DepositKind(started.kind),
        round=started.round,
        intent=started.intent,
        target=started.target,
        header_hash=announced.header_hash,
        commitment=announced.commitment,
        ciphertext_root=command.ciphertext_root,
        bytes_total=command.bytes_total,
        capsule_hash=command.head.capsule_hash,
        documents_root=command.head.documents_root,
        documents_count=command.head.documents_count,
        announced_at=announced.meta.clock.middle(),
        started_at=started.meta.clock.middle(),
        receipt_id=command.receipt_id,
    )
