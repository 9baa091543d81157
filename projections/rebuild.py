"""Views again from zero, and the one text by which two views are compared byte by byte."""

from __future__ import annotations

from pathlib import Path

import orjson
from sqlalchemy import Connection, Engine, select

from projections.facts import Source
from projections.runner import Runner, stored_position
from projections.store import current, reader, writer
from projections.tables import metadata


def rebuild(source: Source, path: Path) -> int:
    """Build the views of a source into a new file; return the position reached."""
    engine = writer(path)
    try:
        return Runner(source, engine).catch_up()
    finally:
        engine.dispose()


def prepared(source: Source, path: Path) -> Engine:
    """Return the writer's engine of views of this version.

    Views of another version are replaced by new ones, built beside them from zero and swapped in
    whole: a crash before the swap leaves the old file.
    """
    if not current(path):
        beside = path.with_name(f"{path.name}.next")
        for old in _files(beside):
            old.unlink(missing_ok=True)
        rebuild(source, beside)
        for old in _files(path)[1:]:
            old.unlink(missing_ok=True)
        beside.replace(path)
    return writer(path)


def dump(connection: Connection) -> bytes:
    """Return every row of every table as canonical lines, by table, then by key."""
    lines = []
    for name in sorted(metadata.tables):
        table = metadata.tables[name]
        for row in connection.execute(select(table).order_by(*table.primary_key)).mappings():
            present = {str(column): value for column, value in row.items() if value is not None}
            lines.append(orjson.dumps({"row": present, "table": name}, option=orjson.OPT_SORT_KEYS))
    return b"".join(line + b"\n" for line in lines)


def dump_of(path: Path) -> bytes:
    """Return the dump of a views file."""
    return seen(path)[1]


def seen(path: Path) -> tuple[int, bytes]:
    """Return how far views have come and their dump, both of one moment: a runner may be at work.

    The driver opens no transaction for reads by itself, so it is told to.
    """
    engine = reader(path)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return stored_position(connection), dump(connection)
    finally:
        engine.dispose()


def _files(path: Path) -> tuple[Path, ...]:
    return (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
