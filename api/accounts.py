"""Credentials of callers: API tokens, hashed, scoped to a role and an organisation, expiring.

Credentials are never events. The right itself is: a token takes effect when its grant stands in the
ledger (``RoleGranted``), which the process that holds the ledger writes at the token's first use.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from api.accounts_file import AccountsFile, Row, hashed
from api.errors import LoginRequired
from api.invitations import Invitations
from api.people import People
from api.sessions import Sessions

PREFIX = "pli_"
SCOPES = ("read", "write", "open")
"""What a token may be kept to: reading; acts; acts that open or sign."""
COLUMNS = (
    "id, org, role, person, created_at, expires_at, granted, revoked, scopes, label, used_at, hash"
)
SEEN_EVERY = timedelta(minutes=1)
"""How exactly the last use of a token is kept."""


@dataclass(frozen=True)
class Account:
    """Who a token stands for: an organisation, a role in it, and a person's reference."""

    token_id: str
    org: str
    role: str
    person: str
    created_at: datetime
    expires_at: datetime
    granted: bool = False
    revoked: bool = False
    scopes: frozenset[str] = frozenset(SCOPES)
    label: str = ""
    used_at: datetime | None = None


class Accounts:
    """The tokens of one home, and beside them its people, sessions and invitations."""

    def __init__(self, path: Path) -> None:
        self.file = AccountsFile(path)
        self.people = People(self.file)
        self.sessions = Sessions(self.file)
        self.invitations = Invitations(self.file)

    def create(  # noqa: PLR0913 - the facts of one token
        self,
        org: str,
        role: str,
        days: int,
        now: datetime,
        random: Callable[[int], bytes],
        *,
        owner: str | None = None,
        scopes: Iterable[str] = SCOPES,
        label: str = "",
    ) -> tuple[str, Account]:
        """Return a new token, shown this once, and the account behind it."""
        secret = PREFIX + random(32).hex()
        token_id = random(8).hex()
        account = Account(
            token_id=token_id,
            org=org,
            role=role,
            person=owner or f"token:{token_id}",
            created_at=now,
            expires_at=now + timedelta(days=days),
            granted=owner is not None,  # its owner's seat is the right
            scopes=frozenset(scopes),
            label=label,
        )
        self.file.do(
            "INSERT INTO tokens(id, hash, org, role, person, created_at, expires_at, granted,"
            " scopes, label) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            token_id,
            hashed("token", secret),
            org,
            role,
            account.person,
            account.created_at.isoformat(),
            account.expires_at.isoformat(),
            int(account.granted),
            " ".join(sorted(account.scopes)),
            label,
        )
        return secret, account

    def authenticate(self, token: str, now: datetime) -> Account:
        """Return the account behind a token in force; raise LoginRequired for any other."""
        digest = hashed("token", token)
        row = self.file.one(f"SELECT {COLUMNS} FROM tokens WHERE hash = ?", digest)  # noqa: S608
        if row is None or not hmac.compare_digest(bytes(row[-1] or b""), digest):  # type: ignore[arg-type]
            raise LoginRequired("unknown token")
        account = _account(row)
        if account.revoked or now >= account.expires_at:
            raise LoginRequired("the token is revoked or has expired")
        if account.used_at is None or now - account.used_at >= SEEN_EVERY:
            sql = "UPDATE tokens SET used_at = ? WHERE id = ?"
            self.file.note(sql, now.isoformat(), account.token_id)
        return account

    def of(self, person: str) -> list[Account]:
        """Return the tokens of a person that are not revoked, the newest first."""
        rows = self.file.rows(
            f"SELECT {COLUMNS} FROM tokens WHERE person = ? AND revoked = 0"  # noqa: S608
            " ORDER BY rowid DESC",
            person,
        )
        return [_account(row) for row in rows]

    def pending(self) -> list[Account]:
        """Return the accounts whose grant does not stand in the ledger yet."""
        rows = self.file.rows(
            f"SELECT {COLUMNS} FROM tokens WHERE granted = 0 ORDER BY rowid"  # noqa: S608
        )
        return [_account(row) for row in rows]

    def granted(self, token_id: str) -> None:
        """Remember that the grant of this token stands in the ledger."""
        self.file.do("UPDATE tokens SET granted = 1 WHERE id = ?", token_id)

    def revoke(self, token_id: str, owner: str | None = None) -> None:
        """End a token at once; with an owner, only one of theirs."""
        sql = "UPDATE tokens SET revoked = 1 WHERE id = ?1 AND (?2 IS NULL OR person = ?2)"
        self.file.do(sql, token_id, owner)

    def close(self) -> None:
        """Give the file back."""
        self.file.close()


def _account(row: Row) -> Account:
    token_id, org, role, person, created, expires, granted, revoked, scopes, label, used = row[:11]
    return Account(
        token_id=str(token_id),
        org=str(org),
        role=str(role),
        person=str(person),
        created_at=datetime.fromisoformat(str(created)),
        expires_at=datetime.fromisoformat(str(expires)),
        granted=bool(granted),
        revoked=bool(revoked),
        scopes=frozenset(str(scopes).split()),
        label=str(label),
        used_at=None if used is None else datetime.fromisoformat(str(used)),
    )
