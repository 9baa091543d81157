"""Invitations: how a person gets a seat. One link, one use, one end; the link is kept hashed.

Nobody enters by an e-mail address alone: whoever holds the link chooses how they will prove who
they are, and the grant is recorded as the act of whoever invited (domain.md §4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.accounts_file import AccountsFile, Row, hashed
from api.errors import InvitationEnded
from api.people import plain_email
from api.sessions import Random
from domain.ports import Principal

DAYS = 7
BY_INVITATION = "invitation"
OF_ACCOUNT = "((org = ? AND (role = 'CY') = ?) OR host_person = ?)"
"""Into one account of an organisation, a company's or a buyer's; or of one host."""
COLUMNS = "id, person, org, role, email, name, host_org, host_role, host_person, expires_at"


@dataclass(frozen=True)
class Invitation:
    """A seat that waits for its person; without a host, the operator of the home invites."""

    invitation_id: str
    org: str
    role: str
    email: str
    name: str
    host: Principal | None
    expires_at: datetime

    @property
    def person(self) -> str:
        """The reference of the person whom it makes, unless they have one already."""
        return f"person:{self.invitation_id}"


class Invitations:
    """The invitations of one home that still wait."""

    def __init__(self, file: AccountsFile) -> None:
        self._file = file

    def create(  # noqa: PLR0913 - the facts of one invitation
        self,
        seat: tuple[str, str],
        email: str,
        name: str,
        now: datetime,
        random: Random,
        *,
        host: Principal | None = None,
        days: int = DAYS,
    ) -> tuple[str, Invitation]:
        """Return the secret of a new invitation, shown this once, and the invitation."""
        secret = random(32).hex()
        ends = now + timedelta(days=days)
        made = Invitation(random(16).hex(), *seat, plain_email(email), name, host, ends)
        by = (None, None, None) if host is None else (host.org, host.role, host.person)
        self._file.do("DELETE FROM invitations WHERE expires_at < ?", now.isoformat())
        self._file.do(
            f"INSERT INTO invitations({COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            made.invitation_id,
            made.person,
            made.org,
            made.role,
            made.email,
            made.name,
            *by,
            made.expires_at.isoformat(),
            hashed("invitation", secret),
        )
        return secret, made

    def find(self, secret: str, now: datetime) -> Invitation:
        """Return an invitation in force, or raise InvitationEnded."""
        row = self._file.one(
            f"SELECT {COLUMNS} FROM invitations WHERE hash = ?",  # noqa: S608
            hashed("invitation", secret),
        )
        if row is None or now > datetime.fromisoformat(str(row[9])):
            raise InvitationEnded("the invitation was used, withdrawn, or has ended")
        return _invitation(row)

    def of(self, org: str, host: str, now: datetime, *, company: bool) -> Sequence[Invitation]:
        """Return the invitations into an organisation, or of this host, that still wait.

        ``company``: into its account as a company. A town that bids itself has one SIRET and two
        accounts, and neither reads or ends what is the other's.
        """
        rows = self._file.rows(
            f"SELECT {COLUMNS} FROM invitations WHERE {OF_ACCOUNT}"  # noqa: S608
            " AND expires_at >= ? ORDER BY expires_at DESC",
            org,
            int(company),
            host,
            now.isoformat(),
        )
        return [_invitation(row) for row in rows]

    def spend(self, invitation: Invitation) -> None:
        """Take an invitation, once; raise InvitationEnded if somebody was faster."""
        sql = "DELETE FROM invitations WHERE id = ?"
        if self._file.do(sql, invitation.invitation_id) != 1:
            raise InvitationEnded("the invitation was used, withdrawn, or has ended")

    def withdraw(self, org: str, host: str, invitation_id: str, *, company: bool) -> None:
        """End an invitation into this account of an organisation, or of this host."""
        sql = f"DELETE FROM invitations WHERE {OF_ACCOUNT} AND id = ?"  # noqa: S608
        self._file.do(sql, org, int(company), host, invitation_id)


def _invitation(row: Row) -> Invitation:
    made_id, _person, org, role, email, name, host_org, host_role, host_person, expires = row
    host = None
    if host_org is not None:
        host = Principal(str(host_org), str(host_role), str(host_person), BY_INVITATION)
    return Invitation(
        str(made_id),
        str(org),
        str(role),
        str(email),
        str(name),
        host,
        datetime.fromisoformat(str(expires)),
    )
