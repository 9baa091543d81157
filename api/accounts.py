"""Credentials of callers: API tokens, hashed, scoped to a role and an organisation, expiring.

Credentials are never events. The right itself is: a token takes effect when its grant stands in the
ledger (``RoleGranted``), which the process that holds the ledger writes at the token's first use.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from api.errors import LoginRequired

PREFIX = "pli_"
SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens(
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, org TEXT NOT NULL, role TEXT NOT NULL,
  person TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT NOT NULL,
  granted INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0)
"""
COLUMNS = "id, org, role, person, created_at, expires_at, granted, revoked"


@dataclass(frozen=True)
class Account:
    """Who a token stands for: an organisation, a role in it, and a person's reference."""

    token_id: str
    org: str
    role: str
    person: str
    created_at: datetime
    expires_at: datetime
    granted: bool
    revoked: bool


class Accounts:
    """The tokens of one home, in ``accounts.db``; one short transaction per call."""

    def __init__(self, path: Path) -> None:
        # check_same_thread is off because _lock, and nothing else, guards the connection
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=1")
        self._db.execute(SCHEMA)

    def create(
        self, org: str, role: str, days: int, now: datetime, random: Callable[[int], bytes]
    ) -> tuple[str, Account]:
        """Return a new token, shown this once, and the account behind it."""
        secret = PREFIX + random(32).hex()
        token_id = random(8).hex()
        account = Account(
            token_id=token_id,
            org=org,
            role=role,
            person=f"token:{token_id}",
            created_at=now,
            expires_at=now + timedelta(days=days),
            granted=False,
            revoked=False,
        )
        with self._lock:
            self._db.execute(
                "INSERT INTO tokens(id, hash, org, role, person, created_at, expires_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    account.token_id,
                    _hash(secret),
                    org,
                    role,
                    account.person,
                    account.created_at.isoformat(),
                    account.expires_at.isoformat(),
                ),
            )
        return secret, account

    def authenticate(self, token: str, now: datetime) -> Account:
        """Return the account behind a token in force; raise LoginRequired for any other."""
        digest = _hash(token)
        with self._lock:
            row = self._db.execute(
                f"SELECT {COLUMNS}, hash FROM tokens WHERE hash = ?",  # noqa: S608 - constant
                (digest,),
            ).fetchone()
        if row is None or not hmac.compare_digest(row[-1], digest):
            raise LoginRequired("unknown token")
        account = _account(row)
        if account.revoked or now >= account.expires_at:
            raise LoginRequired("the token is revoked or has expired")
        return account

    def pending(self) -> list[Account]:
        """Return the accounts whose grant does not stand in the ledger yet."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM tokens WHERE granted = 0 ORDER BY rowid"  # noqa: S608
            ).fetchall()
        return [_account(row) for row in rows]

    def granted(self, token_id: str) -> None:
        """Remember that the grant of this token stands in the ledger."""
        with self._lock:
            self._db.execute("UPDATE tokens SET granted = 1 WHERE id = ?", (token_id,))

    def revoke(self, token_id: str) -> None:
        """End a token at once."""
        with self._lock:
            self._db.execute("UPDATE tokens SET revoked = 1 WHERE id = ?", (token_id,))

    def close(self) -> None:
        """Give the file back."""
        self._db.close()


def _hash(token: str) -> bytes:
    # tokens hold 256 random bits: a plain hash is enough, no dictionary reaches them
    return hashlib.sha256(b"pli/token/v1\0" + token.encode()).digest()


def _account(row: tuple[object, ...]) -> Account:
    token_id, org, role, person, created, expires, granted, revoked = row[:8]
    return Account(
        token_id=str(token_id),
        org=str(org),
        role=str(role),
        person=str(person),
        created_at=datetime.fromisoformat(str(created)),
        expires_at=datetime.fromisoformat(str(expires)),
        granted=bool(granted),
        revoked=bool(revoked),
    )
