"""Tagged hashes of the specification (envelope 1.3): one meaning per tag, no ambiguous joining.

``H(tag; p1, …)`` is BLAKE2b-256 over LP(tag) || LP(p1) || …, where LP puts the length as 8 bytes
little-endian before the bytes; ``H64`` has a 64-byte digest, which is a parameter of BLAKE2b, so
``H`` is no prefix of it.
"""

from __future__ import annotations

import hashlib

from nacl.bindings import crypto_core_ed25519_scalar_reduce


def H(tag: str, *parts: bytes) -> bytes:  # noqa: N802 - the letter of the specification
    """Return the 32-byte digest of the parts under this tag."""
    return _digest(32, tag, parts)


def H64(tag: str, *parts: bytes) -> bytes:  # noqa: N802 - the letter of the specification
    """Return the 64-byte digest of the parts under this tag."""
    return _digest(64, tag, parts)


def HS(tag: str, *parts: bytes) -> bytes:  # noqa: N802 - the letter of the specification
    """Return ``H64`` read little-endian modulo L, as the 32 bytes of a canonical scalar."""
    return crypto_core_ed25519_scalar_reduce(H64(tag, *parts))


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 that ``sha256sum`` prints."""
    return hashlib.sha256(data).digest()


def u16(number: int) -> bytes:
    """Return the number as 2 bytes big-endian."""
    return number.to_bytes(2, "big")


def u64(number: int) -> bytes:
    """Return the number as 8 bytes big-endian."""
    return number.to_bytes(8, "big")


def _digest(size: int, tag: str, parts: tuple[bytes, ...]) -> bytes:
    state = hashlib.blake2b(digest_size=size)
    for part in (tag.encode(), *parts):
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()
