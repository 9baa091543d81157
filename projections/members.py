"""Buyers, companies, and who holds which role: persons stand here as commitments only.

Rows say what was recorded. Whether a delegation still rests on its giver's power at an instant is
a question to the stream itself (``domain.buyer``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import orjson
from sqlalchemy import or_, select

from projections.changes import Amend, Cell, Change, Put, folded
from projections.facts import Fact
from projections.reading import Reader, local_day, plain
from projections.tables import (
    accesses,
    buyers,
    committees,
    consortia,
    delegations,
    exclusions,
    members,
    operators,
    representatives,
)


@dataclass(frozen=True)
class Member:
    """A person of one organisation, and one role it holds."""

    person: str
    role: str
    scope: str
    basis: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Buyer:
    """A public buyer."""

    siret: str
    name: str
    kind: str


@dataclass(frozen=True)
class Delegated:
    """A delegation of signature as it was recorded, not revoked."""

    giver: str
    receiver: str
    act_types: tuple[str, ...]
    ceiling_cents: int
    valid_from: date
    valid_to: date


@dataclass(frozen=True)
class Elected:
    """The committee that was elected last."""

    president: str
    titulars: tuple[str, ...]
    substitutes: tuple[str, ...]
    deliberation: str


@dataclass(frozen=True)
class Representative:
    """A person who may act for a company."""

    person: str
    scope: str


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
            "population": fact.count("population"),
            "region": fact.maybe("region"),
        },
    )


def _left(fact: Fact) -> Iterator[Change]:
    yield Amend(buyers, {"siret": fact.name}, {"left_at": fact.at})
    for table in (members, delegations):
        yield Amend(table, {"org": fact.name, "revoked_at": None}, {"revoked_at": fact.at})


def _operator(fact: Fact) -> Iterator[Change]:
    row = {"operator": fact.name, "name": fact.text("name"), "size_class": fact.text("size_class")}
    yield Put(operators, row)


def _granted(fact: Fact) -> Iterator[Change]:
    yield Put(
        members,
        {
            **_row(fact),
            "place": 0,
            "person": fact.text("person"),
            "role": fact.text("role"),
            "scope": fact.text("scope"),
            "basis": "GRANT",
            "valid_from": fact.text("valid_from"),
            "valid_to": fact.maybe("valid_to"),
            "granted_at": fact.at,
        },
    )


def _revoked(fact: Fact) -> Iterator[Change]:
    person, role = fact.text("person"), fact.text("role")
    held = {"org": fact.name, "person": person, "role": role}
    yield Amend(members, {**held, "revoked_at": None}, {"revoked_at": fact.at})
    if role == "SI":
        given = {"org": fact.name, "receiver": person, "revoked_at": None}
        yield Amend(delegations, given, {"revoked_at": fact.at})
    if role == "CY":  # of a company's stream: nobody else has this role
        acting = {"operator": fact.name, "person": person, "revoked_at": None}
        yield Amend(representatives, acting, {"revoked_at": fact.at})


def _delegated(fact: Fact) -> Iterator[Change]:
    yield Put(
        delegations,
        {
            **_row(fact),
            "giver": fact.text("from"),
            "receiver": fact.text("to"),
            "act_types": fact.json("act_types"),
            "ceiling_cents": fact.number("ceiling_cents"),
            "deliberation": fact.text("deliberation"),
            "valid_from": fact.text("valid_from"),
            "valid_to": fact.text("valid_to"),
            "granted_at": fact.at,
        },
    )


def _elected(fact: Fact) -> Iterator[Change]:
    seated: dict[str, Cell] = {"org": fact.name, "basis": "ELECTION", "revoked_at": None}
    yield Amend(members, seated, {"revoked_at": fact.at})
    seats = [fact.text("president"), *fact.texts("titulars"), *fact.texts("substitutes")]
    for place, person in enumerate(seats):
        yield Put(
            members,
            {
                **_row(fact),
                "place": place,
                "person": person,
                "role": "CO",
                "scope": "*",
                "basis": "ELECTION",
                "valid_from": local_day(fact.at),
                "valid_to": None,
                "granted_at": fact.at,
            },
        )
    yield Put(
        committees,
        {
            **_row(fact),
            "president": fact.text("president"),
            "titulars": fact.json("titulars"),
            "substitutes": fact.json("substitutes"),
            "deliberation": fact.text("deliberation"),
            "elected_at": fact.at,
        },
    )


def _access(fact: Fact) -> Iterator[Change]:
    told = {name: fact.text(name) for name in ("to", "scope", "ground", "until_on")}
    yield Put(accesses, {**_row(fact), **told, "granted_at": fact.at})


def _represented(fact: Fact) -> Iterator[Change]:
    told = {"person": fact.text("person"), "scope": fact.text("scope"), "added_at": fact.at}
    yield Put(representatives, {"operator": fact.name, "version": fact.version, **told})


def _consortium(fact: Fact) -> Iterator[Change]:
    told = {"form": fact.text("form"), "members": fact.json("members"), "declared_at": fact.at}
    yield Put(consortia, {"operator": fact.name, "version": fact.version, **told})


def _excluded(fact: Fact) -> Iterator[Change]:
    told = {name: fact.text(name) for name in ("ground", "until_on")}
    said = {"buyer": fact.org, "recorded_at": fact.at, **told}
    yield Put(exclusions, {"operator": fact.name, "version": fact.version, **said})


def _row(fact: Fact) -> dict[str, Cell]:
    """Return the key of what a buyer's stream says, but for the place inside one event."""
    return {"org": fact.name, "version": fact.version}


fold = folded(
    {
        "AccessGranted": _access,
        "BuyerLeft": _left,
        "BuyerRegistered": _buyer,
        "CommitteeElected": _elected,
        "ConsortiumDeclared": _consortium,
        "OperatorExcluded": _excluded,
        "OperatorRegistered": _operator,
        "RepresentativeAdded": _represented,
        "RoleGranted": _granted,
        "RoleRevoked": _revoked,
        "SignatureDelegated": _delegated,
    }
)


class Members:
    """Reads the roles of one organisation; the caller's own (N14)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, org: str, on: date) -> tuple[Member, ...]:
        """Return who holds a role in this organisation on a day, in the order of the record."""
        asked = (
            select(members)
            .where(
                members.c.org == org,
                members.c.revoked_at.is_(None),
                members.c.valid_from <= on.isoformat(),
                or_(members.c.valid_to.is_(None), members.c.valid_to >= on.isoformat()),
            )
            .order_by(members.c.version, members.c.place)
        )
        with self._reader.connect() as connection:
            return tuple(
                Member(
                    person=row["person"],
                    role=row["role"],
                    scope=row["scope"],
                    basis=row["basis"],
                    valid_from=date.fromisoformat(row["valid_from"]),
                    valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
                )
                for row in connection.execute(asked).mappings()
            )

    def delegations(self, org: str, on: date) -> tuple[Delegated, ...]:
        """Return the delegations of a day that are not revoked, in the order of the record."""
        asked = (
            select(delegations)
            .where(
                delegations.c.org == org,
                delegations.c.revoked_at.is_(None),
                delegations.c.valid_from <= on.isoformat(),
                delegations.c.valid_to >= on.isoformat(),
            )
            .order_by(delegations.c.version)
        )
        with self._reader.connect() as connection:
            return tuple(
                Delegated(
                    giver=row["giver"],
                    receiver=row["receiver"],
                    act_types=tuple(orjson.loads(row["act_types"])),
                    ceiling_cents=row["ceiling_cents"],
                    valid_from=date.fromisoformat(row["valid_from"]),
                    valid_to=date.fromisoformat(row["valid_to"]),
                )
                for row in connection.execute(asked).mappings()
            )

    def committee(self, org: str) -> Elected | None:
        """Return the committee that was elected last."""
        newest = committees.c.version.desc()
        asked = select(committees).where(committees.c.org == org).order_by(newest).limit(1)
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
        if row is None:
            return None
        return Elected(
            president=row["president"],
            titulars=tuple(orjson.loads(row["titulars"])),
            substitutes=tuple(orjson.loads(row["substitutes"])),
            deliberation=row["deliberation"],
        )

    def representatives(self, operator: str) -> tuple[Representative, ...]:
        """Return who may act for a company, in the order of the record."""
        asked = (
            select(representatives.c.person, representatives.c.scope)
            .where(representatives.c.operator == operator, representatives.c.revoked_at.is_(None))
            .order_by(representatives.c.version)
        )
        with self._reader.connect() as connection:
            return tuple(Representative(*row) for row in connection.execute(asked))

    def buyer(self, siret: str) -> Buyer | None:
        """Return a public buyer."""
        asked = select(buyers.c.siret, buyers.c.name, buyers.c.kind).where(buyers.c.siret == siret)
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Buyer(**row)
