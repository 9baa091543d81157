"""Canonical bytes: every known answer, agreement with RFC 8785, and refusals with their rule."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical import Json, decode, decode_value, encode, encode_value
from crypto.canonical_rules import MAX_DEPTH, broken_rule
from crypto.log_errors import NotCanonical

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
CASES = json.loads((VECTORS / "canonical.json").read_text())["cases"]
OF_THE_ENTRY = {"fields", "at", "kind", "prev", "salt", "stream", "v", "version", "data"}
"""Codes of rules that stand above the profile: such bytes are canonical."""
LARGEST = 2**53 - 1


def read(case: dict[str, str], *, nfc: bool = True) -> Json:
    data = base64.b64decode(case["b64"])
    if case["scope"] == "entry":
        return decode(data, nfc=nfc, limit=65_535)
    return decode_value(data, nfc=nfc)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_known_answers(case: dict[str, str]) -> None:
    if case["expect"] == "accept" or case["code"] in OF_THE_ENTRY:
        assert encode_value(read(case), nfc=True) == base64.b64decode(case["b64"])
    else:
        with pytest.raises(NotCanonical) as refusal:
            read(case)
        assert refusal.value.rule == case["code"]


def test_nfc_is_asked_of_entries_only() -> None:
    [case] = [case for case in CASES if case.get("writer_only")]
    assert encode_value(read(case, nfc=False)) == base64.b64decode(case["b64"])


keys = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)
strings = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
values = st.recursive(
    st.booleans() | st.integers(-LARGEST, LARGEST) | strings,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_the_bytes_are_those_of_rfc_8785(value: dict[str, Json]) -> None:
    data = encode(value)
    assert data == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert decode(data) == value


def test_examples_of_rfc_8785_inside_the_profile() -> None:
    # §3.2.2: the string and the literals; its numbers, null and sorting are outside.
    value = {"literals": [True, False], "string": '€$\u000f\nA\'B"\\\\"/'}
    expected = r"""{"literals":[true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}""".encode()
    assert encode(value) == expected
    assert decode(expected) == value
    # Appendix B: the integers that a double holds exactly.
    assert encode_value([0, LARGEST, -LARGEST]) == b"[0,9007199254740991,-9007199254740991]"


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (1.0, "number"),
        (float("nan"), "number"),
        (None, "null"),
        (2**53, "range"),
        (-(2**53), "range"),
        (2**64, "range"),
        (10**400, "range"),
        ("a\x00b", "nul"),
        ("\ud800", "utf8"),
        (Decimal("1.0"), "syntax"),
        (b"bytes", "syntax"),
        ({1, 2}, "syntax"),
        (Colour.RED, "syntax"),
        (datetime(2026, 1, 1, tzinfo=UTC), "syntax"),
        (MappingProxyType({}), "syntax"),
        ({"A": 1}, "key"),
        ({"a-b": 1}, "key"),
        ({"": 1}, "key"),
        ({"é": 1}, "key"),
        ({"a\n": 1}, "key"),
        ({"a" * 65: 1}, "key"),
        ({1: 1}, "key"),
        ({f"k{i}": 1 for i in range(40)} | {"K": 1}, "key"),
    ],
)
def test_a_writer_refuses_what_has_no_form(value: Json, rule: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        encode({"x": [value]})
    assert refusal.value.rule == rule


def test_a_writer_refuses_text_outside_nfc_where_asked() -> None:
    assert encode({"s": "é", "n": 1}, nfc=True) == '{"n":1,"s":"é"}'.encode()
    assert encode({"s": "e\u0301"}) == b'{"s":"e\xcc\x81"}'
    with pytest.raises(NotCanonical, match="nfc"):
        encode({"s": "e\u0301"}, nfc=True)


def test_sixteen_levels_and_no_more() -> None:
    def nested(levels: int) -> Json:
        value: Json = []
        for _ in range(levels - 2):
            value = [value]
        return {"a": value}

    data = encode(nested(16))  # type: ignore[arg-type]
    assert decode(data) == nested(16)
    with pytest.raises(NotCanonical, match="depth"):
        encode(nested(17))  # type: ignore[arg-type]
    with pytest.raises(NotCanonical, match="depth"):
        decode(b'{"a":' + b"[" * 16 + b"]" * 16 + b"}")
    with pytest.raises(NotCanonical, match="depth"):
        decode_value(b"[" * 100_000)


def test_the_limit_counts_bytes() -> None:
    assert len(encode({"s": "é"}, limit=10)) == 10
    with pytest.raises(NotCanonical, match="size"):
        encode({"s": "é"}, limit=9)
    assert decode('{"s":"é"}'.encode(), limit=10) == {"s": "é"}
    with pytest.raises(NotCanonical, match="size"):
        decode('{"s":"é"}'.encode(), limit=9)


def test_the_top_is_an_object() -> None:
    with pytest.raises(NotCanonical, match="syntax"):
        encode([1])  # type: ignore[arg-type]
    with pytest.raises(NotCanonical, match="syntax"):
        decode(b"[1]")
    assert decode_value(b"[1]") == [1]
    assert encode_value(("a", 1)) == b'["a",1]'


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "syntax"),
        (b" {}", "space"),
        (b'{"a":1}\n', "space"),
        (b'{"a" :1}', "space"),
        (b'{ "a":1}', "space"),
        (b'{"a":1,"a":1}', "order"),
        (b'{"b":1,"a":1}', "order"),
        (b'{"a":18446744073709551616}', "range"),
        (b'{"a":' + b"9" * 5000 + b"}", "range"),
        (b'{"a":9007199254740992}', "range"),
        (b'{"a":1.5}', "number"),
        (b'{"a":01}', "number"),
        (b'{"a":-0}', "number"),
        (b'{"a":Infinity}', "syntax"),
        (b'{"a":NaN}', "syntax"),
        (b'{"a":null}', "null"),
        (b'{"a":nul}', "syntax"),
        (b'{"a":tru}', "syntax"),
        (b'{"a"', "syntax"),
        (b'{"a":"b', "syntax"),
        (b'{"a":"\\', "escape"),
        (b'{"a":"\\/"}', "escape"),
        (b'{"a":"\\u0008"}', "escape"),
        (b'{"a":"\\u001F"}', "escape"),
        (b'{"a":"\\ud83d\\ude00"}', "escape"),
        (b'{"a":"\\u0000"}', "nul"),
        (b'{"a":"\x7f\xff"}', "utf8"),
        (b'{"\\u0061":1}', "key"),
        (b'{"a b":1}', "key"),
        (b"{a:1}", "syntax"),
        (b'{"a":1,}', "syntax"),
        (b"{1:1}", "syntax"),
        (b'{"a":[1,]}', "syntax"),
        (b'{"a":1}{}', "syntax"),
        (b'{"a":1}\x00', "syntax"),
        (b'{"a":[true,"\\n\\u001f"],"b":false,"a":{}}', "order"),
    ],
)
def test_a_reader_refuses_and_names_the_rule(data: bytes, rule: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        decode(data)
    assert refusal.value.rule == rule
    assert refusal.value.code == "canonical"


def test_a_backslash_before_u0000_is_text() -> None:
    assert decode(b'{"a":1,"s":"\\\\u0000"}') == {"a": 1, "s": "\\u0000"}


def test_marks_at_the_start_of_a_string_do_not_touch_the_quote() -> None:
    data = '{"s":"\u0301"}'.encode()
    assert decode(data, nfc=True) == {"s": "\u0301"}


@given(st.binary(max_size=40) | strings.map(str.encode))
def test_the_rule_of_a_refusal_is_always_found(data: bytes) -> None:
    try:
        value = decode_value(data, nfc=True)
    except NotCanonical as refusal:
        assert refusal.rule == broken_rule(data, nfc=True).rule  # noqa: PT017
    else:
        assert encode_value(value) == data


def test_too_many_levels_are_told_before_what_lies_in_them() -> None:
    value: Json = "\x00"
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(NotCanonical, match="depth"):
        encode_value(value)
