# ruff: noqa: S608 - table names are those of the list below
"""R7: a changed cell of the store, or a changed or lost blob, is located by scrub (T09, T10).

A ledger of 50 events with its blobs; every cell in turn gets one bit changed, below all triggers.
One pass of the scrub must name the stream and version, the tile, the checkpoint, the command or
the blob, and name nothing in a sound store. Control: a scrub that trusts the stored leaves.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from doubles.ledger import Bench
from doubles.proofs import Proof
from doubles.sizes import sized

from crypto.canonical import Json
from crypto.policies import Policy
from ledger.entry import Data, Draft, checked_state, instant_text
from ledger.fsck import Finding
from ledger.queue import Save
from ledger.readers import open_reader
from ledger.recorder import checked_save
from ledger.scrub import Slice, Stored, missing_blobs, scrub_slice, slices
from ledger.sqlite import connect
from ledger.vault import Vault

pytestmark = pytest.mark.counted

EVENTS = 50
TABLES = ("events", "head", "tiles", "commands", "checkpoints", "cosignatures")
KEYS = {
    "events": "position",
    "head": "id",
    "tiles": "n",
    "commands": "key",
    "checkpoints": "size",
    "cosignatures": "line",
}
FLIPS = sized(push=1, full=3, night=25)  # of each cell


def filled(folder: Path, events: int = EVENTS) -> Bench:
    """Return a closed ledger of so many entries in five streams, published with cosignatures."""
    bench = Bench(folder, pad=16, witnesses=2).create()
    ledger = bench.open(pause=3600)
    for number in range(events - 1):
        ledger._store.sequencer.submit(act(number % 5, 1 + number // 5))
        if number == events // 2:
            ledger.publish()
    ledger.publish()
    ledger.close()
    return bench


def act(thread: int, number: int) -> Save:
    """Return one save whose entry names its command, as those of domain events do."""
    command = f"s-{thread}/{number}"
    meta: Json = {"command": command, "correlation": "need/1"}
    data: Data = {"meta": meta, "n": number}
    state = checked_state(instant_text(Bench(Path()).clock.at), data, 1)
    draft = Draft(f"counter/s-{thread}", number, "Counted", state)
    return checked_save(command, hashlib.sha256(command.encode()).digest(), [draft], {})


def scrubbed(
    bench: Bench, vault: Vault | None = None, needed: Mapping[str, str] | None = None
) -> list[Finding]:
    """Return all that one whole pass finds."""
    reader = open_reader(bench.folder, connect)
    stored = Stored(
        reader.snapshot,
        Policy.parse(bench.policy),
        mark=bench.high_water.load,
        blobs=lambda byte: vault.scrub(f"{byte:02x}") if vault else (),
        needed=lambda: needed or {},
    )
    found: list[Finding] = []
    with closing(reader):
        steps, place = 0, Slice()
        while not steps or place != Slice():
            place, findings = scrub_slice(stored, place)
            found += findings
            steps += 1
        assert found or steps == slices(reader.size())
    return found


def changed(value: Any, chance: Random) -> Any:
    """Return the value with one bit changed; of a text, with one character changed."""
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(6))
    data = bytearray(value.encode() if isinstance(value, str) else value)
    at = chance.randrange(len(data))
    if isinstance(value, bytes):
        data[at] ^= 1 << chance.randrange(8)
        return bytes(data)
    return value[:at] + ("0" if value[at : at + 1] != "0" else "1") + value[at + 1 :]


def cells(raw: sqlite3.Connection) -> Iterator[tuple[str, Any, str, Any]]:
    for table in TABLES:
        columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
        for row in raw.execute(f"SELECT * FROM {table}").fetchall():
            values = dict(zip(columns, row, strict=True))
            for column, value in values.items():
                yield table, values[KEYS[table]], column, value


def opened(bench: Bench) -> sqlite3.Connection:
    raw = bench.raw()
    raw.execute("PRAGMA ignore_check_constraints=1")
    for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    return raw


def names_of(raw: sqlite3.Connection, table: str, rowid: int) -> set[str]:
    """Return how a finding may name the row of a cell: by stream and version, or by its kind."""
    if table == "events":
        sql = "SELECT stream, version FROM events WHERE rowid = ?"
        return {"/".join(map(str, row)) for row in raw.execute(sql, (rowid,)).fetchall()}
    kinds = {"commands": "command", "checkpoints": "checkpoint", "cosignatures": "cosignature"}
    return {kinds.get(table, table.rstrip("s"))}


def test_a_sound_store_has_no_finding(tmp_path: Path) -> None:
    assert scrubbed(filled(tmp_path)) == []


def test_every_cell_is_located(tmp_path: Path, proof: Proof) -> None:
    bench = filled(tmp_path)
    chance = Random(7)
    missed: list[str] = []
    count = 0
    with closing(opened(bench)) as raw:
        for table, key, column, value in list(cells(raw)):
            named = names_of(raw, table, key) if table == "events" else names_of(raw, table, 0)
            row = raw.execute(f"SELECT * FROM {table} WHERE {KEYS[table]} = ?", (key,)).fetchone()
            for _ in range(FLIPS):
                other = changed(value, chance)
                try:
                    raw.execute(
                        f"UPDATE {table} SET {column} = ? WHERE {KEYS[table]} = ?", (other, key)
                    )
                except sqlite3.IntegrityError:
                    continue  # another row has this key: no such store exists
                count += 1
                found = scrubbed(bench)
                told = {f"{one.stream}/{one.version}" for one in found}
                told |= {one.code for one in found}
                if not told & named:
                    missed.append(f"{table}.{column} of {named}: {value!r:.60}: {found[:2]}")
                where = other if column == KEYS[table] else key
                raw.execute(f"DELETE FROM {table} WHERE {KEYS[table]} = ?", (where,))
                raw.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
    proof("R7", f"{count} changed cells, {len(missed)} not located")
    assert not missed, "\n".join(missed[:40])
    assert scrubbed(bench) == []


def test_every_tile_is_located(tmp_path: Path) -> None:
    bench = filled(tmp_path, 600)
    assert scrubbed(bench) == []
    chance = Random(8)
    with closing(opened(bench)) as raw:
        for n, hashes in raw.execute("SELECT n, hashes FROM tiles").fetchall():
            for _ in range(20):
                other = changed(hashes, chance)
                raw.execute("UPDATE tiles SET hashes = ? WHERE n = ?", (other, n))
                (finding,) = scrubbed(bench)
                at = next(i for i in range(8192) if other[i] != hashes[i]) // 32
                assert (finding.code, finding.position) == ("tile", 256 * n + at)
            raw.execute("UPDATE tiles SET hashes = ? WHERE n = ?", (hashes, n))
        # the entry, or its leaf, is named where the tile proves the other
        for column in ("entry", "leaf"):
            for position in (1, 255, 256, 511):
                (value,) = raw.execute(
                    f"SELECT {column} FROM events WHERE position = ?", (position,)
                ).fetchone()
                change = (changed(value, chance), position)
                raw.execute(f"UPDATE events SET {column} = ? WHERE position = ?", change)
                codes = [one.code for one in scrubbed(bench) if one.position == position]
                assert codes[0] == column
                raw.execute(f"UPDATE events SET {column} = ? WHERE position = ?", (value, position))
        raw.execute("DELETE FROM tiles")
        assert [one.code for one in scrubbed(bench)] == ["tile", "tile"]


def test_each_blob_is_located_changed_or_lost(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    vault = Vault(tmp_path / "blobs")
    needed = {vault.put(bytes([n]) * (n + 1)): f"deposit/{n:032x}" for n in range(50)}
    assert scrubbed(bench, vault, needed) == []
    stored = Stored(*[None] * 4, needed=lambda: needed)  # type: ignore[arg-type,misc]
    for name, stream in needed.items():
        path = vault.path(name)
        data = path.read_bytes()
        path.write_bytes(changed(data, Random(1)))
        assert [(one.code, one.stream) for one in scrubbed(bench, vault, needed)] == [
            ("blob", stream)
        ]
        path.unlink()
        gone = [("sealed-missing", stream)]
        assert [(one.code, one.stream) for one in scrubbed(bench, vault, needed)] == gone
        quick = missing_blobs(stored, lambda wanted: vault.path(wanted).is_file())
        assert [(one.code, one.stream) for one in quick] == gone
        path.write_bytes(data)


def test_a_blob_that_is_damaged_in_one_of_two_places_is_named_with_its_stream() -> None:
    name = "ab" * 32
    weak = [(name, "the second copy is damaged")]
    stored = Stored(
        *[None] * 3,  # type: ignore[arg-type]
        blobs=lambda _byte: [(name, name)],
        needed=lambda: {name: "deposit/1"},
        copies=lambda: weak,
    )
    _, found = scrub_slice(stored, Slice("blobs", 0xAB))
    assert [(one.code, one.stream) for one in found] == [("blob-copy", "deposit/1")]
    assert name in found[0].detail
    weak.clear()
    assert scrub_slice(stored, Slice("blobs", 0xAB))[1] == []


def test_a_scrub_that_trusts_stored_leaves_misses_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proof: Proof
) -> None:
    bench = filled(tmp_path)
    with closing(opened(bench)) as raw:
        leaves = dict(raw.execute("SELECT entry, leaf FROM events").fetchall())
        position, entry = raw.execute(
            "SELECT position, entry FROM events WHERE kind = 'Counted' ORDER BY 1 DESC LIMIT 1"
        ).fetchone()
        other = entry.replace(b'"n":', b'"n":1', 1)
        raw.execute("UPDATE events SET entry = ? WHERE position = ?", (other, position))
        honest = scrubbed(bench)
        monkeypatch.setattr("ledger.scrub.leaf", lambda data: leaves.get(data, leaves[entry]))
        trusting = scrubbed(bench)
    proof("R7 control", f"{len(honest)} findings, {len(trusting)} by a scrub that trusts the leaf")
    assert honest
    assert not trusting
