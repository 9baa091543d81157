"""The row of a command proves itself, and one of before has no check to fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.command_rows import BARE, CHECK, bare_digest, checked, is_sound

PLACES = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def test_a_known_answer() -> None:
    row = checked(("a/b", bytes(range(32)), 7, 2))
    assert row == ("a/b", bytes(range(32)) + bytes.fromhex("6b31a9b8b669511e"), 7, 2)


@given(st.text(), st.binary(min_size=32, max_size=32), PLACES, PLACES)
def test_what_is_written_is_sound_and_read_again(
    key: str, digest: bytes, first: int, count: int
) -> None:
    _, stored, *place = checked((key, digest, first, count))
    assert bare_digest(stored) == digest
    assert len(stored) == BARE + CHECK
    assert is_sound(key, stored, *place)
    assert not is_sound(key + "x", stored, *place)
    for at in range(0, len(stored), 7):
        decayed = bytearray(stored)
        decayed[at] ^= 1
        assert not is_sound(key, bytes(decayed), *place)
    assert not is_sound(key, stored, first ^ 1, count)
    assert not is_sound(key, stored, first, count ^ 1)


def test_a_row_of_before_is_read_and_proves_nothing() -> None:
    assert bare_digest(bytes(32)) == bytes(32)
    assert is_sound("a", bytes(32), 0, 1)
