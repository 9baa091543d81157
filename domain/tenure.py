"""Who holds what, from when to when: roles, seats, delegations, access (domain.md §4.1).

Dates are legal local dates, both included (T8); recording, revocation and leaving are instants.
Nothing is held before it was recorded, whatever its dates say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from domain.clock import local_date
from domain.errors import DelegationExceeds

SIGNATORY = "SI"
MEMBER = "CO"
COMPANY = "CY"
EVERYTHING = "*"
"""The scope of a role or an access that is not narrowed."""


class Basis(StrEnum):
    """What a role rests on."""

    GRANT = "GRANT"
    ELECTION = "ELECTION"
    DELEGATION = "DELEGATION"


@dataclass(frozen=True)
class Grant:
    """One role of one person, from the recording to the revocation."""

    person: str
    role: str
    scope: str
    granted_at: datetime
    valid_from: date
    valid_to: date | None
    revoked_at: datetime | None = None
    basis: Basis = Basis.GRANT

    def held(self, at: datetime) -> bool:
        """Say whether the role was held at this instant, as then recorded."""
        day = local_date(at)
        revoked = self.revoked_at is not None and self.revoked_at <= at
        dated = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        return self.granted_at <= at and dated and not revoked

    def ended(self, person: str, role: str, at: datetime) -> Grant:
        """Return the tenure after a revocation of all that a person holds in a role."""
        if (self.person, self.role, self.revoked_at) == (person, role, None):
            return replace(self, revoked_at=at)
        return self

    def meets(self, first: date, last: date | None) -> bool:
        """Say whether the role, as now recorded, is held on a day between these two."""
        begins_in_time = last is None or self.valid_from <= last
        ends_in_time = self.valid_to is None or first <= self.valid_to
        return self.revoked_at is None and begins_in_time and ends_in_time

    def lasts(self, first: date, last: date) -> bool:
        """Say whether the role, as now recorded, is held on every day between these two."""
        ends_after = self.valid_to is None or last <= self.valid_to
        return self.revoked_at is None and self.valid_from <= first and ends_after


@dataclass(frozen=True)
class Delegation:
    """A signatory lets somebody sign some acts, up to a ceiling, between two dates."""

    giver: str
    receiver: str
    act_types: tuple[str, ...]
    ceiling_cents: int
    deliberation: str
    tenure: Grant

    def covers(self, other: Delegation) -> bool:
        """Say whether somebody who holds only this delegation may give the other one."""
        return (
            self.receiver == other.giver
            and self.ceiling_cents >= other.ceiling_cents
            and set(self.act_types) >= set(other.act_types)
        )


def check_delegable(
    asked: Delegation, grants: Sequence[Grant], delegations: Sequence[Delegation]
) -> None:
    """Return quietly if the giver holds all that is asked, on each of its days.

    1 what the giver holds at all · 2 on all these days · 3 for these acts · 4 up to this ceiling;
    the first that fails is named by ``delegation.exceeds``.
    """
    first, last = asked.tenure.valid_from, asked.tenure.valid_to or date.max
    roles = [one for one in grants if (one.person, one.role) == (asked.giver, SIGNATORY)]
    signing = {one.person for one in grants if one.role == SIGNATORY and one.lasts(first, last)}
    firm: list[Delegation] = []
    for one in delegations:
        rests = one.giver in signing or any(earlier.covers(one) for earlier in firm)
        if rests and one.tenure.lasts(first, last):
            firm.append(one)
    if asked.giver in signing or any(one.covers(asked) for one in firm):
        return
    mine = [one for one in delegations if one.receiver == asked.giver]
    if all(one.revoked_at is not None for one in (*roles, *(each.tenure for each in mine))):
        raise DelegationExceeds("power")
    lasting = [one for one in firm if one.receiver == asked.giver]
    if not lasting:
        raise DelegationExceeds("dates")
    if not any(set(one.act_types) >= set(asked.act_types) for one in lasting):
        raise DelegationExceeds("act_types")
    raise DelegationExceeds("ceiling_cents")


@dataclass(frozen=True)
class Access:
    """An organisation that is no member may read, until a date, on a ground."""

    to: str
    scope: str
    until_on: date
    ground: str
    granted_at: datetime

    def open(self, at: datetime) -> bool:
        """Say whether the access was given and not over at this instant."""
        return self.granted_at <= at and local_date(at) <= self.until_on
