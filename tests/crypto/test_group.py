"""Points, scalars and interpolation agree with plain integers, and the edges are refused."""

import pytest
from doubles.sizes import sized
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import group
from crypto.digests import H64, HS, H
from crypto.errors import CapsuleRefused, PointRefused, ScalarRefused, SelfTestFailed
from crypto.self_test import Library, self_test

SCALARS = st.integers(0, group.ORDER - 1)
COUNT = settings(max_examples=sized(push=25, full=200, night=2_000))


def of(scalar: int) -> bytes:
    return scalar.to_bytes(32, "little")


def point(scalar: int) -> bytes:
    return group.multiply(group.public_scalar(scalar), group.BASE)


@COUNT
@given(SCALARS, SCALARS)
def test_scalars_compute_modulo_the_order(left, right):
    assert group.add_scalars(of(left), of(right)) == of((left + right) % group.ORDER)
    assert group.multiply_scalars(of(left), of(right)) == of(left * right % group.ORDER)


@COUNT
@given(SCALARS)
def test_exactly_the_numbers_below_the_order_are_scalars(number):
    assert group.check_scalar(of(number)) == of(number)
    with pytest.raises(ScalarRefused):
        group.check_scalar(of(number + group.ORDER))


@COUNT
@given(st.lists(SCALARS, min_size=1, max_size=5), st.integers(1, 16))
def test_a_polynomial_and_its_public_counterpart_agree(coefficients, at):
    value = group.evaluate([of(each) for each in coefficients], at)
    expected = sum(each * at**power for power, each in enumerate(coefficients)) % group.ORDER
    assert value == of(expected)
    public = group.evaluate_points([point(each) for each in coefficients], at)
    assert public == group.multiply(value, group.BASE)


@COUNT
@given(st.data())
def test_any_k_values_give_the_constant(data):
    k = data.draw(st.integers(1, 6))
    secrets = [data.draw(SCALARS) for _ in range(k)]
    indices = data.draw(st.lists(st.integers(1, 16), min_size=k, max_size=k, unique=True))
    shown = {
        at: group.multiply(group.evaluate([of(each) for each in secrets], at), group.BASE)
        for at in indices
    }
    assert group.interpolate_at_zero(shown) == point(secrets[0])


def test_zero_and_the_identity_are_neutral():
    assert group.multiply(group.ZERO, group.SECOND_BASE) == group.IDENTITY
    assert group.multiply(of(7), group.IDENTITY) == group.IDENTITY
    assert group.add(group.IDENTITY, group.BASE) == group.BASE
    assert group.subtract(group.BASE, group.BASE) == group.IDENTITY
    assert group.sum_points([]) == group.IDENTITY


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_point_has_32_bytes(length):
    with pytest.raises(PointRefused) as refused:
        group.check_point(bytes(length))
    assert refused.value.encoding == bytes(length)


def test_random_scalars_take_64_bytes_and_are_never_zero():
    assert group.random_scalar(of(5) + bytes(32)) == of(5)
    assert group.random_scalar(b"\xff" * 64) == of((2**512 - 1) % group.ORDER)
    for uniform in (bytes(63), bytes(65), bytes(64), of(group.ORDER) + bytes(32)):
        with pytest.raises(ScalarRefused):
            group.random_scalar(uniform)


@given(st.text(max_size=20), st.lists(st.binary(max_size=40), max_size=4))
def test_hashes_of_two_sizes_have_nothing_in_common(tag, parts):
    assert H(tag, *parts) != H64(tag, *parts)[:32]
    assert group.check_scalar(HS(tag, *parts)) == of(
        int.from_bytes(H64(tag, *parts), "little") % group.ORDER
    )


@given(st.binary(max_size=20), st.integers(0, 20))
def test_where_parts_are_cut_changes_the_hash(joined, place):
    place = min(place, len(joined))
    assert H("t", joined[:place], joined[place:]) != H("t", joined)
    assert H("t", joined[:place], joined[place:]) != H("t" + "x", joined[:place], joined[place:])


def test_this_library_may_be_used():
    self_test()


def accept(*_: bytes) -> bytes:
    return b""


def refuse(*_: bytes) -> None:
    raise CapsuleRefused


@pytest.mark.parametrize(
    ("library", "what"),
    [
        (Library(check_point=accept), "order 2L"),
        (Library(from_uniform=accept), "second generator"),
        (Library(check_capsule=accept), "forged"),
        (Library(check_capsule=refuse), "good capsule"),
    ],
)
def test_a_library_that_is_wrong_anywhere_is_not_used(library, what):
    with pytest.raises(SelfTestFailed, match=what) as failed:
        self_test(library)
    assert failed.value.code == "self-test"
