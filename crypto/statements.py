"""What custodians sign (envelope 2.2-2.7, 10, 14): Ed25519 over 32-byte digests.

One tag per statement, so that a signature given for one purpose is worth nothing for another.
"""

from __future__ import annotations

from collections.abc import Mapping

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from crypto import canonical
from crypto.canonical import Json
from crypto.digests import H, u16
from crypto.errors import StatementRefused


def sign(seed: bytes, digest: bytes) -> bytes:
    """Return the 64-byte signature of the digest by the key of this 32-byte seed."""
    return SigningKey(seed).sign(digest).signature


def public_key(seed: bytes) -> bytes:
    """Return the Ed25519 public key of this seed."""
    return bytes(SigningKey(seed).verify_key)


def check(public: bytes, digest: bytes, signature: bytes) -> None:
    """Return quietly if the signature over the digest is by this key, else StatementRefused."""
    try:
        VerifyKey(public).verify(digest, signature)
    except (BadSignatureError, ValueError) as error:
        raise StatementRefused(public) from error


def acknowledgement(keyset: bytes, index: int) -> bytes:
    """Return what a custodian signs when it confirms a keyset."""
    return H("pli/v1/keyset-ack", keyset, u16(index))


def complaint(ceremony: bytes, index: int, against: int, reason: str) -> bytes:
    """Return what a custodian signs when a message of another one fails."""
    return H("pli/v1/dkg-complaint", ceremony, u16(index), u16(against), reason.encode())


def answer(body: Mapping[str, Json]) -> bytes:
    """Return what a custodian signs under every answer and refusal."""
    return H("pli/v1/custodian", canonical.encode(body))


def time(nonce: bytes, earliest: int, latest: int) -> bytes:
    """Return what a custodian signs about the time: an interval in milliseconds, never an hour."""
    interval: dict[str, Json] = {"earliest": earliest, "latest": latest}
    return H("pli/v1/time", nonce, canonical.encode(interval))
