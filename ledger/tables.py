"""The schema of the store (ledger.md §3) and its reads, as SQLAlchemy Core states them.

On SQLite the statements are compiled once, at import, and run as text on the driver's connection.
The schema is frozen: a change of it copies the log and is verified root to root.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BLOB,
    CheckConstraint,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import CompilerElement

METADATA: Final = MetaData()
EVENTS: Final = Table(
    "events",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    # leaf before entry: reading leaves alone need not follow the pages of a long entry
    Column("leaf", BLOB, CheckConstraint("length(leaf) = 32"), nullable=False),
    Column("entry", BLOB, nullable=False),
    UniqueConstraint("stream", "version"),
)
HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True),
    Column("size", Integer),
    Column("edge", BLOB),
    Column("max_at", Text),
)
TILES: Final = Table(
    "tiles",
    METADATA,
    Column("level", Integer, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("hashes", BLOB, CheckConstraint("length(hashes) = 8192")),
)
COMMANDS: Final = Table(
    "commands",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("digest", BLOB),
    Column("first", Integer),
    Column("count", Integer),
    sqlite_with_rowid=False,  # one page less in every commit
)
CHECKPOINTS: Final = Table(
    "checkpoints",
    METADATA,
    Column("size", Integer, primary_key=True),
    Column("note", BLOB),
)
COSIGNATURES: Final = Table(
    "cosignatures",
    METADATA,
    Column("size", Integer, primary_key=True),
    Column("witness", Text, primary_key=True),
    Column("line", Text),
)
APPEND_ONLY: Final = ("events", "tiles", "checkpoints", "cosignatures")


def sqlite_text(statement: CompilerElement) -> str:
    """Return the statement as SQLite text with named parameters."""
    dialect = sqlite.dialect(paramstyle="named")
    return str(statement.compile(dialect=dialect)).strip()


def limited(statement: CompilerElement) -> str:
    """Return a SELECT as SQLite text with the parameter ``limit``; Core would add an OFFSET."""
    return f"{sqlite_text(statement)} LIMIT :limit"


def sqlite_schema() -> list[str]:
    """Return the statements that create an empty store, in order."""
    tables = [sqlite_text(CreateTable(table)) for table in METADATA.sorted_tables]
    triggers = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    return [*tables, *triggers, "INSERT INTO head VALUES (1, 0, x'', '')"]


_ROW = select(
    EVENTS.c.position,
    EVENTS.c.stream,
    EVENTS.c.version,
    EVENTS.c.kind,
    EVENTS.c.leaf,
    EVENTS.c.entry,
)
SELECT_HEAD: Final = sqlite_text(select(HEAD.c.size, HEAD.c.edge, HEAD.c.max_at))
SELECT_ROWS: Final = limited(
    _ROW.where(
        EVENTS.c.position >= bindparam("start"), EVENTS.c.position < bindparam("end")
    ).order_by(EVENTS.c.position)
)
_STREAM = _ROW.where(
    EVENTS.c.stream == bindparam("stream"),
    EVENTS.c.version > bindparam("after"),
    EVENTS.c.version <= bindparam("last"),
    EVENTS.c.position < bindparam("end"),
)
SELECT_STREAM: Final = limited(_STREAM.order_by(EVENTS.c.version))
SELECT_STREAM_BACKWARDS: Final = limited(_STREAM.order_by(EVENTS.c.version.desc()))
SELECT_LEAVES: Final = sqlite_text(
    select(EVENTS.c.leaf)
    .where(EVENTS.c.position >= bindparam("start"), EVENTS.c.position < bindparam("end"))
    .order_by(EVENTS.c.position)
)
SELECT_COUNT: Final = sqlite_text(
    select(func.count(EVENTS.c.position), func.max(EVENTS.c.position))
)
SELECT_TILES: Final = sqlite_text(
    select(TILES.c.n, TILES.c.hashes)
    .where(
        TILES.c.level == bindparam("level"),
        TILES.c.n >= bindparam("start"),
        TILES.c.n < bindparam("end"),
    )
    .order_by(TILES.c.n)
)
SELECT_COMMAND: Final = sqlite_text(
    select(COMMANDS.c.digest, COMMANDS.c.first, COMMANDS.c.count).where(
        COMMANDS.c.key == bindparam("key")
    )
)
_CHECKPOINT = select(CHECKPOINTS.c.size, CHECKPOINTS.c.note)
SELECT_CHECKPOINT: Final = limited(
    _CHECKPOINT.where(CHECKPOINTS.c.size >= bindparam("least")).order_by(CHECKPOINTS.c.size)
)
SELECT_LAST_CHECKPOINT: Final = limited(_CHECKPOINT.order_by(CHECKPOINTS.c.size.desc()))
SELECT_COSIGNATURES: Final = sqlite_text(
    select(COSIGNATURES.c.line)
    .where(COSIGNATURES.c.size == bindparam("size"))
    .order_by(COSIGNATURES.c.witness)
)
