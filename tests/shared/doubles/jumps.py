"""R15: the procedures of R10 under a host clock that is set around each command (trust.md T12).

The oracle knows the true time; the real clock of the platform knows it only through hands that are
moved from a day back to 400 days ahead. Level A0: the host alone; a new start of the process brings
back its credit, so there it only happens once the hands are right again, or so far back that all
that is recorded refuses them. Level A1: the host, three exact clocks elsewhere and a coarse one; of
these one may lie at a time, the host at any, and starts may happen whenever they like.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from doubles.clock import NOON
from doubles.moved_clock import World
from doubles.oracle import EPOCH as ORACLE_EPOCH
from doubles.oracle import Oracle, must, ticks
from doubles.simulator import Simulation

from api.adapters.clock import EPOCH
from domain.clock import ClockSource, Reading
from domain.ports import Act, Recorded

SECOND = 1_000_000
DAY = 86_400 * SECOND
JUMPS = (
    -DAY,
    -3_600 * SECOND,
    -61 * SECOND,
    -3 * SECOND,
    3 * SECOND,
    61 * SECOND,
    3_600 * SECOND,
    DAY,
    40 * DAY,
    400 * DAY,
)
CREEP = 1_900_000
"""A step that the counter lets pass; many of them lead a host alone anywhere."""
LINGER = 36
"""Steps of 40 before a seed goes past O."""
LONG_AGO = -2 * DAY
"""Before everything that these procedures record."""
BOUNDS = (0, 0, 1_000, 250_000)
SINCE_1970 = (ORACLE_EPOCH - EPOCH) // timedelta(microseconds=1)


class Watching(Oracle):
    """The oracle, with the true hour beside what was read."""

    def deposit_sealed(self, event: Any, position: int, earliest: int) -> None:
        super().deposit_sealed(event, position, earliest)
        doubtful = ticks(event.meta.clock.latest) > self.deadline
        must(self.suspended or self.now <= self.deadline or doubtful, "late taken as on time")

    def late_deposit_recorded(self, event: Any, position: int, earliest: int) -> None:
        super().late_deposit_recorded(event, position, earliest)
        must(self.reached or self.now > self.deadline, "on time taken as late")

    def opening_plan_fixed(self, event: Any, position: int, earliest: int) -> None:
        super().opening_plan_fixed(event, position, earliest)
        must(self.now > self.opens(), "a plan before the true hour")


class JumpedClock:
    """The platform's clock over hands that are moved; ``reading``: the last one it gave."""

    def __init__(self, world: World, *, strict: bool) -> None:
        self.world = world
        self.strict = strict
        self.reading = Reading(ClockSource.HOST, NOON, NOON)

    def now(self) -> Reading:
        found = self.world.clock.now()
        true = EPOCH + timedelta(microseconds=self.world.true_us)
        holds = found.earliest <= true <= found.latest
        judged = self.strict and self.world.wrong_us != LONG_AGO
        must(holds or not judged, f"a reading without the true time: {true}, {found}")
        self.reading = found
        return found


class Jumping(Simulation):
    """One seed of R10 under jumps; ``STRICT``: each reading that is given holds the true time."""

    ORACLE = Watching
    STRICT = True

    def made_clock(self) -> JumpedClock:
        self.outside = self.random.random() < 0.5
        exact = self.random.choice(((0, 0, 0, SECOND), (1_000, 20_000, 50_000, 1_200_000)))
        self.world = World(
            true_us=SINCE_1970 + ticks(NOON) + SECOND,
            bound_us=self.random.choice(BOUNDS),
            exact_us=exact if self.outside else (),
        )
        return JumpedClock(self.world, strict=self.STRICT)

    # --- time

    def _move(self, step: int) -> None:
        """Linger at O and just before it once the register is closed: that is where bugs open."""
        if self.oracle.reached and step < LINGER and self.random.random() < 0.9:
            edge = self.random.choice((-SECOND, -1_000, -1, 0, 0, 0))
            self.now = max(self.now, self.oracle.opens() + edge)
        else:
            super()._move(step)

    def _acts_by_phase(self) -> tuple[list[Callable[[], object]], ...]:
        early, around, end = super()._acts_by_phase()
        return early, around, [*end, *[self.close, self.gather, self.plan, self.attempt] * 4]

    def _look(self) -> None:
        """Let the world follow the true time; a machine may have slept, or asked nobody lately.

        The threads of a server read the clock every second, so no jump hides behind a day's drift.
        Sleep that is not counted shows where the host's hands are right before and after it: a
        jump that undoes it to the second is seen by nobody until the others are asked again.
        """
        self.world.clock.begin()
        span = SINCE_1970 + self.now - self.world.true_us
        slept = self.outside and self.faults and span > 3 * SECOND and self.random.random() < 0.3
        if slept:
            self._put_right()
            self.world.clock.begin()
        self.world.pass_us(span, counted=not slept)
        self.world.clock.begin()
        self.oracle.now = self.now
        if slept:
            self.codes["slept"] += 1
        elif not self.faults or self.random.random() < 0.9:
            self.world.ask()

    def _rest(self) -> None:
        """Let everything be right again."""
        self.now = max(self.now, self.oracle.deadline, *self.oracle.floors.values()) + 10 * SECOND
        self._look()
        self._lie(None)
        self.world.wrong_us = 0
        self.world.restart()

    # --- around each command

    def do(self, function: Callable[[Any, Act, Any], Recorded], command: Any, act: Act) -> str:
        if self.faults:
            self._disturb()
        wrong = self.world.wrong_us
        if abs(wrong) > max(BOUNDS):
            self.codes[f"{function.__name__} at {wrong // SECOND:+} s"] += 1
        return super().do(function, command, act)

    def _disturb(self) -> None:
        """Set the hands, put them right, begin again, have one of the others lie or be silent."""
        if self.oracle.reached and self.random.random() < 0.5:
            return  # an opening takes five commands one after the other
        luck = self.random.random()
        if luck < 0.35:
            self.world.wrong_us = self.random.choice(JUMPS)
        elif luck < 0.65:
            self._put_right()
        elif luck < 0.70:
            self._begin_again()
        elif luck < 0.80 and self.outside:
            self._lie(self.random.choice((None, *self.world.elsewhere)))
        elif luck < 0.90 and self.outside:
            self.world.wrong_us += self.random.choice((-CREEP, CREEP))
            self.codes["crept"] += 1

    def _put_right(self) -> None:
        bound = self.world.bound_us
        self.world.wrong_us = self.random.randint(-bound, bound)
        if self.outside:
            self._lie(None)
        else:
            self.world.restart()

    def _begin_again(self) -> None:
        if not self.outside and abs(self.world.wrong_us) > self.world.bound_us:
            self.world.wrong_us = LONG_AGO
        if self.random.random() < 0.3:  # the line is cut: the host is asked alone
            for one in self.world.elsewhere:
                one.silent = True
        self.world.restart()

    def _lie(self, liar: Any) -> None:
        for one in self.world.elsewhere:
            one.wrong_us, one.silent = 0, False
        if liar is not None:
            liar.wrong_us = self.random.choice(JUMPS)
            liar.silent = self.random.random() < 0.3
        self.world.ask()

    def _before(self) -> None:
        """Jump between the reading and the commit, too."""
        super()._before()
        if self.faults and self.random.random() < 0.1:
            self.world.wrong_us = self.random.choice(JUMPS)
