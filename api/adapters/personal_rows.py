"""What the small databases of a home hold of a person: told as it stands, erased and overwritten.

Every table that names its person in a column ``person`` or ``host_person``, or its company in
``org`` or ``owner``, is searched, whatever its other columns are, so that a table added later is
not forgotten. Of a company, ``siret:…``, the rows of its organisation are its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from ledger.errors import WipeBlocked

COMPANY = "siret:"
SECRET = ("hash", "public_key", "id_token")
HOST = "host_person"
"""Whoever invited: the rows are theirs to erase, and tell of another person."""
OF_GUESTS = ("person", "email", "name")
BEGUN = "secrets"
"""What a login that was begun waits for, as JSON that may name its person."""


class PersonalRows:
    """The rows of one database, by person; its own statements wait while it is erased."""

    def __init__(self, name: str, path: Path, *, blank: bool = False) -> None:
        self.name = name
        self._path = path
        self._blank = blank
        """Whether a row stays, without its person: others still lead to what it names."""

    def held(self, subject: str) -> list[dict[str, object]]:
        """Return every row about a person: no secret, no hash of one, nobody else's name."""
        found = []
        with closing(self._opened()) as database:
            for table, column, value in _places(database, subject):
                rows = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))  # noqa: S608
                names = [one[0] for one in rows.description]
                hidden = {*SECRET, *(OF_GUESTS if column == HOST else ())}
                found += [{"table": table, **_shown(names, row, hidden)} for row in rows]
        return found

    def erase(self, subject: str) -> None:
        """Leave no byte about a person in file or WAL; a second call finds nothing."""
        with closing(self._opened()) as database:
            database.execute("PRAGMA secure_delete=1")
            database.execute("BEGIN IMMEDIATE")
            for table, column, value in _places(database, subject):
                sql = f"DELETE FROM {table} WHERE {column} = ?"  # noqa: S608 - of the schema
                if self._blank:
                    sql = f"UPDATE {table} SET {column} = '' WHERE {column} = ?"  # noqa: S608
                database.execute(sql, (value,))
            for table in _tables_with(database, BEGUN):
                sql = f"DELETE FROM {table} WHERE instr({BEGUN}, ?)"  # noqa: S608 - of the schema
                database.execute(sql, (json.dumps(subject, ensure_ascii=False),))
            database.execute("COMMIT")
            database.execute("VACUUM")
            if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise WipeBlocked(self._path.name)

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=10)


def _places(database: sqlite3.Connection, subject: str) -> Iterator[tuple[str, str, str]]:
    """Yield (table, column, value) for each table that can name this subject."""
    wanted = {"person": subject, HOST: subject}
    if subject.startswith(COMPANY):
        wanted |= dict.fromkeys(("org", "owner"), subject.removeprefix(COMPANY))
    for column, value in wanted.items():
        for table in _tables_with(database, column):
            yield table, column, value


def _tables_with(database: sqlite3.Connection, column: str) -> list[str]:
    """Return the tables that have a column of this name."""
    rows = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [
        table
        for (table,) in rows
        if any(row[1] == column for row in database.execute(f"PRAGMA table_info({table})"))
    ]


def _shown(names: list[str], row: tuple[object, ...], hidden: Collection[str]) -> dict[str, object]:
    return {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in zip(names, row, strict=True)
        if name not in hidden
    }


def stores_of(folder: Path) -> list[PersonalRows]:
    """Return the stores of a home that hold personal data, besides the private rows."""
    return [
        PersonalRows("accounts", folder / "accounts.db"),
        PersonalRows("uploads", folder / "uploads.db", blank=True),
    ]
