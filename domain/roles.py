"""Who may do what: the table of domain.md §5 as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import NotAllowed, RoleNotAdministered


@dataclass(frozen=True)
class Roles:
    """The acts with the roles that may do them, and who administers which role."""

    titles: Mapping[str, Mapping[str, str]]
    acts: Mapping[str, Mapping[str, str]]
    administers: Mapping[str, frozenset[str]]
    apart: Mapping[str, frozenset[str]]
    act_types: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, text: str) -> Roles:
        """Read the table; an unknown role in it is refused."""
        table = tomllib.loads(text)
        titles = table["role"]
        acts = {row["name"]: dict(row["may"]) for row in table["act"]}
        administers = {role: frozenset(given) for role, given in table["administers"].items()}
        used = {role for may in acts.values() for role in may}
        apart = {role: frozenset(others) for role, others in table["incompatible"].items()}
        for pairs in (administers, apart):
            used |= set(pairs) | {role for given in pairs.values() for role in given}
        if used - set(titles):
            raise ValueError(f"unknown roles: {sorted(used - set(titles))}")
        return cls(titles, acts, administers, apart, table["act_type"])

    def require(self, role: str, act: str) -> str:
        """Return the mark of this role for an act (Y, d, o…), else ``role.not-allowed``."""
        mark = self.acts[act].get(role)
        if mark is None:
            raise NotAllowed(role, act)
        return mark

    def require_administers(self, granter: str, role: str) -> None:
        """Return quietly if the granter administers the role."""
        if role not in self.administers.get(granter, frozenset()):
            raise RoleNotAdministered(granter, role)

    def incompatible(self, role: str, held: str) -> bool:
        """Say whether one person may never hold both roles at one time."""
        return held in self.apart.get(role, ()) or role in self.apart.get(held, ())

    def kept_apart(self, role: str) -> frozenset[str]:
        """Return the roles that nobody holds beside this one."""
        return frozenset(held for held in self.titles if self.incompatible(role, held))
