"""Joint key generation (envelope 2.2-2.4): a key that exists nowhere whole.

Each custodian commits to a polynomial and proves that it knows the constant, then seals to every
custodian the value at that one's index. Whoever checks a message that fails names its author, and
the ceremony ends; a new one starts and nothing depends on the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from crypto import group, sealed_box, statements
from crypto.canonical import Json
from crypto.ceremony import Ceremony
from crypto.digests import H, u16
from crypto.dleq import check_knowledge, prove_knowledge
from crypto.errors import (
    BoxRefused,
    CeremonyComplaint,
    CryptoError,
    DegreeRefused,
    FormRefused,
    PossessionRefused,
    ProofRefused,
    ShareRefused,
)
from crypto.forms import integer, items, members, octets
from crypto.group import check_nonzero, check_point, check_scalar

_POP: Final = "pli/v1/dkg-pop"


@dataclass(frozen=True)
class Commitment:
    """A round-1 message that passed every check; ``digest`` is what its author signed."""

    index: int
    points: tuple[bytes, ...]
    digest: bytes


@dataclass(frozen=True)
class Outcome:
    """What one custodian has after a good ceremony; ``share`` is secret, the rest public."""

    index: int
    share: bytes
    digest: bytes
    y: bytes
    shares: tuple[bytes, ...]


def commit(
    ceremony: Ceremony, index: int, polynomial: Sequence[bytes], w: bytes, sign_seed: bytes
) -> dict[str, Json]:
    """Return the round-1 message: k points, proof of possession, signature.

    polynomial is k secret scalars, lowest first; w is random and never used again.
    """
    ceremony.member(index)
    if len(polynomial) != ceremony.k:
        raise DegreeRefused(len(polynomial), ceremony.k)
    points = [group.multiply(check_nonzero(secret), group.BASE) for secret in polynomial]
    bound = (ceremony.cid, u16(index), *points)
    pop = prove_knowledge(_POP, bound, polynomial[0], w)
    digest = H("pli/v1/dkg-round1", *bound, pop)
    return {
        "index": index,
        "points": [point.hex() for point in points],
        "pop": pop.hex(),
        "sig": statements.sign(sign_seed, digest).hex(),
    }


def check_commitment(ceremony: Ceremony, message: Json) -> Commitment:
    """Return what a round-1 message proves; its own refusals, in the order of envelope 2.2."""
    fields = members(message, ("index", "points", "pop", "sig"))
    index = integer(fields["index"], 1, ceremony.n)
    points = tuple(octets(point, 32) for point in items(fields["points"], 0, 16))
    pop = octets(fields["pop"], 64)
    signature = octets(fields["sig"], 64)
    if len(points) != ceremony.k:
        raise DegreeRefused(len(points), ceremony.k)
    bound = (ceremony.cid, u16(index), *points)
    digest = H("pli/v1/dkg-round1", *bound, pop)
    statements.check(ceremony.member(index).sign, digest, signature)
    for point in points:
        check_point(point)
    try:
        check_knowledge(_POP, bound, points[0], pop)
    except ProofRefused as refusal:
        raise PossessionRefused(index) from refusal
    return Commitment(index, points, digest)


def check_commitments(ceremony: Ceremony, messages: Sequence[Json]) -> tuple[Commitment, ...]:
    """Return the n commitments, or a CeremonyComplaint against the first author at fault."""
    return tuple(_commitment_at(ceremony, place, messages) for place in range(1, ceremony.n + 1))


def share_out(
    ceremony: Ceremony,
    index: int,
    polynomial: Sequence[bytes],
    commitments: Sequence[Commitment],
    sign_seed: bytes,
) -> dict[str, Json]:
    """Return the round-2 message: to every custodian, itself included, its value in a box.

    The boxes draw their ephemeral keys inside libsodium: two calls give two messages.
    """
    boxes = [
        sealed_box.seal(
            _bound(ceremony, index, member.index) + group.evaluate(polynomial, member.index),
            member.box,
        )
        for member in ceremony.members
    ]
    digest = _sharing_digest(ceremony, _transcript(ceremony, commitments), index, boxes)
    return {
        "boxes": [box.hex() for box in boxes],
        "index": index,
        "sig": statements.sign(sign_seed, digest).hex(),
    }


def finish(
    ceremony: Ceremony,
    index: int,
    box_secret: bytes,
    round1: Sequence[Json],
    round2: Sequence[Json],
) -> Outcome:
    """Return the share of this custodian and the public keyset, or raise CeremonyComplaint.

    Both lists are in the order of the index; a message at another place is of bad form.
    """
    ceremony.member(index)
    commitments = check_commitments(ceremony, round1)
    transcript = _transcript(ceremony, commitments)
    share = group.ZERO
    for commitment in commitments:
        with _against(commitment.index):
            message = _at(round2, commitment.index)
            box = _check_sharing(ceremony, transcript, commitment.index, index, message)
            part = _open_share(ceremony, commitment, index, box, box_secret)
        share = group.add_scalars(share, part)
    y, shares = public_keys(ceremony, commitments)
    digest = keyset_digest(ceremony, y, shares)
    return Outcome(index, check_nonzero(share), digest, y, shares)


def public_keys(
    ceremony: Ceremony, commitments: Sequence[Commitment]
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return Y and Y_1 … Y_n: anybody can compute them from the round-1 messages."""
    sums = [
        group.sum_points(column)
        for column in zip(*(commitment.points for commitment in commitments), strict=True)
    ]
    return sums[0], tuple(group.evaluate_points(sums, m) for m in range(1, ceremony.n + 1))


def keyset_digest(ceremony: Ceremony, y: bytes, shares: Sequence[bytes]) -> bytes:
    """Return d, the fingerprint of a keyset (envelope 2.5)."""
    return H("pli/v1/keyset", ceremony.cid, u16(ceremony.k), u16(ceremony.n), y, *shares)


def acknowledge(keyset: bytes, index: int, sign_seed: bytes) -> bytes:
    """Return the signature by which a custodian confirms that it holds its share."""
    return statements.sign(sign_seed, statements.acknowledgement(keyset, index))


def keyset_document(
    ceremony: Ceremony, outcome: Outcome, acknowledgements: Sequence[bytes]
) -> dict[str, Json]:
    """Return the keyset document; it is complete when all n custodians have acknowledged."""
    return {
        "acks": [signature.hex() for signature in acknowledgements],
        "ceremony": ceremony.document,
        "shares": [share.hex() for share in outcome.shares],
        "v": 1,
        "y": outcome.y.hex(),
    }


def _commitment_at(ceremony: Ceremony, place: int, messages: Sequence[Json]) -> Commitment:
    with _against(place):
        return check_commitment(ceremony, _at(messages, place))


def _at(messages: Sequence[Json], place: int) -> Mapping[str, Json]:
    """Return the message of this place, whose index says so."""
    if place > len(messages):
        raise FormRefused(f"no message of custodian {place}")
    message = messages[place - 1]
    if not isinstance(message, Mapping) or message.get("index") != place:
        raise FormRefused(f"the message at place {place} is not by custodian {place}")
    return message


def _check_sharing(
    ceremony: Ceremony, transcript: bytes, sender: int, recipient: int, message: Json
) -> bytes:
    fields = members(message, ("boxes", "index", "sig"))
    integer(fields["index"], sender, sender)
    boxes = [octets(box) for box in items(fields["boxes"], ceremony.n, ceremony.n)]
    signature = octets(fields["sig"], 64)
    digest = _sharing_digest(ceremony, transcript, sender, boxes)
    statements.check(ceremony.member(sender).sign, digest, signature)
    return boxes[recipient - 1]


def _open_share(
    ceremony: Ceremony, commitment: Commitment, recipient: int, box: bytes, box_secret: bytes
) -> bytes:
    bound = _bound(ceremony, commitment.index, recipient)
    message = sealed_box.unseal(box, box_secret)
    if message is None or len(message) != 68 or not message.startswith(bound):
        raise BoxRefused(commitment.index, recipient)
    part = check_scalar(message[len(bound) :])
    if group.multiply(part, group.BASE) != group.evaluate_points(commitment.points, recipient):
        raise ShareRefused(commitment.index, recipient)
    return part


def _bound(ceremony: Ceremony, sender: int, recipient: int) -> bytes:
    return ceremony.cid + u16(sender) + u16(recipient)


def _transcript(ceremony: Ceremony, commitments: Sequence[Commitment]) -> bytes:
    return H("pli/v1/dkg-transcript", ceremony.cid, *(entry.digest for entry in commitments))


def _sharing_digest(
    ceremony: Ceremony, transcript: bytes, index: int, boxes: Sequence[bytes]
) -> bytes:
    return H("pli/v1/dkg-round2", ceremony.cid, transcript, u16(index), *boxes)


@contextmanager
def _against(index: int) -> Iterator[None]:
    """Turn any refusal inside into a complaint against this custodian."""
    try:
        yield
    except CryptoError as refusal:
        raise CeremonyComplaint(index, refusal.code) from refusal
