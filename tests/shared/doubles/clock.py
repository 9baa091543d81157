"""A clock that stands where it was put."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.clock import ClockSource, Reading

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class FixedClock:
    """Says what it was told; ``width`` is the whole length of the interval."""

    def __init__(self, at: datetime = NOON, width: timedelta = timedelta(0)) -> None:
        self.at = at
        self.width = width
        self.source = ClockSource.QUORUM

    def now(self) -> Reading:
        return Reading(self.source, self.at, self.at + self.width)

    def forward(self, step: timedelta) -> None:
        self.at += step
