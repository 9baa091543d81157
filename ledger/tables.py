"""The schema of the store (ledger.md §3) and its reads, as SQLAlchemy Core states them.

The statements are compiled once, at import, and run as text on the driver's connection.
The schema is frozen: a change of it copies the log and is verified root to root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import CompilerElement

METADATA: Final = MetaData()
# PostgreSQL: ids sort by their bytes, and a position needs eight of them
WIDE: Final = BigInteger().with_variant(Integer(), "sqlite")
BYTEWISE: Final = Text().with_variant(Text(collation="C"), "postgresql")
EVENTS: Final = Table(
    "events",
    METADATA,
    Column("position", WIDE, primary_key=True, autoincrement=False),
    Column("stream", BYTEWISE, nullable=False),
    Column("version", WIDE, nullable=False),
    Column("kind", BYTEWISE, nullable=False),
    # leaf before entry: reading leaves alone need not follow the pages of a long entry
    Column("leaf", LargeBinary, CheckConstraint("length(leaf) = 32"), nullable=False),
    Column("entry", LargeBinary, nullable=False),
    UniqueConstraint("stream", "version"),
)
HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("size", WIDE),
    Column("edge", LargeBinary),
    Column("max_at", BYTEWISE),
)
TILES: Final = Table(
    "tiles",
    METADATA,
    Column("level", Integer, primary_key=True),
    Column("n", WIDE, primary_key=True),
    Column("hashes", LargeBinary, CheckConstraint("length(hashes) = 8192")),
)
COMMANDS: Final = Table(
    "commands",
    METADATA,
    Column("key", BYTEWISE, primary_key=True),
    Column("digest", LargeBinary),
    Column("first", WIDE),
    Column("count", Integer),
    sqlite_with_rowid=False,  # one page less in every commit
)
CHECKPOINTS: Final = Table(
    "checkpoints",
    METADATA,
    Column("size", WIDE, primary_key=True, autoincrement=False),
    Column("note", LargeBinary),
)
COSIGNATURES: Final = Table(
    "cosignatures",
    METADATA,
    Column("size", WIDE, primary_key=True, autoincrement=False),
    Column("witness", BYTEWISE, primary_key=True),
    Column("line", BYTEWISE),
)
APPEND_ONLY: Final = ("events", "tiles", "checkpoints", "cosignatures")

SQLITE_DIALECT: Final[Dialect] = sqlite.dialect(paramstyle="named")
POSTGRES_DIALECT: Final[Dialect] = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Texts:
    """Every read of a store, in one dialect, with named parameters."""

    head: str
    count: str
    rows: str
    stream: str
    stream_backwards: str
    leaves: str
    tiles: str
    command: str
    checkpoint: str
    last_checkpoint: str
    cosignatures: str


def text(statement: CompilerElement, dialect: Dialect) -> str:
    """Return a statement as text of a dialect."""
    return str(statement.compile(dialect=dialect)).strip()


def sqlite_schema() -> list[str]:
    """Return the statements that create an empty store on SQLite, in order."""
    created = [text(CreateTable(table), SQLITE_DIALECT) for table in METADATA.sorted_tables]
    triggers = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    return [*created, *triggers, "INSERT INTO head VALUES (1, 0, x'', '')"]


def postgres_schema() -> list[str]:
    """Return the statements that create an empty store in the current schema of PostgreSQL."""
    created = [text(CreateTable(table), POSTGRES_DIALECT) for table in METADATA.sorted_tables]
    refusal = (
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    triggers = [
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "EXECUTE FUNCTION refuse_change()"
        for table in APPEND_ONLY
    ]
    return [*created, refusal, *triggers, "INSERT INTO head VALUES (1, 0, '', '')"]


def postgres_grants(role: str) -> list[str]:
    """Return what a role that only writes may do: append and read, move the head, expire keys."""
    return [
        *(f"GRANT SELECT, INSERT ON {table} TO {role}" for table in (*APPEND_ONLY, "commands")),
        f"GRANT SELECT, UPDATE ON head TO {role}",
        f"GRANT DELETE ON commands TO {role}",
    ]


_ROW = select(
    EVENTS.c.position,
    EVENTS.c.stream,
    EVENTS.c.version,
    EVENTS.c.kind,
    EVENTS.c.leaf,
    EVENTS.c.entry,
)
_BETWEEN = (EVENTS.c.position >= bindparam("start"), EVENTS.c.position < bindparam("end"))
_STREAM = _ROW.where(
    EVENTS.c.stream == bindparam("stream"),
    EVENTS.c.version > bindparam("after"),
    EVENTS.c.version <= bindparam("last"),
    EVENTS.c.position < bindparam("end"),
)
_TILES = (
    TILES.c.level == bindparam("level"),
    TILES.c.n >= bindparam("start"),
    TILES.c.n < bindparam("end"),
)
_CHECKPOINT = select(CHECKPOINTS.c.size, CHECKPOINTS.c.note)


def texts(dialect: Dialect) -> Texts:
    """Return every read in a dialect; Core would add an OFFSET to its own LIMIT."""
    limit = " LIMIT :limit" if dialect.name == "sqlite" else " LIMIT %(limit)s"

    def plain(statement: CompilerElement) -> str:
        return text(statement, dialect)

    return Texts(
        head=plain(select(HEAD.c.size, HEAD.c.edge, HEAD.c.max_at)),
        count=plain(select(func.count(EVENTS.c.position), func.max(EVENTS.c.position))),
        rows=plain(_ROW.where(*_BETWEEN).order_by(EVENTS.c.position)) + limit,
        stream=plain(_STREAM.order_by(EVENTS.c.version)) + limit,
        stream_backwards=plain(_STREAM.order_by(EVENTS.c.version.desc())) + limit,
        leaves=plain(select(EVENTS.c.leaf).where(*_BETWEEN).order_by(EVENTS.c.position)),
        tiles=plain(select(TILES.c.n, TILES.c.hashes).where(*_TILES).order_by(TILES.c.n)),
        command=plain(
            select(COMMANDS.c.digest, COMMANDS.c.first, COMMANDS.c.count).where(
                COMMANDS.c.key == bindparam("key")
            )
        ),
        checkpoint=plain(
            _CHECKPOINT.where(CHECKPOINTS.c.size >= bindparam("least")).order_by(CHECKPOINTS.c.size)
        )
        + limit,
        last_checkpoint=plain(_CHECKPOINT.order_by(CHECKPOINTS.c.size.desc())) + limit,
        cosignatures=plain(
            select(COSIGNATURES.c.line)
            .where(COSIGNATURES.c.size == bindparam("size"))
            .order_by(COSIGNATURES.c.witness)
        ),
    )


SQLITE: Final = texts(SQLITE_DIALECT)
POSTGRES: Final = texts(POSTGRES_DIALECT)
