"""Which box keys a custodian needs: the current one, and those of ceremonies that go on.

Tables of its `state.db`; they hold public keys only, the secrets lie in its chest.
"""

from __future__ import annotations

from api.adapters.one_connection import OneConnection

BOX_TABLES = """
CREATE TABLE IF NOT EXISTS box_current(
  id INTEGER PRIMARY KEY CHECK(id = 1), public BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS box_given(
  ceremony TEXT PRIMARY KEY, public BLOB NOT NULL, second INTEGER NOT NULL) WITHOUT ROWID;
"""


class BoxNotes:
    """What is remembered of box keys; each call is durable, or part of the open transaction."""

    def __init__(self, db: OneConnection) -> None:
        self._db = db

    def current(self) -> bytes:
        """Return the public key for the next ceremony, empty before the first start."""
        row = self._db.row("SELECT public FROM box_current")
        return bytes(row[0]) if row else b""

    def make_current(self, public: bytes) -> None:
        """Take this key for the next ceremony."""
        self._db.rows("INSERT OR REPLACE INTO box_current(id, public) VALUES (1, ?)", (public,))

    def given(self) -> list[bytes]:
        """Return the keys of the ceremonies that go on."""
        return [bytes(row[0]) for row in self._db.rows("SELECT public FROM box_given")]

    def give(self, ceremony: str, public: bytes, second: int) -> None:
        """Note the key of a ceremony and since when (seconds, 0 unknown); the first note stays."""
        self._db.rows(
            "INSERT OR IGNORE INTO box_given(ceremony, public, second) VALUES (?, ?, ?)",
            (ceremony, public, second),
        )

    def end(self, ceremony: str) -> None:
        """Note that a ceremony needs its key no more."""
        self._db.rows("DELETE FROM box_given WHERE ceremony = ?", (ceremony,))

    def forget(self, public: bytes) -> None:
        """Note that no ceremony has this key any more."""
        self._db.rows("DELETE FROM box_given WHERE public = ?", (public,))

    def expire(self, now: int, longest: int) -> None:
        """Drop the notes older than so many seconds; those without a time are of now."""
        self._db.rows("UPDATE box_given SET second = ? WHERE second = 0", (now,))
        self._db.rows("DELETE FROM box_given WHERE second < ?", (now - longest,))
