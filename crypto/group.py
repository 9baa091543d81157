"""The prime-order subgroup of edwards25519 (envelope 1.4, 1.5): points, scalars, interpolation.

Every operation goes through libsodium; secret scalars never become Python integers. A point that
came from outside MUST pass ``check_point`` before any other use: CVE-2025-69277 was a library that
let through points of order 2L, with which forged equality proofs pass half of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from hmac import compare_digest

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from crypto.errors import PointRefused, ScalarRefused

ORDER = 2**252 + 27742317777372353535851937790883648493
BASE = b"\x58" + 31 * b"\x66"
# H("pli/v1/gbar"; "second generator") mapped to the subgroup; the constant itself is normative.
SECOND_BASE = bytes.fromhex("15e87b85363ba14fffa9e2e6587744fd4d276457602db2d9d7333f56be3b89e8")
IDENTITY = b"\x01" + bytes(31)
ZERO = bytes(32)
_ORDER_BYTES = ORDER.to_bytes(32, "little")


def check_point(encoding: bytes) -> bytes:
    """Return the encoding if it is a point of prime order L in canonical form, else raise.

    The high bit of y and the field are compared here as well, because older libraries differed.
    """
    if len(encoding) != 32:
        raise PointRefused(encoding)
    if int.from_bytes(encoding, "little") & ((1 << 255) - 1) >= 2**255 - 19:
        raise PointRefused(encoding)
    if not crypto_core_ed25519_is_valid_point(encoding):
        raise PointRefused(encoding)
    return encoding


def check_scalar(scalar: bytes) -> bytes:
    """Return the scalar if it is 32 bytes little-endian below L (zero allowed), else raise.

    The comparison looks at every byte, whatever the value, since some scalars are secret.
    """
    if len(scalar) != 32:
        raise ScalarRefused(f"{len(scalar)} bytes, not 32")
    # libsodium's reduction is the identity exactly on canonical scalars.
    if not compare_digest(crypto_core_ed25519_scalar_reduce(scalar + bytes(32)), scalar):
        raise ScalarRefused("not below the order of the group")
    return scalar


def check_nonzero(scalar: bytes) -> bytes:
    """Return the scalar if it is canonical and not zero, else raise."""
    if compare_digest(check_scalar(scalar), ZERO):
        raise ScalarRefused("zero")
    return scalar


def random_scalar(uniform: bytes) -> bytes:
    """Turn 64 uniformly random bytes into a scalar that is not zero."""
    if len(uniform) != 64:
        raise ScalarRefused(f"{len(uniform)} random bytes, not 64")
    return check_nonzero(crypto_core_ed25519_scalar_reduce(uniform))


def public_scalar(number: int) -> bytes:
    """Return a number that is no secret, such as an index, as a scalar modulo L."""
    return (number % ORDER).to_bytes(32, "little")


def add_scalars(left: bytes, right: bytes) -> bytes:
    """Return left + right modulo L."""
    return crypto_core_ed25519_scalar_add(left, right)


def multiply_scalars(left: bytes, right: bytes) -> bytes:
    """Return left * right modulo L."""
    return crypto_core_ed25519_scalar_mul(left, right)


def evaluate(coefficients: Sequence[bytes], at: int) -> bytes:
    """Return the value of the polynomial, lowest coefficient first, at a public place."""
    place = public_scalar(at)
    value = ZERO
    for coefficient in reversed(coefficients):
        value = add_scalars(multiply_scalars(value, place), coefficient)
    return value


def multiply(scalar: bytes, point: bytes) -> bytes:
    """Return scalar * point, for a point that was checked or a sum of such points."""
    if scalar == ZERO or point == IDENTITY:
        return IDENTITY
    if point == BASE:
        return crypto_scalarmult_ed25519_base_noclamp(scalar)
    return crypto_scalarmult_ed25519_noclamp(scalar, point)


def add(left: bytes, right: bytes) -> bytes:
    """Return left + right."""
    return crypto_core_ed25519_add(left, right)


def subtract(left: bytes, right: bytes) -> bytes:
    """Return left - right."""
    return crypto_core_ed25519_sub(left, right)


def sum_points(points: Sequence[bytes]) -> bytes:
    """Return the sum of the points; of none, the identity."""
    return reduce(add, points, IDENTITY)


def evaluate_points(coefficients: Sequence[bytes], at: int) -> bytes:
    """Return the sum of at^t * A_t: the public counterpart of ``evaluate``."""
    return sum_points(
        [
            multiply(public_scalar(at**power), coefficient)
            for power, coefficient in enumerate(coefficients)
        ]
    )


def interpolate_at_zero(points: Mapping[int, bytes]) -> bytes:
    """Return the value at zero of the polynomial in the exponent through these points.

    The indices are public and distinct, between 1 and 16, so Python integers are in order.
    """
    return sum_points(
        [multiply(_weight(index, points), point) for index, point in sorted(points.items())]
    )


def _weight(index: int, indices: Mapping[int, bytes]) -> bytes:
    weight = 1
    for other in indices:
        if other != index:
            weight = weight * other * pow(other - index, -1, ORDER) % ORDER
    return public_scalar(weight)
