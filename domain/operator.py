"""A company that bids; one account serves all buyers (domain.md §4.2).

Who represents it is a tenure like a buyer's roles, so replay answers who could act at any instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from domain.aggregate import Aggregate, folds
from domain.clock import local_date
from domain.events.parties import (
    ConsortiumDeclared,
    ConsortiumForm,
    OperatorExcluded,
    OperatorRegistered,
    RepresentativeAdded,
    RoleRevoked,
)
from domain.tenure import COMPANY, Grant


@dataclass(frozen=True)
class Consortium:
    """Companies that bid together."""

    form: ConsortiumForm
    mandatary: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Exclusion:
    """One buyer's exclusion of the company; it binds no other buyer and stops no deposit.

    Only time, published limits and identity stop a deposit (domain.md §4.6): the buyer judges an
    exclusion when it looks at the application.
    """

    buyer: str
    ground: str
    until_on: date
    recorded_at: datetime

    def binds(self, at: datetime) -> bool:
        """Say whether the exclusion was recorded and not over at this instant."""
        return self.recorded_at <= at and local_date(at) <= self.until_on


class EconomicOperator(Aggregate):
    """A company's account."""

    TOPIC = "EconomicOperator"
    PREFIX = "operator"
    EVENTS = (
        OperatorRegistered,
        RepresentativeAdded,
        RoleRevoked,
        ConsortiumDeclared,
        OperatorExcluded,
    )

    def begin(self) -> None:
        """Start without registration."""
        super().begin()
        self.registered = False
        self.grants: tuple[Grant, ...] = ()
        self.consortia: tuple[Consortium, ...] = ()
        self.exclusions: tuple[Exclusion, ...] = ()

    @folds(OperatorRegistered)
    def _registered(self, event: OperatorRegistered) -> None:
        self.registered = True

    @folds(RepresentativeAdded)
    def _represented(self, event: RepresentativeAdded) -> None:
        at = event.timestamp
        seat = Grant(event.person, COMPANY, event.scope, at, local_date(at), None)
        self.grants = (*self.grants, seat)

    @folds(RoleRevoked)
    def _removed(self, event: RoleRevoked) -> None:
        person, role, at = event.person, event.role, event.timestamp
        self.grants = tuple(one.ended(person, role, at) for one in self.grants)

    @folds(ConsortiumDeclared)
    def _joined(self, event: ConsortiumDeclared) -> None:
        declared = Consortium(event.form, event.mandatary, tuple(event.members))
        self.consortia = (*self.consortia, declared)

    @folds(OperatorExcluded)
    def _excluded(self, event: OperatorExcluded) -> None:
        buyer = event.meta.actor.org
        said = Exclusion(buyer, event.ground, event.until_on, event.timestamp)
        self.exclusions = (*self.exclusions, said)

    def in_force(self, at: datetime) -> tuple[Grant, ...]:
        """Return who represented the company at an instant, in the order of the record."""
        return tuple(one for one in self.grants if one.held(at))

    def people(
        self, at: datetime | None, reveal: Callable[[str], str | None]
    ) -> dict[str, tuple[str, ...]]:
        """Return each person who represented it at an instant, or ever, with their commitments.

        Whoever was erased acts no more and is not among them.
        """
        found: dict[str, tuple[str, ...]] = {}
        for one in self.grants if at is None else self.in_force(at):
            person = reveal(one.person)
            if person is not None and one.person not in found.get(person, ()):
                found[person] = (*found.get(person, ()), one.person)
        return found

    def exclusion(self, buyer: str, at: datetime) -> Exclusion | None:
        """Return how this buyer excludes the company at an instant; its last word counts."""
        told = [one for one in self.exclusions if one.buyer == buyer and one.recorded_at <= at]
        return told[-1] if told and told[-1].binds(at) else None
