"""Goal S3: no input that is not canonical is accepted, among very many that nearly are.

Canonical texts are changed a little: bytes, tokens, members, white space, escapes, numbers. An
independent reader below, slow and written from the rules alone, says of each what is right. The
positive controls are readers that a hurried author would write; the same harness must catch each.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable

import orjson
import pytest
from doubles.proofs import Proof
from doubles.sizes import sized

from crypto.canonical import Json, decode, encode
from crypto.log_errors import NotCanonical

INPUTS = sized(push=200_000, full=1_000_000, night=100_000_000)
CONTROL_INPUTS = 5_000

SHORT_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
SHORT_ESCAPES |= {'"': '\\"', "\\": "\\\\"}
FRAGMENTS = [
    *(b'""', b'"a"', b"{}", b"[]", b":", b",", b"null", b"true", b"false", b"0", b"-0", b"1.5"),
    *(b"1e3", b"1.0", b"01", b"+1", b"NaN", b"Infinity", b"9007199254740991", b"9007199254740992"),
    *(b"-9007199254740992", b"18446744073709551616", b"1e400", b" ", b"\n", b"\t", b"\r", b"\x00"),
    *(b"\\n", b"\\/", b"\\u0000", b"\\u000a", b"\\u001f", b"\\u001F", b"\\u00e9", b"\\ud800"),
    *(b"\\ud83d\\ude00", b"\xef\xbb\xbf", b"\xc0\xaf", b"\xed\xa0\x80", b"\xc3\xa9", b"e\xcc\x81"),
    *(b'"a":1,', b',"b":2', b',"z":[]', b'{"a":1}', b"/**/", b"'", b"\x7f", b"\xe2\x80\xa8"),
]


class Refused(Exception):
    """The independent reader refuses."""


class SlowReader:
    """Reads one canonical object character by character; shares nothing with the product."""

    def __init__(self, data: bytes) -> None:
        try:
            self.rest = list(reversed(data.decode("utf-8", "strict")))
        except UnicodeDecodeError:
            raise Refused from None

    def read(self) -> None:
        if self.peek() != "{":
            raise Refused
        self.value(1)
        if self.rest:
            raise Refused

    def peek(self) -> str:
        return self.rest[-1] if self.rest else ""

    def take(self, *allowed: str) -> str:
        if self.peek() not in allowed or not self.rest:
            raise Refused
        return self.rest.pop()

    def value(self, depth: int) -> None:
        first = self.peek()
        if first == '"':
            self.string()
        elif first in ("{", "["):
            if depth > 16:
                raise Refused
            self.members(depth) if first == "{" else self.items(depth)
        elif first in ("t", "f"):
            for letter in "true" if first == "t" else "false":
                self.take(letter)
        else:
            self.number()

    def items(self, depth: int) -> None:
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        self.value(depth + 1)
        while self.take(",", "]") == ",":
            self.value(depth + 1)

    def members(self, depth: int) -> None:
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        before = self.member(depth)
        while self.take(",", "}") == ",":
            key = self.member(depth)
            if key <= before:
                raise Refused
            before = key

    def member(self, depth: int) -> str:
        self.take('"')
        key = ""
        while self.peek() != '"':
            key += self.take(*"abcdefghijklmnopqrstuvwxyz", *("0123456789_" if key else ""))
        self.take('"')
        if not 1 <= len(key) <= 64:
            raise Refused
        self.take(":")
        self.value(depth + 1)
        return key

    def string(self) -> None:
        self.take('"')
        text = ""
        while self.peek() != '"':
            if not self.rest or self.peek() < " ":
                raise Refused
            char = self.rest.pop()
            text += self.escaped() if char == "\\" else char
        self.take('"')
        if unicodedata.normalize("NFC", text) != text:
            raise Refused

    def escaped(self) -> str:
        kind = self.take(*'"\\bfnrtu')
        if kind != "u":
            return {value[1]: key for key, value in SHORT_ESCAPES.items()}[kind]
        code = "".join(self.take(*"0123456789abcdef") for _ in range(4))
        char = chr(int(code, 16))
        if not "\x01" <= char <= "\x1f" or char in SHORT_ESCAPES:
            raise Refused
        return char

    def number(self) -> None:
        sign = self.take("-") if self.peek() == "-" else ""
        digits = self.take(*"0123456789")
        while digits != "0" and self.peek().isascii() and self.peek().isdigit():
            digits += self.rest.pop()
        if (sign and digits == "0") or len(digits) > 16 or int(digits) >= 2**53:
            raise Refused


def believes(reader: Callable[[bytes], object], data: bytes) -> bool:
    try:
        reader(data)
    except (Refused, NotCanonical, ValueError, TypeError, RecursionError):
        return False
    return True


def truth(data: bytes) -> bool:
    return believes(lambda given: SlowReader(given).read(), data)


def strict(data: bytes) -> None:
    decode(data, nfc=True)


def honest_value(dice: random.Random, depth: int = 0) -> Json:
    kind = dice.randrange(7 if depth < 3 else 4)
    if kind == 0:
        return dice.choice([True, False])
    if kind == 1:
        return dice.choice([0, 1, -1, 10, 2**53 - 1, 1 - 2**53, dice.randrange(10**6)])
    if kind < 4:
        return "".join(dice.choice('ab"\\/\n\t\x01\x1fé€😀 ') for _ in range(dice.randrange(5)))
    if kind == 4:
        return [honest_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return honest_object(dice, depth + 1)


def honest_object(dice: random.Random, depth: int = 0) -> dict[str, Json]:
    keys = ("a", "ab", "a_1", "b", "z9", "k" * 64)
    return {key: honest_value(dice, depth) for key in dice.sample(keys, dice.randrange(4))}


def changed(dice: random.Random, data: bytes) -> bytes:
    """Return a text a few changes away; sometimes it is canonical again."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at, until = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        match dice.randrange(9):
            case 0:
                data = data[:at] + dice.choice(FRAGMENTS) + data[at:]
            case 1:
                data = data[:at] + dice.choice(FRAGMENTS) + data[at + 1 :]
            case 2:
                data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:at] + data[at + 1 :]
            case 4:
                data = data[:until] + data[at:until] + data[until:]
            case 5:
                data = data[:at] + data[until:]
            case 6:
                data = data.replace(b":", dice.choice((b": ", b":1", b":[", b":-")), 1)
            case 7:
                data = data.replace("é".encode(), "e\u0301".encode(), 1)
            case _:
                data = data.replace(b'"', dice.choice((b'"A', b'"\\u0061', b'"_', b"'")), 1)
    return data


def inputs(count: int, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    found: list[bytes] = []
    while len(found) < count:
        honest = encode(honest_object(dice) | {"m": [honest_value(dice)]})
        found += [honest, *(changed(dice, honest) for _ in range(9))]
    return found[:count]


def wrongly_believed(reader: Callable[[bytes], object], texts: list[bytes]) -> list[bytes]:
    return [text for text in texts if believes(reader, text) and not truth(text)]


def test_nothing_that_is_not_canonical_is_accepted(proof: Proof) -> None:
    believed = 0
    for batch in range(-(-INPUTS // 10_000)):
        for text in inputs(min(10_000, INPUTS - batch * 10_000), seed=batch):
            accepted = believes(strict, text)
            believed += accepted
            assert accepted == truth(text), text
    assert INPUTS // 20 < believed < INPUTS // 2
    proof("S3", f"{INPUTS} generated inputs, {believed} canonical ones accepted, 0 others")


def again(loads: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def reader(data: bytes) -> None:
        if orjson.dumps(loads(data), option=orjson.OPT_SORT_KEYS) != data:
            raise Refused

    return reader


@pytest.mark.parametrize(
    "lax",
    [json.loads, orjson.loads, again(json.loads), again(orjson.loads), decode],
    ids=["json", "orjson", "json and back", "orjson and back", "without NFC"],
)
def test_a_lax_reader_is_caught(lax: Callable[[bytes], object]) -> None:
    texts = inputs(CONTROL_INPUTS, seed=0)
    assert wrongly_believed(lax, texts)
    assert not wrongly_believed(strict, texts)
