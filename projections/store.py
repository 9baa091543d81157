"""The file ``views.db``: opened, made, and thrown away when the code reads entries otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, create_engine, event, insert, inspect, select

from projections.tables import metadata, tracking

NAME = "views"
VERSION = 3
"""Raised with every change of tables or folds: older files are then built again from zero."""

WRITING = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    # 16 MiB: a page that every batch changes reaches the file once, not with each batch
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA cache_size=-32768",  # 32 MiB: its indexes are written at random places
)


PASSING = ("PRAGMA journal_mode=MEMORY", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-32768")


class DriverConnection(Protocol):
    """What SQLite's driver offers here."""

    def execute(self, statement: str, /) -> object:
        """Run one statement."""


def writer(path: Path) -> Engine:
    """Return the engine of the one writer, with empty tables where the file is new.

    Views can always be built again, so a power cut may cost their newest batch: ``NORMAL``.
    """
    return _prepared(_engine(path, *WRITING))


def scratch_writer(path: Path) -> Engine:
    """Return the engine of views that are looked at once: after a power cut nobody opens them."""
    return _prepared(_engine(path, *PASSING))


def _prepared(engine: Engine) -> Engine:
    """Make the empty tables where the file is new."""
    with engine.begin() as connection:
        if not inspect(connection).has_table(tracking.name):
            metadata.create_all(connection)
            row = {"name": NAME, "version": VERSION, "position": -1}
            connection.execute(insert(tracking), row)
    return engine


def reader(path: Path) -> Engine:
    """Return an engine that can only read."""
    return _engine(path, "PRAGMA query_only=ON")


def current(path: Path) -> bool:
    """Say whether the file was written by this version of the folds."""
    if not path.exists():
        return False
    engine = reader(path)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(tracking.name):
                return False
            return connection.execute(select(tracking.c.version)).scalars().all() == [VERSION]
    finally:
        engine.dispose()


def _engine(path: Path, *pragmas: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def prepared(connection: DriverConnection, _record: object) -> None:
        for pragma in ("PRAGMA busy_timeout=10000", *pragmas):
            connection.execute(pragma)

    return engine
