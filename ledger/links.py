"""What a check of chains needs of an entry, read at the speed of a whole log.

`read_link` accepts exactly the bytes that `ledger.entry.parse` accepts (a property test holds them
together): one expression judges the fields, the canonical reader the rest. Whatever the expression
does not take goes to `parse`, which also finds the word for a refusal.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple, cast

from crypto.canonical import decode
from crypto.log_errors import NotCanonical
from ledger.entry import FIELDS, MAX_BYTES, parse

# Numbers that end far below their limits need no look at their value.
_USUAL: Final = re.compile(
    rb"""\{"at":"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\.[0-9]{6}Z","""
    rb""""data":\{.*\},"kind":"[A-Z][A-Za-z0-9]{1,63}","prev":"[0-9a-f]{64}","salt":"[0-9a-f]{32}","""
    rb""""stream":"[a-z][a-z0-9-]{0,31}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?","""
    rb""""v":[1-9][0-9]{0,3},"version":[1-9][0-9]{0,14}\}""",
    re.DOTALL,
).fullmatch


class Link(NamedTuple):
    """The fields of an entry by which it hangs on others."""

    at: str
    prev: str
    stream: str
    version: int
    kind: str


def read_link(data: bytes) -> Link:
    """Return the link of the entry whose bytes these are, or raise EntryRefused."""
    found = _USUAL(data)
    if found is not None and is_day(found[1].decode()):
        try:
            fields = decode(data, nfc=True, limit=MAX_BYTES)
        except NotCanonical:
            fields = {}
        # The expression cannot see a ninth field between `data` and `kind`.
        if tuple(fields) == FIELDS:
            return Link(*cast("tuple[str, str, str, int, str]", _linking(fields)))
    entry = parse(data)
    return Link(entry.at, entry.prev, entry.stream, entry.version, entry.kind)


_linking: Final = itemgetter(*Link._fields)


@lru_cache(maxsize=4096)
def is_day(text: str) -> bool:
    """Tell whether a day written ``YYYY-MM-DD`` exists; a log has few of them."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
