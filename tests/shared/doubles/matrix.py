"""Who may do what, as ``domain.md`` §5 says it, and one request for each operation.

Written from the design and never from ``api/permissions.py``: the two are compared through HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = ["DR", "BU", "CU", "CO", "SI", "FI", "AC", "CY", "PA", "AU", "OB", "PR", "AD", "RD"]
# Y yes, d drafts, o own, r reasoned, g granted, f the first one, - no; in the order of ROLES
MATRIX = """
draft consultation            d Y - - - - - - - - - - - -
publish, correct, extend, end - Y - - - - - - - - - - - -
deposit, replace, withdraw    - - - - - - - o - - - - - -
convene, presence, minutes    - Y - - - - - - - - - - - -
read an opened bid            - Y - Y - - - o - g - - - -
admit late                    - r - Y - - - - - - - - - -
register at the desk          - - - - - - - - - - - - - Y
grant roles                   - Y - - - - - o f - - - - -
administer the tenant         - Y - - - - - - - - - - - -
see the members               Y Y Y Y Y Y Y - - g - - - Y
speak for the company         - - - - - - - o f - - - - -
entries                       - - - - - - - - - g - - - -
run the platform              - - - - - - - - Y - - - - -
see incidents and probes      - Y - - - - - Y Y Y - - - -
declare incidents             - - - - - - - - Y - - - - -
register companies            - - - - - - - o Y - - - - -
everybody                     Y Y Y Y Y Y Y Y Y Y Y Y Y Y
see the figures               - - - - - - - - - - - - - -
list refused accesses         - Y - - - - - - - Y - - - -
nobody before the hour        - - - - - - - - - - - - - -
"""
MARKS: Mapping[str, Mapping[str, str]] = {
    line[:30].strip(): dict(zip(ROLES, line[30:].split(), strict=True))
    for line in MATRIX.strip().splitlines()
}
HOME = {"CY": "company", "PA": "platform"}
"""Whose seat a role has; every other role sits with the buyer."""


@dataclass(frozen=True)
class Call:
    """One operation: how it is asked, which line of §5 it is, whose object it names."""

    line: str
    whose: str
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


AT = "/api/v1/consultations/{consultation}"
OPENING = "/api/v1/openings/{consultation}/0"
SENT = "/api/v1/transmissions/{transmission}"
DEPOSIT = "/api/v1/deposits/{deposit}"
COPY = "/api/v1/backup-copies/{copy}"
HOUR = {"local": "2027-01-12T12:00"}
DRAFT, BUY = "draft consultation", "publish, correct, extend, end"
CONVENE = "convene, presence, minutes"
BID = "deposit, replace, withdraw"
TENANT = "administer the tenant"
SEE = "see the members"
SPEAK = "speak for the company"
BUYER_AT = "/api/v1/buyers/{siret}"
COMPANY_AT = "/api/v1/operators/{operator}"
SEATS = [f"titulaire {number}" for number in range(5)]
DESK = "register at the desk"
READ, LATE, RUN, ALL = "read an opened bid", "admit late", "run the platform", "everybody"
HEX = "0" * 64
CALLS: Mapping[str, Call] = {
    # everybody's: own, foreign and absent differ only in being there
    "list_consultations": Call(ALL, "none", "GET", "/api/v1/consultations"),
    "read_ledger": Call(ALL, "none", "GET", "/api/v1/ledger"),
    "read_checkpoint": Call(ALL, "none", "GET", "/checkpoint"),
    "read_tile": Call(ALL, "none", "GET", "/tile/0/000.p/16"),
    "read_favicon": Call(ALL, "none", "GET", "/favicon.ico"),
    "read_kit": Call(ALL, "public", "GET", AT + "/kit"),
    "read_keyset": Call(ALL, "public", "GET", AT + "/keyset"),
    "read_canary_keyset": Call(ALL, "public", "GET", AT + "/canary-keyset"),
    # a draft is its buyer's alone
    "read_consultation": Call(DRAFT, "draft", "GET", AT),
    "read_dossier": Call(DRAFT, "draft", "GET", AT + "/dossier"),
    "download_dossier_file": Call(DRAFT, "draft", "GET", AT + "/dossier/files/pièces/RC.pdf"),
    "read_opening": Call(DRAFT, "draft", "GET", "/api/v1/openings/{consultation}/001"),
    "read_minutes": Call(ALL, "public", "GET", OPENING + "/minutes"),
    "export_minutes": Call(ALL, "public", "GET", OPENING + "/minutes.csv"),
    "download_minutes_sheet": Call(ALL, "public", "GET", OPENING + "/minutes.xlsx"),
    "print_minutes": Call(ALL, "public", "GET", OPENING + "/minutes.pdf"),
    "draft_consultation": Call(
        DRAFT,
        "door",
        "POST",
        "/api/v1/consultations",
        {
            "reference": "R",
            "object": "o",
            "nature": "WORKS",
            "procedure": "ADAPTED",
            "cpv": "45261910",
            "place": "FRE11",
        },
    ),
    "define_lot": Call(
        DRAFT,
        "draft",
        "POST",
        AT + "/lots",
        {"lot": "002", "title": "t", "estimated_cents": 1},
    ),
    "set_criteria": Call(
        DRAFT,
        "draft",
        "POST",
        AT + "/criteria",
        {"criteria": [{"name": "Prix", "weight_bp": 10_000}], "price_formula": "PROPORTIONAL"},
    ),
    "set_calendar": Call(
        DRAFT, "draft", "POST", AT + "/calendar", {"questions_until": HOUR, "deadline": HOUR}
    ),
    "set_technical_limits": Call(DRAFT, "draft", "POST", AT + "/limits", {}),
    "set_deposit_policy": Call(DRAFT, "draft", "POST", AT + "/deposit-policy", {}),
    "upload_dossier_file": Call(DRAFT, "draft", "PUT", AT + "/dossier/files/x.pdf", b"%PDF-1.7"),
    "freeze_dossier": Call(DRAFT, "draft", "POST", AT + "/dossier", {"files": []}),
    # what only the officer does
    "assign_keyset": Call(BUY, "tenant", "POST", AT + "/ceremony"),
    "decrypt_canary": Call(BUY, "tenant", "POST", AT + "/canary"),
    "retire_keyset": Call(BUY, "tenant", "POST", AT + "/keyset/retirement", {"reason": "r"}),
    "publish_consultation": Call(BUY, "tenant", "POST", AT + "/publication", {}),
    "correct_limits": Call(BUY, "tenant", "POST", AT + "/corrections/limits", {"reason": "r"}),
    "correct_dossier": Call(
        BUY,
        "tenant",
        "POST",
        AT + "/dossier/corrections",
        {"files": [], "importance": "MINOR", "reason": "r"},
    ),
    "extend_deadline": Call(
        BUY, "tenant", "POST", AT + "/extensions", {"deadline": HOUR, "reason": "r"}
    ),
    "suspend_consultation": Call(BUY, "tenant", "POST", AT + "/suspensions", {"reason": "r"}),
    "resume_consultation": Call(BUY, "tenant", "POST", AT + "/resumptions", {"deadline": HOUR}),
    "convene_opening": Call(CONVENE, "tenant", "POST", OPENING + "/convocation", {"members": []}),
    "record_presence": Call(CONVENE, "tenant", "POST", OPENING + "/presences", {"member": "ada"}),
    "fix_opening_plan": Call(CONVENE, "tenant", "POST", OPENING + "/plan"),
    "admit_late_deposit": Call(
        LATE,
        "tenant",
        "POST",
        DEPOSIT + "/admission",
        {"ground": "g", "reasons": "r", "findings": "f"},
    ),
    "reject_late_deposit": Call(LATE, "tenant", "POST", DEPOSIT + "/rejection", {"reasons": "r"}),
    "list_backup_copies": Call(LATE, "tenant", "GET", AT + "/backup-copies"),
    "authorise_backup_copy": Call(LATE, "copy", "POST", COPY + "/authorisation"),
    "open_backup_copy": Call(LATE, "copy", "POST", COPY + "/opening"),
    "set_aside_backup_copy": Call(LATE, "copy", "POST", COPY + "/setting-aside"),
    "detect_backup_malware": Call(LATE, "copy", "POST", COPY + "/malware", {"trace_hash": HEX}),
    "destroy_backup_copy": Call(LATE, "copy", "POST", COPY + "/destruction", {"witness": "ada"}),
    "register_backup_copy": Call(
        DESK,
        "tenant",
        "POST",
        AT + "/desk/backup-copies",
        {
            "lots": ["0"],
            "bidder": "55208131766522",
            "medium": "PAPER",
            "label_ok": True,
            "received": {"local": "2026-11-02T09:00"},
            "desk": "accueil",
        },
    ),
    "register_item_outside": Call(
        DESK,
        "tenant",
        "POST",
        AT + "/desk/items",
        {
            "item": "SAMPLE",
            "bidder": "55208131766522",
            "channel": "coursier",
            "received": {"local": "2026-11-02T09:00"},
        },
    ),
    "read_desk_register": Call(DESK, "tenant", "GET", AT + "/desk"),
    "list_own_backup_copies": Call(BID, "door", "GET", "/api/v1/backup-copies"),
    "read_backup_copy": Call(BID, "sent copy", "GET", COPY),
    "open_envelopes": Call("nobody before the hour", "attempt", "POST", OPENING + "/envelopes", {}),
    "open_deposit": Call("nobody before the hour", "hidden", "POST", DEPOSIT + "/opening"),
    "scan_opened_documents": Call(CONVENE, "tenant", "POST", OPENING + "/envelopes/{deposit}/scan"),
    "list_opened_documents": Call(READ, "bid", "GET", OPENING + "/envelopes/{deposit}/documents"),
    "read_opened_document": Call(READ, "bid", "GET", OPENING + "/envelopes/{deposit}/documents/1"),
    # what only the company does
    "start_transmission": Call(
        BID,
        "door",
        "POST",
        "/api/v1/transmissions",
        {
            "consultation": "{consultation}",
            "kind": "OFFER",
            "lots": ["0"],
            "bytes": 1_000_000,
            "documents": 1,
            "client": "c",
            "terms": "1",
        },
    ),
    "list_deposits": Call(BID, "door", "GET", "/api/v1/deposits"),
    "read_transmission": Call(BID, "sent", "GET", SENT),
    "announce_envelope": Call(BID, "sent", "PUT", SENT + "/head", b"x", {"Pli-Commitment": HEX}),
    "store_chunk": Call(BID, "sent", "PUT", SENT + "/chunks/0", b"x", {"Pli-Leaf": HEX}),
    "finish_transmission": Call(BID, "sent", "POST", SENT + "/finish"),
    "end_transmission": Call(BID, "sent", "DELETE", SENT),
    "read_deposit": Call(BID, "sent", "GET", DEPOSIT),
    "read_receipt": Call(BID, "sent", "GET", DEPOSIT + "/receipt"),
    "withdraw_deposit": Call(BID, "sent", "POST", DEPOSIT + "/withdrawal", {}),
    # the platform
    "publish_checkpoint": Call(RUN, "door", "POST", "/api/v1/ledger/checkpoints"),
    "stamp_checkpoint": Call(RUN, "door", "POST", "/api/v1/ledger/anchors"),
    "read_health": Call(ALL, "none", "GET", "/api/v1/health"),
    "read_health_evidence": Call(
        "see incidents and probes",
        "door",
        "GET",
        "/api/v1/health/evidence?from=2026-11-02T09:00&to=2026-11-02T09:10",
    ),
    "declare_incident": Call(
        "declare incidents",
        "door",
        "POST",
        "/api/v1/health/incidents",
        {"start": {"local": "2026-11-02T10:00"}, "cause": "c"},
    ),
    "read_metrics": Call("see the figures", "figures", "GET", "/metrics"),
    "list_refusals": Call("list refused accesses", "door", "GET", "/api/v1/refusals"),
    "register_buyer": Call(
        RUN,
        "door",
        "POST",
        "/api/v1/buyers",
        {"siret": "21590350100017", "name": "n", "buyer_kind": "COMMUNE"},
    ),
    "register_operator": Call(
        "register companies",
        "door",
        "POST",
        "/api/v1/operators",
        {"siret": "55208131766522", "name": "n"},
    ),
    "grant_role": Call(
        "grant roles",
        "members",
        "POST",
        "/api/v1/buyers/{siret}/roles",
        {"person": "ada", "role": "CO", "valid_from": "2026-01-01"},
    ),
    "revoke_role": Call(
        "grant roles",
        "members",
        "POST",
        BUYER_AT + "/revocations",
        {"person": "ada", "role": "CO", "reason": "r"},
    ),
    # a signatory delegates what it holds itself, and nobody here is ada
    "delegate_signature": Call(
        TENANT,
        "tenant",
        "POST",
        BUYER_AT + "/delegations",
        {
            "giver": "ada",
            "receiver": "bob",
            "act_types": ["CONTRACT"],
            "ceiling_cents": 1,
            "valid_from": "2026-11-02",
            "valid_to": "2027-03-01",
            "deliberation": "d",
        },
    ),
    "elect_committee": Call(
        TENANT,
        "tenant",
        "POST",
        BUYER_AT + "/committee",
        {"president": "eve", "titulars": SEATS, "substitutes": [], "deliberation": "d"},
    ),
    "grant_access": Call(
        TENANT,
        "tenant",
        "POST",
        BUYER_AT + "/accesses",
        {"to": "cour-regionale", "until_on": "2027-12-31", "ground": "g"},
    ),
    "export_tenant": Call(TENANT, "tenant", "GET", BUYER_AT + "/export"),
    "leave_platform": Call(
        TENANT, "tenant", "POST", BUYER_AT + "/departure", {"size": 1, "root": HEX}
    ),
    "list_roles": Call(SEE, "seen", "GET", BUYER_AT + "/roles"),
    "list_delegations": Call(SEE, "seen", "GET", BUYER_AT + "/delegations"),
    "read_committee": Call(SEE, "seen", "GET", BUYER_AT + "/committee"),
    "add_representative": Call(
        SPEAK, "spoken", "POST", COMPANY_AT + "/representatives", {"person": "ada"}
    ),
    "remove_representative": Call(
        BID, "company", "POST", COMPANY_AT + "/revocations", {"person": "ada", "reason": "r"}
    ),
    "list_representatives": Call(BID, "company", "GET", COMPANY_AT + "/representatives"),
    "declare_consortium": Call(
        BID,
        "company",
        "POST",
        COMPANY_AT + "/consortia",
        {"form": "JOINT", "members": ["35600000000048", "55208131766522"]},
    ),
    # any company's name, registered or not, and the same answer for both
    "exclude_operator": Call(
        TENANT,
        "anybody",
        "POST",
        COMPANY_AT + "/exclusions",
        {"ground": "g", "until_on": "2027-12-31"},
    ),
    "read_entries": Call("entries", "granted", "GET", "/tile/entries/000.p/16"),
    "read_who_i_am": Call(ALL, "caller", "GET", "/api/v1/me"),
}
WHERE = ("own", "foreign", "absent")
ANONYMOUS = "anonymous"
REACHED = 0
"""The rule itself was asked: any answer but 401, 403 and 404."""


def expected(call: Call, role: str, where: str) -> int | None:
    """Return the status of one cell, REACHED, or None where the cell does not exist."""
    if role == ANONYMOUS:
        return _anonymous(call, where)
    may = MARKS[call.line][role] != "-"
    seat = HOME.get(role, "buyer")
    return _CELLS[call.whose](role, seat, where, may)


@dataclass(frozen=True)
class Page:
    """One page: what it answers to a GET by whoever is signed in, and by anybody else."""

    path: str
    known: int
    stranger: int
    may: tuple[str, ...] = tuple(ROLES)
    others: int = 403
    elsewhere: tuple[str, ...] = ()
    """Roles that sit elsewhere: for them the object of the page is absent."""

    def answer(self, role: str) -> int:
        """Return the status of the answer to a role, or to nobody."""
        if role == ANONYMOUS:
            return self.stranger
        if role in self.elsewhere:
            return 404
        return self.known if role in self.may else self.others


def public(path: str) -> Page:
    """Return a page that everybody reads."""
    return Page(path, 200, 200)


def form(path: str) -> Page:
    """Return an address to which a form is sent: nothing is read there."""
    return Page(path, 405, 405)


def acts(name: str, *may: str, others: int = 403, known: int = 200) -> Page:
    """Return a page of administration for the roles that §5 lets do its act."""
    return Page(f"/administration{name}", known, LOGIN_FIRST, may or tuple(ROLES), others)


LOGIN_FIRST = 303
SEEING_HEALTH = ("BU", "CY", "PA", "AU")
OF_A_BUYER = ("DR", "BU", "CU", "CO", "SI", "FI", "AC", "PA", "RD")
PAGES: Mapping[str, Page] = {
    "/": public("/"),
    "/accessibility": public("/accessibility"),
    "/consultations": Page("/consultations", 308, 308),
    "/consultations/{name}": public("/consultations/{public}"),
    "/consultations/{name}/deposit": public("/consultations/{public}/deposit"),
    "/consultations/{name}/history": public("/consultations/{public}/history"),
    "/consultations/{name}/opening/{lot}": public("/consultations/{public}/opening/0"),
    "/consultations/{name}/opening/{lot}/session": Page(
        "/consultations/{public}/opening/0/session", 200, LOGIN_FIRST, ("BU",), 403, ("CY", "PA")
    ),
    "/health": public("/health"),
    "/ledger": public("/ledger"),
    "/ledger/{name}": public("/ledger/policy.txt"),
    "/openapi.json": public("/openapi.json"),
    "/problems/{code}": public("/problems/role.not-allowed"),
    "/receipt": public("/receipt"),
    "/static": Page("/static/none.css", 404, 404),
    "/login": public("/login"),
    "/login/oidc": Page("/login/oidc", 404, 404),  # no provider is configured here
    "/login/oidc/return": Page("/login/oidc/return", 404, 404),
    "/login/passkey": form("/login/passkey"),
    "/login/passkey/options": form("/login/passkey/options"),
    "/login/again": Page("/login/again", 200, LOGIN_FIRST),
    "/login/again/oidc": Page("/login/again/oidc", 404, LOGIN_FIRST),
    "/login/again/passkey": form("/login/again/passkey"),
    "/logout": form("/logout"),
    "/administration": acts(""),
    "/administration/accesses": acts("/accesses", "BU", "PA"),
    "/administration/backup-copies": acts("/backup-copies", "RD"),
    "/administration/buyers": acts("/buyers", "PA"),
    "/administration/committee": acts("/committee", "BU"),
    "/administration/companies": acts("/companies", "PA"),  # the company is registered already
    "/administration/consortia": acts("/consortia", "CY"),
    "/administration/copies": acts("/copies", "BU", "CO"),
    "/administration/copy-decisions": acts("/copy-decisions", "BU", "CO"),
    "/administration/delegations": acts("/delegations", "BU", "SI"),
    "/administration/departure": acts("/departure", "BU"),
    "/administration/departure/export": acts("/departure/export", "BU", known=409),
    # without a window the files have nothing to say
    "/administration/evidence": acts("/evidence", *SEEING_HEALTH),
    "/administration/evidence.csv": acts("/evidence.csv", *SEEING_HEALTH, known=422),
    "/administration/evidence.json": acts("/evidence.json", *SEEING_HEALTH, known=422),
    "/administration/evidence.pdf": acts("/evidence.pdf", *SEEING_HEALTH, known=422),
    "/administration/incidents": acts("/incidents", "PA"),
    "/administration/invitations": acts("/invitations", "BU", "CY", "PA"),
    "/administration/late-deposits": acts("/late-deposits", "BU", "CO"),
    "/administration/powers": acts("/powers", *OF_A_BUYER),
    "/administration/refusals": acts("/refusals", "BU", "AU"),
    "/administration/refusals.csv": acts("/refusals.csv", "BU", "AU"),
    "/administration/register": acts("/register", "RD"),
    "/administration/register-items": acts("/register-items", "RD"),
    "/administration/representatives": acts("/representatives", "CY"),
    "/administration/revocations": acts("/revocations", "BU", "PA"),
    "/administration/roles": acts("/roles", "BU", "PA"),
    "/administration/withdrawals": acts("/withdrawals", "CY"),
    "/account": Page("/account", 200, LOGIN_FIRST),
    "/account/invitations": form("/account/invitations"),
    "/account/invitations/withdraw": form("/account/invitations/withdraw"),
    "/account/passkeys": form("/account/passkeys"),
    "/account/passkeys/options": form("/account/passkeys/options"),
    "/account/passkeys/remove": form("/account/passkeys/remove"),
    "/account/password": form("/account/password"),
    "/account/seat": form("/account/seat"),
    "/account/sessions/end": form("/account/sessions/end"),
    "/account/tokens": form("/account/tokens"),
    "/account/tokens/revoke": form("/account/tokens/revoke"),
    "/invitation/{secret}": Page("/invitation/" + HEX, 404, 404),
    "/invitation/{secret}/oidc": Page("/invitation/" + HEX + "/oidc", 404, 404),
    "/invitation/{secret}/passkey": form("/invitation/" + HEX + "/passkey"),
    "/invitation/{secret}/passkey/options": form("/invitation/" + HEX + "/passkey/options"),
    "/invitation/{secret}/seat": form("/invitation/" + HEX + "/seat"),
}
"""Every page. Which role asks changes nothing but in administration; a draft is on none."""


def _anonymous(call: Call, where: str) -> int | None:
    if call.whose in {"none", "public"}:
        return 404 if where == "absent" and call.whose == "public" else REACHED
    if call.whose == "granted" or (call.method == "GET" and call.whose == "draft"):
        return 404
    return 401


def _none(_role: str, _seat: str, where: str, may: bool) -> int | None:
    return (REACHED if may else 403) if where == "own" else None


def _public(_role: str, _seat: str, where: str, _may: bool) -> int | None:
    return 404 if where == "absent" else REACHED


def _tenant(_role: str, seat: str, where: str, may: bool) -> int | None:
    """The object first: foreign is absent for every role; then the role."""
    if where != "own" or seat != "buyer":
        return 404
    return REACHED if may else 403


def _bid(role: str, seat: str, where: str, may: bool) -> int | None:
    if where == "own" and role == "CY":
        return REACHED
    if where == "own" and role == "AU":
        return 403  # granted, and nobody granted it
    return _tenant(role, seat, where, may)


def _seen(role: str, seat: str, where: str, may: bool) -> int | None:
    """An auditor is a member of nobody: what was not opened to it is not shown."""
    return _tenant(role, seat, where, may and role != "AU")


def _company(role: str, _seat: str, where: str, may: bool) -> int | None:
    """Its own company's; the platform finds any that is registered, and nobody else finds one."""
    if role == "CY":
        return REACHED if where == "own" else 404
    return REACHED if may and where != "absent" else 404


def _spoken(role: str, seat: str, where: str, may: bool) -> int | None:
    """Each of these companies has its people already: the platform names the first one only."""
    if role == "PA" and where != "absent":
        return 403
    return _company(role, seat, where, may)


def _anybody(_role: str, _seat: str, _where: str, may: bool) -> int | None:
    return REACHED if may else 403


def _sent(role: str, _seat: str, where: str, _may: bool) -> int | None:
    return REACHED if role == "CY" and where == "own" else 404


def _attempt(role: str, _seat: str, where: str, _may: bool) -> int | None:
    """Recorded and refused for everybody, but the officers of another buyer find nothing."""
    return 404 if where == "absent" or (role == "BU" and where == "foreign") else 403


def _figures(role: str, _seat: str, where: str, _may: bool) -> int | None:
    """Absent until the operator asks for them, and for administrators only."""
    return None if where != "own" else 404 if role == "PA" else 403


def _hidden(_role: str, _seat: str, _where: str, _may: bool) -> int | None:
    return 404


def _members(role: str, seat: str, where: str, may: bool) -> int | None:
    if role == "PA":
        return 404 if where == "absent" else 403  # the first officer only, and no other role
    return _tenant(role, seat, where, may)


_CELLS = {
    "none": _none,
    "caller": _none,
    "door": _none,
    "public": _public,
    "draft": _tenant,
    "tenant": _tenant,
    "bid": _bid,
    "copy": _tenant,
    "sent": _sent,
    "sent copy": _sent,
    "attempt": _attempt,
    "hidden": _hidden,
    "granted": _hidden,
    "members": _members,
    "seen": _seen,
    "company": _company,
    "spoken": _spoken,
    "anybody": _anybody,
    "figures": _figures,
}
