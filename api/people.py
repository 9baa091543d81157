"""People who log in: a reference, an e-mail address, a name, and the means to prove who they are.

The reference alone enters the ledger, as a commitment; name and address stay here. One person may
hold several seats; a seat counts only while the ledger says so (``api/seats.py``).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from api.accounts_file import AccountsFile, Row
from api.errors import AddressTaken, EmailRefused, IdentityTaken, LoginRequired, PasskeyRefused

EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}\.[^@\s.]{2,63}")


def plain_email(text: str) -> str:
    """Return an e-mail address in the one form under which it is kept, or raise EmailRefused."""
    found = unicodedata.normalize("NFKC", text.strip()).casefold()
    if not EMAIL.fullmatch(found):
        raise EmailRefused("this is no e-mail address")
    return found


@dataclass(frozen=True)
class Person:
    """Somebody who may log in."""

    person: str
    email: str
    name: str


@dataclass(frozen=True)
class Seat:
    """An organisation and a role in it, as one person was given it."""

    org: str
    role: str
    granted: bool = True


@dataclass(frozen=True)
class Passkey:
    """A public key whose private half never leaves the person's device."""

    key_id: bytes
    person: str
    public_key: bytes
    sign_count: int
    label: str
    created_at: datetime
    used_at: datetime | None


class People:
    """The people of one home and their credentials."""

    def __init__(self, file: AccountsFile) -> None:
        self._file = file

    def add(self, made: Person, now: datetime) -> None:
        """Keep a new person; raise AddressTaken if somebody has this address."""
        if self.by_email(made.email) is not None:
            raise AddressTaken("this address has an account already")
        self._file.do(
            "INSERT INTO people(person, email, name, created_at) VALUES (?, ?, ?, ?)",
            made.person,
            made.email,
            made.name,
            now.isoformat(),
        )

    def find(self, person: str) -> Person:
        """Return a person, or raise LoginRequired: an erased person is nobody."""
        row = self._file.one("SELECT person, email, name FROM people WHERE person = ?", person)
        if row is None:
            raise LoginRequired("unknown person")
        return _person(row)

    def by_email(self, email: str) -> Person | None:
        """Return the person with this address."""
        row = self._file.one("SELECT person, email, name FROM people WHERE email = ?", email)
        return None if row is None else _person(row)

    # -- seats

    def seats(self, person: str) -> list[Seat]:
        """Return the seats that were ever given to a person, the first one first."""
        rows = self._file.rows(
            "SELECT org, role, granted FROM seats WHERE person = ? ORDER BY rowid", person
        )
        return [Seat(str(org), str(role), bool(granted)) for org, role, granted in rows]

    def seat(self, person: str, seat: Seat, now: datetime) -> None:
        """Give a person a seat; ``granted`` says whether its grant stands in the ledger."""
        self._file.do(
            "INSERT INTO seats(person, org, role, since, granted) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(person, org, role) DO UPDATE SET granted = excluded.granted",
            person,
            seat.org,
            seat.role,
            now.isoformat(),
            int(seat.granted),
        )

    def waiting(self, org: str) -> list[tuple[str, str]]:
        """Return (person, role) of the seats of an organisation whose grant waits for it."""
        sql = "SELECT person, role FROM seats WHERE org = ? AND granted = 0 ORDER BY rowid"
        return [(str(person), str(role)) for person, role in self._file.rows(sql, org)]

    # -- letters

    def was_told(self, person: str, key: str) -> bool:
        """Say whether a relay took a letter to this person about this."""
        sql = "SELECT 1 FROM letters WHERE person = ? AND key = ?"
        return self._file.one(sql, person, key) is not None

    def told(self, person: str, key: str, now: datetime) -> None:
        """Note that a relay took a letter to this person."""
        sql = "INSERT OR IGNORE INTO letters(person, key, sent_at) VALUES (?, ?, ?)"
        self._file.do(sql, person, key, now.isoformat())

    # -- passwords

    def password(self, person: str) -> str | None:
        """Return the hash of a person's password."""
        row = self._file.one("SELECT hash FROM passwords WHERE person = ?", person)
        return None if row is None else str(row[0])

    def keep_password(self, person: str, hashed: str, now: datetime) -> None:
        """Keep the hash of a new password in the place of the old one."""
        self._file.do(
            "INSERT INTO passwords(person, hash, changed_at) VALUES (?, ?, ?)"
            " ON CONFLICT(person) DO UPDATE SET hash = excluded.hash,"
            " changed_at = excluded.changed_at",
            person,
            hashed,
            now.isoformat(),
        )

    # -- passkeys

    def passkeys(self, person: str) -> list[Passkey]:
        """Return the passkeys of a person."""
        rows = self._file.rows(f"{_KEYS} WHERE person = ? ORDER BY rowid", person)
        return [_passkey(row) for row in rows]

    def passkey(self, key_id: bytes) -> Passkey | None:
        """Return the passkey of this id."""
        row = self._file.one(f"{_KEYS} WHERE id = ?", key_id)
        return None if row is None else _passkey(row)

    def add_passkey(self, key: Passkey) -> None:
        """Keep a new passkey; raise PasskeyRefused where one of this id is kept already."""
        kept = self._file.do(
            "INSERT INTO passkeys(id, person, public_key, sign_count, label, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            key.key_id,
            key.person,
            key.public_key,
            key.sign_count,
            key.label,
            key.created_at.isoformat(),
        )
        if not kept:
            raise PasskeyRefused("known already")

    def used_passkey(self, key_id: bytes, sign_count: int, now: datetime) -> None:
        """Remember the counter that a passkey told: a copy of it would tell a smaller one."""
        sql = "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE id = ?"
        self._file.do(sql, sign_count, now.isoformat(), key_id)

    def remove_passkey(self, person: str, key_id: bytes) -> None:
        """Forget a passkey of this person."""
        self._file.do("DELETE FROM passkeys WHERE person = ? AND id = ?", person, key_id)

    # -- identities

    def by_identity(self, issuer: str, subject: str) -> str | None:
        """Return the person bound to an identity of a provider."""
        sql = "SELECT person FROM identities WHERE issuer = ? AND subject = ?"
        row = self._file.one(sql, issuer, subject)
        return None if row is None else str(row[0])

    def bind_identity(self, person: str, issuer: str, subject: str, now: datetime) -> None:
        """Bind an identity to a person; raise IdentityTaken if it is somebody else's."""
        if (self.by_identity(issuer, subject) or person) != person:
            raise IdentityTaken("this identity belongs to another account")
        self._file.do(
            "INSERT INTO identities(issuer, subject, person, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            issuer,
            subject,
            person,
            now.isoformat(),
        )

    def identities(self, person: str) -> list[str]:
        """Return the issuers that vouch for a person."""
        sql = "SELECT issuer FROM identities WHERE person = ? ORDER BY rowid"
        return [str(row[0]) for row in self._file.rows(sql, person)]


_KEYS = "SELECT id, person, public_key, sign_count, label, created_at, used_at FROM passkeys"


def _person(row: Row) -> Person:
    return Person(str(row[0]), str(row[1]), str(row[2]))


def _passkey(row: Row) -> Passkey:
    key_id, person, public_key, count, label, created, used = row
    return Passkey(
        key_id=_bytes(key_id),
        person=str(person),
        public_key=_bytes(public_key),
        sign_count=int(str(count)),
        label=str(label),
        created_at=datetime.fromisoformat(str(created)),
        used_at=None if used is None else datetime.fromisoformat(str(used)),
    )


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
