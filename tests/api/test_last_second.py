"""T1: a deposit is received when its last byte is durable, however long it waits for its turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.bench import Bench

from api.adapters.uploads import Part
from api.arrivals import Arrivals
from api.facts import Fact, facts
from domain.clock import LONGEST_WAIT, ClockSource, Reading
from domain.consultation import Consultation
from domain.errors import ClockDistrusted

NAME = "lille-1"
SECOND = timedelta(seconds=1)
PATIENCE_S = 30


@contextmanager
def waiting(bench: Bench, early: timedelta) -> Iterator[dict[str, str]]:
    """Hold the turn while a deposit becomes durable so long before D; yield what is known of it."""
    envelope = bench.seal(bench.publish())
    consultation = bench.platform.desk.files.find(Consultation, f"consultation/{NAME}")
    assert consultation is not None
    bench.clock.at = consultation.deadline - early
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    told: dict[str, str] = {"deposit": envelope.made.deposit, "transmission": name}
    durable = threading.Event()
    put = bench.platform.vault.put

    def kept(data: bytes) -> str:
        found = put(data)
        durable.set()
        return found

    def send() -> None:
        told["status"] = str(bench.chunk(name, envelope, 0).status_code)

    sender = threading.Thread(target=send)
    arrivals = bench.platform.arrivals
    noted = threading.Event()
    note = arrivals.note

    def noting(*facts: Any) -> None:
        note(*facts)
        noted.set()

    arrivals.note = noting  # type: ignore[method-assign]
    bench.platform.vault.put = kept  # type: ignore[method-assign]
    with bench.platform.desk.turns.hold(NAME):
        sender.start()
        assert durable.wait(PATIENCE_S)
        assert noted.wait(PATIENCE_S)
        yield told
    sender.join(PATIENCE_S)
    assert not sender.is_alive()


def received(bench: Bench, deposit: str) -> Fact:
    return facts(bench.platform.ledger, f"deposit/{deposit}")[0]


def rows(bench: Bench) -> list[dict[str, Any]]:
    told = facts(bench.platform.ledger, f"consultation/{NAME}")
    return [row for fact in told if fact.kind == "RegisterListed" for row in fact.data["deposits"]]


@pytest.mark.parametrize(
    ("early", "kind", "closes"),
    [
        (SECOND, "DepositSealed", False),
        (timedelta(0), "DepositSealed", True),
        (-timedelta(milliseconds=1), "LateDepositRecorded", True),
    ],
    ids=["before D its turn comes", "at D the hour comes first", "after D"],
)
def test_a_deposit_that_was_durable_before_the_hour_is_on_time(
    bench: Bench, early: timedelta, kind: str, closes: bool
) -> None:
    with waiting(bench, early) as told:
        bench.clock.forward(early + 2 * SECOND)
        if closes:
            bench.scheduler._deadlines()
    event = received(bench, told["deposit"])
    assert event.kind == kind
    durable = bench.clock.at - early - 2 * SECOND + bench.clock.width / 2
    assert datetime.fromisoformat(event.data["received_at"]) == durable
    assert told["status"] in {"200", "201"}
    bench.tick()
    assert [(row["deposit"], row["on_time"]) for row in rows(bench)] == [
        (told["deposit"], kind == "DepositSealed")
    ]
    assert not bench.platform.arrivals._sessions


def test_what_waited_longer_than_an_entry_may_lie_behind_counts_as_of_now(bench: Bench) -> None:
    with waiting(bench, SECOND) as told:
        bench.clock.forward(SECOND + LONGEST_WAIT + SECOND)
    assert received(bench, told["deposit"]).kind == "LateDepositRecorded"


# --- the memory of arrivals


def at(seconds: int) -> Reading:
    instant = datetime(2026, 12, 1, 12, tzinfo=UTC) + seconds * SECOND
    return Reading(ClockSource.HOST, instant, instant)


def part(index: int) -> Part:
    return Part(index, "leaf", "blob", 1)


def test_the_last_chunk_that_became_durable_says_when_the_whole_was_received() -> None:
    arrivals = Arrivals()
    arrivals.note("t", part(1), lambda: at(1))
    arrivals.note("t", part(2), lambda: at(2))
    arrivals.note("t", part(1), lambda: at(9))  # sent again while it waits: it was here already
    assert arrivals.received("t") is None
    assert [one.index for one in arrivals.waiting("t")] == [1, 2]
    arrivals.taken("t", 2)
    arrivals.taken("t", 1)
    assert (arrivals.received("t"), arrivals.waiting("t")) == (at(2), [])
    arrivals.leave("t", 1)
    assert arrivals.received("t") == at(2)
    arrivals.forget("t")
    assert arrivals.received("t") is None


def test_a_clock_that_is_distrusted_notes_nothing_and_what_fails_leaves_nothing() -> None:
    def broken() -> Reading:
        raise ClockDistrusted("it jumped")

    arrivals = Arrivals()
    arrivals.note("t", part(1), broken)
    arrivals.taken("t", 1)
    arrivals.leave("t", 1)
    assert arrivals.waiting("t") == []
    arrivals.note("t", part(1), lambda: at(1))
    arrivals.leave("t", 1)
    assert not arrivals._sessions
