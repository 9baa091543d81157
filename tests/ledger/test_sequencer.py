"""One batch is one transaction: the published log byte for byte, and no fault makes it lie."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from doubles.ledger import START, Bench, DiskError, FaultyConnection, check_ledger
from doubles.postgres import ON_SQLITE
from doubles.rng import ScriptedRng

from ledger.chains import Tip
from ledger.entry import Draft, Row, check_draft, checked_state, instant_text, parse
from ledger.errors import (
    CommandReused,
    EntryRefused,
    LedgerClosed,
    LedgerError,
    LedgerHalted,
    OutcomeUnknown,
    StorageFull,
    StreamMoved,
    TimeRefused,
)
from ledger.fail_stop import FailStop
from ledger.opened_store import OpenedStore
from ledger.postgres import PostgresDatabase
from ledger.queue import Recorded, Save, SaveSlot
from ledger.sequencer import MOST_TIPS, Sequencer
from ledger.sqlite import SqliteDatabase, connect
from ledger.tiles import read_bundle

LOG = Path(__file__).parents[1] / "vectors" / "ledger" / "log"
EXTRA = LOG.parent / "extra" / "log.json"
FULL, IOERR, CORRUPT, NOTADB, BUSY = 13, 10 | (1 << 8), 11, 26, 5


def state(at: str = instant_text(START), **data: str | int) -> bytes:
    return checked_state(at, data or {"n": 1}, 1)


def save(command: str, *versions: int, stream: str = "counter/a", **expect: int) -> Save:
    drafts = [Draft(stream, version, "Counted", state()) for version in versions]
    digest = command.encode().ljust(32, b".")
    return Save(command, digest, drafts, {key.replace("_", "/"): v for key, v in expect.items()})


@pytest.fixture
def bench(tmp_path: Path, database: PostgresDatabase | None) -> Bench:
    return Bench(tmp_path, database=database).create()


@pytest.fixture
def store(bench: Bench) -> Iterator[OpenedStore]:
    with OpenedStore(bench.folder, bench.ports()) as opened:
        yield opened
    bench.faults.clear()
    check_ledger(bench)


def published_entries() -> list[bytes]:
    bundles = LOG / "tile" / "entries"
    paths = [bundles / "000", bundles / "001", bundles / "002.p" / "101"]
    return [entry for path in paths for entry in read_bundle(path.read_bytes())]


def test_the_published_log_comes_out_of_the_sequencer_byte_for_byte(tmp_path: Path) -> None:
    entries = published_entries()
    told = json.loads(EXTRA.read_text())
    bench = Bench(tmp_path)
    parsed = [parse(entry) for entry in entries]
    bench.rng = ScriptedRng(bytes.fromhex(entry.salt) for entry in parsed)
    with OpenedStore(tmp_path, bench.ports(), create=True) as opened:
        for position, entry in enumerate(parsed):
            bench.clock.at = max(bench.clock.at, datetime.fromisoformat(entry.at))
            made = checked_state(entry.at, entry.data, entry.v)
            draft = Draft(entry.stream, entry.version, entry.kind, made)
            recorded = opened.sequencer.submit(Save(f"c{position}", b"", [draft]))
            assert recorded == Recorded(position, 1)
            if f"{position + 1}" in told["roots"]:
                root = opened.sequencer.levels.root(position + 1)
                assert root.hex() == told["roots"][f"{position + 1}"]
        rows = opened.reader.read(-1, 1000)
        assert [row.entry for row in rows] == entries
        for tile in ("0/000", "0/001", "0/002.p/101", "1/000.p/2", "entries/002.p/101"):
            assert (
                opened.reader.files(613).read(f"tile/{tile}") == (LOG / "tile" / tile).read_bytes()
            )


def test_a_save_is_contiguous_and_a_repeated_one_gets_its_first_answer(store: OpenedStore) -> None:
    assert store.sequencer.submit(save("one", 1, 2, 3)) == Recorded(1, 3)
    assert store.sequencer.submit(save("two", 4)) == Recorded(4, 1)
    assert store.sequencer.submit(save("one", 1, 2, 3)) == Recorded(1, 3, repeated=True)
    with pytest.raises(CommandReused, match="one"):
        store.sequencer.submit(Save("one", b"other", [Draft("counter/b", 1, "Counted", state())]))


def test_a_refused_save_burns_no_position(store: OpenedStore) -> None:
    with pytest.raises(StreamMoved) as moved:
        store.sequencer.submit(save("gap", 1, 3))
    assert (moved.value.stream, moved.value.expected, moved.value.found) == ("counter/a", 2, 1)
    with pytest.raises(StreamMoved):
        store.sequencer.submit(save("unexpected", 1, counter_b=2))
    assert store.sequencer.submit(save("good", 1, counter_b=0)) == Recorded(1, 1)
    assert store.sequencer.submit(save("next", 2, counter_a=1)) == Recorded(2, 1)


def test_time_never_goes_back_in_a_stream_and_never_far_from_the_clock(
    store: OpenedStore, bench: Bench
) -> None:
    def at(second: int, command: str, version: int, stream: str = "counter/a") -> Recorded:
        made = state(f"2026-03-02T07:00:{second:02}.000000Z")
        return store.sequencer.submit(Save(command, b"", [Draft(stream, version, "Counted", made)]))

    bench.clock.at = datetime(2026, 3, 2, 7, 0, 20, tzinfo=UTC)
    at(30, "ten seconds ahead", 1)
    with pytest.raises(TimeRefused):
        at(31, "eleven ahead", 2)
    at(20, "ten behind", 1, "counter/b")
    with pytest.raises(TimeRefused):
        at(19, "eleven behind", 1, "counter/c")
    # within its stream an earlier reading is raised to the entry before
    at(21, "raised", 2)
    assert parse(store.reader.stream("counter/a")[1].entry).at == "2026-03-02T07:00:30.000000Z"


def test_a_batch_settles_each_save_alone(store: OpenedStore, bench: Bench) -> None:
    """While one commit is in flight, six saves wait; they become one batch."""
    outcomes: dict[str, object] = {}
    waiting = [
        save("a", 1),
        save("a", 1),
        Save("a", b"other digest", save("x", 1).drafts),
        save("b", 3),
        save("c", 1, stream="counter/c"),
        save("d", 2),
    ]

    def submit(name: str, each: Save) -> None:
        try:
            outcomes[name] = store.sequencer.submit(each)
        except LedgerError as refused:
            outcomes[name] = type(refused)

    threads = [
        threading.Thread(target=submit, args=(f"{n}{each.command}", each))
        for n, each in enumerate(waiting)
    ]

    def hold() -> None:
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(store.sequencer._queue._waiting) < number:
                pass

    store.sequencer.alone(hold)
    for thread in threads:
        thread.join()
    assert outcomes == {
        "0a": Recorded(1, 1),
        "1a": Recorded(1, 1, repeated=True),
        "2a": CommandReused,
        "3b": StreamMoved,
        "4c": Recorded(2, 1),
        "5d": Recorded(3, 1),
    }
    assert store.sequencer.submit(save("e", 3)) == Recorded(4, 1)


def held(store: OpenedStore, works: list[Callable[[], object]]) -> list[object]:
    """Run calls of other threads that all arrive while one piece of work is in progress."""
    outcomes: list[object] = [None] * len(works)

    def call(number: int) -> None:
        try:
            outcomes[number] = works[number]()
        except Exception as refused:
            outcomes[number] = type(refused)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(works))]

    def hold() -> None:
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(store.sequencer._queue._waiting) < number:
                pass

    store.sequencer.alone(hold)
    for thread in threads:
        thread.join()
    return outcomes


def test_batches_are_bounded_and_padding_goes_alone(
    store: OpenedStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.queue.MOST_ENTRIES", 2)
    submit = store.sequencer.submit
    outcomes = held(
        store,
        [
            lambda: submit(save("a", 1)),
            lambda: submit(save("b", 2)),
            lambda: submit(save("c", 3)),
            lambda: store.sequencer.fill(16, 0).size,
            lambda: submit(save("d", 4)),
        ],
    )
    assert outcomes == [Recorded(1, 1), Recorded(2, 1), Recorded(3, 1), 16, Recorded(16, 1)]
    rows = store.reader.stream("log")
    assert [row.kind for row in rows] == ["LogCreated", *["LogPadded"] * 12]


def test_padding_reaches_a_multiple_beyond_the_size_before(store: OpenedStore) -> None:
    assert store.sequencer.fill(16, 0).size == 16
    assert store.sequencer.fill(16, 15).size == 16
    grown = store.sequencer.fill(16, 16)
    assert (grown.size, grown.edge) == (32, store.sequencer.levels.grow(()).edge)


def test_work_between_batches_gives_its_result_or_its_error(store: OpenedStore) -> None:
    assert store.sequencer.alone(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        store.sequencer.alone(lambda: 1 // 0)


def test_an_interrupted_leader_leaves_nobody_believing(
    store: OpenedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sequencer, "_attempt", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.sequencer.submit(save("a", 1))
    monkeypatch.undo()
    with pytest.raises(OutcomeUnknown):
        SaveSlot(save("a", 1)).outcome()
    assert store.sequencer.submit(save("b", 1)) == Recorded(1, 1)


def test_known_streams_are_forgotten_when_they_are_many(store: OpenedStore) -> None:
    store.sequencer.submit(save("a", 1))
    store.sequencer._tips = dict.fromkeys(map(str, range(MOST_TIPS + 1)), Tip(9, "", ""))
    assert store.sequencer.submit(save("b", 2)) == Recorded(2, 1)


def test_a_clock_that_fails_refuses_the_save_and_nothing_else(
    store: OpenedStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distrusted(Exception):
        pass

    def distrust() -> None:
        raise Distrusted

    monkeypatch.setattr(bench.clock, "now", distrust)
    with pytest.raises(Distrusted):
        store.sequencer.submit(save("a", 1))
    monkeypatch.undo()
    assert store.sequencer.submit(save("a", 1)) == Recorded(1, 1)


def test_chance_that_fails_leaves_no_open_transaction(
    store: OpenedStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(count: int) -> bytes:
        raise RuntimeError

    monkeypatch.setattr(bench.rng, "bytes", exhausted)
    with pytest.raises(RuntimeError):
        store.sequencer.submit(save("a", 1))
    monkeypatch.undo()
    assert not bench.halts
    assert store.sequencer.submit(save("a", 1)) == Recorded(1, 1)


def test_who_was_refused_before_a_failure_keeps_its_refusal(
    store: OpenedStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(count: int) -> bytes:
        raise RuntimeError

    submit = store.sequencer.submit
    submit(save("a", 1))
    monkeypatch.setattr(bench.rng, "bytes", exhausted)
    reused = Save("a", b"other", save("x", 2).drafts)
    outcomes = held(store, [lambda: submit(reused), lambda: submit(save("b", 2))])
    assert outcomes == [CommandReused, RuntimeError]


def test_another_writer_is_noticed_and_caught_up_with(store: OpenedStore, bench: Bench) -> None:
    """Only the lock forbids it on SQLite; where it happened, its entries are taken over."""
    store.sequencer.submit(save("mine", 1))
    judge = bench.ports()
    other = Sequencer(store.writer, store.sequencer.levels, judge.clock, judge.rng, store.fail_stop)
    from ledger.recovery import load_levels

    other.levels = load_levels(store.writer)
    assert other.submit(save("theirs", 2)) == Recorded(2, 1)
    with pytest.raises(StreamMoved):
        store.sequencer.submit(save("late", 2))
    assert store.sequencer.submit(save("after", 3)) == Recorded(3, 1)


def test_a_store_that_went_back_stops_everything(store: OpenedStore, bench: Bench) -> None:
    store.sequencer.submit(save("a", 1))
    raw = bench.raw()
    raw.execute("UPDATE head SET size = 1")
    with pytest.raises(LedgerHalted, match="went back from size 2 to 1"):
        store.sequencer.submit(save("b", 2))
    assert len(bench.halts) == 1
    raw.execute("UPDATE head SET size = 2")
    raw.close()


@ON_SQLITE
def test_a_head_that_moves_during_a_batch_stops_everything(
    store: OpenedStore, bench: Bench
) -> None:
    raw = bench.raw()
    raw.execute(
        "CREATE TRIGGER sabotage AFTER INSERT ON commands BEGIN UPDATE head SET size = 9; END"
    )
    with pytest.raises(LedgerHalted, match="left size 1 during a batch"):
        store.sequencer.submit(save("a", 1))
    store.writer.connection.execute("ROLLBACK")
    raw.execute("DROP TRIGGER sabotage")
    raw.close()


# -- the fault table ---------------------------------------------------------------------------

WRITES = ("BEGIN IMMEDIATE", "INSERT INTO events", "INSERT INTO commands", "UPDATE head", "COMMIT")
READS = ("SELECT head", "SELECT commands", "SELECT e.stream")


@ON_SQLITE
@pytest.mark.parametrize("carried_out", [False, True], ids=["not stored", "stored"])
@pytest.mark.parametrize("code", [IOERR, CORRUPT, NOTADB, BUSY, FULL])
@pytest.mark.parametrize("statement", [*WRITES, *READS, "INSERT INTO tiles"])
def test_no_fault_makes_an_answer_lie(
    bench: Bench, statement: str, code: int, carried_out: bool
) -> None:
    """Each statement of a batch fails once, with its effect or without it.

    Afterwards, in a new process: either the log holds the save and its command, or neither; and
    repeating the command gives the position that the log holds.
    """
    with OpenedStore(bench.folder, bench.ports()) as opened:
        opened.sequencer.submit(save("before", *range(1, 254)))
        opened.sequencer._tips.clear()
        bench.faults.append((statement, carried_out, code))
        with pytest.raises(LedgerError) as failed:
            opened.sequencer.submit(save("doubtful", 254, 255, 256))
        committing = statement == "COMMIT"
        if code == FULL:
            wanted = OutcomeUnknown if committing and carried_out else StorageFull
            assert type(failed.value) is wanted
            assert not bench.halts
            # it resumes without repair, and the repeated command finds out what happened
            again = opened.sequencer.submit(save("doubtful", 254, 255, 256))
            assert again == Recorded(254, 3, repeated=committing and carried_out)
        else:
            assert type(failed.value) is (OutcomeUnknown if committing else LedgerHalted)
            assert len(bench.halts) == 1
            with pytest.raises(LedgerHalted):
                opened.sequencer.submit(save("after", 257))
            with pytest.raises(LedgerHalted):
                opened.reader.read(-1, 10)
    assert not bench.faults
    with OpenedStore(bench.folder, bench.ports()) as opened:
        held_already = opened.sequencer.levels.size > 254
        assert held_already == (code == FULL or (statement == "COMMIT" and carried_out))
        again = opened.sequencer.submit(save("doubtful", 254, 255, 256))
        assert again == Recorded(254, 3, repeated=held_already)
    assert check_ledger(bench) == 257


@ON_SQLITE
def test_a_failing_rollback_after_a_full_disk_stops_everything(
    store: OpenedStore, bench: Bench
) -> None:
    bench.faults += [("INSERT INTO events", False, FULL), ("ROLLBACK", False, IOERR)]
    with pytest.raises(LedgerHalted):
        store.sequencer.submit(save("a", 1))
    assert len(bench.halts) == 1
    store.writer.connection.execute("ROLLBACK")


@ON_SQLITE
def test_an_error_that_is_not_the_stores_is_passed_on(bench: Bench) -> None:
    from ledger.sqlite import Judge

    judge = Judge(FailStop(bench.halts.append))
    with pytest.raises(KeyError), judge("anything"):
        raise KeyError("mine")
    assert not bench.halts


def test_the_halt_port_is_called_once(bench: Bench) -> None:
    stop = FailStop(bench.halts.append)
    stop.check()
    assert str(stop.trip("first")) == str(stop.trip("second"))
    assert len(bench.halts) == 1
    stop.close()
    assert isinstance(stop.trip("third"), LedgerClosed)
    with pytest.raises(LedgerClosed):
        stop.check()


@pytest.mark.parametrize(
    ("rule", "draft"),
    [
        ("stream", Draft("Counter/a", 1, "Counted", state())),
        ("stream", Draft("counter/a\n", 1, "Counted", state())),
        ("kind", Draft("counter/a", 1, "counted", state())),
        ("kind", Draft("counter/a", 1, "LogPadded", state())),
        ("kind", Draft("log", 1, "Counted", state())),
        ("version", Draft("counter/a", 0, "Counted", state())),
        ("space", Draft("counter/a", 1, "Counted", b'{"at":1, "data":{},"v":1}')),
        ("fields", Draft("counter/a", 1, "Counted", b'{"at":1,"data":{}}')),
        ("at", Draft("counter/a", 1, "Counted", b'{"at":1,"data":{},"v":1}')),
        ("data", Draft("counter/a", 1, "Counted", state().replace(b'{"n":1}', b"1"))),
        ("v", Draft("counter/a", 1, "Counted", state().replace(b'"v":1', b'"v":0'))),
        ("size", Draft("counter/a", 1, "Counted", state(text="a" * 65_400))),
    ],
)
def test_what_could_not_become_an_entry_never_queues(rule: str, draft: Draft) -> None:
    with pytest.raises(EntryRefused) as refused:
        check_draft(draft)
    assert refused.value.code == rule


def test_the_largest_entry_is_exactly_the_limit() -> None:
    spare = 65_535 - len(
        b'{"at":"","data":{"text":""},"kind":"Counted","prev":"","salt":"","stream":"counter/a",'
        b'"v":1,"version":1}'
    )
    text = "a" * (spare - 27 - 64 - 32)
    check_draft(Draft("counter/a", 1, "Counted", state(text=text)))
    with pytest.raises(EntryRefused, match="65536"):
        check_draft(Draft("counter/a", 1, "Counted", state(text=text + "a")))


@pytest.mark.parametrize(
    ("rule", "at", "v"),
    [("at", "2026-02-30T00:00:00.000000Z", 1), ("v", instant_text(START), 65_536)],
)
def test_states_are_checked_when_they_are_written(rule: str, at: str, v: int) -> None:
    with pytest.raises(EntryRefused) as refused:
        checked_state(at, {}, v)
    assert refused.value.code == rule


def test_states_outside_the_profile_are_refused_with_their_rule() -> None:
    with pytest.raises(EntryRefused) as refused:
        checked_state(instant_text(START), {"n": 1.5}, 1)  # type: ignore[dict-item]
    assert refused.value.code == "number"


# -- what the database itself refuses ----------------------------------------------------------


@ON_SQLITE
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET kind = 'Other'",
        "DELETE FROM events",
        "UPDATE tiles SET hashes = zeroblob(8192)",
        "DELETE FROM tiles",
        "UPDATE checkpoints SET note = x''",
        "DELETE FROM checkpoints",
        "UPDATE cosignatures SET line = ''",
        "DELETE FROM cosignatures",
    ],
)
def test_what_is_recorded_cannot_be_changed(store: OpenedStore, bench: Bench, sql: str) -> None:
    store.sequencer.submit(save("a", *range(1, 260)))
    store.writer.publish(16, b"note", {"w": "line"})
    raw = bench.raw()
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="append-only"):
        raw.execute(sql)
    raw.execute("ROLLBACK")
    raw.close()
    with pytest.raises(Exception, match="append-only"):
        store.writer.connection.execute(
            "INSERT OR REPLACE INTO events SELECT position, stream, version, 'Other', leaf, entry"
            " FROM events WHERE position = 1"
        )
    # the fixture checks the whole ledger; these two rows are no checkpoint of it
    raw = bench.raw()
    raw.execute("DROP TRIGGER checkpoints_no_delete")
    raw.execute("DELETE FROM checkpoints")
    raw.close()


def test_a_fork_cannot_be_stored(store: OpenedStore, bench: Bench) -> None:
    store.sequencer.submit(save("a", 1))
    row: Row = store.reader.row(1)
    raw = bench.raw()
    places = ", ".join(["?" if bench.database is None else "%s"] * 6)
    for position in (1, 2):
        with pytest.raises(Exception, match=r"UNIQUE|unique"):
            raw.execute(f"INSERT INTO events VALUES ({places})", (position, *row[1:]))  # noqa: S608
    raw.close()


@ON_SQLITE
def test_publishing_on_a_full_disk_leaves_nothing_open(store: OpenedStore, bench: Bench) -> None:
    bench.faults.append(("INSERT INTO checkpoints", False, FULL))
    with pytest.raises(StorageFull):
        store.writer.publish(16, b"note", {})
    assert not store.writer.connection.in_transaction


def test_a_store_that_cannot_be_set_up_is_closed_again(tmp_path: Path) -> None:
    opened: list[Closing] = []

    class Closing(FaultyConnection):
        closed = False

        def close(self) -> None:
            self.closed = True
            super().close()

    def faulty(path: str) -> Closing:
        opened.append(Closing(connect(path), [("PRAGMA synchronous", False, IOERR)]))
        return opened[0]

    with pytest.raises(LedgerHalted):
        SqliteDatabase(tmp_path / "x.db", faulty).writer(FailStop(lambda _: None))
    assert [one.closed for one in opened] == [True]


def test_the_faulty_disk_is_a_faithful_control(tmp_path: Path) -> None:
    faults = [("INSERT", True, IOERR), ("INSERT", False, IOERR)]
    faulty = FaultyConnection(connect(str(tmp_path / "x.db")), faults)
    faulty.execute("CREATE TABLE t(a)").fetchall()
    for _ in range(2):
        with pytest.raises(DiskError):
            faulty.execute("INSERT INTO t VALUES (1)")
    assert faulty.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    faulty.close()
