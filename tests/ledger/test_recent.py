"""What is held in memory is never an answer: the store is asked for what may have come after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.recent import RecentAggregates


@dataclass
class Tally:
    """An aggregate of values that never change."""

    version: int = 0
    numbers: tuple[int, ...] = ()

    def copied(self) -> Tally:
        return Tally(self.version, self.numbers)


@dataclass(frozen=True)
class Told:
    number: int

    def mutate(self, tally: Tally | None) -> Tally:
        found = tally or Tally()
        found.version += 1
        found.numbers = (*found.numbers, self.number)
        return found


class Streams:
    """Streams in memory; every event that is read is counted."""

    def __init__(self) -> None:
        self.stored: dict[str, list[Told]] = {}
        self.read = 0

    def tell(self, stream: str, *numbers: int) -> None:
        self.stored.setdefault(stream, []).extend(map(Told, numbers))

    def get(self, stream: str, *, gt: int | None = None) -> Iterator[Any]:
        for event in self.stored.get(stream, [])[gt or 0 :]:
            self.read += 1
            yield event


@pytest.fixture
def streams() -> Streams:
    return Streams()


def numbers(recent: RecentAggregates, stream: str) -> tuple[int, ...]:
    found = recent.find(stream)
    assert isinstance(found, Tally)
    return found.numbers


def test_only_what_came_since_is_read_and_folded(streams: Streams) -> None:
    recent = RecentAggregates(streams)
    assert recent.find("a") is None
    streams.tell("a", 1, 2)
    assert numbers(recent, "a") == numbers(recent, "a") == (1, 2)
    streams.tell("a", 3)
    assert numbers(recent, "a") == (1, 2, 3)
    assert streams.read == 3


def test_what_a_command_made_of_its_copy_is_seen_by_nobody(streams: Streams) -> None:
    recent = RecentAggregates(streams)
    streams.tell("a", 1)
    for _ in range(3):
        found = recent.find("a")
        assert found == Tally(1, (1,))
        Told(9).mutate(found)  # type: ignore[arg-type]


def test_an_older_fold_never_takes_the_place_of_a_newer(streams: Streams) -> None:
    recent = RecentAggregates(streams)
    streams.tell("a", 1, 2)
    recent.find("a")
    recent._keep("a", Tally(1, (1,)), 0)
    assert numbers(recent, "a") == (1, 2)
    assert streams.read == 2


def test_the_one_that_nobody_asked_for_the_longest_goes_first(streams: Streams) -> None:
    recent = RecentAggregates(streams, most=2)
    for name in "abc":
        streams.tell(name, 1)
    for name in "abaca":
        recent.find(name)
    assert list(recent._held) == ["c", "a"]


def test_an_aggregate_that_cannot_be_copied_is_folded_each_time(streams: Streams) -> None:
    class Whole:
        def __init__(self) -> None:
            self.version = 1

    class Made(Told):
        def mutate(self, tally: object) -> Any:
            return Whole()

    streams.stored["a"] = [Made(1)]
    recent = RecentAggregates(streams)
    assert recent.find("a") is not recent.find("a")
    assert streams.read == 2
    assert not recent._held


# -- where nobody else writes


class Committed(Streams):
    """Streams that move by commits which say so; ``meanwhile`` runs in the middle of a read."""

    def __init__(self) -> None:
        super().__init__()
        self.recent = RecentAggregates(self, alone=True)
        self.asked = 0
        self.meanwhile: list[Any] = []

    def get(self, stream: str, *, gt: int | None = None) -> Iterator[Any]:
        self.asked += 1
        found = list(super().get(stream, gt=gt))
        for work in self.meanwhile[:]:
            self.meanwhile.remove(work)
            work()
        yield from found

    def commit(self, stream: str, *numbers: int) -> None:
        self.recent.moving({stream})
        self.tell(stream, *numbers)
        self.recent.moved({stream})


def test_a_stream_that_nobody_moved_is_not_asked_for_again() -> None:
    log = Committed()
    log.commit("a", 1)
    for _ in range(3):
        assert numbers(log.recent, "a") == (1,)
    assert log.asked == 1
    log.commit("b", 7)
    assert (numbers(log.recent, "a"), log.asked) == ((1,), 1)
    log.commit("a", 2)
    assert (numbers(log.recent, "a"), log.asked) == ((1, 2), 2)
    assert (numbers(log.recent, "a"), log.asked) == ((1, 2), 2)


def test_while_a_commit_is_under_way_the_store_is_asked() -> None:
    log = Committed()
    log.commit("a", 1)
    numbers(log.recent, "a")
    log.recent.moving({"a"})
    assert numbers(log.recent, "a") == (1,)
    log.tell("a", 2)  # it can be seen before whoever commits says that it is over
    assert numbers(log.recent, "a") == (1, 2)
    log.recent.moved({"a"})
    asked = log.asked
    assert (numbers(log.recent, "a"), log.asked) == ((1, 2), asked + 1)
    assert (numbers(log.recent, "a"), log.asked) == ((1, 2), asked + 1)


def test_what_was_read_before_a_commit_is_not_still_after_it() -> None:
    log = Committed()
    log.commit("a", 1)
    log.meanwhile.append(lambda: log.commit("a", 2))
    assert numbers(log.recent, "a") == (1,), "read before it"
    assert numbers(log.recent, "a") == (1, 2)


def test_what_another_thread_read_later_makes_nothing_older_still() -> None:
    log = Committed()
    log.commit("a", 1, 2)
    numbers(log.recent, "a")
    log.recent._keep("a", Tally(1, (1,)), log.recent._commits)
    assert numbers(log.recent, "a") == (1, 2)
    one = RecentAggregates(log, most=1, alone=True)
    log.recent = one
    for name in ("a", "b", "a"):
        log.commit(name, 5)
        one.find(name)
    assert one._still == {"a"} == set(one._held), "what is no longer held is not still"


def test_whoever_is_not_alone_asks_each_time() -> None:
    log = Committed()
    log.recent = RecentAggregates(log)
    log.commit("a", 1)
    assert numbers(log.recent, "a") == numbers(log.recent, "a") == (1,)
    assert log.asked == 2
