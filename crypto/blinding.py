"""What stands in entries in place of persons and bidders: salted commitments and bidder tags.

A commitment is HMAC-SHA256(salt of 32 random bytes, "pli/commitment/v1" || 0x00 || canonical
{"field", "value"}) (`ledger.md` §11). The value lives in a private row, encrypted under the key of
its subject; erasing row, salt and key leaves a commitment that nobody can open or guess, and every
proof stays whole. A hash without salt is no protection: all SIREN fit in minutes on one core.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError

from crypto.canonical import Json, decode, encode
from crypto.digests import H
from crypto.log_errors import BlindingRefused

SALT_BYTES: Final = 32
SUBJECT_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24
BIDDER_SALT_BYTES: Final = 16

_COMMITMENT: Final = b"pli/commitment/v1\x00"
_PRIVATE: Final = b"pli/private/v1\x00"


@dataclass(frozen=True, slots=True)
class PersonalValue:
    """One piece of personal data, with the salt that blinds it."""

    field: str
    value: Json
    salt: bytes

    def commitment(self) -> bytes:
        """Return the 32 bytes that stand, as hexadecimal, in the entry."""
        _check_length("a salt", self.salt, SALT_BYTES)
        shown = encode({"field": self.field, "value": self.value})
        return hmac.digest(self.salt, _COMMITMENT + shown, "sha256")


def seal_row(personal: PersonalValue, subject_key: bytes, nonce: bytes) -> bytes:
    """Return the ciphertext of a private row; the nonce is fresh for each row."""
    _check_length("a subject key", subject_key, SUBJECT_KEY_BYTES)
    _check_length("a nonce", nonce, NONCE_BYTES)
    plain = encode({"field": personal.field, "salt": personal.salt.hex(), "value": personal.value})
    sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain, _PRIVATE + personal.commitment(), nonce, subject_key
    )
    return sealed


def open_row(
    commitment: bytes, subject_key: bytes, nonce: bytes, ciphertext: bytes
) -> PersonalValue:
    """Return what a private row holds once it matches its commitment, else raise."""
    _check_length("a subject key", subject_key, SUBJECT_KEY_BYTES)
    _check_length("a nonce", nonce, NONCE_BYTES)
    aad = _PRIVATE + commitment
    try:
        plain = decode(
            bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, subject_key)
        )
    except SodiumError as error:
        raise BlindingRefused("the row does not open under this key and commitment") from error
    match plain:
        case {"field": str(field), "salt": str(salt), "value": value, **others} if not others:
            personal = PersonalValue(field, value, _salt(salt))
        case _:
            raise BlindingRefused("a row holds a field, a salt and a value")
    # The cipher alone does not bind the plain text to the commitment: whoever has the key could
    # seal another value beside it.
    if not hmac.compare_digest(personal.commitment(), commitment):
        raise BlindingRefused("the row holds another value than was committed to")
    return personal


def bidder_tag(consultation: str, salt: bytes, operator: str) -> str:
    """Return the 64 digits by which one consultation knows a bidder (`envelope.md` §3).

    The salt is fresh for each consultation and bidder, and erasable; operator is as `siret:…`.
    """
    _check_length("a bidder's salt", salt, BIDDER_SALT_BYTES)
    return H("pli/v1/bidder", consultation.encode(), salt, operator.encode()).hex()


def _salt(digits: str) -> bytes:
    try:
        salt = bytes.fromhex(digits)
    except ValueError as error:
        raise BlindingRefused("the salt is not hexadecimal") from error
    if salt.hex() != digits:
        raise BlindingRefused("the salt is not written in lower case")
    return salt


def _check_length(what: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise BlindingRefused(f"{what} has {length} bytes, not {len(value)}")
