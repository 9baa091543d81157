"""Declare companies that bid together (domain.md §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import DEPOSITING, own_company
from domain.errors import BadForm
from domain.events.parties import ConsortiumDeclared, ConsortiumForm
from domain.identifiers import check_organisation
from domain.ports import Act, Desk, Recorded

MOST = 50


@dataclass(frozen=True)
class DeclareConsortium:
    """Name the members, the mandatary among them; it bids for all with its own account."""

    form: ConsortiumForm
    mandatary: str
    members: tuple[str, ...]


def declare_consortium(desk: Desk, act: Act, command: DeclareConsortium) -> Recorded:
    """Append ConsortiumDeclared to the stream of the mandatary; members need no account."""
    if earlier := desk.earlier(act, command):
        return earlier
    company = own_company(desk, act, command.mandatary, DEPOSITING)
    for member in command.members:
        check_organisation("members", member)
    members = list(command.members)
    if members != sorted(set(members)) or not 2 <= len(members) <= MOST:
        raise BadForm("members", f"2 to {MOST}, ascending, no repetition")
    if command.mandatary not in members:
        raise BadForm("mandatary", "not among the members")
    meta = desk.meta(act, desk.reading(company), command.mandatary)
    company.append(
        ConsortiumDeclared(
            **company.stamp(meta),
            form=command.form,
            mandatary=command.mandatary,
            members=members,
        )
    )
    return desk.save(act, command, [company])
