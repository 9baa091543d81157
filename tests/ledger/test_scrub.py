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
