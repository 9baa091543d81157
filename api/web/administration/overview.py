"""What stands in the stream of one's own organisation, as the page of administration shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from api.web.administration.committees import seats
from api.web.administration.seated import ADMINISTRATOR, Entry, Seated
from domain.clock import local_date
from domain.committee import quorum
from domain.tenure import COMPANY, Grant

SEEING = "see the members"
PEOPLE_OF_A_BUYER = "tenant"


@dataclass(frozen=True)
class Held:
    """A role of one person, and the entry on which it rests."""

    name: str
    grant: Grant
    entry: Entry | None
    giver: str
    later: bool
    code: str


@dataclass(frozen=True)
class Opened:
    """An access that was given to an organisation which is no member."""

    to: str
    scope: str
    until_on: date
    ground: str
    given_at: datetime
    open: bool


def rows(who: Seated) -> dict[str, object]:
    """Return what the page shows, by name."""
    if who.role == COMPANY:
        return _nothing() | {"company": who.company, "representatives": _representatives(who)}
    acts = who.platform.desk.law.roles.acts
    if acts[SEEING].get(who.role) != PEOPLE_OF_A_BUYER:
        return _nothing()
    return _nothing() | {
        "sees": True,
        "members": [held(who, one) for one in who.grants()],
        "revocable": who.platform.desk.law.roles.administers.get(who.role, frozenset()),
        "delegations": [
            (who.name(one.giver), who.name(one.receiver), one) for one in who.delegations()
        ],
        "committee": committee(who),
        "accesses": accesses(who),
    }


def _nothing() -> dict[str, object]:
    return {
        "sees": False,
        "company": None,
        "representatives": [],
        "members": [],
        "revocable": frozenset(),
        "delegations": [],
        "committee": None,
        "accesses": [],
    }


def held(who: Seated, grant: Grant) -> Held:
    """Return a role as it is shown: a name, where there still is one, and who gave it."""
    entry = who.origin(grant)
    giver = "" if entry is None else who.name(entry.person)
    later = grant.valid_from > who.today
    return Held(who.name(grant.person), grant, entry, giver, later, f"{grant.role} {grant.person}")


def committee(who: Seated) -> dict[str, object]:
    """Return the committee in force, None for none, and how many are elected."""
    found = None if who.buyer is None else who.buyer.committee(who.now)
    shown: dict[str, object] = {
        "found": found,
        "seats": seats(who),
        "applies": who.role != ADMINISTRATOR,
    }
    if found is not None:
        rules = who.platform.desk.law.rules
        shown |= {
            "president": who.name(found.president),
            "titulars": [who.name(one) for one in found.titulars],
            "substitutes": [who.name(one) for one in found.substitutes],
            "quorum": quorum(rules, found.voters, local_date(who.now)),
        }
    return shown


def accesses(who: Seated) -> list[Opened]:
    """Return the last word on each access, open or over."""
    if who.buyer is None:
        return []
    last = {(one.to, one.scope): one for one in who.buyer.accesses}
    return [
        Opened(
            one.to,
            one.scope,
            one.until_on,
            one.ground,
            one.granted_at,
            one.open(who.now),
        )
        for one in last.values()
    ]


def _representatives(who: Seated) -> list[tuple[Held, str]]:
    """Return who represents the company, each with the reference that names them in a form."""
    seats = () if who.company is None else who.company.in_force(who.now)
    return [(held(who, one), who.reveal(one.person) or "") for one in seats]
