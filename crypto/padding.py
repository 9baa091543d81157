"""Padmé (envelope 1.8): lengths rounded so that they tell little and cost at most 12 %."""

from __future__ import annotations

from typing import Final

from crypto.errors import PaddingRefused

FLOOR: Final = 65_536


def padme(length: int) -> int:
    """Return the length rounded up to its Padmé step; 0 and 1 stay."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-length // step) * step


def padded(length: int) -> int:
    """Return the size of a padded package: small offers all look alike."""
    return padme(max(length, FLOOR))


def check_padded(size: int) -> None:
    """Return quietly if a plaintext of this size can be padded; the server needs no key."""
    if size < FLOOR or padme(size) != size:
        raise PaddingRefused(size, "no Padmé size")
