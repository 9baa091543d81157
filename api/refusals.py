"""Which refused accesses are kept, and who may read which (arrêté of 22 March 2019, art. 2 I).

Kept are 401, 403 and 404 of the interface, refused logins and forged requests. Whether an object
is absent or foreign is found out after the answer. Before the opening nobody may learn who prepares
a bid (N11): a company stands there blinded, and neither its rows nor those of deposits are shown to
a buyer; nor is a token that ended, at what everybody may read: it can be a bidder's. A person
stands there as the commitment of the ledger, so that an erasure reaches this book too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from fastapi import Request

from api.adapters.refusal_book import Refusal, Row
from api.metrics import COMPANY, is_silent
from api.permissions import OPERATIONS
from api.platform import Platform
from domain.consultation import Consultation
from domain.ports import Principal
from domain.tenure import EVERYTHING

REFUSED = frozenset({401, 403, 404})


def note(request: Request, status: int, code: str) -> None:
    """Keep a refused access; what is no route, or is public and absent, is none."""
    route = request.scope.get("route")
    if status not in REFUSED or route is None:
        return
    platform: Platform = request.app.state.platform
    principal: Principal | None = getattr(request.state, "principal", None)
    address = str(request.scope.get("pli.address", ""))
    facts = {
        "operation": str(route.name),
        "status": status,
        "code": code,
        "silent": is_silent(request.scope, route.name),
        "target": request.path_params.get("consultation", ""),
        "siret": request.path_params.get("siret", ""),
    }
    platform.refusals.note(partial(_refusal, platform, principal, address, facts))


def note_stranger(platform: Platform, operation: str, status: int, code: str, address: str) -> None:
    """Keep a login or a forged request that was refused: what it asked, and blinded, whence.

    Neither the account that was tried nor the path is kept, so one address is a few keys an hour,
    whatever it tries; what the limits of logins refuse (429) is none.
    """
    if status not in REFUSED:
        return
    book = platform.refusals
    caller = partial(book.blinded, "address", address)
    book.note(lambda: Refusal(operation, status, code, caller(), role="", org="", tenant=""))


def visible(platform: Platform, principal: Principal) -> list[Row]:
    """Return the rows that a caller may read."""
    if platform.may_read_entries(principal):
        return platform.refusals.rows()
    opened = {org for org, scope in platform.accesses(principal) if scope == EVERYTHING}
    found = [row for org in {principal.org, *opened} for row in platform.refusals.rows(org)]
    return sorted((row for row in found if row.refusal.role != COMPANY), key=lambda row: row.number)


def shown(row: Row, reveal: Callable[[str], str | None] | None = None) -> dict[str, object]:
    """Return a row as it is listed; its number would count what others may not see.

    ``reveal``: what names a person, for those to whom names are told.
    """
    one = row.refusal
    if reveal is not None and one.org:
        one = replace(one, caller=reveal(one.caller) or one.caller)
    told = {"hour": row.hour, "count": row.count, "operation": one.operation, "code": one.code}
    who = {"caller": one.caller, "role": one.role, "org": one.org, "tenant": one.tenant}
    return {**told, "status": one.status, **{name: text for name, text in who.items() if text}}


def _refusal(
    platform: Platform, principal: Principal | None, address: str, facts: Mapping[str, object]
) -> Refusal | None:
    silent = bool(facts["silent"])
    # who only lacks a good token at what is public was refused nothing of a tenant's
    public = facts["status"] == 401 and OPERATIONS[str(facts["operation"])].public
    hidden = silent or public
    tenant = "" if hidden else _tenant(platform, str(facts["target"]), str(facts["siret"]))
    if principal is None and facts["status"] == 404 and not tenant:
        return None  # anybody may look for what is not there
    caller, role, org = "", "", ""
    if principal is None:
        caller = platform.refusals.blinded("address", address)
    elif principal.role == COMPANY:
        caller, role = platform.refusals.blinded("company", principal.org), COMPANY
    else:
        person, role, org = principal.person, principal.role, principal.org
        caller = platform.desk.subjects.remember("person", person, person)
    return Refusal(
        operation=str(facts["operation"]),
        status=int(str(facts["status"])),
        code=str(facts["code"]),
        caller=caller,
        role=role,
        org=org,
        tenant=tenant,
    )


def _tenant(platform: Platform, consultation: str, siret: str) -> str:
    """Return whose object was asked for, "" for one that does not exist."""
    if not consultation:
        return siret if re.fullmatch(r"\d{14}", siret) else ""
    found = platform.desk.files.find(Consultation, f"consultation/{consultation}")
    return found.tenant if found is not None and found.version else ""
