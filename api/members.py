"""What a caller sees of an organisation's members: names of the own ones, commitments otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from api.errors import Absent, BadForm
from api.platform import Platform
from domain.buyer import Buyer
from domain.clock import instant_text, local_date
from domain.committee import quorum
from domain.identifiers import check_siret
from domain.operator import EconomicOperator
from domain.tenure import Delegation
from replay.roles import in_force

View = dict[str, object]
Rows = list[tuple[str, View]]
Name = Callable[[str], View]


def organisation(platform: Platform, name: str) -> str:
    """Return the name of a buyer's stream: a SIRET, or the platform's own organisation."""
    return name if name == platform.desk.platform else check_siret(name)


@dataclass(frozen=True)
class Members:
    """What one caller sees of one buyer's members: with their names, or as commitments only."""

    _platform: Platform
    _buyer: Buyer
    _named: bool

    def roles(self, at: str | None, act: str | None) -> tuple[str, Rows]:
        """Return the instant that was asked, and who held which role then."""
        instant = _instant(self._platform, at)
        may = self._platform.desk.law.roles.acts
        if act is not None and act not in may:
            reason = ", ".join(sorted(may))
            raise BadForm("no such act", fields=[{"field": "act", "reason": reason}])
        rows = in_force(self._buyer, instant, None if act is None else may[act])
        found = [(key, row | self._name(str(row["person"]))) for key, row in rows]
        return instant_text(instant), found

    def delegations(self, at: str | None) -> tuple[str, Rows]:
        """Return the instant that was asked, and the delegations in force then."""
        instant = _instant(self._platform, at)
        rows = [
            (f"{instant_text(one.tenure.granted_at)} {number:06}", _delegation(one, self._name))
            for number, one in enumerate(self._buyer.delegated(instant))
        ]
        return instant_text(instant), rows

    def committee(self, at: str | None) -> View:
        """Return the committee of an instant with its quorum; raise Absent where there was none."""
        instant, name = _instant(self._platform, at), self._name
        found = self._buyer.committee(instant)
        if found is None:
            raise Absent
        needed = quorum(self._platform.desk.law.rules, found.voters, local_date(instant))
        return {
            "siret": self._buyer.name,
            "at": instant_text(instant),
            "president": {"person": found.president} | name(found.president),
            "titulars": [{"person": one} | name(one) for one in found.titulars],
            "substitutes": [{"person": one} | name(one) for one in found.substitutes],
            "deliberation": found.deliberation,
            "elected_at": instant_text(found.elected_at),
            "voters": found.voters,
            "quorum": needed,
        }

    def _name(self, person: str) -> View:
        return _named(self._platform.desk.subjects.reveal(person)) if self._named else {}


def representatives(platform: Platform, operator: str, at: str | None) -> tuple[str, Rows]:
    """Return the instant that was asked, and who could act for a company then.

    Raises Absent for one that nobody registered.
    """
    company = platform.desk.files.find(EconomicOperator, f"operator/{operator}")
    if company is None or not company.registered:
        raise Absent
    instant, reveal = _instant(platform, at), platform.desk.subjects.reveal
    rows = in_force(company, instant)
    return instant_text(instant), [
        (key, row | _named(reveal(str(row["person"])))) for key, row in rows
    ]


def _delegation(one: Delegation, name: Name) -> View:
    until = one.tenure.valid_to
    return {
        "giver": {"person": one.giver} | name(one.giver),
        "receiver": {"person": one.receiver} | name(one.receiver),
        "act_types": list(one.act_types),
        "ceiling_cents": one.ceiling_cents,
        "deliberation": one.deliberation,
        "valid_from": one.tenure.valid_from.isoformat(),
        "valid_to": "" if until is None else until.isoformat(),
    }


def _named(name: str | None) -> View:
    """Return the name of a person, nothing where it was erased."""
    return {} if name is None else {"name": name}


def _instant(platform: Platform, text: str | None) -> datetime:
    """Return the instant of RFC 3339 that was asked, or now."""
    if text is None:
        return platform.desk.clock.now().latest
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_instant(text) from error
    if found.tzinfo is None:
        raise _no_instant(text)
    return found.astimezone(UTC)


def _no_instant(text: str) -> BadForm:
    return BadForm("no instant", fields=[{"field": "at", "reason": f"{text}: RFC 3339"}])
