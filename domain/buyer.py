"""A public buyer and who holds which role when (domain.md §4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from domain.aggregate import Aggregate, folds
from domain.events.parties import BuyerRegistered, RoleGranted, RoleRevoked

LEGAL_ZONE = "Europe/Paris"


def local_date(at: datetime) -> date:
    """Return the legal calendar date of an instant (T8)."""
    return at.astimezone(ZoneInfo(LEGAL_ZONE)).date()


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

    def held(self, at: datetime) -> bool:
        """Say whether the role was held at this instant, as then recorded."""
        day = local_date(at)
        revoked = self.revoked_at is not None and self.revoked_at <= at
        dated = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        return self.granted_at <= at and dated and not revoked


class Buyer(Aggregate):
    """A buyer's account; persons stand here as commitments."""

    TOPIC = "Buyer"
    PREFIX = "buyer"
    EVENTS = (BuyerRegistered, RoleGranted, RoleRevoked)

    def begin(self) -> None:
        """Start without registration and roles."""
        super().begin()
        self.registered = False
        self.grants: tuple[Grant, ...] = ()

    @folds(BuyerRegistered)
    def _registered(self, event: BuyerRegistered) -> None:
        self.registered = True

    @folds(RoleGranted)
    def _granted(self, event: RoleGranted) -> None:
        self.grants = (
            *self.grants,
            Grant(
                event.person,
                event.role,
                event.scope,
                event.timestamp,
                event.valid_from,
                event.valid_to,
            ),
        )

    @folds(RoleRevoked)
    def _revoked(self, event: RoleRevoked) -> None:
        self.grants = tuple(
            replace(grant, revoked_at=event.timestamp)
            if (grant.person, grant.role, grant.revoked_at) == (event.person, event.role, None)
            else grant
            for grant in self.grants
        )

    def holders(self, role: str, at: datetime) -> tuple[str, ...]:
        """Return who held a role at an instant, as commitments."""
        return tuple(grant.person for grant in self.grants if grant.role == role and grant.held(at))

    def roles_of(
        self, person: str, at: datetime, reveal: Callable[[str], str | None]
    ) -> dict[str, str]:
        """Return the roles which a person holds, each with the commitment that names them."""
        return {
            grant.role: grant.person
            for grant in self.grants
            if grant.held(at) and reveal(grant.person) == person
        }
