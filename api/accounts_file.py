"""The file ``accounts.db``: people and their means to log in, outside the ledger, erasable.

Personal data stand here and never in events; secrets stand here as hashes only. Each row about a
person names them in its column ``person``, so that an erasure finds it. One connection, one lock;
what is deleted is overwritten (``secure_delete``).
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS tokens(
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, org TEXT NOT NULL, role TEXT NOT NULL,
  person TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT NOT NULL,
  granted INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS people(
  person TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  created_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS passwords(
  person TEXT PRIMARY KEY, hash TEXT NOT NULL, changed_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS passkeys(
  id BLOB PRIMARY KEY, person TEXT NOT NULL, public_key BLOB NOT NULL,
  sign_count INTEGER NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL, used_at TEXT)""",
    """CREATE TABLE IF NOT EXISTS identities(
  issuer TEXT NOT NULL, subject TEXT NOT NULL, person TEXT NOT NULL, created_at TEXT NOT NULL,
  PRIMARY KEY(issuer, subject))""",
    """CREATE TABLE IF NOT EXISTS seats(
  person TEXT NOT NULL, org TEXT NOT NULL, role TEXT NOT NULL, since TEXT NOT NULL,
  granted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(person, org, role))""",
    """CREATE TABLE IF NOT EXISTS invitations(
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, person TEXT NOT NULL, org TEXT NOT NULL,
  role TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL,
  host_org TEXT, host_role TEXT, host_person TEXT,
  expires_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS sessions(
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, person TEXT NOT NULL, org TEXT, role TEXT,
  method TEXT NOT NULL, created_at TEXT NOT NULL, proven_at TEXT NOT NULL,
  seen_at TEXT NOT NULL, id_token TEXT)""",
    """CREATE TABLE IF NOT EXISTS ceremonies(
  hash BLOB NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, secrets TEXT NOT NULL,
  expires_at TEXT NOT NULL, PRIMARY KEY(hash, kind))""",
    """CREATE TABLE IF NOT EXISTS letters(
  person TEXT NOT NULL, key TEXT NOT NULL, sent_at TEXT NOT NULL, PRIMARY KEY(person, key))""",
)
ADDED = (
    ("tokens", "scopes", "TEXT NOT NULL DEFAULT 'read write open'"),
    ("tokens", "label", "TEXT NOT NULL DEFAULT ''"),
    ("tokens", "used_at", "TEXT"),
)
"""Columns that came later: an older file gets them when it is opened."""

Value = str | int | bytes | None
Row = tuple[Value, ...]


class AccountsFile:
    """The open file; each call is one short transaction unless it stands in one already."""

    def __init__(self, path: Path) -> None:
        # check_same_thread is off because _lock, and nothing else, guards the connection
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.RLock()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=1")
        for table in SCHEMA:
            self._db.execute(table)
        for table, column, kind in ADDED:
            known = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            if column not in known:
                self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Return every row of a question."""
        with self._lock:
            return list(self._db.execute(sql, values).fetchall())

    def one(self, sql: str, *values: Value) -> Row | None:
        """Return the first row of a question, None for none."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def do(self, sql: str, *values: Value) -> int:
        """Change something; return how many rows it touched."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def note(self, sql: str, *values: Value) -> None:
        """Change what a power cut may take: nobody waits for the disk, whoever asks meanwhile."""
        with self._lock:
            self._db.execute("PRAGMA synchronous=NORMAL")
            try:
                self._db.execute(sql, values)
            finally:
                self._db.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make what is done inside the block one transaction."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def hashed(kind: str, secret: str) -> bytes:
    """Return what is kept of a secret of 256 random bits: no dictionary reaches it."""
    return hashlib.sha256(f"pli/{kind}/v1\0{secret}".encode()).digest()
