"""What spans the log, each fault of it once; the cells one by one are in `trust/test_r7_…`."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from doubles.kill_child import save_of
from doubles.ledger import Bench, check_ledger

from crypto.policies import Policy, log_policy
from ledger import tables
from ledger.entry import Data, Draft, checked_state, instant_text
from ledger.queue import Save
from ledger.readers import open_reader
from ledger.scrub_span import span_findings
from ledger.sqlite import connect
from ledger.store import Reads
from ledger.tree import Levels


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, witnesses=1).create()
    ledger = made.open(pause=3600)
    for number in range(1, 20):
        ledger._store.sequencer.submit(save_of("s", 0, number))
    ledger.publish()
    ledger.close()
    return made


@pytest.fixture
def raw(bench: Bench) -> Iterator[sqlite3.Connection]:
    with closing(bench.raw()) as opened:
        opened.execute("PRAGMA ignore_check_constraints=1")
        sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        for (name,) in opened.execute(sql).fetchall():
            opened.execute(f"DROP TRIGGER {name}")
        yield opened


def told(bench: Bench, mark: bytes | None = None) -> list[tuple[str, str]]:
    reader = open_reader(bench.folder, connect)
    with closing(reader), reader.snapshot() as reads:
        found = span_findings(reads, Policy.parse(bench.policy), mark or bench.high_water.load())
        return [(one.code, one.detail) for one in found]


def test_a_sound_log_without_a_mark_too(bench: Bench) -> None:
    assert told(bench) == []
    reader = open_reader(bench.folder, connect)
    with closing(reader), reader.snapshot() as reads:
        assert list(span_findings(reads, Policy.parse(bench.policy), None)) == []


def test_a_mark_that_proves_nothing_or_too_much(bench: Bench, tmp_path: Path) -> None:
    assert [code for code, _ in told(bench, b"no note\n")] == ["mark"]
    (tmp_path / "longer").mkdir()
    longer = Bench(tmp_path / "longer").create()
    ledger = longer.open(pause=3600)
    for number in range(60):
        ledger._store.sequencer.submit(save_of("s", 1, number + 1))
    ledger.close()
    assert [code for code, _ in told(bench, longer.high_water.load())] == ["mark"]


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ("UPDATE head SET edge = zeroblob(31)", {"head"}),
        ("UPDATE head SET edge = zeroblob(length(edge))", {"head"}),
        ("UPDATE head SET id = 2", {"head"}),
        ("UPDATE head SET max_at = '2027-01-01T00:00:00.000000Z'", {"head"}),
        ("UPDATE head SET size = size - 1", {"head", "stray", "command", "checkpoint", "mark"}),
        ("UPDATE checkpoints SET size = size + 16", {"checkpoint", "cosignature"}),
        ("UPDATE commands SET count = 0 WHERE first = 3", {"command"}),
        ("UPDATE commands SET first = -1 WHERE first = 0", {"command"}),
        ("UPDATE cosignatures SET witness = 'other'", {"cosignature"}),
    ],
)
def test_each_fault_is_named(
    bench: Bench, raw: sqlite3.Connection, sql: str, codes: set[str]
) -> None:
    raw.execute(sql)
    assert {code for code, _ in told(bench)} == codes


def test_old_commands_may_be_forgotten(bench: Bench, raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM commands WHERE first < 5")
    assert told(bench) == []
    raw.execute("DELETE FROM commands")
    assert told(bench) == []


def keyed(bench: Bench, key: str, data: Data) -> None:
    """Record one more entry under this key."""
    state = checked_state(instant_text(bench.clock.at), data, 1)
    ledger = bench.open(pause=3600)
    ledger._store.sequencer.submit(Save(key, bytes(32), [Draft("counter/k", 1, "Counted", state)]))
    ledger.close()


def without_checks(raw: sqlite3.Connection) -> None:
    """Make all rows of commands as they were before there were checks."""
    raw.execute("UPDATE commands SET digest = substr(digest, 1, 32)")


@pytest.mark.parametrize("changed", ["a2/round/2", "a1", "a1/round/3"])
def test_a_key_that_decayed_is_found_by_the_check_of_its_row(
    bench: Bench, raw: sqlite3.Connection, changed: str
) -> None:
    keyed(bench, "a1/round/2", {"meta": {"command": "a1", "correlation": "need/1"}})
    raw.execute("UPDATE commands SET key = ? WHERE key = ?", (changed, "a1/round/2"))
    assert told(bench) == [("command", f"{changed} is not the row that was written")]


@pytest.mark.parametrize(
    ("key", "changed", "found"),
    [
        ("a1", "a2", True),
        ("a1/round/2", "a2/round/2", True),
        ("a1/round/2", "a1x/round/2", True),
        ("a1/round/2", "a1", False),
        # what is behind the stroke stands nowhere else in a row without a check
        ("a1/round/2", "a1/round/3", False),
    ],
)
def test_a_key_is_the_command_that_its_entry_names(
    bench: Bench, raw: sqlite3.Connection, key: str, changed: str, *, found: bool
) -> None:
    keyed(bench, key, {"meta": {"command": "a1", "correlation": "need/1"}})
    assert told(bench) == []
    without_checks(raw)
    raw.execute("UPDATE commands SET key = ? WHERE key = ?", (changed, key))
    named = [("command", f"{changed} is not the command of its first entry")]
    assert told(bench) == (named if found else [])


@pytest.mark.parametrize("data", [{}, {"meta": "none"}, {"meta": {"role": "BU"}}])
def test_an_entry_that_names_no_command_contradicts_none(
    bench: Bench, raw: sqlite3.Connection, data: Data
) -> None:
    keyed(bench, "a1", data)
    without_checks(raw)
    raw.execute("UPDATE commands SET key = 'a2' WHERE key = 'a1'")
    assert told(bench) == []


@pytest.mark.parametrize("key", ["log/LogCreated/1", "log/pad/%"])
def test_the_keys_of_the_ledger_itself_come_from_their_place(
    bench: Bench, raw: sqlite3.Connection, key: str
) -> None:
    without_checks(raw)
    raw.execute("UPDATE commands SET key = key || '0' WHERE key LIKE ?", (key,))
    assert [code for code, _ in told(bench)] == ["command"]


def test_a_command_of_an_entry_that_is_none_is_not_judged(
    bench: Bench, raw: sqlite3.Connection
) -> None:
    raw.execute("UPDATE events SET entry = x'7b7d' WHERE position = 3")
    assert told(bench) == []


def test_an_upper_tile_is_that_of_the_tiles_below(tmp_path: Path) -> None:
    """65,536 leaves make the first full tile of level 1; entries are not read for it."""
    leaves = [hashlib.sha256(bytes([n >> 8, n & 255])).digest() for n in range(65_536)]
    growth = Levels().grow(leaves)
    policy = Policy.parse(log_policy(Bench(tmp_path).signer.key))
    with closing(sqlite3.connect(tmp_path / "wide.db", isolation_level=None)) as raw:
        raw.execute("BEGIN")
        for statement in tables.sqlite_schema():
            raw.execute(statement)
        raw.execute("UPDATE head SET size = 65536, edge = ?, max_at = ''", (growth.edge,))
        rows = ((n, "s", n + 1, "K", leaf, b"") for n, leaf in enumerate(leaves))
        raw.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        raw.executemany("INSERT INTO tiles VALUES (?, ?, ?)", growth.tiles[:-1])
        missing = list(span_findings(Reads(raw), policy, None))
        raw.execute("INSERT INTO tiles VALUES (?, ?, ?)", growth.tiles[-1])
        whole = list(span_findings(Reads(raw), policy, None))
        raw.execute("ROLLBACK")
    assert [one.code for one in whole] == ["head"]  # none of these entries has a time
    assert [one.detail for one in missing if one.code == "tile"] == [
        "tile 1/0 is not that of the tiles below"
    ]


def test_the_writer_checkpoints_by_itself_and_a_full_disk_does_not_matter(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    ledger = bench.open(pause=3600)
    writer = ledger._store.writer
    writer.checkpoint_pages = 9
    bench.faults.append(("PRAGMA wal_checkpoint", False, 13))
    for number in range(1, 4):
        ledger._store.sequencer.submit(save_of("s", 0, number))
    assert not bench.faults
    assert not bench.halts
    assert ledger.head() == 4
    ledger.close()
    assert check_ledger(bench) == 4
