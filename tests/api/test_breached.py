"""A list of leaked passwords that the operator installs is asked without being loaded or sent."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.adapters.breached import (
    BreachedListUnready,
    BreachedPasswords,
    BreachedRange,
    is_listed,
    parse_range,
)
from api.settings import Settings

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


class Ranges(BaseHTTPRequestHandler):
    """A service of ranges, as Pwned Passwords is one; it notes what it was asked."""

    known: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []
    padded: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        prefix = self.path.removeprefix("/range/")
        self.asked.append(self.path)
        self.padded.append(self.headers["add-padding"])
        body = self.known.get(prefix, b"0" * 35 + b":0\r\n")
        self.send_response(404 if prefix == "FFFFF" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ranges) as server:
        Ranges.known, Ranges.asked, Ranges.padded = {}, [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/range/"
        server.shutdown()
        thread.join(10)


def test_a_service_of_ranges_is_told_five_digits_and_no_more(service: str) -> None:
    leaked, padding = told("un mot qui a fui"), told("un mot de remplissage")
    Ranges.known = {
        leaked[:5]: f"{leaked[5:]}:7\r\n{'A' * 35}:1\r\n".encode(),
        padding[:5]: f"{padding[5:]}:0\r\n".encode(),
    }
    asked = BreachedRange(service)
    assert asked.holds("un mot qui a fui")
    assert not asked.holds("un mot de remplissage"), "a count of 0 pads the answer"
    assert not asked.holds("cheval exact agrafe pile")
    assert not asked.holds(""), "the start calls nobody"
    digits = [told(one)[:5] for one in ("un mot qui a fui", "un mot de remplissage")]
    digits.append(told("cheval exact agrafe pile")[:5])
    assert Ranges.asked == [f"/range/{one}" for one in digits]
    assert set(Ranges.padded) == {"true"}


def test_a_service_that_does_not_serve_lets_no_password_through(service: str) -> None:
    asked = BreachedRange(service)
    with pytest.raises(BreachedListUnready, match="an empty range"):
        asked.check()
    Ranges.known = {"00000": f"{'A' * 35}:1\n".encode()}
    assert asked.check() == service
    with pytest.raises(BreachedListUnready, match="404"):
        asked._range("FFFFF")
    Ranges.known[told("x")[:5]] = b"<html>"
    with pytest.raises(BreachedListUnready, match="no 35 digits"):
        asked.holds("x")
    with pytest.raises(BreachedListUnready):
        BreachedRange("http://127.0.0.1:1/").holds("x")


def test_only_an_encrypted_service_is_named_unless_it_is_of_this_machine() -> None:
    for good in ("https://ranges.example/range/", "http://127.0.0.1:8080/range/"):
        assert isinstance(Settings(breached_range=good).breached, BreachedRange)
    for bad in ("http://ranges.example/range/", "https://a@b/range/", "https://h/range", "h"):
        with pytest.raises(ValidationError):
            Settings(breached_range=bad)
    assert parse_range(b"") == frozenset()
