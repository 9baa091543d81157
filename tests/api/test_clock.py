"""A reading is what most clocks agree on; it never goes back, and a jump is never believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.moved_clock import World

from api.adapters.clock import HostClock, HostSource, boot_us, kernel_bound_us, wall_us
from domain.clock import ClockSource, Reading
from domain.errors import ClockDistrusted

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
EXACT = (0, 0, 0, SECOND)


class Hands:
    def __init__(self) -> None:
        self.wall = 1_800_000_000_000_000
        self.boot = 5_000_000

    def tick(self, us: int) -> None:
        self.wall += us
        self.boot += us


def clock(hands: Hands, kernel: int | None = None, bound_ms: int = 250) -> HostClock:
    return HostClock(
        bound_ms, wall=lambda: hands.wall, boot=lambda: hands.boot, kernel=lambda: kernel
    )


def holds(reading: Reading, world: World) -> bool:
    true = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=world.true_us)
    return reading.earliest <= true <= reading.latest


def said(capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in capsys.readouterr().err.splitlines())


# -- the host alone ------------------------------------------------------------------------------


def test_the_bound_is_the_setting_unless_the_kernel_is_synchronised() -> None:
    free = clock(Hands()).now()
    assert (free.latest - free.earliest).total_seconds() == 0.5
    bound = clock(Hands(), kernel=4_000).now()
    assert (bound.latest - bound.earliest).total_seconds() == 0.008
    assert free.source == ClockSource.HOST


@pytest.mark.parametrize("jump_s", [-86_400, -3, 3, 86_400])
def test_a_jump_freezes_every_decision(jump_s: int) -> None:
    hands = Hands()
    watched = clock(hands)
    watched.now()
    hands.tick(10_000_000)
    hands.wall += jump_s * 1_000_000
    with pytest.raises(ClockDistrusted):
        watched.now()
    hands.wall -= jump_s * 1_000_000
    with pytest.raises(ClockDistrusted):
        watched.now()


def test_a_small_step_back_never_shows() -> None:
    hands = Hands()
    watched = clock(hands)
    first = watched.now()
    hands.tick(100_000)
    hands.wall -= 1_000_000
    second = watched.now()
    assert second.earliest >= first.earliest


def test_a_pause_between_the_two_clocks_widens_the_reading_and_is_no_jump() -> None:
    """The process was put to sleep for a minute after it read the wall, before the counter."""
    hands = Hands()
    boots = iter([5 * SECOND, 5 * SECOND, 6 * SECOND, 66 * SECOND, 67 * SECOND, 67 * SECOND])
    watched = HostClock(0, wall=lambda: hands.wall, boot=lambda: next(boots), kernel=lambda: None)
    watched.now()
    hands.wall += SECOND
    paused = watched.now()
    assert paused.latest - paused.earliest == timedelta(seconds=60)
    hands.wall += 61 * SECOND
    after = watched.now()
    assert paused.earliest < after.earliest <= after.latest


def test_the_real_counters_move() -> None:
    assert wall_us() > 1_700_000_000_000_000
    assert boot_us() <= boot_us()
    bound = kernel_bound_us()
    assert bound is None or bound >= 0


# -- several clocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(("outside", "quorum"), [(0, 1), (1, 2), (2, 2), (3, 3), (4, 3), (5, 4)])
def test_the_quorum_is_a_majority_of_what_is_configured(outside: int, quorum: int) -> None:
    world = World.at(NOON, exact_us=(0,) * outside)
    assert world.clock.quorum == quorum
    assert holds(world.clock.now(), world)
    for one in world.elsewhere[: 1 + outside - quorum]:
        one.silent = True
    world.restart()
    assert holds(world.clock.now(), world)
    for one in world.elsewhere[: 2 + outside - quorum]:
        one.silent = True
    world.restart()
    if outside:
        with pytest.raises(ClockDistrusted):
            world.clock.now()


@pytest.mark.parametrize("wrong_us", [-DAY, -3 * SECOND, 3 * SECOND, 400 * DAY])
def test_a_host_that_jumps_is_outvoted_once_the_others_are_asked_again(wrong_us: int) -> None:
    world = World.at(NOON, bound_us=1_000, exact_us=EXACT)
    before = world.clock.now()
    world.pass_us(SECOND)
    world.wrong_us = wrong_us
    with pytest.raises(ClockDistrusted):
        world.clock.now()  # what was said before counts no more, whoever is wrong
    assert all(one.wanted.is_set() for one in world.kept)
    world.pass_us(1)
    world.ask()
    after = world.clock.now()
    assert holds(after, world)
    assert after.source == ClockSource.QUORUM
    assert after.latest - after.earliest <= timedelta(seconds=2, milliseconds=2)
    assert after.earliest > before.earliest


def test_a_liar_among_the_others_moves_nothing() -> None:
    world = World.at(NOON, exact_us=EXACT)
    world.elsewhere[1].wrong_us = 400 * DAY
    world.restart()
    assert holds(world.clock.now(), world)
    assert "outside 2" not in world.clock.facts().sources


def test_an_unsynchronised_host_is_no_source_beside_others() -> None:
    world = World.at(NOON, exact_us=(0, 0))
    world.bound_us = None  # type: ignore[assignment]
    world.restart()
    assert holds(world.clock.now(), world)
    assert world.clock.facts().sources == ("outside 1", "outside 2")
    world.elsewhere[0].silent = True
    world.restart()
    with pytest.raises(ClockDistrusted, match="fewer than 2"):
        world.clock.now()


def test_what_was_said_ages_and_ends() -> None:
    world = World.at(NOON, exact_us=(0, 0))
    world.bound_us = None  # type: ignore[assignment]
    world.restart()
    for one in world.elsewhere:
        one.silent = True
    world.pass_us(100 * SECOND)
    world.ask()
    aged = world.clock.now()
    assert holds(aged, world)
    assert aged.latest - aged.earliest == timedelta(milliseconds=100), "500 ppm on both sides"
    world.pass_us(200 * SECOND)
    assert holds(world.clock.now(), world)
    world.pass_us(1)
    with pytest.raises(ClockDistrusted):
        world.clock.now()


def test_after_a_jump_two_of_the_others_must_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """The machine slept an hour that its counter did not count; all said before is an hour old."""
    world = World.at(NOON, exact_us=(0, 0, 0))
    world.clock.now()
    world.pass_us(3_600 * SECOND, counted=False)
    for one in world.elsewhere:
        one.silent = True
    with pytest.raises(ClockDistrusted):
        world.clock.now()
    world.pass_us(SECOND)
    world.elsewhere[0].silent = False
    world.ask()
    with pytest.raises(ClockDistrusted):
        world.clock.now()
    world.elsewhere[1].silent = False
    world.ask()
    with pytest.raises(ClockDistrusted):  # agreed, and an hour ahead of the counter: refused now
        world.clock.now()
    world.pass_us(SECOND)
    with pytest.raises(ClockDistrusted):  # asked before the refusal
        world.clock.now()
    world.elsewhere[1].wrong_us = DAY
    world.ask()
    with pytest.raises(ClockDistrusted):
        world.clock.now()
    world.elsewhere[1].wrong_us = 0
    world.ask()
    assert holds(world.clock.now(), world)
    events = [line["event"] for line in said(capsys)]
    assert events[-2:] == ["clock.distrusted", "clock.trusted"]


def test_two_who_lie_alike_are_no_majority() -> None:
    world = World.at(NOON, exact_us=(0, 0, 0, 0))
    world.clock.now()
    for one in world.elsewhere[:2]:
        one.wrong_us = DAY
    world.pass_us(SECOND)
    world.ask()
    assert holds(world.clock.now(), world)
    assert world.clock.facts().sources == ("host", "outside 3", "outside 4")


def test_facts_of_a_reading() -> None:
    world = World.at(NOON, bound_us=500_000, exact_us=(10_000, 10_000, 10_000))
    world.wrong_us = 400_000
    world.restart()
    found = world.clock.facts()
    assert found.sources == ("host", "outside 1", "outside 2", "outside 3")
    assert found.offset_ms == 400
    assert found.uncertainty_ms == 10


def test_a_source_that_nobody_vouches_for_says_nothing() -> None:
    source = HostSource(None, kernel=lambda: None)
    assert source.interval(source.sample()) is None
