"""Any state at any instant or position: an aggregate as its events make it, the views as they were.

Replay asks no clock and decides nothing: it folds entries that are there. What an instant means is
the recording time ``at`` of the entries, never the time of the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import RowMapping, select

from domain.aggregate import AGGREGATES, Aggregate, Event
from projections.facts import LedgerRow, Source
from projections.runner import Runner
from projections.status import AT_PLACE
from projections.store import scratch_writer
from projections.tables import metadata

BATCH = 1_000
HIDDEN = frozenset({"floor"})


class Log(Source, Protocol):
    """What replay reads of a ledger."""

    def stream(self, name: str, until: int | None = None) -> Sequence[LedgerRow]:
        """Return the rows of one stream, up to a position."""


class NothingThere(Exception):
    """The stream has no entry so far."""

    code = "replay.nothing-there"

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream


@dataclass(frozen=True)
class Moment:
    """A place in the log: the last position whose entry counts, -1 for none."""

    position: int
    at: str


def moment_of(log: Source, instant: datetime) -> Moment:
    """Return the last position recorded at or before an instant."""
    limit = instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    found, after = Moment(-1, ""), -1
    while rows := log.read(after, BATCH):
        for row in rows:
            at = row.entry[AT_PLACE].decode()
            if at <= limit:
                found = Moment(row.position, at)
        after = rows[-1].position
    return found


def recorded_at(log: Source, position: int) -> datetime:
    """Return when the entry of a position was recorded."""
    (row,) = log.read(position - 1, 1)
    return datetime.fromisoformat(row.entry[AT_PLACE].decode())


def state_at(
    log: Log, stream: str, position: int, event_of: Callable[[LedgerRow], Event]
) -> dict[str, object]:
    """Return the state of a stream as it was once this position was written."""
    aggregate = aggregate_at(log, stream, position, event_of)
    kinds = [row.kind for row in log.stream(stream, position)]
    return shown(aggregate) | {"kinds": kinds}


def aggregate_at(
    log: Log, stream: str, position: int, event_of: Callable[[LedgerRow], Event]
) -> Aggregate:
    """Return the aggregate of a stream as it was once this position was written."""
    rows = log.stream(stream, position)
    if not rows:
        raise NothingThere(stream)
    prefix = stream.partition("/")[0]
    if prefix not in AGGREGATES:
        raise NothingThere(stream)
    aggregate = AGGREGATES[prefix].blank(stream)
    for row in rows:
        event_of(row).mutate(aggregate)
    return aggregate


def shown(aggregate: Aggregate) -> dict[str, object]:
    """Return the public state of an aggregate as plain values."""
    values = {
        name: plain(value)
        for name, value in sorted(vars(aggregate).items())
        if not name.startswith("_") and name not in HIDDEN and value is not None
    }
    return {"stream": aggregate.id, "version": aggregate.version, **values}


def views_at(log: Source, position: int, scratch: Path, subject: str) -> dict[str, object]:
    """Return the rows of the views that speak of a subject, as they were at a position.

    The views are built again from zero in a scratch file: what is shown is what they would have
    shown, whatever the live ones say now.
    """
    engine = scratch_writer(scratch)
    try:
        Runner(Until(log, position), engine).catch_up()
        found: dict[str, object] = {}
        with engine.connect() as connection:
            for name, table in sorted(metadata.tables.items()):
                rows = connection.execute(select(table)).mappings()
                mine = [_row(row) for row in rows if subject in map(str, row.values())]
                if mine:
                    found[name] = mine
        return found
    finally:
        engine.dispose()


class Until:
    """A ledger as it was: nothing after a position."""

    def __init__(self, log: Source, position: int) -> None:
        self._log = log
        self._position = position

    def read(self, after: int, limit: int) -> Sequence[LedgerRow]:
        """Return rows after a position, none beyond the end."""
        return [row for row in self._log.read(after, limit) if row.position <= self._position]


def plain(value: object) -> object:
    """Return a value as JSON shows it."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: plain(item) for name, item in named.items() if item is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return _atom(value)


def _atom(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | int):
        return value
    return str(value)


def _row(row: RowMapping) -> dict[str, object]:
    return {str(name): value for name, value in row.items() if value is not None}
