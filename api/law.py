"""The law as shipped with the product: read once, from the package's own data."""

from __future__ import annotations

import pkgutil
from functools import cache

from domain.errors import BadForm
from domain.law import FILES, Law


@cache
def shipped_law() -> Law:
    """Return the rule book, procedures, roles and messages of this release."""
    texts = {name: (pkgutil.get_data("domain", f"rules/{name}") or b"").decode() for name in FILES}
    return Law.parse(texts)


def check_role(role: str) -> str:
    """Return the role if the table of ``domain.md`` §5 has it."""
    if role not in shipped_law().roles.titles:
        raise BadForm("role", f"one of {', '.join(sorted(shipped_law().roles.titles))}")
    return role
