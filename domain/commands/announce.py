"""Announce a deposit: first sizes and intent, then the head; refused before a byte (§4.6)."""

from __future__ import annotations

from domain.aggregate import Meta
from domain.announce import AnnounceEnvelope, EnvelopeHead, StartTransmission
from domain.backup_copy import BackupCopy
from domain.commands import feasibility
from domain.commands.loading import (
    DEPOSITING,
    bidder_of,
    blinded,
    custody_of,
    found,
    new,
    ongoing,
    public_consultation,
)
from domain.consultation import Consultation
from domain.dossier import Dossier
from domain.envelope import SealedEnvelope
from domain.errors import (
    AlreadyExists,
    DepositTaken,
    DomainError,
    EnvelopeMismatch,
    PlatformUnavailable,
)
from domain.events.consultation import Limits
from domain.events.transmission import (
    EnvelopeAnnounced,
    FeasibilityRefused,
    StallCause,
    TransmissionStarted,
)
from domain.identifiers import HEX32, HEX64, check
from domain.limits import check_padded
from domain.ports import Act, Desk, Recorded
from domain.transmission import TransmissionSession

NO_ROOM = "no room for these bytes"
REFUSED_AT_ONCE = 2
"""Version of a session whose announce was refused: Started and the refusal."""


def start_transmission(desk: Desk, act: Act, command: StartTransmission) -> Recorded:
    """Append TransmissionStarted; on a refusal also FeasibilityRefused or TransmissionFailed."""
    desk.law.roles.require(act.principal.role, DEPOSITING)
    consultation = public_consultation(desk, command.consultation)
    if earlier := desk.earlier(act, command):
        _refuse_again(found(desk, TransmissionSession, command.transmission), consultation)
        return earlier
    feasibility.check_form(consultation, command)
    bidder = bidder_of(desk, act, command.consultation)
    session = new(desk, TransmissionSession, command.transmission)
    now = desk.reading(consultation)
    meta = blinded(desk, act, now, consultation.tenant, bidder)
    session.append(
        TransmissionStarted(
            **session.stamp(meta),
            consultation=command.consultation,
            lots=list(command.lots),
            bidder=bidder,
            purpose=command.purpose,
            kind=command.kind,
            round=command.round,
            intent=command.intent,
            target=command.target,
            declared_bytes=command.declared_bytes,
            declared_files=command.declared_files,
            entry_consultation=command.entry_consultation or command.consultation,
            dossier_version_seen=command.dossier_version_seen,
            sibling_downloaded=command.sibling_downloaded,
            client=command.client,
            terms_version=command.terms_version,
        )
    )
    refusal = _refusal(desk, consultation, command, bidder, session, meta)
    recorded = desk.save(act, command, [session])
    if refusal is not None:
        raise refusal
    return recorded


def announce_envelope(desk: Desk, act: Act, command: AnnounceEnvelope) -> Recorded:
    """Append EnvelopeAnnounced; the label must be what was started."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    if session.announced is not None:
        raise AlreadyExists("head of transmission", command.transmission)
    _check_label(desk, session, command.head)
    _check_bytes(desk, session, command)
    session.append(
        EnvelopeAnnounced(
            **session.stamp(meta),
            deposit=command.head.deposit,
            header_hash=command.head.header_hash,
            commitment=command.commitment,
            bytes=command.bytes,
            chunks=command.chunks,
        )
    )
    return desk.save(act, command, [session])


def _refusal(  # noqa: PLR0913, PLR0917 - everything that one announce is judged by
    desk: Desk,
    consultation: Consultation,
    command: StartTransmission,
    bidder: str,
    session: TransmissionSession,
    meta: Meta,
) -> DomainError | None:
    """Append why the announce is refused and return the refusal, None if it is feasible."""
    try:
        feasibility.check_feasible(desk, consultation, command, bidder)
    except DomainError as refusal:
        limit, allowed, asked = feasibility.recorded_limit(refusal)
        session.append(
            FeasibilityRefused(**session.stamp(meta), limit=limit, allowed=allowed, asked=asked)
        )
        return refusal
    if desk.vault.reserve(command.transmission, command.declared_bytes):
        return None
    session.fail(meta, PlatformUnavailable.code, StallCause.SERVER, 0)
    return PlatformUnavailable(NO_ROOM)


def _refuse_again(session: TransmissionSession, consultation: Consultation) -> None:
    """Raise what the first answer to this announce was, if it was a refusal."""
    started = session.start()
    if session.refused is not None:
        raise feasibility.refusal_of(
            session.refused, started.lots, started.target, consultation.complements
        )
    if session.version == REFUSED_AT_ONCE and session.server_fault():
        raise PlatformUnavailable(NO_ROOM)


def _check_label(desk: Desk, session: TransmissionSession, head: EnvelopeHead) -> None:
    """Return quietly if the sealed label is exactly what was started (envelope.md §8)."""
    started = session.start()
    consultation = found(desk, Consultation, started.consultation)
    dossier = found(desk, Dossier, started.consultation)
    rehearsal = session.rehearses()
    wanted: dict[str, object] = {
        "consultation": started.consultation,
        "kind": "REHEARSAL" if rehearsal else started.kind,
        "lots": tuple(started.lots),
        "round": started.round,
        "intent": started.intent,
        "target": started.target,
        "bidder": started.bidder,
        "keyset": _keyset(desk, consultation, rehearsal=rehearsal),
        "documents_count": started.declared_files,
    }
    for name, value in wanted.items():
        if getattr(head, name) != value:
            raise EnvelopeMismatch(name)
    if head.dossier not in dossier.roots:
        raise EnvelopeMismatch("dossier")
    if head.not_before not in consultation.deadlines:
        raise EnvelopeMismatch("not_before")


def _keyset(desk: Desk, consultation: Consultation, *, rehearsal: bool) -> str:
    """Return the digest of the keyset which must have been sealed to."""
    keyset = custody_of(desk, consultation.name).keyset
    if rehearsal and keyset is not None:
        return keyset.canary_digest
    return consultation.key_fingerprint


def _check_bytes(desk: Desk, session: TransmissionSession, command: AnnounceEnvelope) -> None:
    """Return quietly if ids, sizes and padding are those announced and the deposit is new."""
    for name in ("header_hash", "capsule_hash", "documents_root"):
        check(HEX64, name, getattr(command.head, name))
    check(HEX64, "commitment", command.commitment)
    check(HEX32, "deposit", command.head.deposit)
    started = session.start()
    if command.bytes != started.declared_bytes:
        raise EnvelopeMismatch("bytes")
    if command.chunks < 1 or not 0 < command.head_bytes < command.bytes:
        raise EnvelopeMismatch("chunks")
    consultation = found(desk, Consultation, started.consultation)
    body = command.bytes - command.head_bytes
    check_padded(consultation.limits or Limits(), body, command.chunks)
    taken = desk.files.find(SealedEnvelope, f"deposit/{command.head.deposit}")
    copied = desk.files.find(BackupCopy, f"backup/{command.head.deposit}")
    if copied is not None or (taken is not None and taken.facts is not None):
        raise DepositTaken(command.head.deposit)
