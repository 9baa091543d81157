"""Sessions of people in a browser: an opaque cookie, kept hashed, that ends by itself (T19).

A session ends after a time without a request, and after a whole day's work whatever happens. Its
secret changes at login, at each new proof of identity and at each change of seat, so that a secret
which somebody planted or saw before is worth nothing afterwards.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from api.accounts_file import AccountsFile, Row, hashed
from api.errors import SessionEnded

Random = Callable[[int], bytes]
CEREMONY = timedelta(minutes=10)
"""How long a login that was begun may take."""
KEPT_EVERY = timedelta(minutes=1)
COLUMNS = "id, person, org, role, method, created_at, proven_at, seen_at, id_token"


@dataclass(frozen=True)
class Bounds:
    """How long a session may rest, live, and count as freshly proven."""

    idle: timedelta
    absolute: timedelta
    fresh: timedelta


@dataclass(frozen=True)
class Session:
    """One browser of one person; it acts in one seat at a time."""

    session_id: str
    person: str
    org: str | None
    role: str | None
    method: str
    created_at: datetime
    proven_at: datetime
    seen_at: datetime
    id_token: str | None = None

    def ended(self, now: datetime, bounds: Bounds) -> bool:
        """Say whether it ended by itself; the last instant of a bound still counts."""
        return now - self.seen_at > bounds.idle or now - self.created_at > bounds.absolute

    def fresh(self, now: datetime, bounds: Bounds) -> bool:
        """Say whether the person proved who they are lately enough to open or sign."""
        return now - self.proven_at <= bounds.fresh


def forgery_token(secret: str) -> str:
    """Return what a form must carry beside the cookie: derived from it, and not the other way."""
    return hashed("forgery", secret).hex()


def check_forgery(secret: str, given: str) -> bool:
    """Compare a form's token with its cookie, in constant time."""
    return hmac.compare_digest(forgery_token(secret).encode(), given.encode())


class Sessions:
    """The sessions of one home, and the logins that were begun."""

    def __init__(self, file: AccountsFile) -> None:
        self._file = file
        # last request of each session, by its id; the file learns it once a minute
        self._seen: dict[str, datetime] = {}

    def begin(  # noqa: PLR0913 - the facts of a login
        self,
        person: str,
        method: str,
        now: datetime,
        random: Random,
        *,
        bounds: Bounds,
        seat: tuple[str, str] | None = None,
        id_token: str | None = None,
    ) -> str:
        """Return the secret of a new session; those that have ended are forgotten."""
        self._forget(now, bounds)
        secret, session_id = random(32).hex(), random(8).hex()
        org, role = seat or (None, None)
        at = now.isoformat()
        self._file.do(
            f"INSERT INTO sessions({COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            session_id,
            person,
            org,
            role,
            method,
            at,
            at,
            at,
            id_token,
            hashed("session", secret),
        )
        return secret

    def find(self, secret: str, now: datetime, bounds: Bounds) -> Session:
        """Return the session of a secret and note its use; raise SessionEnded for any other."""
        row = self._file.one(
            f"SELECT {COLUMNS} FROM sessions WHERE hash = ?",  # noqa: S608
            hashed("session", secret),
        )
        if row is None:
            raise SessionEnded("no such session")
        session = self._session(row)
        if session.ended(now, bounds):
            self.end(session)
            raise SessionEnded("the session has ended")
        if now - datetime.fromisoformat(str(row[7])) >= KEPT_EVERY:
            sql = "UPDATE sessions SET seen_at = ? WHERE id = ?"
            self._file.note(sql, now.isoformat(), session.session_id)
        self._seen[session.session_id] = now
        return session

    def take_seat(self, session: Session, seat: tuple[str, str], random: Random) -> str:
        """Let a session act in another seat; return its new secret."""
        return self._rotate(session, random, "org = ?, role = ?", *seat)

    def prove(
        self, session: Session, method: str, now: datetime, random: Random, id_token: str | None
    ) -> str:
        """Note that the person proved again who they are; return the session's new secret."""
        return self._rotate(
            session,
            random,
            "proven_at = ?, method = ?, id_token = COALESCE(?, id_token)",
            now.isoformat(),
            method,
            id_token,
        )

    def of(self, person: str, now: datetime, bounds: Bounds) -> Sequence[Session]:
        """Return the sessions of a person that have not ended, the newest first."""
        rows = self._file.rows(
            f"SELECT {COLUMNS} FROM sessions WHERE person = ? ORDER BY created_at DESC",  # noqa: S608
            person,
        )
        found = [self._session(row) for row in rows]
        return [session for session in found if not session.ended(now, bounds)]

    def end(self, session: Session) -> None:
        """End a session at once."""
        self.end_one(session.person, session.session_id)

    def end_one(self, person: str, session_id: str) -> None:
        """End one session of a person."""
        self._file.do("DELETE FROM sessions WHERE person = ? AND id = ?", person, session_id)
        self._seen.pop(session_id, None)

    def end_all(self, person: str, but: str = "") -> None:
        """End every session of a person, but one."""
        self._file.do("DELETE FROM sessions WHERE person = ? AND id <> ?", person, but)

    # -- logins that were begun: what was asked is kept here, under the browser's own cookie

    def await_answer(
        self, browser: str, kind: str, purpose: str, secrets: dict[str, str], now: datetime
    ) -> None:
        """Keep what the answer to a login must match; an earlier one of this browser is over."""
        self._file.do("DELETE FROM ceremonies WHERE expires_at < ?", now.isoformat())
        self._file.do(
            "INSERT OR REPLACE INTO ceremonies(hash, kind, purpose, secrets, expires_at)"
            " VALUES (?, ?, ?, ?, ?)",
            hashed("browser", browser),
            kind,
            purpose,
            orjson.dumps(secrets).decode(),
            (now + CEREMONY).isoformat(),
        )

    def take_answer(
        self, browser: str, kind: str, now: datetime
    ) -> tuple[str, dict[str, str]] | None:
        """Return purpose and secrets of a login that was begun, once and never again."""
        rows = self._file.rows(
            "DELETE FROM ceremonies WHERE hash = ? AND kind = ?"
            " RETURNING purpose, secrets, expires_at",
            hashed("browser", browser),
            kind,
        )
        if not rows or now > datetime.fromisoformat(str(rows[0][2])):
            return None
        return str(rows[0][0]), dict(orjson.loads(str(rows[0][1])))

    def _rotate(self, session: Session, random: Random, change: str, *values: str | None) -> str:
        secret = random(32).hex()
        self._file.do(
            f"UPDATE sessions SET {change}, hash = ? WHERE id = ?",  # noqa: S608 - constants
            *values,
            hashed("session", secret),
            session.session_id,
        )
        return secret

    def _forget(self, now: datetime, bounds: Bounds) -> None:
        sql = "DELETE FROM sessions WHERE created_at < ? OR seen_at < ?"
        self._file.do(
            sql,
            (now - bounds.absolute).isoformat(),
            (now - bounds.idle - KEPT_EVERY).isoformat(),
        )

    def _session(self, row: Row) -> Session:
        session_id, person, org, role, method, created, proven, seen, id_token = row
        return Session(
            session_id=str(session_id),
            person=str(person),
            org=None if org is None else str(org),
            role=None if role is None else str(role),
            method=str(method),
            created_at=datetime.fromisoformat(str(created)),
            proven_at=datetime.fromisoformat(str(proven)),
            seen_at=self._seen.get(str(session_id), datetime.fromisoformat(str(seen))),
            id_token=None if id_token is None else str(id_token),
        )
