"""A list of leaked passwords that the operator installs is asked without being loaded or sent."""

from __future__ import annotations

import io
from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.adapters.breached import BreachedListUnready, BreachedPasswords, is_listed

LEAKED = ("cheval correct agrafe", "un long mot de passe", "", "bateau ivre 1871 !")


def told(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def lines(digits: list[str], end: str = "\r\n") -> bytes:
    return "".join(f"{one}:{count + 1}{end}" for count, one in enumerate(sorted(digits))).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_tells_what_leaked(tmp_path: Path, end: str) -> None:
    place = tmp_path / "list.txt"
    crowd = [told(str(number)) for number in range(300)]
    place.write_bytes(lines([*crowd, *map(told, LEAKED)], end))
    known = BreachedPasswords(place)
    assert all(known.holds(one) for one in LEAKED)
    assert not known.holds("cheval exact agrafe pile")
    assert known.check() == str(place)


@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_a_folder_of_ranges_tells_the_same(tmp_path: Path, suffix: str) -> None:
    for one in LEAKED:
        digits = told(one)
        others = [told(str(number))[5:] for number in range(20)]
        (tmp_path / f"{digits[:5]}{suffix}").write_bytes(lines([*others, digits[5:]]))
    known = BreachedPasswords(tmp_path)
    assert all(known.holds(one) for one in LEAKED)
    with pytest.raises(BreachedListUnready, match="no range"):
        known.holds("cheval exact agrafe pile")
    with pytest.raises(BreachedListUnready, match="ranges of"):
        known.check()


@given(st.sets(st.integers(0, 0xFFFFF), max_size=60), st.integers(0, 0xFFFFF))
def test_the_search_agrees_with_a_set(held: set[int], wanted: int) -> None:
    """The oracle is a set; counts of other lengths move where lines begin."""
    rows = "".join(f"{one:05X}:{one % 1237}\n" for one in sorted(held)).encode()
    for each in (*held, wanted):
        found = is_listed(io.BytesIO(rows), f"{each:05X}".encode())
        assert found is (each in held)


@pytest.mark.parametrize(
    "content",
    [b"no digits at all\n", b"A" * 200, b"ABC:1\n", f"{told('x')}:x\n".encode(), b"\0" * 50],
)
def test_a_file_of_another_form_is_refused_loudly(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "list.txt"
    place.write_bytes(content)
    with pytest.raises(BreachedListUnready):
        BreachedPasswords(place).holds("un long mot de passe")


def test_a_list_that_is_not_there_is_refused_loudly(tmp_path: Path) -> None:
    with pytest.raises(BreachedListUnready, match="No such file"):
        BreachedPasswords(tmp_path / "absent").check()
