"""A signed-in person in one seat, and what the stream of their organisation holds.

Everything is asked for the organisation of the seat alone, so no address reaches another (N14).
An entry is named by its place in the organisation's own stream and by its leaf: its position in
the log would tell how many entries, sealed deposits among them, were made between two acts (N11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import orjson

from api.auth import Caller
from api.entrance import Entrance, Visitor
from api.errors import LoginRequired
from api.permissions import PAGES
from api.platform import Platform
from domain.buyer import Buyer
from domain.clock import instant_text, local_date
from domain.errors import NotAllowed
from domain.operator import EconomicOperator
from domain.ports import AT_HOME, Principal
from domain.tenure import COMPANY, Basis, Delegation, Grant

ADMINISTRATOR = "PA"
HOME = "/administration"
GIVEN_BY = {
    Basis.GRANT: ("RoleGranted", "person"),
    Basis.ELECTION: ("CommitteeElected", None),
    Basis.DELEGATION: ("SignatureDelegated", "to"),
}
"""The entry that a role rests on, and the field which names its holder."""
REPRESENTED_BY = ("RepresentativeAdded", "person")
"""The same of a company's stream."""


@dataclass(frozen=True)
class Entry:
    """One entry of an organisation's stream."""

    kind: str
    at: str
    version: int
    leaf: str
    data: Mapping[str, Any]

    @property
    def role(self) -> str:
        """The role in which somebody made it."""
        return str(self.data["meta"]["actor"]["role"])

    @property
    def person(self) -> str:
        """The commitment of whoever made it."""
        return str(self.data["meta"]["actor"]["person"])

    @property
    def at_home(self) -> bool:
        """Whether the operator of the home made it, without anybody's session or token."""
        return bool(self.data["meta"]["actor"]["auth"] == AT_HOME)


@dataclass(frozen=True)
class Seated:
    """Who acts on a page of administration, for which organisation."""

    reader: Visitor
    entrance: Entrance
    principal: Principal

    @property
    def platform(self) -> Platform:
        """The platform behind the page."""
        return self.entrance.platform

    @property
    def org(self) -> str:
        """The organisation of the seat."""
        return self.principal.org

    @property
    def role(self) -> str:
        """The role of the seat."""
        return self.principal.role

    @property
    def caller(self) -> Caller:
        """The same person as the interface knows them."""
        return Caller(self.principal, self.platform)

    @property
    def fresh(self) -> bool:
        """Whether they have proven lately who they are."""
        return self.entrance.fresh(self.reader.session)

    @cached_property
    def now(self) -> datetime:
        """The instant by which roles are judged on this page."""
        return self.platform.desk.clock.now().latest

    @property
    def today(self) -> date:
        """The legal date of this page."""
        return local_date(self.now)

    def mark(self, path: str) -> str | None:
        """Return how the role may do the act of a page, None if it may not."""
        row = PAGES[path]
        return self.platform.desk.law.roles.acts[row.act].get(self.role) if row.act else ""

    def require(self, path: str, among: frozenset[str] | None = None) -> str:
        """Return how the role may do the act of a page, else raise ``role.not-allowed``."""
        mark = self.mark(path)
        if mark is None or (among is not None and mark not in among):
            raise NotAllowed(self.role, PAGES[path].act)
        return mark

    # -- persons

    def reveal(self, commitment: str) -> str | None:
        """Return the person behind a commitment, None if they were erased."""
        return self.platform.desk.subjects.reveal(commitment)

    def called(self, person: str) -> str:
        """Return the name of a person who has an account, else what the organisation wrote."""
        try:
            return self.platform.accounts.people.find(person).name
        except LoginRequired:
            return person

    def name(self, commitment: str) -> str:
        """Return the name of a person of the stream, "" once it was erased."""
        person = self.reveal(commitment)
        return "" if person is None else self.called(person)

    @cached_property
    def known(self) -> dict[str, str]:
        """Every person whom the stream names and the reader, each under a text of their own."""
        persons = [self.principal.person]
        if self.buyer is not None:
            persons += list(self.buyer.persons(self.reveal))
        if self.company is not None:
            persons += list(self.company.people(self.now, self.reveal))
        found: dict[str, str] = {}
        for person in dict.fromkeys(persons):
            text = self.called(person)
            found[person] = f"{text} · {person[-6:]}" if text in found.values() else text
        return dict(sorted(found.items(), key=lambda pair: pair[1].casefold()))

    def person(self, text: str) -> str:
        """Return the person who is shown under this text, else the text: somebody new."""
        return next((person for person, shown in self.known.items() if shown == text), text)

    # -- the organisation

    @cached_property
    def buyer(self) -> Buyer | None:
        """The stream of the seat's buyer, or of the platform's own organisation."""
        if self.role == COMPANY:
            return None
        return self.platform.desk.files.find(Buyer, f"buyer/{self.org}")

    @cached_property
    def company(self) -> EconomicOperator | None:
        """The account of the seat's company, None before it is registered."""
        if self.role != COMPANY:
            return None
        found = self.platform.desk.files.find(EconomicOperator, f"operator/{self.org}")
        return found if found is not None and found.registered else None

    @cached_property
    def entries(self) -> list[Entry]:
        """The entries of the organisation's stream, in order."""
        kind = "operator" if self.role == COMPANY else "buyer"
        found = []
        for row in self.platform.ledger.stream(f"{kind}/{self.org}"):
            entry = orjson.loads(row.entry)
            found.append(Entry(row.kind, entry["at"], row.version, row.leaf.hex(), entry["data"]))
        return found

    @property
    def title(self) -> str:
        """The registered name of the organisation, "" before it is registered."""
        registered = ("BuyerRegistered", "OperatorRegistered")
        names = [str(one.data["name"]) for one in self.entries if one.kind in registered]
        return names[0] if names else ""

    def origin(self, grant: Grant) -> Entry | None:
        """Return the entry on which a role rests."""
        kind, holder = REPRESENTED_BY if grant.role == COMPANY else GIVEN_BY[grant.basis]
        at = instant_text(grant.granted_at)
        return next(
            (
                one
                for one in self.entries
                if (one.kind, one.at) == (kind, at)
                and (holder is None or one.data[holder] == grant.person)
            ),
            None,
        )

    def grants(self) -> list[Grant]:
        """Return the roles in force and those that begin later, as now recorded."""
        if self.buyer is None or self.buyer.gone(self.now):
            return []
        later = [
            one
            for one in (*self.buyer.grants, *self.buyer.tenures())
            if one.valid_from > self.today and one.revoked_at is None
        ]
        return [*self.buyer.in_force(self.now), *later]

    def delegations(self) -> tuple[Delegation, ...]:
        """Return the delegations in force."""
        return () if self.buyer is None else self.buyer.delegated(self.now)


def seated(entrance: Entrance, reader: Visitor) -> Seated | None:
    """Return the reader in their seat, None while the ledger gives them none.

    A role that asks for a strong login is administered by nobody with less.
    """
    seat = reader.seat
    if seat is None:
        return None
    entrance.check_strong(reader.session)
    person, method = reader.person.person, reader.session.method
    return Seated(reader, entrance, Principal(seat.org, seat.role, person, method))
