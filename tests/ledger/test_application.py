"""The object which the upper layers hold: find, known, save, read, receipts, views."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.counter import Colour, Counter, Weight
from doubles.ledger import START, Bench, check_ledger
from doubles.postgres import ON_SQLITE

from crypto import merkle
from crypto.log_errors import QuorumNotMet
from crypto.notes import parse_checkpoint, parse_note
from crypto.policies import Policy
from ledger.application import Ledger, LedgerApplication
from ledger.entry import parse
from ledger.errors import (
    CommandMissing,
    CommandReused,
    EntryRefused,
    FeatureRefused,
    LedgerClosed,
    LedgerHalted,
    NoSuchEntry,
    NothingToSave,
    NotPublished,
    StreamMoved,
)
from ledger.exported import prove_inclusion
from ledger.factory import LedgerFactory
from ledger.postgres import PostgresDatabase
from ledger.proofs import TlogProof

DIGEST = hashlib.sha256(b"the command").digest()
META = {"tenant": "roubaix", "clock": {"latest": "2026-03-02T07:00:00.000000Z"}}


@pytest.fixture
def bench(tmp_path: Path, database: PostgresDatabase | None) -> Bench:
    return Bench(tmp_path, witnesses=3, database=database).create()


@pytest.fixture
def ledger(bench: Bench) -> Iterator[Ledger]:
    opened = bench.open()
    yield opened
    opened.close()
    assert not bench.halts
    check_ledger(bench)


def opened_counter(name: str = "a") -> Counter:
    return Counter(name=name, timestamp=START, meta=META)


def test_an_aggregate_comes_back_as_it_was(ledger: Ledger) -> None:
    counter = opened_counter()
    weights = [Weight(5), Weight(7, date(2026, 3, 2), Colour.RED)]
    counter.count(amount=3, weights=weights, timestamp=START + timedelta(seconds=1), note="é")
    counter.count(amount=4, weights=[], timestamp=START + timedelta(seconds=2))
    recorded = ledger.save("c1", DIGEST, [counter])
    assert (recorded.first, recorded.count, recorded.repeated) == (1, 3, False)
    found = ledger.find(Counter, "counter/a")
    assert found is not None
    assert found == counter
    assert (found.version, found.total, found.notes) == (3, 7, ["é", None])
    entry = parse(ledger.row(2).entry)
    assert (entry.kind, entry.v, entry.at) == ("CounterCounted", 2, "2026-03-02T07:00:01.000000Z")
    assert entry.data == {
        "amount": 3,
        "note": "é",
        "weights": [
            {"colour": "RED", "grams": 5},
            {"colour": "RED", "grams": 7, "on": "2026-03-02"},
        ],
    }
    # an absent value has no key
    assert "note" not in parse(ledger.row(3).entry).data


def test_what_is_not_there_is_none_and_another_kind_is_refused(ledger: Ledger) -> None:
    assert ledger.find(Counter, "counter/b") is None
    ledger.save("c1", DIGEST, [opened_counter()])

    class Other:
        pass

    with pytest.raises(NoSuchEntry, match="Other"):
        ledger.find(Other, "counter/a")


def test_a_command_is_known_by_its_digest(ledger: Ledger) -> None:
    assert ledger.known("c1", DIGEST) is None
    first = ledger.save("c1", DIGEST, [opened_counter()])
    again = ledger.known("c1", DIGEST)
    assert again is not None
    assert (again.first, again.count, again.repeated) == (first.first, first.count, True)
    assert ledger.save("c1", DIGEST, [opened_counter("z")]) == again
    with pytest.raises(CommandReused):
        ledger.known("c1", b"other")


def test_several_aggregates_are_one_save(ledger: Ledger) -> None:
    ledger.save("c1", DIGEST, [opened_counter("a"), opened_counter("b")])
    one, two = (ledger.find(Counter, f"counter/{name}") for name in "ab")
    assert one is not None
    assert two is not None
    one.count(amount=1, weights=[], timestamp=START)
    two.count(amount=1, weights=[], timestamp=START)
    with pytest.raises(StreamMoved):
        ledger.save("c2", DIGEST, [one, two], {"counter/a": 1, "counter/c": 1})
    assert ledger.head() == 3


@pytest.mark.parametrize("command", ["", "x" * 201])
def test_every_save_has_a_key(ledger: Ledger, command: str) -> None:
    with pytest.raises(CommandMissing):
        ledger.save(command, DIGEST, [opened_counter()])


def test_a_save_brings_events_and_none_of_the_ledgers_own(ledger: Ledger) -> None:
    with pytest.raises(NothingToSave):
        ledger.save("c1", DIGEST, [])

    opened = Counter.Opened("log", 1, START, "Counter", "a", {})

    class Impostor:
        def collect_events(self) -> list[Counter.Opened]:
            return [opened]

    with pytest.raises(EntryRefused, match="own"):
        ledger.save("c2", DIGEST, [Impostor()])


def test_rows_come_in_order_with_the_ledgers_own(ledger: Ledger) -> None:
    ledger.save("c1", DIGEST, [opened_counter("a"), opened_counter("b")])
    assert [row.stream for row in ledger.read(-1, 10)] == ["log", "counter/a", "counter/b"]
    assert [row.position for row in ledger.read(0, 1)] == [1]
    assert ledger.stream("counter/b", until=1) == []
    assert [row.version for row in ledger.stream("counter/b", until=2)] == [1]
    with pytest.raises(NoSuchEntry):
        ledger.row(3)


def test_a_first_receipt_verifies_under_the_log_key_alone(ledger: Ledger, bench: Bench) -> None:
    ledger.save("c1", DIGEST, [opened_counter()])
    proof = TlogProof.parse(ledger.receipt(1))
    proven = proof.verify(Policy.parse(ledger.policies["policy-log.txt"]))
    assert proven.entry == ledger.row(1).entry
    with pytest.raises(QuorumNotMet):
        proof.verify(Policy.parse(ledger.policies["policy.txt"]))
    with pytest.raises(NotPublished):
        ledger.receipt(1, published=True)
    with pytest.raises(NotPublished):
        ledger.files()
    assert ledger.published_covering(1) is None
    ledger.publish()
    published = TlogProof.parse(ledger.receipt(1, published=True))
    proven = published.verify(Policy.parse(ledger.policies["policy.txt"]))
    assert proven.checkpoint.size == 16
    assert len(proven.cosignatures) == 3
    with pytest.raises(NoSuchEntry):
        ledger.receipt(99)


def test_public_sizes_hide_activity(ledger: Ledger) -> None:
    sizes = []
    for number in range(3):
        if number:
            ledger.save(f"c{number}", DIGEST, [opened_counter(f"n{number}")])
        sizes.append(parse_checkpoint(parse_note(ledger.publish()).text).size)
    assert sizes == [16, 32, 48]
    assert ledger.publish() == ledger.published()


def test_a_closing_head_reaches_the_quorum_or_says_so(ledger: Ledger, bench: Bench) -> None:
    bench.witnesses[0].down = True
    assert Policy.parse(bench.policy).verify(ledger.publish(closing=True)).cosignatures.keys() == {
        "w2",
        "w3",
    }
    bench.witnesses[1].down = True
    with pytest.raises(QuorumNotMet):
        ledger.publish(closing=True)
    bench.witnesses[0].down = bench.witnesses[1].down = False
    # witnesses that missed two of them tell their size, and are given the proof from there
    assert len(Policy.parse(bench.policy).verify(ledger.publish(closing=True)).cosignatures) == 3


def test_a_witness_with_another_history_is_passed_over(ledger: Ledger, bench: Bench) -> None:
    ledger.publish()
    bench.witnesses[2].stored = bench.witnesses[2].stored.replace(b"\n16\n", b"\n99\n")  # type: ignore[union-attr]
    note = ledger.publish()
    assert note.count(b"witness.example") == 2
    assert "size 99" in ledger._publisher.silent["witness.example/w3"]


def test_nothing_beyond_the_published_size_is_served(ledger: Ledger, bench: Bench) -> None:
    ledger.save("c1", DIGEST, [opened_counter()])
    ledger.publish()
    ledger.save("c2", DIGEST, [opened_counter("b")])
    files = ledger.files()
    assert files.size == 16
    for path in (
        "tile/0/000.p/17",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "x",
        "tile/9",
    ):
        assert files.read(path) is None, path
    assert len(files.read("tile/0/000.p/16") or b"") == 16 * 32
    assert files.read("checkpoint") == ledger.published()
    assert prove_inclusion(files, Policy.parse(bench.policy), 1).entry == ledger.row(1).entry


def test_a_view_gives_whole_streams_under_one_checkpoint(ledger: Ledger) -> None:
    ledger.save("c1", DIGEST, [opened_counter("a"), opened_counter("b")])
    pinned = parse_checkpoint(parse_note(ledger.covering(2)).text)
    counter = ledger.find(Counter, "counter/a")
    assert counter is not None
    counter.count(amount=1, weights=[], timestamp=START)
    ledger.save("c2", DIGEST, [counter])
    view = ledger.view(["counter/a", "counter/b"], pinned.size)
    checkpoint = parse_checkpoint(parse_note(str(view["checkpoint"]).encode()).text)
    consistency = [bytes.fromhex(each) for each in view["consistency"]]  # type: ignore[union-attr]
    merkle.check_consistency(
        pinned.size, checkpoint.size, pinned.root, checkpoint.root, consistency
    )
    assert ledger.consistency(pinned.size, checkpoint.size) == view["consistency"]
    for stream in view["streams"]:  # type: ignore[union-attr]
        entries = [base64.b64decode(each) for each in stream["entries"]]
        merkle.check_inclusion(
            merkle.leaf_hash(entries[-1]),
            stream["position"],
            checkpoint.size,
            [bytes.fromhex(each) for each in stream["inclusion"]],
            checkpoint.root,
        )
    with pytest.raises(NoSuchEntry):
        ledger.view(["counter/none"], 0)
    assert ledger.view([], 0)["streams"] == []


def test_one_who_waits_is_woken_by_the_next_save(ledger: Ledger) -> None:
    assert ledger.wait_beyond(1, 0.0) == 1
    saved = threading.Thread(target=ledger.save, args=("c1", DIGEST, [opened_counter()]))
    saved.start()
    assert ledger.wait_beyond(1, 60.0) == 2
    saved.join()


def test_a_closed_ledger_answers_nothing(bench: Bench) -> None:
    ledger = bench.open()
    ledger.close()
    ledger.close()
    for call in (
        ledger.head,
        ledger.published,
        lambda: ledger.save("c", DIGEST, [opened_counter()]),
    ):
        with pytest.raises(LedgerClosed):
            call()
    assert not bench.halts


def test_the_log_continues_after_a_restart(bench: Bench) -> None:
    ledger = bench.open()
    ledger.save("c1", DIGEST, [opened_counter()])
    ledger.publish()
    ledger.close()
    ledger = bench.open()
    counter = ledger.find(Counter, "counter/a")
    assert counter is not None
    counter.count(amount=1, weights=[], timestamp=START)
    assert ledger.save("c2", DIGEST, [counter]).first == 16
    assert (ledger.origin, ledger.genesis.pad, ledger.genesis.clock) == (
        bench.signer.name,
        16,
        "simulated",
    )
    ledger.publish()
    ledger.close()
    assert check_ledger(bench) == 32


def test_without_a_policy_the_log_alone_is_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path).create()
    ledger = Ledger(
        tmp_path,
        clock=bench.clock,
        rng=bench.rng,
        signer=bench.signer,
        high_water=bench.high_water,
    )
    assert ledger.policies["policy.txt"] == ledger.policies["policy-log.txt"]
    ledger.publish(closing=True)
    ledger.close()


# -- the library -------------------------------------------------------------------------------


def test_the_librarys_own_save_takes_our_keywords(ledger: Ledger) -> None:
    recordings = ledger.application.save(opened_counter(), command="c1", digest=DIGEST)
    assert [each.notification.id for each in recordings] == [1]
    assert ledger.application.save(opened_counter("b"), command="c1", digest=DIGEST) != []
    counters = (opened_counter("c"), opened_counter("d"))
    # a repeated command with another number of events: the first answer stands, nothing is paired
    assert ledger.application.save(*counters, command="c1", digest=DIGEST) == []
    assert ledger.head() == 2
    section = ledger.application.notification_log.select(start=1, limit=10)
    assert [each.topic for each in section] == ["CounterOpened"]


def test_the_librarys_save_takes_what_it_always_took(ledger: Ledger) -> None:
    counter = opened_counter()
    (event,) = counter.collect_events()
    recordings = ledger.application.save(None, event, command="c1", digest=DIGEST)
    assert [each.domain_event for each in recordings] == [event]


def test_followers_are_woken_by_each_save_and_never_see_the_ledgers_own(ledger: Ledger) -> None:
    recorder = ledger.application.recorder
    ledger.save("c1", DIGEST, [opened_counter("a")])
    with recorder.subscribe(gt=0, topics=["CounterOpened"]) as following:
        assert next(following).originator_id == "counter/a"
        ledger.publish()
        ledger.save("c2", DIGEST, [opened_counter("b")])
        seen = next(following)
        assert (seen.originator_id, seen.id) == ("counter/b", 16)
    assert recorder.max_notification_id() == 16


def test_a_new_log_has_no_notification(ledger: Ledger) -> None:
    recorder = ledger.application.recorder
    assert recorder.max_notification_id() is None
    assert recorder.select_notifications(start=None, limit=10) == []


def test_notifications_are_read_in_many_reads(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.recorder._AT_ONCE", 2)
    ledger.save("c1", DIGEST, [opened_counter(name) for name in "abcde"])
    recorder = ledger.application.recorder
    found = recorder.select_notifications(start=1, limit=3, inclusive_of_start=False)
    assert [each.id for each in found] == [2, 3, 4]
    assert [each.id for each in recorder.select_notifications(None, 9, stop=4)] == [1, 2, 3, 4]


def test_a_tracking_record_is_refused(ledger: Ledger) -> None:
    recorder = ledger.application.recorder
    with pytest.raises(FeatureRefused, match="tracking"):
        recorder.insert_events([], command="c", tracking=object())


@pytest.mark.parametrize(
    "setting",
    ["CIPHER_TOPIC", "CIPHER_KEY", "COMPRESSOR_TOPIC", "MAPPER_TOPIC", "TRANSCODER_TOPIC"],
)
def test_what_would_change_the_bytes_is_refused(
    ledger: Ledger, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "zlib")
    with pytest.raises(FeatureRefused):
        LedgerApplication(ledger._recorder)


def test_what_the_ledger_does_not_offer_is_refused(ledger: Ledger) -> None:
    factory = ledger.application.factory
    assert isinstance(factory, LedgerFactory)
    for ask in (
        factory.aggregate_recorder,
        factory.tracking_recorder,
        factory.process_recorder,
        lambda: factory.mapper(mapper_class=type(ledger.application.mapper)),
        LedgerFactory(env=factory.env).application_recorder,
    ):
        with pytest.raises(FeatureRefused):
            ask()


def test_another_factory_is_refused(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        LedgerApplication, "construct_env", lambda *_: ledger.application.env.__class__("x", {})
    )
    with pytest.raises(FeatureRefused, match="Factory"):
        LedgerApplication(ledger._recorder)


@ON_SQLITE
def test_a_process_that_has_not_imported_the_events_cannot_read_them(bench: Bench) -> None:
    ledger = bench.open()
    ledger.save("c1", DIGEST, [opened_counter()])
    ledger.close()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from eventsourcing.persistence import StoredEvent\n"
        "from eventsourcing.utils import TopicError\n"
        "from ledger.mapper import CanonicalTranscoder, LedgerMapper\n"
        "from ledger.readers import open_reader\n"
        "from ledger.sqlite import connect\n"
        "row = open_reader(Path(sys.argv[1]), connect).row(1)\n"
        "try:\n"
        "    LedgerMapper(CanonicalTranscoder()).to_domain_event(\n"
        "        StoredEvent(row.stream, row.version, row.kind, row.entry))\n"
        "except TopicError:\n"
        "    print('TopicError')\n"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", program, str(bench.folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert ran.stdout.strip() == "TopicError"


def test_whoever_follows_the_log_is_told_whether_it_has_grown(
    ledger: Ledger, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = bench.reader()
    ledger.save("c1", DIGEST, [opened_counter()])
    assert (ledger.grown_beyond(0), reader.grown_beyond(0)) == (True, True)
    monkeypatch.setattr(ledger, "_alone", True)
    assert (ledger.grown_beyond(1), reader.grown_beyond(1)) == (False, False)
    monkeypatch.setattr(ledger, "_alone", False)
    assert ledger.grown_beyond(1), "where others write, the store has to be asked"
    reader.close()


@ON_SQLITE
def test_what_this_process_has_moved_is_found_moved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only writer does not ask the store again for what none of its commits has moved."""
    monkeypatch.setattr(Counter, "copied", copy.deepcopy, raising=False)
    ledger = bench.open()
    ledger.save("c1", DIGEST, [opened_counter()])
    asked: list[str] = []
    select = ledger.application.recorder.select_events

    def counted(originator_id: str, **bounds: Any) -> Any:
        asked.append(originator_id)
        return select(originator_id, **bounds)

    monkeypatch.setattr(ledger.application.recorder, "select_events", counted)
    for _ in range(3):
        found = ledger.find(Counter, "counter/a")
        assert found is not None
        assert found.version == 1
    assert asked == ["counter/a"]
    found.count(amount=2, weights=[], timestamp=START + timedelta(seconds=1))
    ledger.save("c2", DIGEST, [found])
    again = ledger.find(Counter, "counter/a")
    assert again is not None
    assert again.version == 2
    assert asked == ["counter/a"] * 2
    ledger._store.fail_stop.trip("planted")
    with pytest.raises(LedgerHalted):  # what is held in memory is no answer after a failure (N2)
        ledger.find(Counter, "counter/a")
    ledger.close()


def test_a_reader_beside_the_server_sees_what_is_durable(ledger: Ledger, bench: Bench) -> None:
    reader = bench.reader()
    ledger.save("c1", DIGEST, [opened_counter()])
    assert reader.size() == 2
    assert reader.row(1).stream == "counter/a"
    with (
        pytest.raises(Exception, match=r"readonly|query_only|read-only"),
        reader.snapshot() as reads,
    ):
        reads.connection.execute("DELETE FROM commands")
    reader.close()


def test_a_log_in_a_file_needs_no_driver_of_another_database() -> None:
    program = "import sys; sys.modules['psycopg'] = None; import ledger.application"
    subprocess.run([sys.executable, "-c", program], check=True)
