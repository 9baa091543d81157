"""Register a public buyer; grant and revoke roles by events (domain.md §4.1, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.events.parties import BuyerKind
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class RegisterBuyer:
    """Open the account of a public buyer."""

    siret: str
    name: str
    buyer_kind: BuyerKind
    population: int | None = None
    department: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class GrantRole:
    """Give a person a role in a buyer's organisation."""

    buyer: str
    person: str
    role: str
    valid_from: date
    valid_to: date | None = None
    scope: str = "*"


@dataclass(frozen=True)
class RevokeRole:
    """Take a role back."""

    buyer: str
    person: str
    role: str
    reason: str


def register_buyer(desk: Desk, act: Act, command: RegisterBuyer) -> Recorded:
    """Append BuyerRegistered."""
    raise NotImplementedError


def grant_role(desk: Desk, act: Act, command: GrantRole) -> Recorded:
    """Append RoleGranted."""
    raise NotImplementedError


def revoke_role(desk: Desk, act: Act, command: RevokeRole) -> Recorded:
    """Append RoleRevoked."""
    raise NotImplementedError
