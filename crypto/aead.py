"""XChaCha20-Poly1305 in place, over buffers that are used again.

The ordinary binding of libsodium takes and makes a new bytes object for each chunk; here the chunk
is read, encrypted and hashed in one buffer, which is why memory stays flat and the interpreter's
lock is free meanwhile.
"""

from __future__ import annotations

from typing import Final

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24
TAG_SIZE: Final = 16


class Cipher:
    """One key and one additional data for all chunks of a file."""

    def __init__(self, key: bytes, additional: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
        self._key = key
        self._additional = additional

    def encrypt(self, buffer: bytearray, size: int, nonce: bytes) -> int:
        """Replace the first ``size`` bytes of the buffer by ciphertext and tag; return its size."""
        _check(buffer, size + TAG_SIZE, nonce)
        place = ffi.from_buffer("unsigned char[]", buffer)
        lib.crypto_aead_xchacha20poly1305_ietf_encrypt(
            place,
            ffi.NULL,
            place,
            size,
            self._additional,
            len(self._additional),
            ffi.NULL,
            nonce,
            self._key,
        )
        return size + TAG_SIZE

    def decrypt(self, buffer: bytearray, size: int, nonce: bytes) -> int | None:
        """Replace the first ``size`` bytes by their plaintext; return its size, None if forged."""
        _check(buffer, size, nonce)
        place = ffi.from_buffer("unsigned char[]", buffer)
        refused = lib.crypto_aead_xchacha20poly1305_ietf_decrypt(
            place,
            ffi.NULL,
            ffi.NULL,
            place,
            size,
            self._additional,
            len(self._additional),
            nonce,
            self._key,
        )
        return None if refused else size - TAG_SIZE


def _check(buffer: bytearray, size: int, nonce: bytes) -> None:
    """Refuse what would let the library write or read outside the buffer."""
    if not TAG_SIZE <= size <= len(buffer) or len(nonce) != NONCE_SIZE:
        raise ValueError(f"{size} bytes with a nonce of {len(nonce)} in {len(buffer)} bytes")
