"""Closed forms of JSON values: exactly these keys, these words, this many hex digits.

Readers of ceremony messages, keysets, labels, headers and manifests stand on these few checks;
each raises FormRefused, which the reader of a header or a package turns into its own reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from crypto.canonical import Json
from crypto.errors import FormRefused

IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LOT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")
ORIGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
LARGEST: Final = 2**53 - 1
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)


def members(value: Json, keys: Collection[str]) -> Mapping[str, Json]:
    """Return the object if it has exactly these keys."""
    if not isinstance(value, Mapping):
        raise FormRefused(f"an object with the keys {sorted(keys)} was due")
    if set(value) != set(keys):
        raise FormRefused(f"keys {sorted(value)}, not {sorted(keys)}")
    return value


def items(value: Json, low: int, high: int) -> Sequence[Json]:
    """Return the list if its length is within these bounds."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise FormRefused("a list was due")
    if not low <= len(value) <= high:
        raise FormRefused(f"{len(value)} items, not {low} to {high}")
    return value


def integer(value: Json, low: int, high: int) -> int:
    """Return the integer if it is within these bounds; ``true`` is no integer."""
    if type(value) is not int or not low <= value <= high:
        raise FormRefused(f"{value!r} is no integer from {low} to {high}")
    return value


def text(value: Json) -> str:
    """Return the value if it is a string."""
    if not isinstance(value, str):
        raise FormRefused(f"{value!r} is no string")
    return value


def match(value: Json, pattern: re.Pattern[str]) -> str:
    """Return the string if the whole of it follows the pattern."""
    if not pattern.fullmatch(text(value)):
        raise FormRefused(f"{value!r} does not follow {pattern.pattern}")
    return text(value)


def word(value: Json, words: Collection[str]) -> str:
    """Return the string if it is one of these words."""
    if text(value) not in words:
        raise FormRefused(f"{value!r} is none of {sorted(words)}")
    return text(value)


def octets(value: Json, size: int | None = None) -> bytes:
    """Return the bytes of lower-case hex, of this many bytes if a size is given."""
    data = bytes.fromhex(match(value, _HEX))
    if size is not None and len(data) != size:
        raise FormRefused(f"{len(data)} bytes of hex, not {size}")
    return data


def instant(value: Json) -> str:
    """Return the string if it is a real instant ``YYYY-MM-DDThh:mm:ss.ffffffZ``."""
    written = match(value, _TIME)
    try:
        datetime.fromisoformat(written)
    except ValueError as error:
        raise FormRefused(f"{written} is no date") from error
    return written
