"""The one byte form of an event: RFC 8785 inside the closed profile of the ledger.

No white space, keys `[a-z][a-z0-9_]{0,63}` in ascending order, integers within ±(2^53-1), no float,
no null, at most 16 levels. Reading refuses whatever is not exactly these bytes and never repairs.

Inside the profile orjson writes what RFC 8785 prescribes, so bytes are accepted where orjson reads
and writes them back unchanged *and* a walk over the value finds only what the profile knows. The
walk is needed: orjson reads 2^64 as a float, and a float or a null comes back equal. Duplicate keys
(the last one wins), other escapes and spaces do not survive the way back.
What is refused is read once more, slowly, by `crypto.canonical_rules`, which names the rule.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import orjson

from crypto.canonical_rules import LARGEST_INTEGER, MAX_DEPTH, broken_rule
from crypto.log_errors import NotCanonical

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | bool"

_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
_REMEMBERED_KEYS: Final = 32
_SCALARS: Final = frozenset({str, int, bool})


def encode(value: Mapping[str, Json], *, nfc: bool = False, limit: int | None = None) -> bytes:
    """Return the canonical bytes of an object, or raise NotCanonical."""
    if type(value) is not dict:
        raise NotCanonical("syntax", f"the top is a {type(value).__name__}, not a dict")
    return encode_value(value, nfc=nfc, limit=limit)


def encode_value(value: Json, *, nfc: bool = False, limit: int | None = None) -> bytes:
    """Return the canonical bytes of any value of the profile, or raise NotCanonical."""
    scalar = _check_nfc if nfc else _check_scalar
    try:
        data = orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        _check(value, 1, scalar)
        raise NotCanonical("utf8", str(error)) from error  # only a lone surrogate is left
    if b"\\u0000" in data or (nfc and not data.isascii()):
        _check(value, 1, scalar)
    elif type(value) not in _SCALARS:
        # What was written shows that no scalar breaks a rule, ASCII is in NFC; types it hides.
        _check_containers(value, 1)
    if limit is not None and len(data) > limit:
        raise NotCanonical("size", f"{len(data)} bytes, {limit} allowed")
    return data


def decode(data: bytes, *, nfc: bool = False, limit: int | None = None) -> dict[str, Json]:
    """Return the object whose canonical bytes these are, or raise NotCanonical."""
    value = decode_value(data, nfc=nfc, limit=limit)
    if not isinstance(value, dict):
        raise NotCanonical("syntax", "the top is not an object")
    return value


def decode_value(data: bytes, *, nfc: bool = False, limit: int | None = None) -> Json:
    """Return the value whose canonical bytes these are, or raise NotCanonical."""
    if limit is not None and len(data) > limit:
        raise NotCanonical("size", f"{len(data)} bytes, {limit} allowed")
    try:
        value: Json = orjson.loads(data)
        if b"\\u0000" in data or (nfc and not data.isascii() and not _is_nfc(data)):
            _check(value, 1, _check_nfc if nfc else _check_scalar)
        elif type(value) not in _SCALARS:
            _check_containers(value, 1)
        if orjson.dumps(value, option=_OPTIONS) == data:
            return value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, NotCanonical):
        pass
    raise broken_rule(data, nfc=nfc)


def _is_nfc(data: bytes) -> bool:
    """Tell whether each string is in NFC: a part of a text in NFC is in NFC too (UAX #15)."""
    return unicodedata.is_normalized("NFC", data.decode())


def _check_containers(value: object, level: int) -> None:
    """Walk a value whose bytes show every other fault of its scalars."""
    for item in _members(value):
        if type(item) not in _SCALARS:
            if level == MAX_DEPTH:
                raise NotCanonical("depth", f"more than {MAX_DEPTH} levels")
            _check_containers(item, level + 1)


def _check(value: object, level: int, scalar: Callable[[object], None]) -> None:
    """Walk a value: exact types only, so that nothing else is silently written as JSON."""
    if type(value) in _SCALARS:
        scalar(value)
        return
    if level > MAX_DEPTH:
        raise NotCanonical("depth", f"more than {MAX_DEPTH} levels")
    for item in _members(value):
        _check(item, level + 1, scalar)


def _members(value: object) -> Collection[object]:
    if type(value) is dict:
        (_check_known_keys if len(value) <= _REMEMBERED_KEYS else _check_keys)(tuple(value))
        return value.values()
    if type(value) is list or type(value) is tuple:
        return value
    rule = {float: "number", type(None): "null"}.get(type(value), "syntax")
    raise NotCanonical(rule, f"a {type(value).__name__} has no form here")


def _check_keys(keys: tuple[object, ...]) -> None:
    for key in keys:
        if type(key) is not str or not _KEY(key):
            shown = repr(key)[:80] if type(key) is str else f"a {type(key).__name__}"
            raise NotCanonical("key", shown)


# Entries of one kind have the same keys: a third of the time of a whole check is saved. Refusals
# are not remembered, and the limit on keys bounds the memory to a few megabytes.
_check_known_keys = lru_cache(maxsize=1024)(_check_keys)


def _check_scalar(value: object) -> None:
    if type(value) is str:
        if "\x00" in value:
            raise NotCanonical("nul", "U+0000 in a string")
    elif type(value) is int and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise NotCanonical("range", "an integer beyond 2^53-1")


def _check_nfc(value: object) -> None:
    _check_scalar(value)
    if type(value) is str and not unicodedata.is_normalized("NFC", value):
        raise NotCanonical("nfc", repr(value)[:80])
