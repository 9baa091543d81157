"""An entry is read by what one of its kind has proven exactly as it is read alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from doubles.small_logs import at
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical import Json, encode
from ledger import shapes
from ledger.entry import parse
from ledger.errors import EntryRefused
from ledger.links import Link
from ledger.shapes import Shapes

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
CANONICAL = json.loads((VECTORS / "canonical.json").read_text())["cases"]
RICH: dict[str, Json] = {
    "count": 4,
    "empty": {},
    "late": False,
    "lots": [{"lot": "1", "cents": -7}, {"lot": "2", "cents": 0}],
    "mixed": [1, "a", []],
    "name": "Villeneuve d'Ascq, métropole",
    "places": ["a", "b"],
    "zero": 0,
}


def made(data: Json = RICH, **changed: Json) -> bytes:
    fields: dict[str, Json] = {"at": at(5), "data": data, "kind": "ProbeSucceeded"}
    fields |= {"prev": "ab" * 32, "salt": "cd" * 16, "stream": "probe/1", "v": 1, "version": 2}
    return encode(fields | changed)


def taught(*entries: bytes) -> Shapes:
    """Return what has read these entries."""
    known = Shapes()
    known.read_all(entries)
    return known


def judged(known: Shapes, data: bytes) -> Link | str:
    try:
        return known.read(data)
    except EntryRefused as refusal:
        return refusal.code


def parsed(data: bytes) -> Link | str:
    try:
        read = parse(data)
    except EntryRefused as refusal:
        return refusal.code
    return Link(read.at, read.prev, read.stream, read.version, read.kind)


@pytest.mark.parametrize(
    "case", [case for case in CANONICAL if case["scope"] == "entry"], ids=lambda case: case["id"]
)
def test_every_known_entry_is_judged_alike_twice(case: dict[str, str]) -> None:
    data = base64.b64decode(case["b64"])
    known = taught(data)
    assert judged(known, data) == parsed(data)
    assert isinstance(parsed(data), str) == (case["expect"] == "refuse")


PARTS = [b'"', b",", b"{", b"}", b"[]", b"{}", b'"a":1,', b"0", b"-", b"9", b"9" * 16, b"\\n"]
PARTS += [b"\\", b"\n", b"\xc3\xa9", b"e\xcc\x81", b" ", b"true", b"null", b"1.5", b"\x7f", b"\x00"]


def changed(data: st.DataObject, entry: bytes) -> bytes:
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(entry)))
        part = data.draw(st.sampled_from(PARTS) | st.binary(max_size=1))
        drop = data.draw(st.integers(0, 2))
        entry = entry[:place] + part + entry[place + drop :]
    return entry


@given(st.data())
def test_a_shape_takes_nothing_that_the_reader_refuses(data: st.DataObject) -> None:
    known = taught(made())
    for _ in range(5):
        other = changed(data, made())
        assert judged(known, other) == parsed(other)


@pytest.mark.parametrize(
    ("weakness", "replaced", "entry"),
    [
        ("_CONTROLS", b"", made().replace(b"Villeneuve", b"Ville\nneuve")),
        ("_TEXT", '(?:"[^"]*+"|null)', made().replace(b'"b"]', b"null]")),
        ("_NUMBER", "[0-9-]*", made().replace(b"-7", b"-0")),
    ],
)
def test_a_weaker_shape_is_caught(
    monkeypatch: pytest.MonkeyPatch, weakness: str, replaced: str | bytes, entry: bytes
) -> None:
    assert judged(taught(made()), entry) == parsed(entry)
    monkeypatch.setattr(shapes, weakness, replaced)
    assert judged(taught(made()), entry) != parsed(entry)


LIKE = [
    made(),
    made(version=10**14, stream="log", v=9_999),
    made({**RICH, "name": "", "zero": -3, "late": True, "places": ["x"]}),
    made({**RICH, "lots": [{"lot": "é", "cents": 10**15 - 1}] * 5}),
]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The entries that were read one by one, in full."""
    seen: list[bytes] = []

    def watched(data: bytes, read: object = shapes.read_link) -> Link:
        seen.append(data)
        return read(data)  # type: ignore[operator,no-any-return]

    monkeypatch.setattr(shapes, "read_link", watched)
    return seen


def test_what_looks_alike_is_read_once_in_full(reads: list[bytes]) -> None:
    known = Shapes()
    assert known.read_all(LIKE) == [parsed(data) for data in LIKE]
    assert reads == LIKE[:1]


@pytest.mark.parametrize(
    "entry",
    [
        made({**RICH, "name": "two\nlines"}),
        made({**RICH, "count": 2**53 - 1}),
        made({**RICH, "name": "x" * 5_000}),
        made({"fill": "x" * 40_000, "more": "x" * 26_000}),
        made(at="2026-02-30T07:00:00.000000Z"),
        made().replace("é".encode(), b"e\xcc\x81"),
        made().replace(b"Ville", b"Vill\xe9"),
        b"",
    ],
    ids=["escape", "number", "long", "size", "day", "nfc", "utf8", "nothing"],
)
def test_what_proves_nothing_of_others_is_read_in_full_each_time(
    reads: list[bytes], entry: bytes
) -> None:
    alike = taught(entry)
    del reads[:]
    assert judged(alike, entry) == parsed(entry)
    assert reads == [entry]
    assert judged(taught(made()), entry) == parsed(entry)


def test_what_a_log_teaches_is_bounded(reads: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [made({f"field_{number}": number}) for number in range(12)]
    known = taught(*entries)
    del reads[:]
    known.read_all(entries)
    assert reads == entries[8:]
    monkeypatch.setattr(shapes, "_MOST", 0)
    nothing = taught(*entries)
    del reads[:]
    nothing.read_all(entries)
    assert reads == entries
