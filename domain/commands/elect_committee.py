"""Elect the commission d'appel d'offres (domain.md §2, CGCT L1411-5)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import local_date
from domain.commands.keeping_apart import ROLES, keep_apart
from domain.commands.loading import own_buyer
from domain.commands.manage_members import named
from domain.committee import elected
from domain.errors import CommitteeComposition
from domain.events.parties import CommitteeElected
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded
from domain.tenure import MEMBER


@dataclass(frozen=True)
class ElectCommittee:
    """Record who was elected; the committee before it ends."""

    buyer: str
    president: str
    titulars: tuple[str, ...]
    substitutes: tuple[str, ...]
    deliberation: str


def elect_committee(desk: Desk, act: Act, command: ElectCommittee) -> Recorded:
    """Append CommitteeElected; each member holds CO from today until the next election."""
    if earlier := desk.earlier(act, command):
        return earlier
    buyer = own_buyer(desk, act, command.buyer, "elect the committee")
    check_text("deliberation", command.deliberation, 400)
    with desk.turns.hold(ROLES):
        now = desk.reading(buyer)
        today = local_date(now.latest)
        _check(command, elected(desk.law.rules, buyer.kind, buyer.population, today))
        seats = [command.president, *command.titulars, *command.substitutes]
        looked = keep_apart(desk, buyer, seats, MEMBER, today, None)
        known = {person: named(desk, buyer, person) for person in seats}
        buyer.append(
            CommitteeElected(
                **buyer.stamp(desk.meta(act, now, command.buyer)),
                president=known[command.president],
                titulars=[known[person] for person in command.titulars],
                substitutes=[known[person] for person in command.substitutes],
                deliberation=command.deliberation,
            )
        )
        return desk.save(act, command, [buyer], looked)


def _check(command: ElectCommittee, required: int) -> None:
    """Return quietly if the number of seats is lawful and nobody has two of them.

    A list may have run out of names, so there may be fewer substitutes, never more.
    """
    seats = [command.president, *command.titulars, *command.substitutes]
    if len(command.titulars) != required:
        raise CommitteeComposition(required, f"{len(command.titulars)} titulars")
    if len(command.substitutes) > required:
        raise CommitteeComposition(required, f"{len(command.substitutes)} substitutes")
    if len(set(seats)) != len(seats):
        raise CommitteeComposition(required, "somebody has two seats")
