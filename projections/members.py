"""Buyers, companies, and who holds which role: persons stand here as commitments only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select

from projections.changes import Amend, Change, Put, folded
from projections.facts import Fact
from projections.reading import Reader, plain
from projections.tables import buyers, members, operators


@dataclass(frozen=True)
class Member:
    """A person of one organisation, and one role it holds."""

    person: str
    role: str
    scope: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Buyer:
    """A public buyer."""

    siret: str
    name: str
    kind: str


def _buyer(fact: Fact) -> Iterator[Change]:
    name = fact.text("name")
    yield Put(
        buyers,
        {
            "siret": fact.text("siret"),
            "name": name,
            "kind": fact.text("buyer_kind"),
            "department": fact.maybe("department"),
            "search": plain(f"{name} {fact.text('siret')}"),
        },
    )


def _operator(fact: Fact) -> Iterator[Change]:
    row = {"operator": fact.name, "name": fact.text("name"), "size_class": fact.text("size_class")}
    yield Put(operators, row)


def _granted(fact: Fact) -> Iterator[Change]:
    yield Put(
        members,
        {
            "org": fact.name,
            "version": fact.version,
            "person": fact.text("person"),
            "role": fact.text("role"),
            "scope": fact.text("scope"),
            "valid_from": fact.text("valid_from"),
            "valid_to": fact.maybe("valid_to"),
        },
    )


def _revoked(fact: Fact) -> Iterator[Change]:
    held = {"org": fact.name, "person": fact.text("person"), "role": fact.text("role")}
    yield Amend(members, {**held, "revoked_at": None}, {"revoked_at": fact.at})


fold = folded(
    {
        "BuyerRegistered": _buyer,
        "OperatorRegistered": _operator,
        "RoleGranted": _granted,
        "RoleRevoked": _revoked,
    }
)


class Members:
    """Reads the roles of one organisation; the caller's own (N14)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, org: str, on: date) -> tuple[Member, ...]:
        """Return who holds a role in this organisation on a day, in the order of the grants."""
        asked = (
            select(members)
            .where(
                members.c.org == org,
                members.c.revoked_at.is_(None),
                members.c.valid_from <= on.isoformat(),
                or_(members.c.valid_to.is_(None), members.c.valid_to >= on.isoformat()),
            )
            .order_by(members.c.version)
        )
        with self._reader.connect() as connection:
            return tuple(
                Member(
                    person=row["person"],
                    role=row["role"],
                    scope=row["scope"],
                    valid_from=date.fromisoformat(row["valid_from"]),
                    valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
                )
                for row in connection.execute(asked).mappings()
            )

    def buyer(self, siret: str) -> Buyer | None:
        """Return a public buyer."""
        asked = select(buyers.c.siret, buyers.c.name, buyers.c.kind).where(buyers.c.siret == siret)
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Buyer(**row)
