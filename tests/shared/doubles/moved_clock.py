"""The true time, and what the clocks of one host and of a few others show of it.

The platform's real clock stands over these: only what a kernel or a distant clock would say is
made up, so that a test can set the host's hands, hold the boot counter, or have others lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.adapters.clock import EPOCH, HostSource, SourcedClock
from api.adapters.clock_sources import KeptTime
from domain.clock import MILLISECOND

BOOTED_US = 77_000_000
EVERY_S = 60


@dataclass
class Elsewhere:
    """One outside clock: how exact it is, by how much it lies, whether it answers."""

    world: World
    name: str
    exact_us: int
    wrong_us: int = 0
    silent: bool = False

    def ask(self) -> tuple[int, int]:
        if self.silent:
            raise OSError("nobody there")
        told = self.world.true_us + self.wrong_us
        return told - self.exact_us, told + self.exact_us


@dataclass
class World:
    """Microseconds since 1970 of the truth; ``wrong_us``: by what the host's hands are off."""

    true_us: int
    bound_us: int = 0
    exact_us: Sequence[int] = ()
    boot_us: int = BOOTED_US
    wrong_us: int = 0
    elsewhere: list[Elsewhere] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.elsewhere = [
            Elsewhere(self, f"outside {at}", exact) for at, exact in enumerate(self.exact_us, 1)
        ]
        self.restart()

    @classmethod
    def at(cls, true: datetime, **values: int) -> World:
        return cls((true - EPOCH) // MILLISECOND * 1000, **values)

    def restart(self) -> None:
        """Begin the process again: it remembers no reading, and asks everybody."""
        host = HostSource(
            None,
            wall=lambda: self.true_us + self.wrong_us,
            boot=lambda: self.boot_us,
            kernel=lambda: self.bound_us,
        )
        self.kept = [KeptTime(one, EVERY_S, boot=lambda: self.boot_us) for one in self.elsewhere]
        self.clock = SourcedClock(host, self.kept)
        self.ask()
        self.clock.begin()

    def pass_us(self, span: int, *, counted: bool = True) -> None:
        """Let time pass; a machine that sleeps may not count it."""
        self.true_us += span
        self.boot_us += span if counted else 0

    def ask(self) -> None:
        """Do what the threads beside a server do: ask every outside clock."""
        for one in self.kept:
            one.refresh()
