"""The elected sequencer: the same answers, whoever leads, whatever is lost (ledger.md §4, C)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from doubles.ledger import START, Bench, check_ledger
from doubles.postgres import CutDatabase, OwnServer, server

from ledger.application import Ledger
from ledger.chains import GUARD
from ledger.entry import Draft, checked_state, instant_text
from ledger.errors import (
    CommandReused,
    EntryRefused,
    LedgerClosed,
    LedgerError,
    LedgerHalted,
    OutcomeUnknown,
    StorageFull,
    StoreUnreachable,
    StreamMoved,
    TimeRefused,
)
from ledger.fail_stop import FailStop
from ledger.inbox import InboxSequencer
from ledger.inbox_tables import Inbox, Line
from ledger.inbox_words import FACTS, answer_bytes, outcome_of, save_bytes, slot_of
from ledger.opened_store import OpenedStore
from ledger.ports import never_halt
from ledger.postgres import PostgresDatabase
from ledger.queue import Recorded, Save, Saves, SaveSlot

pytestmark = pytest.mark.postgres
DIGEST = b"d" * 32


def save(command: str, version: int = 1, stream: str = "counter/a", **more: Any) -> Save:
    at = more.pop("at", START)
    state = checked_state(instant_text(at), {"n": 1}, 1)
    digest = more.pop("digest", DIGEST)
    return Save(command, digest, [Draft(stream, version, "Counted", state)], more)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    name = server().database().schema
    bench = Bench(tmp_path, database=PostgresDatabase(server().url, name, elected=True)).create()
    yield bench
    check_ledger(bench)


@pytest.fixture
def ledger(bench: Bench) -> Iterator[Ledger]:
    opened = bench.open()
    yield opened
    opened.close()


def elected(ledger: Ledger) -> InboxSequencer:
    assert ledger._inbox is not None
    return ledger._inbox


def told(saves: Saves, one: Save) -> object:
    """Return what comes of a save, a refusal as its class and facts."""
    try:
        return saves.submit(one)
    except LedgerError as refused:
        return type(refused), vars(refused)


def script() -> list[Save]:
    return [
        save("a"),
        save("a"),
        save("a", digest=b"e" * 32),
        save("b", 3),
        save("c", 2, **{"counter/a": 1}),
        save("d", 3, **{"counter/a": 1}),
        save("late", 3, at=START + 3 * GUARD),
        save("early", 1, "counter/b", at=START - 3 * GUARD),
        save("e", 3),
    ]


def test_the_answers_are_those_of_the_direct_sequencer(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "direct").mkdir()
    direct = Bench(tmp_path / "direct", database=server().database()).create()
    with OpenedStore(direct.folder, direct.ports()) as store:
        expected = [told(store.sequencer, each) for each in script()]
    assert [told(elected(ledger), each) for each in script()] == expected
    kinds = {each[0] for each in expected if isinstance(each, tuple)}
    assert kinds == {CommandReused, StreamMoved, TimeRefused}
    assert ledger.head() == 4, "who is answered knows the log that far"


def test_tasks_are_answered_and_one_may_go_away(ledger: Ledger) -> None:
    saves = elected(ledger)

    async def many() -> list[Recorded]:
        each = [saves.submit_async(save(f"t{n}", stream=f"counter/{n}")) for n in range(200)]
        return await asyncio.gather(*each)

    assert sorted(each.first for each in asyncio.run(many())) == list(range(1, 201))

    async def refused() -> None:
        with pytest.raises(StreamMoved):
            await saves.submit_async(save("gap", 9))
        gone = asyncio.ensure_future(saves.submit_async(save("gone", stream="counter/x")))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await saves.submit_async(save("after", stream="counter/y"))

    asyncio.run(refused())
    assert not saves._calls


def test_the_library_records_through_the_inbox_only_where_it_is_asked_for(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert ledger._recorder._sequencer is elected(ledger)
    (tmp_path / "fenced").mkdir()
    fenced = Bench(tmp_path / "fenced", database=server().database()).create().open()
    assert fenced._recorder._sequencer is fenced._store.sequencer
    fenced.close()


# -- who leads -----------------------------------------------------------------------------------


class Seat:
    """The lead, held by somebody who does nothing with it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.inbox = Inbox(database, None, database_judge())  # type: ignore[arg-type]
        while not self.inbox.elected():
            self.inbox.wait_for_saves(0.05)

    def rows(self) -> int:
        return int(self.inbox._leading.run("count", "SELECT count(*) FROM inbox")[0][0])

    def until_rows(self, count: int) -> None:
        while self.rows() < count:
            self.inbox.wait_for_saves(0.05)


def database_judge() -> Any:
    from ledger.postgres_session import PostgresJudge

    return PostgresJudge(FailStop(never_halt))


def store_of(bench: Bench, patience: float = 30) -> tuple[OpenedStore, InboxSequencer]:
    store = OpenedStore(bench.folder, bench.ports())
    inbox = store.database.inbox(store.writer, store.fail_stop)
    assert inbox is not None
    return store, InboxSequencer(inbox, store.sequencer, store.fail_stop, patience)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_what_waits_goes_on_waiting_until_somebody_leads(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    assert bench.database is not None
    seat = Seat(bench.database)
    store, saves = store_of(bench)
    saves.start()
    waiting = [pool.submit(saves.submit, save(f"s{n}", stream=f"c/{n}")) for n in range(5)]
    seat.until_rows(5)
    assert store.sequencer.refresh() == 1
    seat.inbox.close()
    assert sorted(each.result().first for each in waiting) == [1, 2, 3, 4, 5]
    saves.close()
    store.close()


def test_two_leaders_at_once_record_each_save_once(
    bench: Bench, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    assert bench.database is not None
    seat = Seat(bench.database)
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other", database=bench.database)
    both = [store_of(bench), store_of(other)]
    for _, saves in both:
        saves.start()
    ended = threading.Event()

    def lead(saves: InboxSequencer) -> None:
        while not ended.is_set():
            saves.drain()

    leading = [pool.submit(lead, saves) for _, saves in both]

    def client(name: int) -> list[int]:
        saves = both[name % 2][1]
        return [saves.submit(save(f"{name}/{n}", n, f"c/{name}")).first for n in range(1, 31)]

    clients = [pool.submit(client, name) for name in range(4)]
    places = sorted(place for each in clients for place in each.result())
    ended.set()
    for each in leading:
        each.result()
    assert places == list(range(1, 121))
    assert store_sizes(both) == {121}
    seat.inbox.close()
    for store, saves in both:
        saves.close()
        store.close()


def store_sizes(stores: list[tuple[OpenedStore, InboxSequencer]]) -> set[int]:
    return {store.sequencer.refresh() for store, _ in stores}


def terminate(bench: Bench, query: str) -> int:
    """Let the server end every session whose last statement begins so; return how many."""
    raw = bench.raw()
    ended = raw.execute(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
        " WHERE query LIKE %s AND pid <> pg_backend_pid()",
        (f"{query}%",),
    ).fetchall()
    raw.close()
    return len(ended)


@pytest.mark.parametrize("line", ["SELECT EXISTS", "SELECT pg_notify", "DELETE FROM results"])
def test_a_lost_line_is_opened_again(ledger: Ledger, bench: Bench, line: str) -> None:
    saves = elected(ledger)
    saves._patience = 0.5
    assert saves.submit(save("a")).first == 1
    assert terminate(bench, line) == 1
    assert saves.submit(save("b", 2)).first == 2
    assert not bench.halts


def test_a_line_lost_before_it_was_prepared_is_not_kept() -> None:
    database = CutDatabase(server().url, server().database().schema)
    database.cut_after.append("LISTEN")
    line = Line(database, database_judge(), "LISTEN planted")
    with pytest.raises(StoreUnreachable):
        line.wait(0)
    assert line.run("look", "SELECT 1") == [(1,)]
    line.close()


# -- what fails ----------------------------------------------------------------------------------


def plant(bench: Bench, table: str, state: str, times: int = 1, when: str = "AFTER") -> None:
    """Let the server itself fail the next inserts into a table."""
    raw = bench.raw()
    raw.execute("CREATE SEQUENCE planted")
    raw.execute(
        "CREATE FUNCTION plant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('planted') <= {times} THEN"
        f" RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END IF; RETURN NULL; END $$"
    )
    raw.execute(
        f"CREATE TRIGGER planted {when} INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION plant()"
    )
    raw.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_batch_that_was_given_up_is_taken_again(ledger: Ledger, bench: Bench, state: str) -> None:
    plant(bench, "events", state)
    assert elected(ledger).submit(save("a")).first == 1
    assert not bench.halts


def test_a_full_disk_is_told_to_whoever_waits(ledger: Ledger, bench: Bench) -> None:
    plant(bench, "events", "53100")
    with pytest.raises(StorageFull):
        elected(ledger).submit(save("a"))
    assert elected(ledger).submit(save("a")) == Recorded(1, 1)


def test_a_full_disk_that_takes_no_answer_either_is_waited_for(
    ledger: Ledger, bench: Bench
) -> None:
    plant(bench, "results", "53100", times=2)
    assert elected(ledger).submit(save("a")) == Recorded(1, 1)


def test_a_disk_too_full_for_the_inbox_refuses_at_once(ledger: Ledger, bench: Bench) -> None:
    plant(bench, "inbox", "53100")
    with pytest.raises(StorageFull):
        elected(ledger).submit(save("a"))
    assert elected(ledger).submit(save("a")) == Recorded(1, 1)


def test_a_save_put_before_is_unknown_where_it_cannot_be_put_again(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    assert bench.database is not None
    seat = Seat(bench.database)
    store, saves = store_of(bench, patience=0.3)
    saves.start()
    waiting = pool.submit(saves.submit, save("a"))
    seat.until_rows(1)
    plant(bench, "inbox", "53100", times=100)
    with pytest.raises(OutcomeUnknown):
        waiting.result()
    seat.inbox.close()
    saves.close()
    store.close()


def test_nobody_leads_and_the_caller_gives_up(bench: Bench, pool: ThreadPoolExecutor) -> None:
    assert bench.database is not None
    seat = Seat(bench.database)
    store, saves = store_of(bench, patience=0.02)
    saves.start()
    with pytest.raises(OutcomeUnknown):
        saves.submit(save("a"))
    with pytest.raises(OutcomeUnknown):
        asyncio.run(saves.submit_async(save("b", stream="counter/b")))
    seat.inbox.close()
    saves._patience = 30
    assert saves.submit(save("a")) == Recorded(1, 1, repeated=True), "what was put still waits"
    saves.close()
    store.close()


def test_who_waits_when_the_process_closes_does_not_know(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    assert bench.database is not None
    seat = Seat(bench.database)
    store, saves = store_of(bench)
    saves.start()
    waiting = pool.submit(saves.submit, save("a"))
    seat.until_rows(1)
    saves.close()
    with pytest.raises(OutcomeUnknown):
        waiting.result()
    with pytest.raises(LedgerClosed):
        saves.submit(save("b"))
    seat.inbox.close()
    store.close()


@pytest.mark.parametrize("table", ["events", "inbox", "results"])
def test_any_other_error_of_the_server_stops_the_ledger(bench: Bench, table: str) -> None:
    ledger = bench.open()
    plant(bench, table, "XX001")
    with pytest.raises((LedgerHalted, OutcomeUnknown)):
        elected(ledger).submit(save("a"))
    with pytest.raises(LedgerHalted):
        elected(ledger).submit(save("a"))
    assert len(bench.halts) == 1
    for each in elected(ledger)._threads:
        each.join(30)
        assert not each.is_alive()
    ledger.close()


@pytest.mark.parametrize("thread", ["_hear", "_lead"])
def test_each_thread_ends_with_a_ledger_that_has_stopped(bench: Bench, thread: str) -> None:
    store, saves = store_of(bench)
    store.fail_stop.trip("planted")
    getattr(saves, thread)()
    with pytest.raises(LedgerHalted):
        saves.submit(save("a"))
    saves._inbox.close()
    store.close()


def test_a_broken_row_is_refused_and_blocks_nobody(ledger: Ledger, bench: Bench) -> None:
    raw = bench.raw()
    raw.execute("INSERT INTO inbox (source, key, body) VALUES ('x', 'x/1', 'no save')")
    raw.close()
    assert elected(ledger).submit(save("a")) == Recorded(1, 1)
    raw = bench.raw()
    answers = raw.execute("SELECT body FROM results WHERE source = 'x'").fetchall()
    raw.close()
    refused = outcome_of(answers[0][0])
    assert isinstance(refused, EntryRefused)
    assert refused.code == "inbox"


def test_answers_to_the_dead_are_forgotten_at_the_next_election(bench: Bench) -> None:
    ledger = bench.open()
    elected(ledger).submit(save("a"))
    raw = bench.raw()
    raw.execute("INSERT INTO results VALUES ('dead/1', 'dead', '')")
    ledger.close()
    ledger = bench.open()
    elected(ledger).submit(save("b", 2))
    assert raw.execute("SELECT count(*) FROM results").fetchall() == [(0,)]
    raw.close()
    ledger.close()


def test_an_answer_asked_for_twice_is_dropped(ledger: Ledger, bench: Bench) -> None:
    raw = bench.raw()
    source = elected(ledger)._inbox.source
    raw.execute("INSERT INTO results VALUES (%s, %s, '')", (f"{source}/0", source))
    raw.close()
    assert elected(ledger).submit(save("a")) == Recorded(1, 1)


# -- the words -----------------------------------------------------------------------------------

MADE: dict[type[LedgerError], LedgerError] = {
    CommandReused: CommandReused("a"),
    EntryRefused: EntryRefused("size", "too long"),
    StorageFull: StorageFull(),
    StreamMoved: StreamMoved("counter/a", 3, 4),
    TimeRefused: TimeRefused("2026", "2027"),
}


@pytest.mark.parametrize("kind", FACTS)
def test_a_refusal_travels_with_its_facts(kind: type[LedgerError]) -> None:
    slot = SaveSlot(save("a"))
    slot.fail(MADE[kind])
    back = outcome_of(answer_bytes(slot))
    assert type(back) is kind
    assert (vars(back), str(back)) == (vars(MADE[kind]), str(MADE[kind]))


def test_a_save_travels_whole_and_what_cannot_is_refused_to_its_caller() -> None:
    one = save("a « é »", **{"counter/b": 7})
    assert slot_of(save_bytes(one)).save == one
    with pytest.raises(EntryRefused):
        save_bytes(save("a\x00b"))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"drafts":[[1]],"expect":[]}', b"[]"])
def test_what_is_no_save_is_refused(body: bytes) -> None:
    with pytest.raises(EntryRefused):
        slot_of(body).outcome()


# -- the whole server ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    started = OwnServer().create()
    started.start()
    yield started
    started.close()


def repeated(saves: Saves, one: Save) -> Recorded:
    """Save as a client does that is told an unknown outcome: with the same command, until known."""
    while True:
        with suppress(OutcomeUnknown):
            return saves.submit(one)


def test_a_crash_of_the_server_empties_the_inbox_and_loses_nothing(
    tmp_path: Path, own: OwnServer, pool: ThreadPoolExecutor
) -> None:
    database = PostgresDatabase(own.url, "log", elected=True)
    bench = Bench(tmp_path, database=database).create()
    ledger = bench.open()
    saves = elected(ledger)
    assert saves.submit(save("before")) == Recorded(1, 1)
    saves._patience = 1
    ended = threading.Event()

    def client(name: int) -> list[str]:
        acknowledged = []
        for number in range(1, 1_000_000):
            if ended.is_set():
                break
            one = save(f"{name}/{number}", number, f"c/{name}")
            assert repeated(saves, one).count == 1
            acknowledged.append(one.command)
        return acknowledged

    clients = [pool.submit(client, name) for name in range(4)]
    ledger.wait_beyond(20, 60)
    own.kill()
    size = ledger.head()
    own.start()
    assert ledger.wait_beyond(size + 20, 60) > size + 20
    ended.set()
    known = {command for each in clients for command in each.result()}
    raw = bench.raw()
    kept = {key for (key,) in raw.execute("SELECT key FROM commands").fetchall()}
    raw.close()
    assert known <= kept
    assert len(known) >= 20
    ledger.close()
    assert not bench.halts
    check_ledger(bench)


def test_rows_of_a_crashed_server_are_put_again(
    tmp_path: Path, own: OwnServer, pool: ThreadPoolExecutor
) -> None:
    database = PostgresDatabase(own.url, "other", elected=True)
    bench = Bench(tmp_path, database=database).create()
    store, saves = store_of(bench, patience=1)
    seat = Seat(database)
    saves.start()
    waiting: Future[Recorded] = pool.submit(repeated, saves, save("a"))
    seat.until_rows(1)
    lost = (save_bytes(save("lost", stream="counter/lost")),)
    raw = bench.raw()
    raw.execute("INSERT INTO inbox (source, key, body) VALUES ('x', 'x/1', %s)", lost)
    raw.close()
    own.kill()
    own.start()
    assert waiting.result().first == 1
    assert store.sequencer.refresh() == 2, "what nobody put again is gone"
    seat.inbox.close()
    saves.close()
    store.close()
    check_ledger(bench)
