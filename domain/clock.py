"""Time is an interval, and the rules T1 to T8 of domain.md §1 judge it.

The pure functions are those of envelope.md §12 (operations quorum, step, rule and local of its
vectors). They count in any unit: milliseconds in the vectors, instants in the aggregates.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import BadCalendarForm, ClockDistrusted, ClockWentBack, NoSuchHour

Instant = TypeVar("Instant", int, datetime)
MILLISECOND = timedelta(milliseconds=1)
STEP_SLACK_MS = 2_000
STEP_PPM = 500
LONGEST_WAIT = timedelta(seconds=5)
LEGAL_ZONE = "Europe/Paris"
LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", re.ASCII)


class ClockSource(StrEnum):
    """Where a reading comes from; DECLARED stands only for facts from outside."""

    QUORUM = "QUORUM"
    HOST = "HOST"
    DECLARED = "DECLARED"


@dataclass(frozen=True)
class Reading:
    """What a clock says: the true time lies between earliest and latest, both included."""

    source: ClockSource
    earliest: datetime
    latest: datetime

    def middle(self) -> datetime:
        """Return the middle of the interval, the ``received_at`` of a deposit."""
        return self.earliest + (self.latest - self.earliest) / 2

    def uncertainty_ms(self) -> int:
        """Return half the width in milliseconds, rounded up: never less than the doubt."""
        return ceil_ms((self.latest - self.earliest) / 2)


def as_received(now: Reading, received: Reading, floor: datetime) -> Reading:
    """Return the reading by which something counts that was received before it is recorded.

    It never stands before the floor (T5). An entry may not lie 10 s behind others (``ledger.md``
    §1), so what waited longer than ``LONGEST_WAIT`` counts as of now.
    """
    if now.latest - received.latest > LONGEST_WAIT:
        return now
    return Reading(received.source, max(received.earliest, floor), max(received.latest, floor))


def local_date(at: datetime) -> date:
    """Return the legal calendar date of an instant (T8)."""
    return at.astimezone(ZoneInfo(LEGAL_ZONE)).date()


def ceil_ms(span: timedelta) -> int:
    """Return a length of time in milliseconds, rounded up."""
    return -((-span) // MILLISECOND)


@dataclass(frozen=True)
class Verdicts:
    """What an interval allows around a deadline (envelope.md 12.3)."""

    deposit: str
    withdrawal: bool
    extension: bool
    reach: bool
    opening: bool


def quorum_reading(reads: Sequence[tuple[int, int]], quorum: int) -> tuple[int, int]:
    """Return the hull of the instants that lie in at least ``quorum`` closed intervals.

    Marzullo's sweep without narrowing to the deepest overlap: if ``quorum`` sources tell the
    truth, the true time lies in the result.
    """
    edges = sorted({edge for read in reads for edge in read})
    held = [at for at in edges if sum(low <= at <= high for low, high in reads) >= quorum]
    if quorum < 1 or not held:
        raise ClockDistrusted(f"fewer than {max(quorum, 1)} sources agree")
    return held[0], held[-1]


def step_check(
    previous: tuple[int, int],
    elapsed: int,
    reading: tuple[int, int],
    *,
    slack: int = STEP_SLACK_MS,
    ppm: int = STEP_PPM,
) -> tuple[int, int]:
    """Return the reading, never before the previous one, or refuse a clock that jumped."""
    drift = elapsed * ppm // 1_000_000
    behind = reading[1] < previous[0] + elapsed - drift - slack
    ahead = reading[0] > previous[1] + elapsed + drift + slack
    if elapsed < 0 or behind or ahead:
        raise ClockDistrusted(f"{elapsed} ms after {previous} it says {reading}")
    return max(reading[0], previous[0]), max(reading[1], previous[0])


def rule_verdicts(  # noqa: PLR0913 - the six facts of envelope.md 12.3
    *,
    deadline: Instant,
    opens: Instant,
    earliest: Instant,
    latest: Instant,
    floor: Instant,
    reached: bool,
) -> Verdicts:
    """Say what is allowed now: doubt favours the bidder and forbids opening (T1, T2, T5)."""
    if latest < floor:
        raise ClockWentBack(latest, floor)
    known = max(earliest, floor)
    before = not reached and known <= deadline
    if not before:
        deposit = "late"
    elif latest <= deadline:
        deposit = "on-time"
    else:
        deposit = "doubt"
    return Verdicts(
        deposit=deposit,
        withdrawal=before,
        extension=before,
        reach=not reached and known > deadline,
        opening=reached and known > opens,
    )


def legal_instant(local: str, zone: str) -> datetime:
    """Return the UTC instant of a local text in whole minutes that occurs exactly once (T4)."""
    if not LOCAL.fullmatch(local):
        raise BadCalendarForm(local, zone)
    try:
        place = ZoneInfo(zone)
        wall = datetime.fromisoformat(local)
        instants = {wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1)}
    except (ValueError, OSError, OverflowError, ZoneInfoNotFoundError) as refused:
        raise BadCalendarForm(local, zone) from refused
    if len(instants) != 1:
        raise NoSuchHour(local, zone)
    return instants.pop()


@dataclass(frozen=True)
class LegalHour:
    """A deadline: an instant in whole seconds and, when a person wrote it, the local text."""

    at: datetime
    local: str | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        """Refuse fractions of a second, and a local text that means another instant."""
        if self.at.utcoffset() != timedelta(0) or self.at.microsecond:
            raise BadCalendarForm(self.at.isoformat(), self.zone or "UTC")
        if (self.local is None) != (self.zone is None):
            raise BadCalendarForm(str(self.local), str(self.zone))
        if self.local and self.zone and legal_instant(self.local, self.zone) != self.at:
            raise BadCalendarForm(self.local, self.zone)

    @classmethod
    def written(cls, local: str, zone: str) -> LegalHour:
        """Return the hour that this local text means."""
        return cls(legal_instant(local, zone), local, zone)


def date_after(start: date, days: int) -> date:
    """Return the date on which a delay of this many days ends: S + n (T8)."""
    return start + timedelta(days=days)


def months_after(start: date, months: int) -> date:
    """Return the same day some months later, clamped to the last day of that month (T8)."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def instant_text(at: datetime) -> str:
    """Return the TIME form of envelope.md 1.1."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
