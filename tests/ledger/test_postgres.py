"""What only PostgreSQL brings: several writers, lost lines, a server that must be safe."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from doubles.counter import Counter
from doubles.ledger import START, Bench, check_ledger
from doubles.postgres import CutDatabase, server

from crypto.policies import Policy
from ledger import postgres, tables
from ledger.application import Ledger
from ledger.entry import Draft, checked_state, instant_text
from ledger.errors import (
    BatchGivenUp,
    EngineUnsafe,
    LedgerAbsent,
    LedgerClosed,
    LedgerError,
    LedgerHalted,
    OutcomeUnknown,
    StorageFull,
    StoreUnreachable,
    StreamMoved,
)
from ledger.fail_stop import FailStop
from ledger.opened_store import OpenedStore
from ledger.other_writers import OtherWriters
from ledger.postgres import PostgresDatabase, check_engine
from ledger.postgres_session import Statement
from ledger.queue import Recorded, Save
from ledger.readers import reader_of

pytestmark = pytest.mark.postgres
DIGEST = b"d" * 32


@pytest.fixture
def database() -> CutDatabase:
    return CutDatabase(server().url, server().database().schema)


@pytest.fixture
def bench(tmp_path: Path, database: CutDatabase) -> Bench:
    return Bench(tmp_path, database=database).create()


@pytest.fixture
def store(bench: Bench) -> Iterator[OpenedStore]:
    with OpenedStore(bench.folder, bench.ports()) as opened:
        yield opened
    check_ledger(bench)


def save(command: str, count: int = 1, first: int = 1, stream: str = "counter/a") -> Save:
    state = checked_state(instant_text(START), {"n": 1}, 1)
    versions = range(first, first + count)
    return Save(command, DIGEST, [Draft(stream, version, "Counted", state) for version in versions])


def beside(bench: Bench, folder: Path) -> Bench:
    """Another process's ledger on the same log: same key, same mark, a home of its own."""
    folder.mkdir()
    other = Bench(folder, database=PostgresDatabase(server().url, bench.database.schema))
    other.high_water, other.clock, other.signer = bench.high_water, bench.clock, bench.signer
    return other


@pytest.mark.parametrize("count", [1, 7, 8, 600])
def test_small_and_large_batches_store_the_same(store: OpenedStore, count: int) -> None:
    assert store.sequencer.submit(save("a", count)) == Recorded(1, count)
    rows = store.reader.read(0, 1000)
    assert [row.version for row in rows] == list(range(1, count + 1))
    assert store.sequencer.submit(save("a", count)) == Recorded(1, count, repeated=True)


def test_two_writers_share_one_history(store: OpenedStore, bench: Bench, tmp_path: Path) -> None:
    other = beside(bench, tmp_path / "other")
    with OpenedStore(other.folder, other.ports()) as second:
        assert store.sequencer.submit(save("a")) == Recorded(1, 1)
        assert second.sequencer.submit(save("b", first=2)) == Recorded(2, 1)
        with pytest.raises(StreamMoved):
            store.sequencer.submit(save("c", first=2))
        assert store.sequencer.submit(save("b", first=2)) == Recorded(2, 1, repeated=True)
        assert second.sequencer.catch_up_with(3) == 3
        assert store.sequencer.levels.root(3) == second.sequencer.levels.root(3)
        filled = second.sequencer.fill(16, 0)
        assert (filled.size, store.sequencer.refresh()) == (16, 16)
        assert store.sequencer.fill(16, 0).size == 16


def test_two_ledgers_follow_sign_and_publish_one_log(bench: Bench, tmp_path: Path) -> None:
    first, other = bench.open(), beside(bench, tmp_path / "other")
    second = other.open()
    first._store.sequencer.submit(save("a", 5))
    assert second.wait_beyond(5, 30) == 6, "announced, or polled"
    assert second.publish() == first.published()
    assert first.publish() == second.published()
    position = second.head() - 1
    policy = Policy.parse(bench.policy)
    sizes = {policy.verify(each.covering(position)).checkpoint.size for each in (first, second)}
    assert min(sizes) > position, "each process signs, or takes what the other has signed"
    first.close()
    second.close()
    assert not bench.halts
    assert not other.halts
    check_ledger(bench)


def test_tasks_are_recorded_together_and_their_loop_is_free(bench: Bench) -> None:
    ledger = bench.open()
    sequencer = ledger._store.sequencer

    async def many() -> list[Recorded]:
        saves = [save(f"t{n}", stream=f"counter/{n}") for n in range(200)]
        return await asyncio.gather(*(sequencer.submit_async(each) for each in saves))

    places = [each.first for each in asyncio.run(many())]
    assert sorted(places) == list(range(1, 201))

    async def refused() -> None:
        with pytest.raises(StreamMoved):
            await sequencer.submit_async(save("gap", first=9))
        cancelled = asyncio.ensure_future(sequencer.submit_async(save("gone", stream="counter/x")))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        # what a cancelled task had sent may stand: its command tells
        await sequencer.submit_async(save("after", stream="counter/y"))

    asyncio.run(refused())
    ledger.close()
    with pytest.raises(LedgerClosed):
        asyncio.run(sequencer.submit_async(save("late", stream="counter/z")))
    check_ledger(bench)


def trap(bench: Bench, table: str, state: str, *, times: int = 1, deferred: bool = False) -> None:
    """Let the server itself fail the next insert into a table, or its COMMIT, so many times."""
    raw = bench.raw()
    act = (
        "PERFORM pg_terminate_backend(pg_backend_pid())"
        if state == "killed"
        else f"RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'"
    )
    raw.execute("CREATE SEQUENCE planted")
    raw.execute(
        "CREATE FUNCTION plant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('planted') <= {times} THEN {act}; END IF; RETURN NULL; END $$"
    )
    kind = "CONSTRAINT TRIGGER" if deferred else "TRIGGER"
    when = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    raw.execute(
        f"CREATE {kind} planted AFTER INSERT ON {table} {when}"
        " FOR EACH ROW EXECUTE FUNCTION plant()"
    )
    raw.close()


@pytest.mark.parametrize("table", ["commands", "events"])
@pytest.mark.parametrize("state", ["40001", "40P01", "killed"])
def test_a_batch_that_was_given_up_or_lost_before_its_commit_runs_once_more(
    store: OpenedStore, bench: Bench, table: str, state: str
) -> None:
    trap(bench, table, state)
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)
    assert not bench.halts


@pytest.mark.parametrize(
    ("state", "error"), [("40001", BatchGivenUp), ("killed", StoreUnreachable)]
)
def test_what_fails_twice_is_told_and_nothing_was_recorded(
    store: OpenedStore, bench: Bench, state: str, error: type[LedgerError]
) -> None:
    trap(bench, "commands", state, times=2)
    with pytest.raises(error):
        store.sequencer.submit(save("a"))
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)


def test_a_full_disk_of_the_server_refuses_the_batch_and_is_survived(
    store: OpenedStore, bench: Bench
) -> None:
    trap(bench, "events", "53100")
    with pytest.raises(StorageFull):
        store.sequencer.submit(save("a"))
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)


def test_a_commit_that_is_given_up_is_run_again(store: OpenedStore, bench: Bench) -> None:
    trap(bench, "events", "40001", deferred=True)
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)


def test_a_line_lost_in_the_commit_leaves_an_unknown_outcome(
    store: OpenedStore, bench: Bench
) -> None:
    """Failed, and not stored: the caller repeats its command."""
    trap(bench, "events", "killed", deferred=True)
    with pytest.raises(OutcomeUnknown):
        store.sequencer.submit(save("a"))
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)


def test_a_line_lost_after_the_commit_leaves_an_unknown_outcome_too(
    store: OpenedStore, database: CutDatabase
) -> None:
    """Failed, but stored: the repeated command gets its first answer."""
    database.cut_after.append("COMMIT")
    with pytest.raises(OutcomeUnknown):
        store.sequencer.submit(save("a"))
    assert store.sequencer.submit(save("a")) == Recorded(1, 1, repeated=True)
    assert store.sequencer.submit(save("b", first=2)) == Recorded(2, 1)


@pytest.mark.parametrize("statement", ["SELECT key", "BEGIN ISOLATION LEVEL READ COMMITTED"])
def test_a_line_lost_before_anything_was_written(
    store: OpenedStore, database: CutDatabase, statement: str
) -> None:
    database.cut_after.append(statement)
    assert store.sequencer.submit(save("a")) == Recorded(1, 1)


def test_any_other_error_of_the_server_stops_the_ledger(tmp_path: Path, bench: Bench) -> None:
    with OpenedStore(bench.folder, bench.ports()) as store:
        trap(bench, "events", "XX001")
        with pytest.raises(LedgerHalted, match="append: planted"):
            store.sequencer.submit(save("a"))
        assert len(bench.halts) == 1


def test_a_head_that_moves_under_its_lock_stops_the_ledger(bench: Bench) -> None:
    raw = bench.raw()
    raw.execute(
        "CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$"
    )
    raw.execute(
        "CREATE TRIGGER sabotage BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION sabotage()"
    )
    raw.close()
    store = OpenedStore(bench.folder, bench.ports())
    with pytest.raises(LedgerHalted, match="left size 1"):
        store.sequencer.submit(save("a"))
    store.close()


def test_a_server_that_is_away_is_waited_for(bench: Bench, database: CutDatabase) -> None:
    ledger = bench.open()
    database.away = True
    database.cut_after += ["SELECT key", "SELECT"]
    with pytest.raises(StoreUnreachable):
        ledger._store.sequencer.submit(save("a"))
    with pytest.raises(StoreUnreachable), database.turn("sign"):
        pass
    database.away = False
    assert ledger._store.sequencer.submit(save("a")) == Recorded(1, 1)
    assert ledger.covering(1)
    ledger.close()
    assert not bench.halts
    check_ledger(bench)


def test_a_checkpoint_waits_until_the_server_is_back(bench: Bench, database: CutDatabase) -> None:
    ledger = bench.open(pause=0.01)
    ledger.covering(0)
    database.away = True
    database.cut_after.append("SELECT pg_advisory_lock")
    ledger._store.sequencer.submit(save("a"))
    with pytest.raises(StoreUnreachable):
        ledger._checkpointer.sign_head()
    covered: list[bytes] = []
    waiting = threading.Thread(target=lambda: covered.append(ledger.covering(1)))
    waiting.start()
    database.away = False
    waiting.join()
    assert covered
    ledger.close()


def test_a_line_lost_while_it_is_signed_stops_nothing(bench: Bench, database: CutDatabase) -> None:
    ledger = bench.open(pause=0.01)
    ledger.covering(0)
    database.cut_after += ["SELECT events.position"]
    ledger._store.sequencer.submit(save("a"))
    assert ledger.covering(1)
    assert not database.cut_after
    ledger.close()
    assert not bench.halts


def test_who_listens_hears_a_batch_polls_and_connects_again(database: CutDatabase) -> None:
    writer = database.writer(FailStop(lambda _: None))
    waiting = database.waiting(writer)
    waiting.wait(30)  # connects, and lets its caller look at once
    begun = time.monotonic()
    tell = Statement(b"tell", "SELECT pg_notify($1, '')")
    writer.run("tell", tell, database.channel.encode())
    waiting.wait(0.2)
    assert time.monotonic() - begun >= 0.2, "what its own writer announces it knows already"
    writer.close()
    raw = server().connect()
    raw.execute("SELECT pg_notify(%s, '')", (database.channel,))
    waiting.wait(30)
    raw.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s",
        (f'LISTEN "{database.channel}"%',),
    )
    raw.close()
    with pytest.raises(StoreUnreachable):
        waiting.wait(30)
    waiting.wait(30)
    waiting.close()
    waiting.close()


class Told:
    """A sequencer, or a wait, that answers as planned, one answer a call."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.done = threading.Event()

    def refresh(self) -> None:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else None
        if not self.answers:
            self.done.set()
        if answer is not None:
            raise answer

    def wait(self, seconds: float) -> None:
        return

    def close(self) -> None:
        self.answers = []


def test_who_follows_goes_on_after_a_lost_line_and_ends_with_the_ledger() -> None:
    sequencer: Any = Told(None, StoreUnreachable("planted"), LedgerClosed())
    others = OtherWriters(Told(), sequencer)
    assert sequencer.done.wait(30)
    others.close()
    assert sequencer.calls == 3


def test_a_stopped_ledger_stops_listening(bench: Bench) -> None:
    ledger = bench.open()
    ledger._store.fail_stop.trip("planted")
    assert ledger._others is not None
    ledger._others._thread.join(30)
    assert not ledger._others._thread.is_alive()
    ledger.close()


def test_an_empty_schema_holds_no_log(tmp_path: Path) -> None:
    bench = Bench(tmp_path, database=server().database())
    with pytest.raises(LedgerAbsent, match="PostgreSQL schema"):
        bench.open()
    assert bench.database is not None
    with pytest.raises(LedgerAbsent):
        postgres.existing(bench.database, FailStop(lambda _: None))
    bench.create()
    postgres.existing(bench.database, FailStop(lambda _: None))
    reader = reader_of(bench.database)
    assert reader.size() == 1
    reader.close()


UNSAFE = [("fsync", "off"), ("full_page_writes", "off"), ("data_sync_retry", "on")]


class Setting:
    """A session that says what it is told to say about one setting."""

    def __init__(self, setting: str, value: str) -> None:
        self.answers = {**postgres.SAFE, "synchronous_commit": "on", setting: value}

    def execute(self, text: str) -> Any:
        self.found = [(self.answers[text.removeprefix("SHOW ")],)]
        return self

    def fetchall(self) -> list[tuple[str]]:
        return self.found


@pytest.mark.parametrize(("setting", "value"), [*UNSAFE, ("synchronous_commit", "off")])
def test_a_server_that_may_lose_a_commit_is_refused(setting: str, value: str) -> None:
    with pytest.raises(EngineUnsafe, match=f"{setting}={value}"):
        check_engine(Setting(setting, value))  # type: ignore[arg-type]


def test_synchronous_commit_off_is_refused_on_the_real_server(tmp_path: Path) -> None:
    database = server().database()
    lax = PostgresDatabase(f"{server().url}&options=-c%20synchronous_commit%3Doff", database.schema)
    with pytest.raises(EngineUnsafe):
        lax.writer(FailStop(lambda _: None))
    session = database.connect()
    assert postgres.checksums(session) in {True, False}
    session.close()


def test_an_address_that_nobody_answers_is_told_without_it() -> None:
    nowhere = PostgresDatabase("postgresql://secret:word@127.0.0.1:1/none", "pli")
    with pytest.raises(StoreUnreachable) as refused:
        nowhere.reader(FailStop(lambda _: None))
    assert "word" not in str(refused.value)
    assert "word" not in nowhere.name


@pytest.mark.parametrize("table", tables.APPEND_ONLY)
def test_what_is_recorded_cannot_be_changed_even_by_its_owner(bench: Bench, table: str) -> None:
    ledger = bench.open()
    ledger._store.sequencer.submit(save("a", 300))
    ledger.publish()
    raw = bench.raw()
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608
        with pytest.raises(psycopg.Error, match="append-only"):
            raw.execute(statement)
    raw.close()
    ledger.close()


def test_a_role_that_only_writes_may_append_and_no_more(bench: Bench) -> None:
    raw = bench.raw()
    assert bench.database is not None
    role = f"writer_{bench.database.schema}"
    raw.execute(f"CREATE ROLE {role}")
    raw.execute(f'GRANT USAGE ON SCHEMA "{bench.database.schema}" TO {role}')
    for statement in tables.postgres_grants(role):
        raw.execute(statement)
    raw.execute(f"SET ROLE {role}")
    raw.execute("INSERT INTO checkpoints VALUES (16, 'x')")
    raw.execute("UPDATE head SET size = size")
    for statement in (
        "UPDATE events SET kind = 'Other'",
        "DELETE FROM checkpoints",
        "TRUNCATE events",
        "DROP TRIGGER events_no_change ON events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw.execute(statement)
    raw.close()


def test_ledgers_of_two_schemas_do_not_meet(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    neighbour = Bench(tmp_path / "b", database=server().database()).create()
    ledger: Ledger = neighbour.open()
    ledger._store.sequencer.submit(save("a"))
    reader = bench.reader()
    assert (reader.size(), ledger.head()) == (1, 2)
    reader.close()
    ledger.close()


def test_aggregates_are_saved_from_a_task(bench: Bench) -> None:
    ledger = bench.open()
    counter = Counter("a", meta={}, timestamp=START)
    saved = asyncio.run(ledger.save_async("c1", DIGEST, [counter]))
    assert saved == Recorded(1, 1)
    assert ledger.row(1).stream == "counter/a"
    ledger.close()
