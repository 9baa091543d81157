"""Entries of one kind look alike: what one of them proved of its bytes need not be proven again.

From an entry that the canonical reader accepted an expression is made, in which texts, numbers and
truth values stand for any others of the profile, and lists of alike items for longer or shorter
ones. Every text that it takes is canonical, so `Shapes.read` accepts exactly what `read_link` does
(property tests hold them together), without parsing and writing again. Texts with an escape and all
that no expression takes go to `read_link`, which finds the word for a refusal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias, cast

import orjson

from crypto.canonical import Json
from ledger.entry import MAX_BYTES
from ledger.errors import EntryRefused
from ledger.links import Link, is_day, read_link

# What a log can teach is bounded: expressions, of each kind too, and the entry that one is made of.
_MOST: Final = 512
_MOST_OF_A_KIND: Final = 8
_LONGEST: Final = 4_096

_CONTROLS: Final = bytes(range(32))
_KIND: Final = ',"kind":"'
# Neither a control character nor an escape is in what these see. Numbers end far below 2^53.
_TEXT: Final = '"[^"]*+"'
_NUMBER: Final = "(?:[1-9][0-9]{0,14}|0|-[1-9][0-9]{0,14})"
_TRUTH: Final = "(?:true|false)"
_FRONT: Final = (
    r'\{"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\.[0-9]{6}Z)",'
    '"data":'
)
_END: Final = (
    '"prev":"([0-9a-f]{64})","salt":"[0-9a-f]{32}",'
    '"stream":"([a-z][a-z0-9-]{0,31}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?)",'
    r'"v":[1-9][0-9]{0,3},"version":([1-9][0-9]{0,14})\}'
)

_made: Final = cast(
    "Callable[[tuple[str, str, str, int, str]], Link]", partial(tuple.__new__, Link)
)
Match: TypeAlias = Callable[[str], "re.Match[str] | None"]


class Shapes:
    """Reads the links of a whole log; used by one thread."""

    def __init__(self) -> None:
        self._known: dict[str, list[Match]] = {}
        self._count = 0

    def read(self, data: bytes) -> Link:
        """Return the link of the entry whose bytes these are, or raise EntryRefused."""
        [link] = self.read_all([data])
        if isinstance(link, EntryRefused):
            raise link
        return link

    def read_all(self, entries: Sequence[bytes]) -> list[Link | EntryRefused]:
        """Return the link of each of these entries, or its refusal."""
        # mostly all of them are: one look at many bytes is quicker than many at a few
        all_plain = _plain(b"".join(entries))
        found: list[Link | EntryRefused] = []
        for data in entries:
            text = _text(data) if all_plain or _plain(data) else None
            try:
                found.append(read_link(data) if text is None else self._read(data, text))
            except EntryRefused as refused:
                found.append(refused)
        return found

    def _read(self, data: bytes, text: str) -> Link:
        start = text.rfind(_KIND) + len(_KIND)
        kind = text[start : text.find('"', start)]
        for match in self._known.get(kind, ()):
            found = match(text)
            if found is not None:
                at, prev, stream, version = found.groups()
                if is_day(at[:10]):
                    return _made((at, prev, stream, int(version), kind))
        link = read_link(data)
        self._learn(link.kind, data, text)
        return link

    def _learn(self, kind: str, data: bytes, text: str) -> None:
        if self._count == _MOST or len(data) > _LONGEST:
            return
        known = self._known.setdefault(kind, [])
        if len(known) == _MOST_OF_A_KIND:
            return
        shape = _shape(orjson.loads(data)["data"])
        match = re.compile(f'{_FRONT}{shape},"kind":"{kind}",{_END}').fullmatch
        # One that does not take its own entry, because of a large number, takes no other.
        if match(text) is not None:
            self._count += 1
            known.insert(0, match)


def _plain(data: bytes) -> bool:
    """Tell whether a quote always ends a text here: nothing is escaped, nor should it be."""
    return b"\\" not in data and len(data.translate(None, _CONTROLS)) == len(data)


def _text(data: bytes) -> str | None:
    """Return the text of bytes that are no more than an entry may have, in NFC; else None."""
    if len(data) > MAX_BYTES:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else None


def _shape(value: Json) -> str:
    """Return the expression of the canonical texts that differ from this one in scalars only."""
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, bool):
        return _TRUTH
    if isinstance(value, int):
        return _NUMBER
    if isinstance(value, Mapping):
        members = ",".join(f'"{key}":{_shape(item)}' for key, item in value.items())
        return rf"\{{{members}\}}"
    items = [_shape(item) for item in value]
    if len(set(items)) == 1:
        return rf"\[{items[0]}(?:,{items[0]})*+\]"
    return rf"\[{','.join(items)}\]"
