"""What the small databases of a home hold of a person: told as it stands, erased and overwritten.

Every table that names its person in a column ``person``, or its company in ``org`` or ``owner``, is
searched, whatever its other columns are, so that a table added later is not forgotten; ``host_``
before it says that the row is somebody's act. Of a company, ``siret:…``, the rows of its
organisation are its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ledger.errors import WipeBlocked

COMPANY = "siret:"
HOST = "host_"
SECRET = ("hash", "public_key")
OF_OTHERS = ("person", "email", "name")
"""What a row that somebody made says of whom it was made for."""


class PersonalRows:
    """The rows of one database, by person; its own statements wait while it is erased."""

    def __init__(self, name: str, path: Path, *, blank: bool = False) -> None:
        self.name = name
        self._path = path
        self._blank = blank
        """Whether a row stays, without its person: others still lead to what it names."""

    def held(self, subject: str) -> list[dict[str, object]]:
        """Return every row about a person, without the hashes of secrets."""
        found = []
        with closing(self._opened()) as database:
            for table, column, value in _places(database, subject):
                rows = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))  # noqa: S608
                names = [one[0] for one in rows.description]
                hidden = SECRET + (OF_OTHERS if column.startswith(HOST) else ())
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
            database.execute("COMMIT")
            database.execute("VACUUM")
            if database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise WipeBlocked(self._path.name)

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=10)


def _places(database: sqlite3.Connection, subject: str) -> Iterator[tuple[str, str, str]]:
    """Yield (table, column, value) for each table that can name this subject."""
    wanted = {"person": subject}
    if subject.startswith(COMPANY):
        wanted |= dict.fromkeys(("org", "owner"), subject.removeprefix(COMPANY))
    names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in names:
        for row in database.execute(f"PRAGMA table_info({table})").fetchall():
            value = wanted.get(row[1].removeprefix(HOST))
            if value is not None:
                yield table, row[1], value


def _shown(names: list[str], row: tuple[object, ...], hidden: tuple[str, ...]) -> dict[str, object]:
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
