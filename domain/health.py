"""The health of the platform as facts: probes by beats, incidents (domain.md §4.17, trust.md T32).

A probe runs every 60 s. Its success is written once per kind and beat, with every instant, so that
the log grows alike whatever happens; its failure at once. A probe speaks for what follows it until
the next one, for 120 s at most: longer silence proves nothing (``disputes.md`` §3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.aggregate import Aggregate, folds
from domain.clock import Reading
from domain.events.health import (
    BuyersAlerted,
    ClockChecked,
    IncidentDeclared,
    Probe,
    ProbeFailed,
    ProbeSucceeded,
)

MAIN = "main"
PROBE_EVERY_S = 60
SILENCE = timedelta(seconds=120)
"""The longest gap between two probes over which the first one still speaks."""
MOST_INSTANTS = 1_000
"""In one entry: an entry has at most 65,535 bytes."""
VITAL = frozenset({Probe.DEPOSIT, Probe.STORAGE, Probe.LOGIN})
"""Probes without which nobody can deposit (``disputes.md`` §3)."""


@dataclass(frozen=True)
class Probed:
    """One probe as it ended; with an ``error`` it failed."""

    probe: Probe
    at: datetime
    latency_ms: int = 0
    path: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class ClockCheck:
    """What the clock said of itself, in milliseconds."""

    offset_ms: int
    uncertainty_ms: int
    sources: int


@dataclass(frozen=True)
class Summary:
    """The successes of one kind and path in one beat, oldest first."""

    probe: Probe
    path: str | None
    latency_ms: int
    instants: tuple[datetime, ...]


def summaries(seen: Iterable[Probed]) -> list[Summary]:
    """Return the successes, one summary per kind and path, in parts that fit an entry."""
    kinds: dict[tuple[Probe, str], list[Probed]] = {}
    for one in seen:
        if one.error is None:
            kinds.setdefault((one.probe, one.path or ""), []).append(one)
    return [
        _summary(part)
        for _, found in sorted(kinds.items())
        for part in _parts(sorted(found, key=lambda one: one.at))
    ]


def _parts(found: Sequence[Probed]) -> Iterable[Sequence[Probed]]:
    for start in range(0, len(found), MOST_INSTANTS):
        yield found[start : start + MOST_INSTANTS]


def _summary(found: Sequence[Probed]) -> Summary:
    worst = max(one.latency_ms for one in found)
    return Summary(found[0].probe, found[0].path, worst, tuple(one.at for one in found))


class Health(Aggregate):
    """What the platform recorded of itself."""

    TOPIC = "Health"
    PREFIX = "health"
    EVENTS = (ProbeSucceeded, ProbeFailed, IncidentDeclared, ClockChecked, BuyersAlerted)

    def begin(self) -> None:
        """Start without a probe."""
        super().begin()
        self.incidents: Mapping[tuple[datetime, str], datetime | None] = {}
        self.failed: Mapping[Probe, datetime] = {}

    @folds(IncidentDeclared)
    def _incident(self, event: IncidentDeclared) -> None:
        self.incidents = {**self.incidents, (event.from_at, event.scope): event.to_at}

    @folds(ProbeFailed)
    def _failed(self, event: ProbeFailed) -> None:
        at = max(event.meta.occurred_at, self.failed.get(event.probe, event.meta.occurred_at))
        self.failed = {**self.failed, event.probe: at}

    @folds(ProbeSucceeded)
    def _succeeded(self, event: ProbeSucceeded) -> None:
        last = max(event.instants or [event.timestamp])
        if event.probe in self.failed and self.failed[event.probe] < last:
            self.failed = {one: at for one, at in self.failed.items() if one != event.probe}

    def unavailable(self, now: Reading) -> bool:
        """Say whether an incident or a failed vital probe is in the record for this instant.

        What the message ``platform.unavailable`` asserts (domain.md §4.6).
        """
        failed = any(
            probe in VITAL and at <= now.latest and now.earliest - at <= SILENCE
            for probe, at in self.failed.items()
        )
        return failed or any(
            start <= now.latest and (end is None or now.earliest <= end)
            for (start, _), end in self.incidents.items()
        )
