"""Register a company and who may act for it (domain.md §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import Reading
from domain.commands.loading import DEPOSITING, REGISTERING, found_or_blank, own_company
from domain.commands.manage_members import named
from domain.errors import (
    AlreadyExists,
    BadForm,
    DepositNotAuthorised,
    LastRepresentative,
    NotFound,
    RoleNotAdministered,
)
from domain.events.parties import (
    OperatorRegistered,
    RepresentativeAdded,
    RoleRevoked,
    SizeClass,
)
from domain.identifiers import ID, check, check_siret, check_text
from domain.operator import EconomicOperator
from domain.ports import AT_HOME, Act, Desk, Recorded
from domain.tenure import COMPANY

OWN = "o"


@dataclass(frozen=True)
class RegisterOperator:
    """Open the account of a company; exactly one of SIRET and foreign id."""

    name: str
    size_class: SizeClass
    size_source: str
    siret: str | None = None
    foreign_id: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class AddRepresentative:
    """Let a person act for a company (``operator``: its SIRET or foreign id)."""

    operator: str
    person: str
    scope: str


@dataclass(frozen=True)
class RemoveRepresentative:
    """Let a person act for a company no longer."""

    operator: str
    person: str
    reason: str


def register_operator(desk: Desk, act: Act, command: RegisterOperator) -> Recorded:
    """Append OperatorRegistered in ``operator/<siret or foreign id>``."""
    if earlier := desk.earlier(act, command):
        return earlier
    check_text("name", command.name, 400)
    name = _name(command)
    _require_own(desk, act, name)
    company = found_or_blank(desk, EconomicOperator, name)
    if company.registered:  # a buyer may have excluded a company that has no account yet
        raise AlreadyExists("operator", name)
    meta = desk.meta(act, desk.reading(), name)
    company.append(OperatorRegistered(**company.stamp(meta), **vars(command)))
    return desk.save(act, command, [company])


def add_representative(desk: Desk, act: Act, command: AddRepresentative) -> Recorded:
    """Append RepresentativeAdded; the platform names the first one only."""
    if earlier := desk.earlier(act, command):
        return earlier
    company = own_company(desk, act, command.operator, REGISTERING)
    now = desk.reading(company)
    _check_first(desk, act, company, now)
    known = {who: names[0] for who, names in company.people(None, desk.subjects.reveal).items()}
    meta = desk.meta(act, now, command.operator)
    company.append(
        RepresentativeAdded(
            **company.stamp(meta),
            person=named(desk, known, command.person),
            scope=check_text("scope", command.scope, 400),
        )
    )
    return desk.save(act, command, [company])


def remove_representative(desk: Desk, act: Act, command: RemoveRepresentative) -> Recorded:
    """Append RoleRevoked to the company's stream: 1 the person represents it, 2 not they alone.

    Only the company removes. Its last representative stays until another one is named, so that an
    account never falls back to the platform, which would name its "first one" again.
    """
    if earlier := desk.earlier(act, command):
        return earlier
    company = own_company(desk, act, command.operator, DEPOSITING)
    reason = check_text("reason", command.reason)
    now = desk.reading(company)
    people = company.people(now.latest, desk.subjects.reveal)
    if command.person not in people:  # 1
        raise NotFound("representative", command.person)
    if len(people) == 1:  # 2
        raise LastRepresentative(command.operator)
    meta = desk.meta(act, now, command.operator)
    for one in people[command.person]:
        company.append(RoleRevoked(**company.stamp(meta), person=one, role=COMPANY, reason=reason))
    return desk.save(act, command, [company])


def _check_first(desk: Desk, act: Act, company: EconomicOperator, now: Reading) -> None:
    """Return quietly if the caller may name a representative beside those who are (§5).

    The platform names the first one. The operator of the home may name one more: it is how people
    who lost every way in come back, and the entry says who did it (docs/adr/0034).
    """
    caller = act.principal
    own = desk.law.roles.acts[REGISTERING][caller.role] == OWN
    if own or caller.auth == AT_HOME:
        return
    if company.people(now.latest, desk.subjects.reveal):
        raise RoleNotAdministered(caller.role, COMPANY)


def _name(command: RegisterOperator) -> str:
    """Return the name of the operator's stream."""
    if command.siret is not None and command.foreign_id is None:
        return check_siret(command.siret)
    if command.foreign_id is not None and command.siret is None:
        return check(ID, "foreign_id", command.foreign_id)
    raise BadForm("siret", "exactly one of siret and foreign_id")


def _require_own(desk: Desk, act: Act, name: str) -> None:
    """Return quietly if the caller acts for this company, or is the platform."""
    mark = desk.law.roles.require(act.principal.role, REGISTERING)
    if mark == "o" and act.principal.org != name:
        raise DepositNotAuthorised(name)
