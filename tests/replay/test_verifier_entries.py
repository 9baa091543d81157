"""The fast reading of entries accepts exactly what the exact one accepts; chains bind them."""

from __future__ import annotations

import json
import random
import re
import string
from datetime import UTC, datetime, timedelta

import pytest
from doubles.sizes import sized

from replay import verifier

ZEROS = "0" * 64
GOOD = (
    '{"at":"2026-03-02T07:00:00.000000Z","data":{"a":[1,"x",{"b":true}],"c":"d"},'
    f'"kind":"ProbeSucceeded","prev":"{ZEROS}","salt":"{ZEROS[:32]}","stream":"health/main",'
    '"v":1,"version":2}'
)


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def some_text(rng):
    letters = string.ascii_letters + '0123 ,:[]{}"\\/\b\t\n\f\r\x01\x1f\x7féÀ\u2028😀'
    return "".join(rng.choice(letters) for _ in range(rng.randrange(12)))


def some_value(rng, depth=0):
    kind = rng.randrange(4 if depth > 3 else 7)
    if kind == 0:
        return rng.choice([0, 1, -1, 10**15, 2**53 - 1, 1 - 2**53, rng.randrange(10**6)])
    if kind == 1:
        return rng.random() < 0.5
    if kind in {2, 3}:
        return some_text(rng)
    if kind == 4:
        return [some_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    names = {rng.choice(string.ascii_lowercase) + rng.choice(["", "_1", "b"]) for _ in range(4)}
    return {name: some_value(rng, depth + 1) for name in sorted(names)}


def some_entry(rng):
    at = datetime(2026, 3, 2, 7, tzinfo=UTC) + timedelta(microseconds=rng.randrange(10**13))
    fields = {
        "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "data": {"x": some_value(rng), "y": some_value(rng)},
        "kind": rng.choice(["LogPadded", "DepositSealed", "A1"]),
        "prev": rng.randbytes(32).hex(),
        "salt": rng.randbytes(16).hex(),
        "stream": rng.choice(["log", "deposit/D-1", "opening/c1.2a"]),
        "v": rng.choice([1, 2, 65535]),
        "version": rng.choice([1, 9, 10**15, 2**53 - 1]),
    }
    return dumps(fields).encode()


INSERTED = [
    b" ", b",", b'"', b"\\", b"0", b"-", b"{", b"}", b"[", b"]", b":", b"null", b"1.0", b"\xff",
    b"\\u0000", b"\\u000b", b"\\u0041", b'","', b'":"', b'",0,"', b"\n", b"\x00", b"\xc3\xa9",
    b'"a":1,', b"1e3", b"9007199254740993", b"-0", b"01", b"\xed\xa0\x80", b'""', b"true",
]  # fmt: skip


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(data))
        end = at + rng.randrange(4)
        choice = rng.randrange(4)
        if choice == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif choice == 1:
            del data[at:end]
        elif choice == 2:
            data[at:at] = rng.choice(INSERTED)
        else:
            data[at:at] = data[at:end]
    return bytes(data)


def outcome(read, data):
    try:
        return read(data)
    except verifier.Refused as refusal:
        return refusal.code


def compare_readers(read, count):
    """Return texts on which a reader and the exact one differ, and how many were accepted."""
    rng, wrong, accepted = random.Random(14), [], 0
    for _ in range(count):
        good = some_entry(rng)
        assert read(good) == verifier.strict_entry(good)
        for data in [mutated(rng, good) for _ in range(6)]:
            exact = outcome(verifier.strict_entry, data)
            accepted += not isinstance(exact, str)
            if outcome(read, data) != exact:
                wrong.append(data)
    return wrong, accepted


def test_fast_reading_agrees_with_the_exact_one():
    wrong, accepted = compare_readers(verifier.read_entry, sized(push=1500, full=8000, night=10**6))
    assert wrong == []
    assert accepted > 100  # mutants that are good entries too: both sides were reached


def reader_that_repairs(data):
    """A planted mistake: bytes that are no UTF-8 are read as if they were."""
    return verifier.read_entry(data.decode("utf-8", "replace").encode())


def reader_of_shapes_alone(data):
    """A planted mistake: what stands inside a string is not looked at."""
    found = verifier.ENTRY.fullmatch(data.decode("utf-8", "surrogateescape"))
    shape = re.sub('"[^"]*"(?=[,\\]}])', '""', found[2]) if found else ""
    if shape in LAX_SHAPES:
        return "accepted"
    entry = verifier.strict_entry(data)
    LAX_SHAPES.add(shape)
    return entry


LAX_SHAPES: set[str] = set()


def test_a_reader_that_repairs_is_caught():
    wrong, _ = compare_readers(reader_that_repairs, 150)
    assert wrong


def test_a_reader_of_shapes_alone_is_caught():
    assert outcome(reader_of_shapes_alone, GOOD.encode()) == verifier.strict_entry(GOOD.encode())
    for bad in ("\\q", "\\u0041", "\t"):
        data = GOOD.replace('"c":"d"', f'"c":"{bad}"').encode()
        assert outcome(reader_of_shapes_alone, data) == "accepted"
        assert outcome(verifier.read_entry, data) == "escape"


def test_the_shape_memory_is_bounded():
    verifier.SHAPES.clear()
    verifier.SHAPES.update(("day", str(number)) for number in range(10_000))
    entry = verifier.read_entry(GOOD.encode())
    assert len(verifier.SHAPES) == 1
    assert verifier.read_entry(GOOD.encode()) == entry


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"v":1', '"v":65536', "v"),
        ('"v":1', '"v":99999', "v"),
        ('"version":2', '"version":9007199254740992', "range"),
        ('"version":2', '"version":true', "version"),
        ("2026-03-02", "2026-02-30", "at"),
        ("2026-03-02", "0000-03-02", "at"),
        ('"data":{"a":[1,"x",{"b":true}],"c":"d"}', '"data":[]', "data"),
        ('"c":"d"', '"c":"é"', None),
        ('"c":"d"', '"c":"\udcff"', "utf8"),
        ('"c":"d"', '"c":' + "[" * 14 + "]" * 14, None),
        ('"c":"d"', '"c":' + "[" * 15 + "]" * 15, "depth"),
        ('"c":"d"', '"c":' + "[" * 70_000, "size"),
        ('"c":"d"', '"c":"' + "d" * 65_300 + '"', "size"),
    ],
)
def test_rules_at_their_edges(old, new, code):
    data = GOOD.replace(old, new).encode("utf-8", "surrogateescape")
    for _ in range(2):
        exact = outcome(verifier.strict_entry, data)
        assert exact == (code or exact)
        assert (code is None) != isinstance(exact, str)
        assert outcome(verifier.read_entry, data) == exact


def test_depth_is_refused_before_the_stack_ends():
    assert outcome(verifier.parse_object, b'{"a":' + b"[" * 500_000) == "depth"


# chains: genesis, link, version, time; vectors have each once, here are the edges


def entry_of(stream, version, prev, at="2026-03-02T07:00:00.000000Z", data="{}", kind="LogCreated"):
    return verifier.Entry(at, data, kind, prev, ZEROS[:32], stream, 1, version)


ORIGIN = "log.example/1"
FOUNDED = '{"clock":"real","format":"pli-entry/1","origin":"log.example/1"}'
LEAF = "aa" * 32


def begun():
    chain = verifier.Chain(ORIGIN)
    chain.follow(0, entry_of("log", 1, ZEROS, data=FOUNDED), LEAF)
    return chain


@pytest.mark.parametrize(
    "entry",
    [
        entry_of("other", 1, ZEROS, data=FOUNDED),
        entry_of("log", 2, ZEROS, data=FOUNDED),
        entry_of("log", 1, LEAF, data=FOUNDED),
        entry_of("log", 1, ZEROS, data=FOUNDED, kind="LogPadded"),
        entry_of("log", 1, ZEROS, data=FOUNDED.replace("example/1", "example/2")),
        entry_of("log", 1, ZEROS, data=FOUNDED.replace("entry/1", "entry/2")),
        entry_of("log", 1, ZEROS, data="{}"),
    ],
)
def test_only_a_genesis_founds_the_log(entry):
    assert outcome(lambda e: verifier.Chain(ORIGIN).follow(0, e, LEAF), entry) == "genesis"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (entry_of("a", 1, LEAF), None),
        (entry_of("a", 2, LEAF), "chain"),
        (entry_of("a", 1, ZEROS), "chain"),
        (entry_of("log", 1, LEAF), "chain"),
        (entry_of("log", 2, LEAF), None),
        (entry_of("log", 2, LEAF, at="2026-03-02T06:59:59.999999Z"), "time"),
        (entry_of("a", 1, LEAF, at="2026-03-02T06:59:50.000000Z"), None),
        (entry_of("a", 1, LEAF, at="2026-03-02T06:59:49.999999Z"), "time"),
        (entry_of("a", 1, LEAF, at="2026-03-02T07:00:00.000001Z"), None),
    ],
)
def test_an_entry_follows_or_is_refused(entry, code):
    assert outcome(lambda e: begun().follow(1, e, "bb" * 32), entry) == code


def test_time_is_compared_with_the_largest_before_not_the_last():
    chain = begun()
    chain.follow(1, entry_of("a", 1, LEAF, at="2026-03-02T07:00:09.000000Z"), "bb" * 32)
    chain.follow(2, entry_of("b", 1, LEAF, at="2026-03-02T07:00:01.000000Z"), "cc" * 32)
    late = entry_of("c", 1, LEAF, at="2026-03-02T06:59:58.999999Z")
    assert outcome(lambda e: chain.follow(3, e, "dd" * 32), late) == "time"
    assert chain.latest == "2026-03-02T07:00:09.000000Z"
