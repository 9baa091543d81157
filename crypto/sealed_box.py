"""Anonymous boxes to an X25519 key: shares in transit and recovery copies.

The only function of this layer that draws randomness by itself is ``seal``: libsodium makes the
ephemeral key inside and offers no other way.
"""

from __future__ import annotations

from nacl.bindings import crypto_box_seal, crypto_box_seal_open, crypto_scalarmult_base
from nacl.exceptions import CryptoError as SodiumError


def public_key(secret: bytes) -> bytes:
    """Return the X25519 public key of this secret."""
    return crypto_scalarmult_base(secret)


def seal(message: bytes, recipient: bytes) -> bytes:
    """Return the box of the message, 48 bytes longer, for the owner of this key."""
    return crypto_box_seal(message, recipient)


def unseal(box: bytes, secret: bytes) -> bytes | None:
    """Return the message of the box, or None if it was not made for this secret."""
    try:
        return crypto_box_seal_open(box, public_key(secret), secret)
    except (SodiumError, TypeError, ValueError):
        return None
