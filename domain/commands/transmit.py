"""Follow and end a transmission; announcing it stands in ``announce`` (domain.md §4.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.announce import AnnounceEnvelope, EnvelopeHead, StartTransmission
from domain.clock import Reading
from domain.commands.announce import announce_envelope, start_transmission
from domain.commands.loading import (
    blinded,
    envelopes_of,
    found,
    found_or_blank,
    ongoing,
    session_of,
)
from domain.consultation import Consultation
from domain.errors import BadForm, MessageNotTrue
from domain.events.transmission import (
    ChunksStored,
    DrawerMismatchWarned,
    MessageShown,
    Readability,
    ReadabilityChecked,
    StallCause,
    TransmissionExpired,
    TransmissionResumed,
    TransmissionStalled,
    TransmissionStarted,
)
from domain.health import MAIN, Health
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded
from domain.transmission import TransmissionSession

__all__ = [
    "AnnounceEnvelope",
    "CheckReadability",
    "EnvelopeHead",
    "ExpireTransmission",
    "FailTransmission",
    "ResumeTransmission",
    "ShowMessage",
    "StallTransmission",
    "StartTransmission",
    "StoreChunks",
    "WarnDrawer",
    "announce_envelope",
    "check_readability",
    "expire_transmission",
    "fail_transmission",
    "resume_transmission",
    "show_message",
    "stall_transmission",
    "start_transmission",
    "store_chunks",
    "warn_drawer",
]


@dataclass(frozen=True)
class StoreChunks:
    """Record that chunks first…last are durable; ``bytes_total``: all durable bytes so far."""

    transmission: str
    first: int
    last: int
    bytes_total: int


@dataclass(frozen=True)
class StallTransmission:
    """Record that bytes stopped coming."""

    transmission: str
    last_chunk: int
    cause: StallCause


@dataclass(frozen=True)
class ResumeTransmission:
    """Record that bytes come again."""

    transmission: str
    from_chunk: int


@dataclass(frozen=True)
class ShowMessage:
    """Record that a message of the closed list was shown; it must be true now."""

    transmission: str
    message: str
    text: str
    reason_id: str


@dataclass(frozen=True)
class WarnDrawer:
    """Record the warning that another consultation's dossier was downloaded."""

    transmission: str
    downloaded: str
    acknowledged: bool


@dataclass(frozen=True)
class CheckReadability:
    """Record the worst class which the sealer found; it only warns."""

    transmission: str
    worst: Readability
    acknowledged: bool


@dataclass(frozen=True)
class FailTransmission:
    """End the session without a deposit."""

    transmission: str
    code: str
    cause: StallCause
    refused_parts: int = 0


@dataclass(frozen=True)
class ExpireTransmission:
    """End a session in which nothing came for a day."""

    transmission: str
    refused_parts: int = 0


def store_chunks(desk: Desk, act: Act, command: StoreChunks) -> Recorded:
    """Append ChunksStored."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    announced = session.announce()
    if not 0 <= command.first <= command.last < announced.chunks:
        raise BadForm("last", f"chunks lie between 0 and {announced.chunks - 1}")
    if not session.bytes_total <= command.bytes_total <= announced.bytes:
        raise BadForm("bytes_total", f"between {session.bytes_total} and {announced.bytes}")
    session.append(
        ChunksStored(
            **session.stamp(meta),
            first=command.first,
            last=command.last,
            bytes_total=command.bytes_total,
        )
    )
    return desk.save(act, command, [session])


def stall_transmission(desk: Desk, act: Act, command: StallTransmission) -> Recorded:
    """Append TransmissionStalled."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.append(
        TransmissionStalled(
            **session.stamp(meta), last_chunk=command.last_chunk, cause=command.cause
        )
    )
    return desk.save(act, command, [session])


def resume_transmission(desk: Desk, act: Act, command: ResumeTransmission) -> Recorded:
    """Append TransmissionResumed."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.append(TransmissionResumed(**session.stamp(meta), from_chunk=command.from_chunk))
    return desk.save(act, command, [session])


def show_message(desk: Desk, act: Act, command: ShowMessage) -> Recorded:
    """Append MessageShown."""
    if earlier := desk.earlier(act, command):
        return earlier
    message = desk.law.messages.of(command.message)
    session = session_of(desk, act, command.transmission)
    started = session.start()
    consultation = found(desk, Consultation, started.consultation)
    now = desk.reading(consultation, session)
    if not _true_now(desk, session, consultation, now, message.code):
        raise MessageNotTrue(message.code)
    meta = blinded(desk, act, now, session.tenant, started.bidder)
    session.append(
        MessageShown(
            **session.stamp(meta),
            code=message.code,
            text=check_text("text", command.text),
            reason_id=check_text("reason_id", command.reason_id, 200),
        )
    )
    return desk.save(act, command, [session])


def warn_drawer(desk: Desk, act: Act, command: WarnDrawer) -> Recorded:
    """Append DrawerMismatchWarned."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.append(
        DrawerMismatchWarned(
            **session.stamp(meta), downloaded=command.downloaded, acknowledged=command.acknowledged
        )
    )
    return desk.save(act, command, [session])


def check_readability(desk: Desk, act: Act, command: CheckReadability) -> Recorded:
    """Append ReadabilityChecked."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.append(
        ReadabilityChecked(
            **session.stamp(meta), worst=command.worst, acknowledged=command.acknowledged
        )
    )
    return desk.save(act, command, [session])


def fail_transmission(desk: Desk, act: Act, command: FailTransmission) -> Recorded:
    """Append TransmissionFailed."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.fail(meta, check_text("code", command.code, 64), command.cause, command.refused_parts)
    return desk.save(act, command, [session])


def expire_transmission(desk: Desk, act: Act, command: ExpireTransmission) -> Recorded:
    """Append TransmissionExpired."""
    if earlier := desk.earlier(act, command):
        return earlier
    session, meta = ongoing(desk, act, command.transmission)
    session.append(TransmissionExpired(**session.stamp(meta), refused_parts=command.refused_parts))
    return desk.save(act, command, [session])


def _true_now(
    desk: Desk,
    session: TransmissionSession,
    consultation: Consultation,
    now: Reading,
    code: str,
) -> bool:
    """Say whether what the message asserts is in the record now (§4.6)."""
    started = session.start()
    limit = session.refused.limit if session.refused is not None else ""
    claims: dict[str, Callable[[], bool]] = {
        "deposit.already-sent": lambda: _already_sent(desk, started),
        "deposit.closed": lambda: consultation.verdicts(now, session).deposit == "late",
        "deposit.too-large": lambda: limit == "max_total",
        "deposit.too-many-files": lambda: limit == "max_files",
        "upload.interrupted": lambda: bool(session.stalls),
        "platform.unavailable": lambda: session.server_fault() or _unavailable(desk, now),
    }
    claim = claims.get(code)
    return claim is not None and claim()


def _unavailable(desk: Desk, now: Reading) -> bool:
    """Say whether a failed probe or an incident is in the record for this instant."""
    return found_or_blank(desk, Health, MAIN).unavailable(now)


def _already_sent(desk: Desk, started: TransmissionStarted) -> bool:
    """Say whether an earlier deposit of that bidder, kind and some of the lots is on time."""
    return any(
        not envelope.was_late()
        and envelope.sealed().kind.value == started.kind.value
        and {*envelope.sealed().lots} & {*started.lots}
        for envelope, _ in envelopes_of(desk, started.consultation, started.bidder)
    )
