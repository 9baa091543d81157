"""The bytes of a transmission: head, chunks, and the moment at which an envelope is received.

The envelope is received when its last missing chunk is durable: nothing else has to come
(``envelope.md`` §8). That chunk is noted, and the deposit sealed, while holding the turn of the
consultation, so the register of a deadline never closes between the two.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from api.adapters.uploads import Part, Upload
from api.errors import (
    ChunkDiffers,
    ChunkElsewhere,
    ChunkOutside,
    ChunkSize,
    HeadDiffers,
    HeadMissing,
)
from api.idempotency import derived_id, object_id
from api.platform import Platform
from crypto.digests import sha256
from crypto.errors import CryptoError
from crypto.merkle import leaf_hash, root
from crypto.pli1 import Frame, deposit_commitment
from crypto.pli1_header import CHUNK, Header, check_head
from domain.commands.deposit import SealDeposit, seal_deposit
from domain.commands.transmit import (
    AnnounceEnvelope,
    EnvelopeHead,
    ResumeTransmission,
    StallTransmission,
    StoreChunks,
    announce_envelope,
    resume_transmission,
    stall_transmission,
    store_chunks,
)
from domain.consultation import Consultation
from domain.custody import Custody
from domain.errors import AlreadyExists, DomainError, TransmissionWrongState
from domain.events.transmission import Purpose, StallCause
from domain.ports import Act, Principal
from domain.transmission import TransmissionSession
from ledger.errors import NoSuchEntry

TAG = 16
FULL = CHUNK + TAG
RECORD_EVERY_S = 30
RECORD_EVERY_BYTES = 64 * 1024**2
ENDED = frozenset({"REFUSED", "COMPLETED", "FAILED", "EXPIRED"})


def session_of(platform: Platform, transmission: str) -> TransmissionSession | None:
    """Return the session, None if there is none."""
    found = platform.desk.files.find(TransmissionSession, f"transmission/{transmission}")
    return found if found is not None and found.started is not None else None


def accept_head(
    platform: Platform, principal: Principal, upload: Upload, head: bytes, commitment: str
) -> bool:
    """Announce the envelope: return whether it is new, False for the same head again."""
    if upload.head is not None:
        if upload.head == sha256(head).hex() and upload.commitment == commitment:
            return False
        raise HeadDiffers("another head was announced", transmission=upload.transmission)
    session = session_of(platform, upload.transmission)
    if session is None:
        raise HeadMissing("nothing was started")
    _require_running(session, "a head")
    try:
        header, chunks = _checked(platform, session, head)
        _check_alone(platform, upload, header.label.deposit)
        command = AnnounceEnvelope(
            transmission=upload.transmission,
            head=head_facts(header),
            commitment=commitment,
            bytes=session.start().declared_bytes,
            chunks=chunks,
            head_bytes=len(head),
        )
        blob = platform.vault.put(head)
        act = _act(principal, upload, derived_id(upload.transmission, "head", head))
        recorded = platform.act(announce_envelope, act, command)
    except (CryptoError, DomainError):
        platform.uploads.refuse(upload.transmission)
        raise
    body = session.start().declared_bytes - len(head)
    platform.uploads.head(
        upload.transmission,
        deposit=header.label.deposit,
        commitment=commitment,
        blob=blob,
        sizes=(len(head), body, chunks),
    )
    platform.activity.heard(upload.transmission)
    return not recorded.repeated


def accept_chunk(  # noqa: PLR0913, PLR0917 - one chunk at one place
    platform: Platform, principal: Principal, upload: Upload, index: int, chunk: bytes, leaf: str
) -> bool:
    """Make a chunk durable: return whether it is new; the last missing one seals the deposit."""
    if upload.head is None:
        raise HeadMissing("the head comes first", transmission=upload.transmission)
    _check_chunk(platform, upload, index, chunk, leaf)
    session = session_of(platform, upload.transmission)  # before the parts: see _is_kept
    if _is_kept(platform, upload, index, leaf):
        seal_if_whole(platform, principal, upload)
        return False
    _require_running(session, "a chunk")
    part = Part(index, leaf, platform.vault.put(chunk), len(chunk))
    # after this line the chunk is durable; if it is the last, the envelope is received now, however
    # long it waits for the turn
    platform.arrivals.note(upload.transmission, part, platform.desk.clock.now)
    try:
        ended = _kept_in_turn(platform, principal, upload, part)
    finally:
        platform.arrivals.leave(upload.transmission, index)
    if ended is None:
        return False
    if ended:
        forget(platform, upload)  # nobody waits for it with the turn
    return True


def _kept_in_turn(
    platform: Platform, principal: Principal, upload: Upload, part: Part
) -> bool | None:
    """Keep a durable chunk; return whether the session has ended, None where it was kept before."""
    with platform.desk.turns.hold(upload.consultation):
        # while the bytes were written it may have come by another line, or the session ended
        if _is_kept(platform, upload, part.index, part.leaf):
            return None
        _require_running(session_of(platform, upload.transmission), "a chunk")
        _keep(platform, upload, part)
        platform.activity.heard(upload.transmission)
        ended = _ended_if_whole(platform, principal, upload)
        if not ended:
            _record_progress(platform, principal, upload, part.index)
        return ended


def take_waiting(platform: Platform, upload: Upload) -> None:
    """Keep the durable chunks of an upload that wait for the turn; whoever closes holds it."""
    for part in platform.arrivals.waiting(upload.transmission):
        if platform.uploads.part(upload.transmission, part.index) is None:
            _keep(platform, upload, part)


def _keep(platform: Platform, upload: Upload, part: Part) -> None:
    platform.uploads.add(upload.transmission, part)
    platform.arrivals.taken(upload.transmission, part.index)


def _is_kept(platform: Platform, upload: Upload, index: int, leaf: str) -> bool:
    """Say whether this chunk is kept already; of a session that was completed each one is."""
    known = platform.uploads.part(upload.transmission, index)
    if known is not None and known.leaf != leaf:
        raise ChunkElsewhere("another chunk is kept there", index=index)
    return known is not None


def _require_running(session: TransmissionSession | None, act: str) -> None:
    if session is not None and session.state in ENDED:
        raise TransmissionWrongState(act, session.state)


def seal_if_whole(platform: Platform, principal: Principal, upload: Upload) -> bool:
    """Seal the deposit if nothing is missing; return whether the session has ended."""
    ended = _ended_if_whole(platform, principal, upload)
    if ended:
        forget(platform, upload)
    return ended


def _ended_if_whole(platform: Platform, principal: Principal, upload: Upload) -> bool:
    if upload.head is None:
        return False
    if platform.uploads.progress(upload.transmission).chunks < upload.chunks:
        return False
    parts = platform.uploads.parts(upload.transmission)
    with platform.desk.turns.hold(upload.consultation):
        session = session_of(platform, upload.transmission)
        if session is not None and session.state not in ENDED:
            _seal(platform, principal, upload, parts)
    return True


def keep_promises(platform: Platform) -> None:
    """Keep the room that running sessions were promised before this process started.

    A session that had ended is let go of again: a power cut may have taken that note. One whose row
    a crash prevented gets it: that it ends is a fact too, and may be a ground for a copy.
    """
    for name, whose in platform.index.running().items():
        if platform.uploads.find(name) is None:
            with suppress(NoSuchEntry):  # of another home on the same log: that one keeps its rows
                operator = platform.desk.subjects.operator_of(*whose)
                platform.uploads.start(name, whose[0], operator.partition(":")[2])
    for upload in platform.uploads.running():
        session = session_of(platform, upload.transmission)
        if session is not None and session.state in ENDED:
            platform.uploads.end(upload.transmission)
        elif session is not None:
            here = upload.head_size + platform.uploads.progress(upload.transmission).size
            left = max(session.start().declared_bytes - here, 0)
            platform.vault.promised(upload.transmission, left)


def forget(platform: Platform, upload: Upload) -> None:
    """Let go of an ended session: its room, its pulse; its bytes stay."""
    platform.uploads.end(upload.transmission)
    platform.vault.release(upload.transmission)
    platform.activity.forget(upload.transmission)
    platform.arrivals.forget(upload.transmission)


def stall(platform: Platform, upload: Upload, cause: StallCause) -> None:
    """Record that bytes stopped coming, once until they come again.

    Under the consultation's turn, as everything that moves a session: its last chunk may arrive by
    another line at this very moment, and then the session has ended. It is the platform that says
    so: a company's own name would be one commitment in every consultation (N11).
    """
    with platform.desk.turns.hold(upload.consultation):
        session = session_of(platform, upload.transmission)
        if session is None or session.state not in {"STARTED", "RECEIVING"}:
            return
        highest = platform.uploads.progress(upload.transmission).highest
        command = StallTransmission(upload.transmission, highest, cause)
        key = derived_id(upload.transmission, "stall", str(session.version).encode())
        platform.act(stall_transmission, platform.own_act(key, upload.consultation), command)


def head_facts(header: Header) -> EnvelopeHead:
    """Return what the rules need of a checked head."""
    label = header.label
    return EnvelopeHead(
        deposit=label.deposit,
        header_hash=header.hash.hex(),
        capsule_hash=sha256(header.capsule).hex(),
        documents_root=header.documents_root.hex(),
        documents_count=header.documents_count,
        bidder=label.bidder,
        consultation=label.consultation,
        dossier=label.dossier,
        intent=label.intent,
        keyset=label.keyset,
        kind=label.kind,
        lots=label.lots,
        not_before=datetime.fromisoformat(label.not_before).astimezone(UTC),
        round=label.round,
        target=label.target,
    )


def _checked(platform: Platform, session: TransmissionSession, head: bytes) -> tuple[Header, int]:
    started = session.start()
    digest = _keyset(platform, started.consultation, rehearsal=started.purpose == Purpose.REHEARSAL)
    header = check_head(head, bytes.fromhex(digest))
    return header, Frame.of_body(started.declared_bytes - len(head)).chunks


def _check_alone(platform: Platform, upload: Upload, deposit: str) -> None:
    """Refuse an envelope that another running transmission is bringing."""
    other = platform.uploads.of_deposit(deposit)
    if other is not None and other.transmission != upload.transmission and not other.ended:
        raise AlreadyExists("deposit", deposit)


def _keyset(platform: Platform, consultation: str, *, rehearsal: bool) -> str:
    if rehearsal:
        custody = platform.desk.files.find(Custody, f"custody/{consultation}")
        return custody.keyset.canary_digest if custody and custody.keyset else ""
    found = platform.desk.files.find(Consultation, f"consultation/{consultation}")
    return found.key_fingerprint if found else ""


def _check_chunk(platform: Platform, upload: Upload, index: int, chunk: bytes, leaf: str) -> None:
    if not 0 <= index < upload.chunks:
        raise ChunkOutside("no such chunk", index=index, chunks=upload.chunks)
    last = index == upload.chunks - 1
    size = upload.body - index * FULL if last else FULL
    refusal: ChunkSize | ChunkDiffers | None = None
    if len(chunk) != size:
        refusal = ChunkSize("unexpected length", index=index, expected=size, found=len(chunk))
    elif leaf_hash(chunk).hex() != leaf:
        refusal = ChunkDiffers("the hash of the chunk is another", index=index)
    if refusal is not None:
        if not upload.ended:
            platform.uploads.refuse(upload.transmission)
        raise refusal


def _seal(platform: Platform, principal: Principal, upload: Upload, parts: list[Part]) -> None:
    head = platform.vault.read(upload.head or "")
    header = Header.parse(head[8:])
    tree = root([bytes.fromhex(part.leaf) for part in parts])
    commitment = deposit_commitment(header.hash, tree, upload.chunks)
    command = SealDeposit(
        transmission=upload.transmission,
        head=head_facts(header),
        commitment=commitment.hex(),
        ciphertext_root=tree.hex(),
        bytes_total=upload.head_size + upload.body,
        receipt_id=object_id(upload.transmission, "receipt"),
        refused_parts=_refused(platform, upload),
    )
    act = _act(principal, upload, derived_id(upload.transmission, "seal"))
    received = platform.arrivals.received(upload.transmission)
    platform.act(partial(seal_deposit, received=received), act, command)


def _refused(platform: Platform, upload: Upload) -> int:
    now = platform.uploads.find(upload.transmission)
    return now.refused if now else upload.refused


def _record_progress(platform: Platform, principal: Principal, upload: Upload, index: int) -> None:
    """Record a resumption at once, progress every 30 s or 64 MiB."""
    session = session_of(platform, upload.transmission)
    if session is None or session.state in ENDED:
        return
    if session.state == "STALLED":
        key = derived_id(upload.transmission, "resume", str(session.version).encode())
        platform.act(
            resume_transmission,
            _act(principal, upload, key),
            ResumeTransmission(upload.transmission, index),
        )
    done = platform.uploads.progress(upload.transmission)
    total = upload.head_size + done.size
    if not platform.activity.due(upload.transmission, total, RECORD_EVERY_S, RECORD_EVERY_BYTES):
        return
    lowest = min(session.last_chunk + 1, done.highest)
    command = StoreChunks(upload.transmission, lowest, done.highest, total)
    key = derived_id(upload.transmission, "progress", str(total).encode())
    platform.act(store_chunks, _act(principal, upload, key), command)
    platform.activity.recorded(upload.transmission, total, done.highest)


def _act(principal: Principal, upload: Upload, key: str) -> Act:
    return Act(key, principal, upload.consultation)
