"""A public buyer and who holds which role when (domain.md §4.1).

Everything is a function of the events and an instant, so replay answers "who could open on 3 March
at 12:00?" with what the commands then knew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime

from domain.aggregate import Aggregate, folds
from domain.clock import local_date
from domain.committee import Committee
from domain.events.parties import (
    AccessGranted,
    BuyerKind,
    BuyerLeft,
    BuyerRegistered,
    CommitteeElected,
    RoleGranted,
    RoleRevoked,
    SignatureDelegated,
)
from domain.tenure import (
    EVERYTHING,
    MEMBER,
    SIGNATORY,
    Access,
    Basis,
    Delegation,
    Grant,
)

Reveal = Callable[[str], str | None]


class Buyer(Aggregate):
    """A buyer's account; persons stand here as commitments."""

    TOPIC = "Buyer"
    PREFIX = "buyer"
    EVENTS = (
        BuyerRegistered,
        RoleGranted,
        RoleRevoked,
        SignatureDelegated,
        CommitteeElected,
        AccessGranted,
        BuyerLeft,
    )

    def begin(self) -> None:
        """Start without registration and roles."""
        super().begin()
        self.registered = False
        self.kind: BuyerKind | None = None
        self.population: int | None = None
        self.grants: tuple[Grant, ...] = ()
        self.delegations: tuple[Delegation, ...] = ()
        self.committees: tuple[Committee, ...] = ()
        self.accesses: tuple[Access, ...] = ()
        self.left_at: datetime | None = None

    @folds(BuyerRegistered)
    def _registered(self, event: BuyerRegistered) -> None:
        self.registered = True
        self.kind, self.population = event.buyer_kind, event.population

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
        person, role, at = event.person, event.role, event.timestamp
        self.grants = tuple(grant.ended(person, role, at) for grant in self.grants)
        self.delegations = tuple(
            replace(one, tenure=one.tenure.ended(person, role, at)) for one in self.delegations
        )

    @folds(SignatureDelegated)
    def _delegated(self, event: SignatureDelegated) -> None:
        tenure = Grant(
            event.to,
            SIGNATORY,
            EVERYTHING,
            event.timestamp,
            event.valid_from,
            event.valid_to,
            basis=Basis.DELEGATION,
        )
        given = Delegation(
            event.from_,
            event.to,
            tuple(event.act_types),
            event.ceiling_cents,
            event.deliberation,
            tenure,
        )
        self.delegations = (*self.delegations, given)

    @folds(CommitteeElected)
    def _elected(self, event: CommitteeElected) -> None:
        at = event.timestamp
        kept = tuple(
            replace(grant, revoked_at=at)
            if grant.basis is Basis.ELECTION and grant.revoked_at is None
            else grant
            for grant in self.grants
        )
        seats = (event.president, *event.titulars, *event.substitutes)
        self.grants = (
            *kept,
            *(
                Grant(seat, MEMBER, EVERYTHING, at, local_date(at), None, basis=Basis.ELECTION)
                for seat in seats
            ),
        )
        elected = Committee(
            event.president,
            tuple(event.titulars),
            tuple(event.substitutes),
            event.deliberation,
            at,
        )
        self.committees = (*self.committees, elected)

    @folds(AccessGranted)
    def _opened(self, event: AccessGranted) -> None:
        given = Access(event.to, event.scope, event.until_on, event.ground, event.timestamp)
        self.accesses = (*self.accesses, given)

    @folds(BuyerLeft)
    def _left(self, event: BuyerLeft) -> None:
        self.left_at = event.timestamp

    # --- at an instant

    def gone(self, at: datetime) -> bool:
        """Say whether the buyer had left the platform at this instant: nobody holds a role then."""
        return self.left_at is not None and self.left_at <= at

    def in_force(self, at: datetime) -> tuple[Grant, ...]:
        """Return every role held at an instant, by grant, election or delegation."""
        if self.gone(at):
            return ()
        given = tuple(grant for grant in self.grants if grant.held(at))
        return (*given, *(one.tenure for one in self.delegated(at)))

    def holders(self, role: str, at: datetime) -> tuple[str, ...]:
        """Return who held a role at an instant, as commitments."""
        return tuple(grant.person for grant in self.in_force(at) if grant.role == role)

    def roles_of(self, person: str, at: datetime, reveal: Reveal) -> dict[str, str]:
        """Return the roles which a person holds, each with the commitment that names them."""
        return {
            grant.role: grant.person
            for grant in self.in_force(at)
            if reveal(grant.person) == person
        }

    def delegated(self, at: datetime) -> tuple[Delegation, ...]:
        """Return the delegations in force: each giver still held what was given at this instant.

        A delegation rests on a role or on an earlier delegation, so one pass in order decides all.
        """
        if self.gone(at):
            return ()
        signing = {one.person for one in self.grants if one.role == SIGNATORY and one.held(at)}
        found: list[Delegation] = []
        for one in self.delegations:
            rests = one.giver in signing or any(earlier.covers(one) for earlier in found)
            if one.tenure.held(at) and rests:
                found.append(one)
        return tuple(found)

    def committee(self, at: datetime) -> Committee | None:
        """Return the committee last elected at an instant."""
        elected = [one for one in self.committees if one.elected_at <= at]
        return elected[-1] if elected and not self.gone(at) else None

    def access(self, to: str, at: datetime, scope: str = EVERYTHING) -> Access | None:
        """Return the access of an organisation to a scope; the last word on it counts."""
        told = [
            one
            for one in self.accesses
            if (one.to, one.scope) == (to, scope) and one.granted_at <= at
        ]
        return told[-1] if told and told[-1].open(at) else None

    # --- as now recorded

    def persons(self, reveal: Reveal) -> dict[str, str]:
        """Return every person who is named here, each with the commitment that first named them."""
        givers = (one.giver for one in self.delegations)
        holders = (one.person for one in (*self.grants, *self.tenures()))
        found: dict[str, str] = {}
        for commitment in dict.fromkeys((*holders, *givers)):
            person = reveal(commitment)
            if person is not None:
                found.setdefault(person, commitment)
        return found

    def tenures(self) -> tuple[Grant, ...]:
        """Return what delegations give, as roles."""
        return tuple(one.tenure for one in self.delegations)

    def roles_between(
        self,
        person: str,
        first: date,
        last: date | None,
        reveal: Reveal,
        among: Collection[str] | None = None,
    ) -> dict[str, str]:
        """Return the roles which a person holds on a day between these, each with its commitment.

        Grants that begin later count: what is recorded now will be held then.
        """
        if self.left_at is not None:
            return {}
        return {
            grant.role: grant.person
            for grant in (*self.grants, *self.tenures())
            if grant.meets(first, last)
            and (among is None or grant.role in among)
            and reveal(grant.person) == person
        }
