"""Passwords that leaked elsewhere: reference data which the operator installs (ASVS 5.0, V6.2.12).

The form is that of Pwned Passwords: SHA-1 in hexadecimal, ascending, one a line, then a colon and a
count that is not read. Either one file with all 40 digits a line, or a folder of ranges: files
named by the first five digits (``21BD1`` or ``21BD1.txt``), which hold the other 35 a line. A file
is searched by halves and never loaded; nothing of a password leaves this machine.

Or a service of such ranges, where the operator names one: it is told the first five digits of the
SHA-1, one password in a million of all, and its answer is searched here (k-anonymity). An answer
that does not come is no "not found": the new password is refused until it does.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from api.adapters.http import NoAnswer, Outgoing
from api.errors import ApiError

PREFIX = 5
RANGES = 16**PREFIX
LONGEST_LINE = 64
LARGEST_RANGE = 512 * 1024
RANGED = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,12})")
LINE = re.compile(rb"([0-9A-Fa-f]+)(:[0-9]{1,12})?\r?\n?")


class BreachedListUnready(ApiError):
    """The list of breached passwords that a setting names is absent or has another form."""

    code = "platform.breached-passwords"


@dataclass(frozen=True)
class BreachedPasswords:
    """One list, as a file or as a folder of ranges."""

    place: Path

    def holds(self, password: str) -> bool:
        """Say whether this password is known to have leaked; raise BreachedListUnready."""
        told = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        if self.place.is_dir():
            return self._in_range(told)
        return _searched(self.place, told)

    def check(self) -> str:
        """Return where the list is; raise BreachedListUnready where it is not whole."""
        self.holds("")
        if self.place.is_dir() and (found := sum(1 for _ in self.place.iterdir())) < RANGES:
            raise BreachedListUnready(f"{self.place}: {found} ranges of {RANGES}")
        return str(self.place)

    def _in_range(self, told: bytes) -> bool:
        name = told[:PREFIX].decode()
        for file in (self.place / name, self.place / f"{name}.txt"):
            if file.is_file():
                return _searched(file, told[PREFIX:])
        raise BreachedListUnready(f"{self.place}: no range {name}")


@dataclass(frozen=True)
class BreachedRange:
    """A service that gives the rest of all digests which begin with five digits."""

    url: str

    def holds(self, password: str) -> bool:
        """Say whether this password is known to have leaked; raise BreachedListUnready."""
        if not password:  # what the start asks: nobody is called then
            return False
        told = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        return told[PREFIX:] in self._range(told[:PREFIX].decode())

    def check(self) -> str:
        """Return where the service is; raise BreachedListUnready where it does not serve."""
        if not self._range("00000"):
            raise BreachedListUnready(f"{self.url}: an empty range")
        return self.url

    def _range(self, prefix: str) -> frozenset[bytes]:
        calls = Outgoing([self.url], limit=LARGEST_RANGE)
        try:
            # padded answers: their length tells a listener nothing of the range
            reply = calls.exchange("GET", f"{self.url}{prefix}", add_padding="true")
        except NoAnswer as error:
            raise BreachedListUnready(f"{self.url}: {error}") from error
        if reply.status != HTTPStatus.OK:
            raise BreachedListUnready(f"{self.url}: {reply.status}")
        return parse_range(reply.body)


def parse_range(data: bytes) -> frozenset[bytes]:
    """Return the digits of a range that were ever counted; lines with a count of 0 are padding."""
    found = set()
    for line in data.splitlines():
        row = RANGED.fullmatch(line)
        if row is None:
            raise BreachedListUnready("a line is no 35 digits and a count")
        if int(row[2]):
            found.add(row[1].upper())
    return frozenset(found)


def _searched(path: Path, wanted: bytes) -> bool:
    """Say whether a sorted file has a line with these digits."""
    try:
        with path.open("rb") as file:
            return is_listed(file, wanted)
    except OSError as error:
        raise BreachedListUnready(f"{path}: {error.strerror}") from error


def is_listed(file: BinaryIO, wanted: bytes) -> bool:
    """Say whether one line of a sorted file begins with these digits, and has no more of them."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:  # the line, if it is there, begins in [low, high)
        middle = (low + high) // 2
        start = _line_start(file, middle)
        if start >= high:
            high = middle
            continue
        digits = _digits(file.readline(LONGEST_LINE), len(wanted))
        if digits == wanted:
            return True
        if digits < wanted:
            low = file.tell()
        else:
            high = middle
    return False


def _line_start(file: BinaryIO, offset: int) -> int:
    """Go to the first line that begins at an offset or after it; return where that is."""
    file.seek(max(0, offset - 1))
    if offset:
        file.readline(LONGEST_LINE)
    return file.tell()


def _digits(line: bytes, count: int) -> bytes:
    found = LINE.fullmatch(line)
    if found is None or len(found[1]) != count:
        raise BreachedListUnready(f"a line is no {count} digits and a count")
    return found[1].upper()
