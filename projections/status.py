"""Where a views file stands: its version, its position, and how far the log has gone beyond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import inspect, select

from projections.facts import Source
from projections.store import reader
from projections.tables import tracking

AT_PLACE = slice(7, 34)
"""Where every entry has its recording time: ``{"at":"`` comes first."""


@dataclass(frozen=True)
class Status:
    """One projection; its lag is what the log holds beyond it, in entries and in their time."""

    name: str
    version: int
    position: int
    lag_entries: int
    lag_seconds: float


def status(log: Source, size: int, path: Path) -> tuple[Status, ...]:
    """Return the state of each projection of a views file; empty where there is none."""
    if not path.exists():
        return ()
    engine = reader(path)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(tracking.name):
                return ()
            rows = connection.execute(select(tracking).order_by(tracking.c.name)).all()
    finally:
        engine.dispose()
    return tuple(_status(log, size, *row) for row in rows)


def _status(log: Source, size: int, name: str, version: int, position: int) -> Status:
    # The views may have passed a size that was read before them.
    behind = max(0, size - 1 - position)
    seconds = 0.0
    if behind:
        seconds = (_at(log, size - 1) - _at(log, max(0, position))).total_seconds()
    return Status(name, version, position, behind, max(0.0, seconds))


def _at(log: Source, position: int) -> datetime:
    (row,) = log.read(position - 1, 1)
    return datetime.fromisoformat(row.entry[AT_PLACE].decode())
