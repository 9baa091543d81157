"""Exclude a company from one buyer's procedures, on a ground, until a date (domain.md §4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.clock import local_date
from domain.commands.loading import found_or_blank, own_buyer
from domain.errors import BadForm
from domain.events.parties import OperatorExcluded
from domain.identifiers import check_organisation, check_text
from domain.operator import EconomicOperator
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class ExcludeOperator:
    """Exclude a company; a later word of the same buyer takes the place of this one."""

    operator: str
    ground: str
    until_on: date


def exclude_operator(desk: Desk, act: Act, command: ExcludeOperator) -> Recorded:
    """Append OperatorExcluded, whether the company has an account or not: nobody learns which."""
    if earlier := desk.earlier(act, command):
        return earlier
    own_buyer(desk, act, act.principal.org, "exclude a company")
    check_organisation("operator", command.operator)
    check_text("ground", command.ground)
    company = found_or_blank(desk, EconomicOperator, command.operator)
    now = desk.reading(company)
    ends = company.exclusion(act.principal.org, now.latest) is not None
    if command.until_on < local_date(now.latest) and not ends:
        raise BadForm("until_on", "already past")
    company.append(
        OperatorExcluded(
            **company.stamp(desk.meta(act, now, command.operator)),
            ground=command.ground,
            until_on=command.until_on,
        )
    )
    return desk.save(act, command, [company])
