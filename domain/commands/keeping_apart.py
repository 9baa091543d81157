"""Roles that one person never holds together, in whatever organisations of this platform (§4.1).

A platform administrator is never custodian, opener, evaluator or signatory. Both orders are
refused, over every day that the two tenures share; a tenure that begins later counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from domain.buyer import Buyer
from domain.commands.loading import found_or_blank
from domain.errors import RoleIncompatible
from domain.ports import Desk

ADMINISTRATOR = "PA"
ROLES = "roles"
"""The turn that whoever gives a role takes, so that two who give apart roles see each other."""


def keep_apart(  # noqa: PLR0913, PLR0917 - the facts of one tenure
    desk: Desk, home: Buyer, persons: Sequence[str], role: str, first: date, last: date | None
) -> dict[str, int]:
    """Return the streams that must not move until this role stands, or raise role.incompatible."""
    apart = desk.law.roles.kept_apart(role)
    looked: dict[str, int] = {}
    for buyer in _looked_at(desk, home, role) if apart else ():
        for person in persons:
            held = buyer.roles_between(person, first, last, desk.subjects.reveal, apart)
            if held:
                raise RoleIncompatible(role, min(held))
        looked[buyer.id] = buyer.version
    looked.pop(home.id, None)
    return looked


def _looked_at(desk: Desk, home: Buyer, role: str) -> Iterable[Buyer]:
    """Return whose members may hold what this role excludes: administrators stand in one stream."""
    yield home
    names = desk.register.organisations() if role == ADMINISTRATOR else (desk.platform,)
    for name in names:
        if name != home.name:
            yield found_or_blank(desk, Buyer, name)
