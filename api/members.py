"""What a caller sees of an organisation's members: names of the own ones, commitments otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from api.auth import Caller
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
SEEING = "see the members"
OWN, GRANTED = "tenant", "granted"


def organisation(platform: Platform, name: str) -> str:
    """Return the name of a buyer's stream: a SIRET, or the platform's own organisation."""
    return name if name == platform.desk.platform else check_siret(name)


def roles(who: Caller, siret: str, at: str | None, act: str | None) -> tuple[str, Rows]:
    """Return the instant that was asked, and who held which role then."""
    buyer, name = _visible(who, siret)
    instant = _instant(who.platform, at)
    may = who.platform.desk.law.roles.acts
    if act is not None and act not in may:
        raise BadForm("no such act", fields=[{"field": "act", "reason": ", ".join(sorted(may))}])
    rows = in_force(buyer, instant, None if act is None else may[act])
    return instant_text(instant), [(key, row | name(str(row["person"]))) for key, row in rows]


def delegations(who: Caller, siret: str, at: str | None) -> tuple[str, Rows]:
    """Return the instant that was asked, and the delegations in force then."""
    buyer, name = _visible(who, siret)
    instant = _instant(who.platform, at)
    rows = [
        (f"{instant_text(one.tenure.granted_at)} {number:06}", _delegation(one, name))
        for number, one in enumerate(buyer.delegated(instant))
    ]
    return instant_text(instant), rows


def committee(who: Caller, siret: str, at: str | None) -> View:
    """Return the committee of an instant with its quorum; raise Absent where there was none."""
    buyer, name = _visible(who, siret)
    instant = _instant(who.platform, at)
    found = buyer.committee(instant)
    if found is None:
        raise Absent
    needed = quorum(who.platform.desk.law.rules, found.voters, local_date(instant))
    return {
        "siret": siret,
        "at": instant_text(instant),
        "president": {"person": found.president} | name(found.president),
        "titulars": [{"person": one} | name(one) for one in found.titulars],
        "substitutes": [{"person": one} | name(one) for one in found.substitutes],
        "deliberation": found.deliberation,
        "elected_at": instant_text(found.elected_at),
        "voters": found.voters,
        "quorum": needed,
    }


def representatives(who: Caller, operator: str) -> Rows:
    """Return who may act for the caller's own company."""
    own = who.org == operator and who.principal.role == "CY"
    company = who.platform.desk.files.find(EconomicOperator, f"operator/{operator}")
    if not own or company is None or not company.registered:
        raise Absent
    reveal = who.platform.desk.subjects.reveal
    return [
        (f"{number:06}", {"person": person} | _named(reveal(person)))
        for number, person in enumerate(company.representatives)
    ]


def _visible(who: Caller, siret: str) -> tuple[Buyer, Name]:
    """Return a buyer's stream and what names its persons; raise Absent for whom it is foreign."""
    desk = who.platform.desk
    mark = desk.law.roles.acts[SEEING].get(who.principal.role)
    buyer = desk.files.find(Buyer, f"buyer/{siret}")
    if buyer is None or mark is None:
        raise Absent
    if who.org == siret:
        return buyer, lambda person: _named(desk.subjects.reveal(person))
    now = desk.clock.now().latest
    platform_wide = who.platform.may_read_entries(who.principal)
    if mark != GRANTED or not (platform_wide or buyer.access(who.org, now)):
        raise Absent
    return buyer, lambda _: {}


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
