"""Was the platform able to receive? A verdict over a window, from facts alone (disputes.md §3).

Pure: no clock, no log, no order of a database. FAILED: in the window a DEPOSIT, STORAGE or LOGIN
probe failed, a LINK probe failed and no other path succeeded, an incident overlaps, or a stall or a
failure has cause SERVER. PROVEN: none of these, and each instant of the window has a successful
DEPOSIT probe at most 120 s before it. Else UNPROVEN: silence never counts for the platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

SILENCE = timedelta(seconds=120)
"""A probe speaks for what follows it for so long; the longest gap that proves anything."""
DEPOSIT, LINK = "DEPOSIT", "LINK"
VITAL = frozenset({DEPOSIT, "STORAGE", "LOGIN"})


class Verdict(StrEnum):
    """What the record says of the platform in a window."""

    PROVEN = "PROVEN"
    FAILED = "FAILED"
    UNPROVEN = "UNPROVEN"


class Ground(StrEnum):
    """Why a window is FAILED."""

    PROBE = "PROBE"
    LINK = "LINK"
    INCIDENT = "INCIDENT"
    SERVER = "SERVER"


@dataclass(frozen=True)
class Window:
    """A stretch of time, both ends included."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a window that ends before it begins."""
        if self.end < self.start:
            raise ValueError("a window ends before it begins")

    def holds(self, at: datetime) -> bool:
        """Say whether an instant lies in it."""
        return self.start <= at <= self.end


@dataclass(frozen=True)
class Seen:
    """One probe: when, of what, whether it succeeded; ``source``: the entry, stream#version."""

    at: datetime
    probe: str
    source: str
    path: str | None = None
    error: str | None = None

    @property
    def good(self) -> bool:
        """Whether it succeeded."""
        return self.error is None


@dataclass(frozen=True)
class Incident:
    """What the platform declared; without an end it goes on."""

    start: datetime
    end: datetime | None
    scope: str
    cause: str
    source: str

    def overlaps(self, window: Window) -> bool:
        """Say whether it has an instant in common with a window."""
        return self.start <= window.end and (self.end is None or window.start <= self.end)


@dataclass(frozen=True)
class Trouble:
    """A stall or a failed session whose cause is the platform."""

    at: datetime
    kind: str
    source: str
    code: str = ""


@dataclass(frozen=True)
class Reason:
    """One ground on which a window is FAILED."""

    ground: Ground
    at: datetime
    what: str
    source: str


@dataclass(frozen=True)
class Silence:
    """A part of a window for which no probe speaks, and the successes around it."""

    start: datetime
    end: datetime
    last_good: datetime | None
    next_good: datetime | None


@dataclass(frozen=True)
class Outage:
    """DEPOSIT probes failed, or were silent too long, between two that succeeded.

    It began after ``last_good`` and ended before ``next_good``; None: the record holds none.
    """

    last_good: datetime | None
    first_failed: datetime | None
    last_failed: datetime | None
    next_good: datetime | None


@dataclass(frozen=True)
class Judged:
    """The verdict over a window with all that it rests on, oldest first."""

    window: Window
    verdict: Verdict
    reasons: tuple[Reason, ...]
    silences: tuple[Silence, ...]


def judge(
    window: Window,
    seen: Iterable[Seen],
    incidents: Iterable[Incident] = (),
    troubles: Iterable[Trouble] = (),
) -> Judged:
    """Return the verdict on the platform in a window."""
    probes = list(seen)
    inside = [one for one in probes if window.holds(one.at)]
    reasons = [
        *(Reason(Ground.PROBE, one.at, _told(one), one.source) for one in inside if _vital(one)),
        *_dead_links(inside),
        *(
            Reason(Ground.INCIDENT, max(one.start, window.start), one.cause, one.source)
            for one in incidents
            if one.overlaps(window)
        ),
        *(
            Reason(Ground.SERVER, one.at, one.code or one.kind, one.source)
            for one in troubles
            if window.holds(one.at)
        ),
    ]
    reasons.sort(key=lambda reason: (reason.at, reason.ground, reason.source))
    quiet = silences(window, [one.at for one in probes if one.probe == DEPOSIT and one.good])
    proven = Verdict.UNPROVEN if quiet else Verdict.PROVEN
    return Judged(window, Verdict.FAILED if reasons else proven, tuple(reasons), tuple(quiet))


def silences(window: Window, good: Iterable[datetime]) -> list[Silence]:
    """Return the parts of a window without a success at most 120 s before each instant."""
    found: list[Silence] = []
    last: datetime | None = None
    following: datetime | None = None
    spoken = datetime.min.replace(tzinfo=UTC)
    for at in sorted(good):
        if at > window.end:
            following = at
            break
        if at > max(spoken, window.start):
            found.append(Silence(max(spoken, window.start), at, last, at))
        last, spoken = at, at + SILENCE
    if spoken < window.end:
        found.append(Silence(max(spoken, window.start), window.end, last, following))
    return found


def outages(seen: Iterable[Seen]) -> list[Outage]:
    """Return where DEPOSIT probes failed, or were silent for more than 120 s, oldest first."""
    found: list[Outage] = []
    last: datetime | None = None
    failed: list[datetime] = []
    for one in sorted((one for one in seen if one.probe == DEPOSIT), key=lambda one: one.at):
        if not one.good:
            failed.append(one.at)
            continue
        if failed or (last is not None and one.at - last > SILENCE):
            found.append(_outage(last, failed, one.at))
        last, failed = one.at, []
    if failed:
        found.append(_outage(last, failed, None))
    return found


def _outage(
    last: datetime | None, failed: Sequence[datetime], following: datetime | None
) -> Outage:
    first, final = (failed[0], failed[-1]) if failed else (None, None)
    return Outage(last, first, final, following)


def _vital(one: Seen) -> bool:
    return one.probe in VITAL and not one.good


def _dead_links(inside: Sequence[Seen]) -> Iterable[Reason]:
    """Yield each failed LINK probe beside whose path no other one succeeded in the window."""
    links = [one for one in inside if one.probe == LINK]
    alive = {one.path for one in links if one.good}
    for one in links:
        if not one.good and not alive - {one.path}:
            yield Reason(Ground.LINK, one.at, _told(one), one.source)


def _told(one: Seen) -> str:
    return " ".join(part for part in (one.probe, one.path, one.error) if part)
