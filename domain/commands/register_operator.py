"""Register a company and who may act for it (domain.md §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import REGISTERING, found_or_blank, own_company
from domain.errors import AlreadyExists, BadForm, DepositNotAuthorised
from domain.events.parties import OperatorRegistered, RepresentativeAdded, SizeClass
from domain.identifiers import ID, check, check_siret, check_text
from domain.operator import EconomicOperator
from domain.ports import Act, Desk, Recorded


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
    """Append RepresentativeAdded."""
    if earlier := desk.earlier(act, command):
        return earlier
    company = own_company(desk, act, command.operator, REGISTERING)
    check_text("person", command.person, 400)
    meta = desk.meta(act, desk.reading(company), command.operator)
    company.append(
        RepresentativeAdded(
            **company.stamp(meta),
            person=desk.subjects.remember("person", command.person, command.person),
            scope=check_text("scope", command.scope, 400),
        )
    )
    return desk.save(act, command, [company])


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
