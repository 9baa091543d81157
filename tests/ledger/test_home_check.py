"""A home is sound only where every copy of the same fact agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from doubles.small_logs import ORIGIN, POLICY, START, log, rows_of, signed

from crypto import merkle
from crypto.blinding import PersonalValue, seal_row
from crypto.local_authority import TestAuthority
from crypto.merkle import CompactRange
from crypto.notes import COSIGNATURE, VerifierKey, cosign, parse_checkpoint, parse_note
from crypto.policies import Policy, witness_policy
from crypto.timestamps import Certificates, request, trust_store
from ledger.anchors import AnchorRow, stamped_bytes
from ledger.command_rows import checked
from ledger.entry import Row, parse
from ledger.fsck import LogUnsound
from ledger.home_check import CommandRow, Home, PrivateRow, fsck_home

SALT, KEY, NONCE = b"s" * 32, b"k" * 32, b"n" * 24


class Rows:
    """The rows of a store in memory, each of which a test may damage."""

    def __init__(self, entries: list[bytes]) -> None:
        edge = CompactRange()
        self.stored: list[Row] = []
        for position, data in enumerate(entries):
            read = parse(data)
            leaf = merkle.leaf_hash(data)
            edge.append(leaf)
            self.stored.append(Row(position, read.stream, read.version, read.kind, leaf, data))
        self.edge = b"".join(edge.hashes)
        self.full = {
            (level, n): b"".join(row[n * 256 : n * 256 + 256])
            for level, row in enumerate(rows_of(entries))
            for n in range(len(row) // 256)
        }

    def head(self) -> tuple[int, bytes, str]:
        return len(self.stored), self.edge, ""

    def rows(self, start: int, end: int) -> Sequence[Row]:
        return self.stored[start:end]

    def tiles(self, level: int, start: int, end: int) -> Mapping[int, bytes]:
        found = {n: self.full.get((level, n)) for n in range(start, end)}
        return {n: tile for n, tile in found.items() if tile is not None}


ENTRIES = log(600)
RECORDED = checked(("last", bytes(32), 590, 10))[1]


def home(rows: Rows | None = None) -> Home:
    email = PersonalValue("email", "a@b.example", SALT)
    row = PrivateRow(email.commitment(), KEY, NONCE, seal_row(email, KEY, NONCE))
    return Home(
        origin=ORIGIN,
        reads=rows or Rows(ENTRIES),
        mark=signed(ENTRIES[:590]),
        checkpoints=[(256, signed(ENTRIES[:256])), (512, signed(ENTRIES[:512]))],
        commands=[CommandRow("one", 0, 1, bytes(32)), CommandRow("last", 590, 10, RECORDED)],
        blobs=[("ab", "ab")],
        private_rows=[row],
    )


def counts(unsound: Home, policy: Policy = POLICY) -> dict[str, int]:
    with pytest.raises(LogUnsound) as refusal:
        fsck_home(unsound, policy)
    return refusal.value.counts


def test_a_sound_home() -> None:
    seen: list[int] = []
    sound = fsck_home(home(), POLICY, [signed(ENTRIES[:300])], seen.append)
    assert (sound.head.size, sound.streams) == (600, 4)
    assert sound.published is not None
    assert sound.published.size == 512
    assert seen == [256, 512, 600]


def test_a_home_that_published_nothing_yet() -> None:
    fresh = Home(ORIGIN, Rows(log(1)), None)
    assert fsck_home(fresh, POLICY).published is None


@pytest.mark.parametrize(
    "column",
    [{"stream": "probe/9"}, {"version": 9}, {"kind": "Other"}, {"leaf": bytes(32)}],
    ids=str,
)
def test_columns_are_those_of_the_entry(column: dict[str, str | int | bytes]) -> None:
    rows = Rows(ENTRIES)
    rows.stored[7] = rows.stored[7]._replace(**column)  # type: ignore[arg-type]
    assert counts(home(rows)) == {"columns": 1}


def test_a_leaf_column_in_the_partial_tile_is_compared_there_too() -> None:
    rows = Rows(ENTRIES)
    rows.stored[599] = rows.stored[599]._replace(leaf=bytes(32))
    assert counts(home(rows)) == {"columns": 1, "tile": 1}


def test_a_gap_in_the_positions() -> None:
    rows = Rows(ENTRIES)
    rows.stored[300] = rows.stored[300]._replace(position=301)
    assert counts(home(rows)) == {"columns": 1}


class Lost(Rows):
    """A store that lost the row of one position."""

    def rows(self, start: int, end: int) -> Sequence[Row]:
        return [row for row in super().rows(start, end) if row.position != 300]


def test_a_lost_row_is_told_after_what_stands_before_it() -> None:
    rows = Lost(ENTRIES)
    rows.stored[298] = rows.stored[298]._replace(kind="Other")
    rows.stored[299] = rows.stored[299]._replace(entry=b"{}")
    with pytest.raises(LogUnsound) as refusal:
        fsck_home(home(rows), POLICY)
    found = [(one.code, one.position) for one in refusal.value.findings]
    assert found[:3] == [("columns", 298), ("columns", 301), ("bundle", 256)]


def test_an_entry_that_no_bundle_can_hold() -> None:
    rows = Rows(ENTRIES)
    rows.stored[599] = rows.stored[599]._replace(entry=b"{" * 65_536)
    assert counts(home(rows))["bundle"] == 1


def test_an_entry_beyond_the_last_checkpoint_is_checked() -> None:
    rows = Rows(ENTRIES)
    rows.stored[595] = rows.stored[595]._replace(entry=b"{}")
    found = counts(home(rows))
    assert found["fields"] == 1
    assert {"tile", "root"} <= set(found)


def test_stored_tiles_and_edge() -> None:
    rows = Rows(ENTRIES)
    rows.full[0, 1] = bytes(8192)
    assert counts(home(rows))["tile"] >= 1
    rows = Rows(ENTRIES)
    del rows.full[0, 1]
    assert counts(home(rows))["missing"] >= 1
    rows = Rows(ENTRIES)
    rows.edge = rows.edge[:-32] + bytes(32)
    assert counts(home(rows)) == {"root": 1}
    rows.edge = rows.edge[:-1]
    assert counts(home(rows)) == {"edge": 1, "root": 1}


def test_marks_and_pins() -> None:
    other = [*ENTRIES[:299], log(300, streams=5)[299]]
    assert counts(replace(home(), mark=signed(other))) == {"mark": 1}
    assert counts(replace(home(), mark=signed(log(601)))) == {"mark": 1}
    assert counts(replace(home(), mark=b"")) == {"note": 1}
    assert counts(replace(home(), mark=None)) == {"mark": 1}
    with pytest.raises(LogUnsound) as refusal:
        fsck_home(home(), POLICY, [signed(other)])
    assert refusal.value.counts == {"pin": 1}


def test_published_checkpoints() -> None:
    fork = signed([*ENTRIES[:299], log(300, streams=5)[299]])
    assert counts(replace(home(), checkpoints=[(300, fork)])) == {"root": 1}
    assert counts(replace(home(), checkpoints=[(257, signed(ENTRIES[:256]))])) == {"columns": 1}
    assert counts(replace(home(), checkpoints=[(256, b"")])) == {"note": 1}


def test_cosignatures_of_known_witnesses_verify_and_need_no_number() -> None:
    keys = {name: VerifierKey.of_seed(name, COSIGNATURE, name.encode() * 32) for name in "ab"}
    policy = Policy.parse(witness_policy(POLICY.logs[0], keys, 2, "custodians"))
    published = signed(ENTRIES[:256])
    good = cosign(parse_note(published).text, "a", b"a" * 32, 1)
    bad = cosign("another text\n", "b", b"b" * 32, 1)
    honest = replace(home(), checkpoints=[(256, published + f"{good}\n".encode())])
    assert fsck_home(honest, policy).published is not None
    forged = replace(home(), checkpoints=[(256, published + f"{good}\n{bad}\n".encode())])
    assert counts(forged, policy) == {"signature": 1}


@pytest.mark.parametrize("row", [(-1, 1), (0, 0), (600, 1), (599, 2)])
def test_commands_point_into_the_log(row: tuple[int, int]) -> None:
    assert counts(replace(home(), commands=[CommandRow("c", *row, bytes(32))])) == {"command": 1}


def test_a_command_whose_row_decayed() -> None:
    key, stored, first, count = checked(("last", bytes(32), 590, 10))
    assert counts(replace(home(), commands=[CommandRow("lasT", first, count, stored)])) == {
        "command": 1
    }
    assert fsck_home(replace(home(), commands=[CommandRow(key, first, count, stored)]), POLICY)


def test_blobs_and_private_rows() -> None:
    assert counts(replace(home(), blobs=[("ab", "ac")])) == {"blob": 1}
    [row] = home().private_rows
    changed = row._replace(ciphertext=row.ciphertext[:-1] + b"\x00")
    assert counts(replace(home(), private_rows=[changed])) == {"commitment": 1}


AUTHORITY = TestAuthority.of_seed(bytes(32), START)
ROOTS = trust_store(AUTHORITY.trusted())


def anchored(entries: list[bytes] = ENTRIES[:256], **changed: object) -> AnchorRow:
    note = signed(entries)
    asked = request(stamped_bytes(note, POLICY.logs), bytes(8))
    token = AUTHORITY.answer(asked, 1, START, 0)
    root = parse_checkpoint(parse_note(note).text).root.hex()
    row = AnchorRow(5, "anchors/main", 1, len(entries), root, "ab" * 32, token)
    return replace(row, **changed)  # type: ignore[arg-type]


def test_anchors_that_hold() -> None:
    rows = [anchored(), anchored(ENTRIES[:512], token_hash=None)]
    sound = fsck_home(replace(home(), anchors=rows, trusted=ROOTS), POLICY)
    assert {size: stamp.time for size, stamp in sound.stamps.items()} == {256: START}


@pytest.mark.parametrize(
    ("row", "trusted"),
    [
        (anchored(root="00" * 32), ROOTS),
        (anchored(token=None), ROOTS),
        (anchored(token=anchored(ENTRIES[:512]).token), ROOTS),
        (anchored(ENTRIES[:300]), ROOTS),
        (anchored(), ()),
    ],
    ids=["root", "lost", "of another size", "never published", "no trust store"],
)
def test_anchors_that_do_not(row: AnchorRow, trusted: Certificates) -> None:
    assert counts(replace(home(), anchors=[row], trusted=trusted)) == {"anchor": 1}
