"""Capsule, partials, key (envelope 4): TDH2 as a labelled key encapsulation.

A capsule proves that its maker knew its secret *for this label*, so nobody can copy or relabel an
envelope. A partial proves that it comes from one custodian's share. Combining needs k partials and
never rebuilds a private key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crypto import group
from crypto.digests import H, u16
from crypto.dleq import check_equal, prove_equal
from crypto.errors import CapsuleRefused, PartialRefused, ProofRefused, QuorumMissing
from crypto.group import BASE, SECOND_BASE, multiply
from crypto.keyset import Keyset

CAPSULE_SIZE: Final = 128
PARTIAL_SIZE: Final = 96
_ENCAPS: Final = "pli/v1/encaps"
_PARTIAL: Final = "pli/v1/partial"


@dataclass(frozen=True)
class Combined:
    """The key of one envelope, whose partials gave it, and whose were false."""

    key: bytes
    used: tuple[int, ...]
    bad: tuple[int, ...]


def encapsulate(keyset: Keyset, label: bytes, r: bytes, w: bytes) -> tuple[bytes, bytes]:
    """Return capsule and key K for the canonical label; r and w are random, used once."""
    proof = prove_equal(_ENCAPS, _context(keyset.digest, label), r, (BASE, SECOND_BASE), w)
    capsule = multiply(r, BASE) + multiply(r, SECOND_BASE) + proof
    return capsule, _key(keyset.digest, label, capsule, multiply(r, keyset.y))


def check_capsule(digest: bytes, label: bytes, capsule: bytes) -> None:
    """Return quietly if the capsule was made for this keyset digest and label; anyone can."""
    if len(capsule) != CAPSULE_SIZE:
        raise CapsuleRefused
    first, second, proof = capsule[:32], capsule[32:64], capsule[64:]
    try:
        check_equal(_ENCAPS, _context(digest, label), (BASE, first), (SECOND_BASE, second), proof)
    except ProofRefused as refusal:
        raise CapsuleRefused from refusal


@dataclass(frozen=True)
class Lock:
    """What a partial answers for: one envelope under one keyset, its capsule checked.

    Making one checks the capsule, so that no share is ever applied to a point a stranger chose.
    """

    keyset: Keyset
    label: bytes
    capsule: bytes

    def __post_init__(self) -> None:
        """Check the capsule."""
        check_capsule(self.keyset.digest, self.label, self.capsule)

    @property
    def ephemeral(self) -> bytes:
        """U, the point to which the shares are applied."""
        return self.capsule[:32]

    def context(self, index: int) -> bytes:
        """Return what binds a partial to keyset, label, capsule and custodian."""
        bound = (self.keyset.digest, self.label, self.capsule)
        return H("pli/v1/partial-ctx", *bound, u16(index))


def make_partial(lock: Lock, index: int, share: bytes, w: bytes) -> bytes:
    """Return the 96 bytes by which custodian index answers for this one envelope."""
    bases = (BASE, lock.ephemeral)
    proof = prove_equal(_PARTIAL, lock.context(index), share, bases, w)
    return multiply(share, lock.ephemeral) + proof


def check_partial(lock: Lock, index: int, partial: bytes) -> None:
    """Return quietly if the partial is this custodian's for this envelope, else raise."""
    public = lock.keyset.share(index)
    if public is None or len(partial) != PARTIAL_SIZE:
        raise PartialRefused(index)
    applied = (lock.ephemeral, partial[:32])
    try:
        check_equal(_PARTIAL, lock.context(index), (BASE, public), applied, partial[32:])
    except ProofRefused as refusal:
        raise PartialRefused(index) from refusal


def combine(lock: Lock, partials: Iterable[tuple[int, bytes]]) -> Combined:
    """Return K from the k lowest valid indices; every valid set gives the same K.

    False partials are dropped and their authors named, in ``bad`` or in QuorumMissing.
    """
    valid: dict[int, bytes] = {}
    bad: set[int] = set()
    for index, partial in partials:
        try:
            check_partial(lock, index, partial)
        except PartialRefused:
            bad.add(index)
        else:
            valid[index] = partial[:32]
    k = lock.keyset.k
    if len(valid) < k:
        raise QuorumMissing(sorted(valid), k, sorted(bad))
    used = tuple(sorted(valid)[:k])
    point = group.interpolate_at_zero({index: valid[index] for index in used})
    key = _key(lock.keyset.digest, lock.label, lock.capsule, point)
    return Combined(key, used, tuple(sorted(bad)))


def _context(digest: bytes, label: bytes) -> bytes:
    return H("pli/v1/label", digest, label)


def _key(digest: bytes, label: bytes, capsule: bytes, point: bytes) -> bytes:
    return H("pli/v1/kem-key", digest, label, capsule, point)
