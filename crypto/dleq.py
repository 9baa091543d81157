"""Proofs over the group (envelope 1.7, 2.2): of equal logarithms, and of knowing one.

A proof is e || f, 64 bytes. The commitment w is a fresh random scalar for each proof: the same w
in two proofs gives the secret away.
"""

from __future__ import annotations

from crypto.digests import HS
from crypto.errors import CryptoError, ProofRefused
from crypto.group import (
    BASE,
    add_scalars,
    check_nonzero,
    check_point,
    multiply,
    multiply_scalars,
    subtract,
)


def prove_equal(
    tag: str, context: bytes, secret: bytes, bases: tuple[bytes, bytes], commitment: bytes
) -> bytes:
    """Prove that secret * P and secret * Q have the same logarithm to the bases P and Q."""
    first, second = bases
    check_nonzero(secret)
    check_nonzero(commitment)
    challenge = HS(
        tag,
        context,
        first,
        multiply(secret, first),
        second,
        multiply(secret, second),
        multiply(commitment, first),
        multiply(commitment, second),
    )
    return challenge + add_scalars(commitment, multiply_scalars(challenge, secret))


def check_equal(
    tag: str, context: bytes, first: tuple[bytes, bytes], second: tuple[bytes, bytes], proof: bytes
) -> None:
    """Return quietly if (P, X) and (Q, Y) have the same logarithm, else raise ProofRefused.

    first is (P, X = x * P), second (Q, Y = x * Q); all four are checked as points here.
    """
    try:
        challenge, response = _read(proof)
        for point in (*first, *second):
            check_point(point)
    except CryptoError as refusal:
        raise ProofRefused(tag) from refusal
    again = HS(
        tag,
        context,
        *first,
        *second,
        subtract(multiply(response, first[0]), multiply(challenge, first[1])),
        subtract(multiply(response, second[0]), multiply(challenge, second[1])),
    )
    if again != challenge:
        raise ProofRefused(tag)


def prove_knowledge(tag: str, parts: tuple[bytes, ...], secret: bytes, commitment: bytes) -> bytes:
    """Prove that one knows secret, the logarithm of a point that stands among the parts."""
    check_nonzero(secret)
    challenge = HS(tag, *parts, multiply(check_nonzero(commitment), BASE))
    return challenge + add_scalars(commitment, multiply_scalars(challenge, secret))


def check_knowledge(tag: str, parts: tuple[bytes, ...], public: bytes, proof: bytes) -> None:
    """Return quietly if the prover knew the logarithm of public, else raise ProofRefused.

    The caller has checked public as a point and put it among the parts.
    """
    try:
        challenge, response = _read(proof)
    except CryptoError as refusal:
        raise ProofRefused(tag) from refusal
    again = HS(tag, *parts, subtract(multiply(response, BASE), multiply(challenge, public)))
    if again != challenge:
        raise ProofRefused(tag)


def _read(proof: bytes) -> tuple[bytes, bytes]:
    """Split e || f, both canonical and not zero; a wrong length shows in one of the two."""
    return check_nonzero(proof[:32]), check_nonzero(proof[32:])
