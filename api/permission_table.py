"""The table of permissions as the document ``docs/spec/permissions.md``, written from its rows.

``python -m api.permission_table > docs/spec/permissions.md`` writes it again; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.law import shipped_law
from api.permissions import OPERATIONS, PAGES, Row, Whose

HEAD = """# Who may do what

Written from `api/permissions.py` and `domain/rules/roles.toml` by `api/permission_table.py`; a
test compares.

Without a token: 401, except where everybody reads. What is foreign answers 404 with the bytes of
what is absent, for every role. The third column: what an object of the caller's own answers where
its role may not; "at the door": no object of a tenant is named, so the role answers first.

Whose object: *public* everybody's · *published* everybody's once published, before that of its
buyer · *caller* none, the caller itself · *own* of the company that made it · *tenant* of the buyer
of the procedure · *granted* of the platform, under a grant of access · *holder* of whoever holds
the secret link · *platform* of whoever runs it. A page of the caller's own sends whoever is not
signed in to `/login`.

An auditor (AU) reads what a buyer opened to it (`AccessGranted`) until the last day of the legal
calendar: with `*` the opened bids, the members as commitments and the refused accesses of that
buyer, with the name of a consultation its opened bids. The platform's word opens the log, the
members as commitments and every refused access, and never a bid. A role that asks for a strong
login (`PLI_STRONG_LOGIN`) answers 401 to a session that was proven by a password alone.

Roles: """
COLUMNS = """
| operation or page | whose object | own, role may not | act | who may | judged by |
|---|---|---|---|---|---|
"""
OWNED = {Whose.TENANT, Whose.PUBLISHED}


def document() -> str:
    """Return the whole document."""
    roles = shipped_law().roles
    titles = ", ".join(f"{role} {title['en']}" for role, title in roles.titles.items())
    tables = [_table(rows, roles.acts) for rows in (OPERATIONS, PAGES)]
    return f"{HEAD}{titles}.\n\n## Operations\n{tables[0]}\n## Pages\n{tables[1]}"


def _table(rows: Mapping[str, Row], acts: Mapping[str, Mapping[str, str]]) -> str:
    return COLUMNS + "".join(_line(name, row, acts) for name, row in sorted(rows.items()))


def _line(name: str, row: Row, acts: Mapping[str, Mapping[str, str]]) -> str:
    may = acts.get(row.act, {})
    marks = ", ".join(role if mark == "Y" else f"{role} {mark}" for role, mark in may.items())
    everybody = "the holder" if row.whose is Whose.HOLDER else "everybody"
    free = row.whose in {Whose.PUBLIC, Whose.CALLER, Whose.HOLDER}
    cells = (
        f"`{name}`",
        row.whose.value,
        "403 at the door" if row.door else "403" if row.act and row.whose in OWNED else "–",
        row.act or "–",
        marks or (everybody if free else "–"),
        f"`{row.judge}`" if row.judge else "–",
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - the document is the output
