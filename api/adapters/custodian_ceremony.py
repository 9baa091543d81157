"""A custodian's part in a key ceremony (`envelope.md` 2.2-2.4), from ledger entries with proofs.

Each round's message is remembered before it leaves, so that a repeated call gives the same bytes:
two different polynomials, or boxes of two sharings, never meet in one ceremony. The polynomial lies
in the chest until the share does, then it is destroyed, and so is the secret of the box key: what
is asked again after that is answered from what is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from api.adapters.custodian_identity import RECOVERY_PLACES
from api.adapters.custodian_seat import Complaint, NotAsked, Seat, Seen
from api.adapters.custodian_state import HeldShare, Rounds
from api.adapters.keys import write_durably
from crypto import dkg, statements
from crypto.canonical import Json, decode, encode
from crypto.ceremony import Ceremony
from crypto.dkg import Outcome
from crypto.errors import CeremonyComplaint
from crypto.group import random_scalar
from crypto.keyset import Keyset, recovery_copy

POLYNOMIAL_BOUND = b"pli/custodian/polynomial/v1\x00"
SCALAR_BYTES = 32
ROUND1 = ("index", "points", "pop", "sig")
ROUND2 = ("boxes", "index", "sig")


def round1(seat: Seat, name: str) -> dict[str, Json]:
    """Return the commitment to a fresh polynomial, or the one that was sent before."""
    seen, ceremony, place = _seated(seat, name)
    known = _rounds(seat, name, ceremony)
    if known is not None:
        return decode(known.round1)
    _box(seat, name, ceremony, place)
    polynomial = [_scalar(seat) for _ in range(ceremony.k)]
    seat.chest.put(polynomial_name(name), POLYNOMIAL_BOUND + ceremony.cid, b"".join(polynomial))
    message = dkg.commit(ceremony, place, polynomial, _scalar(seat), seat.secrets.sign)
    sent = encode(message)
    with _recorded(seat, "round1", name, message, seen):
        seat.state.keep_rounds(name, Rounds(ceremony.cid.hex(), place, sent, None))
    return message


def round2(seat: Seat, name: str) -> dict[str, Json]:
    """Return the sealed values for every custodian, once all n commitments verify."""
    seen, ceremony, place = _seated(seat, name)
    known = _rounds(seat, name, ceremony)
    if known is None:
        raise NotAsked(f"no round 1 of ceremony {name} was sent from here")
    if known.round2 is not None:
        return decode(known.round2)
    _box(seat, name, ceremony, place)
    messages = _messages(seen, name, "CeremonyCommitted", ROUND1)
    try:
        commitments = dkg.check_commitments(ceremony, messages)
    except CeremonyComplaint as complaint:
        raise _complain(seat, ceremony, name, place, complaint, seen) from complaint
    _check_own(known.round1, messages[place - 1])
    message = dkg.share_out(
        ceremony, place, _polynomial(seat, name, ceremony), commitments, seat.secrets.sign
    )
    with _recorded(seat, "round2", name, message, seen):
        seat.state.keep_rounds(name, replace(known, round2=encode(message)))
    return message


def confirm(seat: Seat, name: str) -> dict[str, Json]:
    """Keep the share and acknowledge the keyset, or complain against the author at fault."""
    seen, ceremony, place = _seated(seat, name)
    known = _rounds(seat, name, ceremony)
    if known is None or known.round2 is None:
        raise NotAsked(f"no round 2 of ceremony {name} was sent from here")
    held = seat.state.share_of(ceremony.document)
    if held is not None:
        return _confirmed(seat, name, bytes.fromhex(held.digest), place, seen)
    box = _box(seat, name, ceremony, place)
    first = _messages(seen, name, "CeremonyCommitted", ROUND1)
    second = _messages(seen, name, "CeremonyShared", ROUND2)
    try:
        outcome = dkg.finish(ceremony, place, seat.boxes.secret(box), first, second)
    except CeremonyComplaint as complaint:
        raise _complain(seat, ceremony, name, place, complaint, seen) from complaint
    _check_own(known.round1, first[place - 1])
    keep_outcome(seat, ceremony, outcome)
    share = HeldShare(outcome.digest.hex(), place, ceremony.document, outcome.y, outcome.shares)
    return _confirmed(seat, name, outcome.digest, place, seen, share)


def _confirmed(  # noqa: PLR0913, PLR0917 - the facts of one confirmation
    seat: Seat, name: str, digest: bytes, place: int, seen: Seen, share: HeldShare | None = None
) -> dict[str, Json]:
    """Acknowledge a keyset whose share is stored; then nothing computes that share again.

    A crash before the secrets are destroyed leaves them to a repetition and, the box key, to the
    next start.
    """
    signature = dkg.acknowledge(digest, place, seat.secrets.sign)
    answer: dict[str, Json] = {"digest": digest.hex(), "index": place, "sig": signature.hex()}
    with _recorded(seat, "confirm", name, answer, seen):
        if share is not None:  # else confirmed before: a destroyed share does not come back
            seat.state.keep_share(share)
        seat.state.boxes.end(name)
    seat.chest.destroy(polynomial_name(name))
    seat.boxes.sweep()
    return answer


def keep_outcome(seat: Seat, ceremony: Ceremony, outcome: Outcome) -> None:
    """Store the share in the chest and its recovery copy in two places, durably."""
    keyset = Keyset(ceremony, outcome.y, outcome.shares, outcome.digest, {})
    seat.chest.put(
        share_name(outcome.digest.hex()), share_bound(outcome.digest, outcome.index), outcome.share
    )
    copy = recovery_copy(keyset, outcome.index, outcome.share, seat.identity.recovery)
    for place in RECOVERY_PLACES:
        write_durably(seat.folder / place / f"{outcome.digest.hex()}.plr1", copy)


def share_name(digest: str) -> str:
    """Return the name of a share in the chest."""
    return f"share-{digest}"


def share_bound(digest: bytes, index: int) -> bytes:
    """Return what a share at rest is bound to: d || u16(j)."""
    return digest + index.to_bytes(2, "big")


def _seated(seat: Seat, name: str) -> tuple[Seen, Ceremony, int]:
    """Return the ceremony as the ledger started it, and this custodian's index in it."""
    seen = seat.look(f"ceremony/{name}")
    started = seen.view.stream(f"ceremony/{name}").data_of("CeremonyStarted")
    if len(started) != 1:
        raise NotAsked(f"ceremony {name} was started {len(started)} times")
    ceremony = Ceremony.parse(started[0]["ceremony"])
    own = seat.identity
    if (ceremony.ceremony, ceremony.log) != (name, own.log.name):
        raise NotAsked(f"the object of ceremony {name} is of another ceremony or log")
    for member in ceremony.members:
        if member.custodian == own.custodian:
            if member.sign != own.sign:
                raise NotAsked(f"ceremony {name} gives {own.custodian} another key than its own")
            return seen, ceremony, member.index
    raise NotAsked(f"{own.custodian} is no member of ceremony {name}")


def _box(seat: Seat, name: str, ceremony: Ceremony, place: int) -> bytes:
    """Return the box key of this custodian in a ceremony, kept for it from now on."""
    box = ceremony.member(place).box
    if not seat.boxes.kept(box):
        raise NotAsked(f"ceremony {name} names a box key that is not kept: hold another one")
    seat.boxes.give(name, box)
    return box


def _rounds(seat: Seat, name: str, ceremony: Ceremony) -> Rounds | None:
    known = seat.state.rounds(name)
    if known is not None and known.cid != ceremony.cid.hex():
        raise NotAsked(f"another ceremony was known under the name {name}")
    return known


def _messages(seen: Seen, name: str, kind: str, keys: Sequence[str]) -> list[Mapping[str, Json]]:
    """Return the messages of a round by index; whoever is missing leaves its place to another."""
    found = seen.view.stream(f"ceremony/{name}").data_of(kind)
    messages = [{key: data[key] for key in keys if key in data} for data in found]
    return sorted(messages, key=lambda message: str(message.get("index")).zfill(8))


def _check_own(sent: bytes, recorded: Mapping[str, Json]) -> None:
    if encode(dict(recorded)) != sent:
        raise NotAsked("the ledger holds another round 1 of this custodian than it sent")


def _complain(  # noqa: PLR0913, PLR0917 - the facts of one complaint
    seat: Seat,
    ceremony: Ceremony,
    name: str,
    place: int,
    complaint: CeremonyComplaint,
    seen: Seen,
) -> Complaint:
    statement = statements.complaint(ceremony.cid, place, complaint.against, complaint.reason)
    signature = statements.sign(seat.secrets.sign, statement).hex()
    body: dict[str, Json] = {
        "against": complaint.against,
        "index": place,
        "reason": complaint.reason,
        "sig": signature,
    }
    with _recorded(seat, "complaint", name, body, seen):
        pass
    seat.chest.destroy(polynomial_name(name))
    return Complaint(place, complaint.against, complaint.reason, signature)


def _recorded(
    seat: Seat, step: str, name: str, message: Mapping[str, Json], seen: Seen
) -> AbstractContextManager[None]:
    body: dict[str, Json] = {
        "ceremony": name,
        "custodian": seat.identity.custodian,
        "message": message,
        "step": step,
    }
    return seat.record(body, seat.sign(body), seen)


def _polynomial(seat: Seat, name: str, ceremony: Ceremony) -> list[bytes]:
    secret = seat.chest.get(polynomial_name(name), POLYNOMIAL_BOUND + ceremony.cid)
    return [secret[at : at + SCALAR_BYTES] for at in range(0, len(secret), SCALAR_BYTES)]


def _scalar(seat: Seat) -> bytes:
    return random_scalar(seat.random.bytes(64))


def polynomial_name(name: str) -> str:
    """Return the name in the chest of the polynomial of a ceremony."""
    return f"polynomial-{name}"
