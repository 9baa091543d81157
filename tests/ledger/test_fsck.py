"""fsck proves the known logs, names the first finding, counts all, and misses no bit."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import pytest
from doubles.small_logs import ORIGIN, POLICY, Memory, at, entry, log, signed
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import merkle
from crypto.canonical import Json, encode
from crypto.notes import LOG, Checkpoint, VerifierKey, note, sign
from crypto.policies import Policy
from ledger.entry import Entry, parse
from ledger.errors import EntryRefused
from ledger.exported import LogFolder
from ledger.fsck import LogUnsound, fsck
from ledger.links import Link, read_link
from ledger.rising_tree import RisingTree
from ledger.tiles import read_bundle

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
CANONICAL = json.loads((VECTORS / "canonical.json").read_text())["cases"]


def unsound(entries: list[bytes], pins: tuple[bytes, ...] = ()) -> LogUnsound:
    with pytest.raises(LogUnsound) as refusal:
        fsck(Memory(entries), POLICY, pins)
    return refusal.value


def test_the_known_logs_are_sound() -> None:
    one = Policy.parse((VECTORS / "policies" / "one.txt").read_text())
    seen: list[int] = []
    pins = [path.read_bytes() for path in (VECTORS / "extra" / "checkpoints").iterdir()]
    sound = fsck(LogFolder(VECTORS / "log"), one, pins, seen.append)
    assert (sound.checkpoint.size, sound.streams, sound.cosignatures) == (
        613,
        20,
        {"a": 1772524800},
    )
    assert len(sound.pins) == len(pins)
    assert seen == [256, 512, 613]
    alone = Policy.parse((VECTORS / "policies" / "log.txt").read_text())
    assert fsck(LogFolder(VECTORS / "mini"), alone).streams == 4


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 512, 700])
def test_sound_logs_of_every_shape(count: int) -> None:
    entries = log(count) if count else []
    pins = [signed(entries[:size]) for size in {0, 1, 256, count} if size <= count]
    assert fsck(Memory(entries), POLICY, pins).checkpoint.size == count


def test_a_tree_of_three_levels_of_tiles() -> None:
    tree = RisingTree()
    leaves = [merkle.leaf_hash(b"%d" % i) for i in range(65_536 + 300)]
    full: list[tuple[int, int, list[bytes]]] = []
    for start in range(0, len(leaves), 256):
        full += list(tree.grow(leaves[start : start + 256]))
    assert [(level, n, len(hashes)) for level, n, hashes in full] == [(1, 0, 256)]
    partial = [(level, n, len(hashes)) for level, n, hashes in tree.partial_tiles()]
    assert partial == [(1, 1, 1), (2, 0, 1)]
    assert tree.root() == merkle.root(leaves)
    whole = RisingTree()
    for start in range(0, 65_536, 256):
        list(whole.grow(leaves[start : start + 256]))
    assert [(level, n) for level, n, _ in whole.partial_tiles()] == [(2, 0)]
    assert whole.root() == merkle.root(leaves[:65_536])


def test_all_findings_are_counted_and_the_first_is_named() -> None:
    entries = log(600)
    entries[300] = entries[300].replace(b'"v":1', b'"v":0')
    found = unsound(entries)
    # The stream goes on from the entry before the one that is none: one broken link follows.
    assert (found.first.code, found.first.position) == ("v", 300)
    assert found.counts == {"v": 1, "chain": 2}
    assert found.total == 3
    assert [finding.position for finding in found.findings] == [300, 303, 303]
    assert (found.findings[1].stream, found.findings[1].version) == ("probe/0", 101)
    assert "position 300" in str(found)


def test_more_findings_than_are_kept_are_counted() -> None:
    entries = [*log(3), *(b"{}" for _ in range(1200))]
    found = unsound(entries)
    assert (found.total, len(found.findings)) == (1200, 1000)
    assert found.counts == {"fields": 1200}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"prev": "1" * 64}, "chain"),
        ({"version": 5}, "chain"),
        ({"at": at(0)}, "time"),
        ({"stream": "probe/9"}, "chain"),
    ],
)
def test_rules_between_entries(changed: dict[str, Json], code: str) -> None:
    entries = log(20)
    fields = json.loads(entries[19]) | changed
    entries[19] = encode(fields)
    assert unsound(entries).first.code == code


def test_time_is_never_ten_seconds_behind() -> None:
    for seconds, sound in ((10, True), (9, False)):
        entries = log(21)
        genesis = merkle.leaf_hash(entries[0]).hex()
        entries.append(entry("late/1", 1, genesis, seconds))
        if sound:
            fsck(Memory(entries), POLICY)
        else:
            assert unsound(entries).first.code == "time"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "ProbeFailed"},
        {"stream": "probe/1"},
        {"version": 2},
        {"prev": "1" * 64},
        {"data": {"format": "pli-entry/2", "origin": ORIGIN}},
        {"data": {"format": "pli-entry/1", "origin": "other"}},
        {"data": {}},
    ],
)
def test_entry_0_makes_the_log(fields: dict[str, Json]) -> None:
    made = encode(json.loads(log(1)[0]) | fields)
    assert unsound([made]).first.code == "genesis"


def test_missing_and_broken_files() -> None:
    for name, change, code in (
        ("tile/0/000", None, "missing"),
        ("tile/entries/000", None, "missing"),
        ("tile/entries/001.p/44", b"", "bundle"),
        ("tile/0/000", b"", "tile"),
        ("tile/1/000.p/1", None, "missing"),
        ("tile/1/000.p/1", bytes(32), "tile"),
        ("checkpoint", None, "missing"),
        ("checkpoint", b"", "note"),
    ):
        files = Memory(log(300))
        del files.files[name]
        if change is not None:
            files.files[name] = change
        with pytest.raises(LogUnsound) as refusal:
            fsck(files, POLICY)
        assert refusal.value.first.code == code, name


def test_full_files_stand_in_for_partial_ones() -> None:
    files = Memory(log(600))
    files.files["checkpoint"] = signed(log(300))
    files.files["tile/1/000.p/1"] = files.files.pop("tile/1/000.p/2")[:32]
    assert fsck(files, POLICY).checkpoint.size == 300


def test_a_tile_of_tiles_is_compared_once_it_is_full() -> None:
    files = Memory(log(65_536))
    tile = files.files["tile/1/000"]
    files.files["tile/1/000"] = tile[:-1] + bytes([tile[-1] ^ 1])
    with pytest.raises(LogUnsound) as refusal:
        fsck(files, POLICY)
    assert refusal.value.counts == {"tile": 1}
    assert refusal.value.first.position == 255 * 256


def test_where_neither_bundle_nor_tile_is_left_the_rest_cannot_be_judged() -> None:
    files = Memory(log(700))
    del files.files["tile/0/001"], files.files["tile/entries/001"]
    with pytest.raises(LogUnsound) as refusal:
        fsck(files, POLICY)
    assert refusal.value.counts == {"missing": 2}


def test_pins() -> None:
    entries = log(600)
    other = [*log(300)[:-1], entry("other/1", 1, merkle.leaf_hash(entries[0]).hex(), 299)]
    fork = signed(other)
    larger = signed(log(601))
    foreign = signed([], "other.example/1")
    assert unsound(entries, (fork,)).counts == {"pin": 1}
    assert unsound(entries, (larger, fork)).counts == {"pin": 2}
    assert unsound(entries, (foreign,)).first.code == "signature"
    unsigned = fork.replace(b"\n600\n", b"\n599\n").replace(b"\n300\n", b"\n299\n")
    assert unsound(entries, (unsigned,)).first.code == "signature"


def test_a_pin_of_another_origin_under_a_policy_of_both() -> None:
    keys = [VerifierKey.of_seed(name, LOG, bytes([i]) * 32) for i, name in enumerate((ORIGIN, "o"))]
    policy = Policy.parse("".join(f"log {key}\n" for key in keys) + "quorum none\n")
    foreign = Checkpoint("o", 1, merkle.leaf_hash(b"entry"))
    with pytest.raises(LogUnsound) as refusal:
        fsck(Memory(log(5)), policy, [note(foreign, [sign(foreign, "o", b"\x01" * 32)])])
    assert refusal.value.counts == {"pin": 1}


@settings(max_examples=60)
@given(st.data())
def test_no_bit_of_a_log_can_change(data: st.DataObject) -> None:
    files = Memory(log(280))
    name = data.draw(st.sampled_from(sorted(files.files)))
    content = bytearray(files.files[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    files.files[name] = bytes(content)
    with pytest.raises(LogUnsound):
        fsck(files, POLICY)


def judged(reader: object, data: bytes) -> tuple[str, str, str, int] | str:
    try:
        read = reader(data)  # type: ignore[operator]
    except EntryRefused as refusal:
        return refusal.code
    assert isinstance(read, (Link, Entry))
    return (read.at, read.prev, read.stream, read.version)


@pytest.mark.parametrize(
    "case", [case for case in CANONICAL if case["scope"] == "entry"], ids=lambda case: case["id"]
)
def test_links_are_read_as_entries_are(case: dict[str, str]) -> None:
    data = base64.b64decode(case["b64"])
    assert judged(read_link, data) == judged(parse, data)
    assert isinstance(judged(read_link, data), str) == (case["expect"] == "refuse")


SOUND = log(3)[2]
PARTS = [b'"', b",", b"{", b"}", b'"a":1', b'"extra":{},', b"0", b"9", b"\\n", b"\xc3\xa9", b" "]


@given(st.data())
def test_links_and_entries_never_disagree(data: st.DataObject) -> None:
    changed = SOUND
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed)))
        part = data.draw(st.sampled_from(PARTS) | st.binary(min_size=1, max_size=1))
        drop = data.draw(st.integers(0, 2))
        changed = changed[:place] + part + changed[place + drop :]
    assert judged(read_link, changed) == judged(parse, changed)


def test_a_ninth_field_does_not_slip_between_two() -> None:
    for data in (
        SOUND.replace(b'"data":{}', b'"data":{},"extra":{}'),
        SOUND.replace(b'"data":{}', b'"data":{"a":{},"kind":"X"}'),
    ):
        assert judged(read_link, data) == judged(parse, data)


def test_read_bundles_of_the_known_log_link_by_link() -> None:
    entries = read_bundle((VECTORS / "log" / "tile" / "entries" / "000").read_bytes(), 256)
    links = [read_link(data) for data in entries]
    own = [link for link in links if link.stream == links[5].stream]
    assert all(b.version == a.version + 1 for a, b in pairwise(own))
