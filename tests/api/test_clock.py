"""The host clock is an interval that never goes back, and a jump is never believed."""

from __future__ import annotations

import pytest

from api.adapters.clock import HostClock, boot_us, kernel_bound_us, wall_us
from domain.errors import ClockDistrusted


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


def test_the_bound_is_the_setting_unless_the_kernel_is_synchronised() -> None:
    free = clock(Hands()).now()
    assert (free.latest - free.earliest).total_seconds() == 0.5
    bound = clock(Hands(), kernel=4_000).now()
    assert (bound.latest - bound.earliest).total_seconds() == 0.008


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


def test_the_real_counters_move() -> None:
    assert wall_us() > 1_700_000_000_000_000
    assert boot_us() <= boot_us()
    bound = kernel_bound_us()
    assert bound is None or bound >= 0
