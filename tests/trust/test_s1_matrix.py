"""S1: every route × every role × own, foreign and absent, over HTTP on a real platform (T17).

What each cell must answer comes from ``domain.md`` §5 (``doubles.matrix``), not from the table of
the product. Foreign and absent are compared byte by byte. A token and a session ask the same cells;
pages say the same status to every role, and nothing of a draft.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, RIVAL, SOON, Bench
from doubles.matrix import ALL, ANONYMOUS, CALLS, PAGES, REACHED, ROLES, WHERE, Call, expected
from doubles.pages import addresses
from doubles.reader import HERE, Reader, invited, joined, officer
from doubles.sizes import sized
from doubles.worlds import siret
from fastapi import FastAPI

from api.adapters.index import LedgerIndex
from api.adapters.uploads import Upload, Uploads
from api.depositor.sealing import Wish
from api.entrance import PASSKEY
from api.permissions import OPERATIONS
from api.routes import all_routers
from api.sessions import forgery_token

MARK = b"REF-roubaix-2"
"""Stands in the other buyer's draft alone."""
NO_SIRET = "35600000000048"
ABSENT = {
    "consultation": "nowhere",
    "deposit": "0" * 32,
    "copy": "0" * 32,
    "transmission": "00000000-0000-4000-8000-000000000000",
    "siret": NO_SIRET,
    "operator": "nobody",
}
BY_TOKEN, BY_SESSION = "token", "session"
OFFICERS = {"PA": "root@pli.example", "CY": "cyr@nord.example"}
"""Whose seat is no seat of the buyer; all those are of one person, who switches."""


@dataclass
class Case:
    """A platform with something of everybody's: drafts, running, closed and opened procedures."""

    bench: Bench
    tokens: dict[str, str | None]
    objects: dict[str, dict[str, dict[str, str]]]
    readers: dict[str, Reader] = field(default_factory=dict)

    def ask(self, call: Call, role: str, names: dict[str, str], by: str = BY_TOKEN) -> Any:
        """Send the request of a call about an object, as a role."""
        headers, http = dict(call.headers), self.bench.http
        if by == BY_SESSION:
            reader = self.readers[role]
            http = reader.http
            headers |= {"origin": HERE, "pli-csrf": forgery_token(reader.cookie or "")}
        elif token := self.tokens[role]:
            headers["Authorization"] = f"Bearer {token}"
        if call.method == "POST":
            headers["Idempotency-Key"] = f"cell-{next(self.bench._keys):08}"
        given: dict[str, Any] = {}
        if isinstance(call.body, bytes):
            given["content"] = call.body
        elif call.body is not None:
            text = json.dumps(call.body)
            given["json"] = json.loads(text.replace("{consultation}", names["consultation"]))
        path = call.path.format(**names)
        return http.request(call.method, path, headers=headers, **given)

    def names(self, call: Call, where: str) -> dict[str, str]:
        """Return the names of the object which a call is about."""
        return ABSENT | self.objects.get(call.whose, self.objects["opened"]).get(where, {})

    def act_as(self, role: str) -> None:
        """Let the person of many seats take the one of this role."""
        if role in ROLES and role not in OFFICERS:
            reader = self.readers[role]
            seat = f"{BUYER} {role}"
            answer = reader.send("/account", "/account/seat", seat=seat)
            assert answer.status_code == 303, answer.text


@dataclass
class Counts:
    """What a run over the cells found."""

    cells: int = 0
    wrong: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    bench = Bench(tmp_path_factory.mktemp("matrix"))
    bench.register()
    election = dict(CALLS["elect_committee"].body)
    bench.done(f"/api/v1/buyers/{BUYER}/committee", bench.tokens.buyer, election)
    bench.done("/api/v1/operators", bench.tokens.admin, {"siret": siret(0), "name": "Tiers"})
    own = deposited(bench, "lille-1")
    own_copies = {"copy": on_paper(bench, "lille-1"), "sent copy": backed_up(bench, "lille-1")}
    foreign, foreign_copies = opened_by_other(bench)
    bench.deadline = "2027-01-04T12:00"
    bench.draft("lille-2", lots=1)
    with other(bench):
        bench.draft("roubaix-2", lots=1)
    own_sealed = deposited(bench, "lille-3")
    with other(bench):
        foreign_sealed = deposited(bench, "roubaix-3")
    bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    tokens: dict[str, str | None] = {role: bench.token(BUYER, role) for role in ROLES}
    tokens |= {"CY": bench.tokens.company, "PA": bench.tokens.admin, ANONYMOUS: None}
    pairs = {
        "opened": {"own": own, "foreign": foreign},
        "draft": {"own": own | at("lille-2"), "foreign": foreign | at("roubaix-2")},
        "attempt": {"own": own_sealed, "foreign": foreign_sealed},
        "hidden": {"own": own_sealed, "foreign": foreign_sealed},
    }
    for whose, name in own_copies.items():
        pairs[whose] = {"own": {"copy": name}, "foreign": {"copy": foreign_copies[whose]}}
    pairs["company"] = {"own": {"operator": COMPANY}, "foreign": {"operator": RIVAL}}
    pairs["spoken"] = pairs["company"]
    pairs["anybody"] = {"own": {"operator": siret(0)}, "foreign": {"operator": siret(1)}}
    yield Case(bench, tokens, pairs)
    bench.close()


@pytest.fixture(scope="module")
def signed_in(case: Case) -> Case:
    """Sign people in: one of many seats, one of the company, an administrator, and one too long."""
    bench = case.bench
    host = officer(bench)
    many = joined(bench, BUYER, "BU", "ada@lille.example", host=host)
    case.readers = dict.fromkeys(ROLES, many)
    for role in set(ROLES) - {"BU", *OFFICERS}:
        gives = role in bench.platform.desk.law.roles.administers["BU"]
        at = invited(bench, BUYER, role, "ada@lille.example", host=host if gives else None)
        assert many.send(at, f"{at}/seat").status_code == 303
    case.readers["CY"] = joined(bench, COMPANY, "CY", OFFICERS["CY"])
    case.readers["PA"] = root = joined(bench, bench.platform.desk.platform, "PA", OFFICERS["PA"])
    entrance = bench.app.state.entrance
    weak = entrance.visitor(root.cookie)
    root.http.cookies.clear()
    root.http.cookies.set("pli", entrance.enter(weak.person.person, PASSKEY))
    case.readers[ANONYMOUS] = gone = joined(bench, COMPANY, "CY", "eve@nord.example")
    ended = entrance.visitor(gone.cookie)
    stale = (bench.clock.at - timedelta(days=1)).isoformat()
    bench.platform.accounts.file.do(
        "UPDATE sessions SET created_at = ? WHERE id = ?", stale, ended.session.session_id
    )
    return case


def at(name: str) -> dict[str, str]:
    return {"consultation": name}


class other:  # noqa: N801 - read as a word: with other(bench)
    """Let the officer of the other buyer do what the bench does, and the rival bid."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def __enter__(self) -> None:
        self.kept = (self.bench.tokens.buyer, self.bench.tokens.company)
        self.bench.tokens.buyer = self.bench.tokens.other
        self.bench.tokens.company = self.bench.tokens.rival

    def __exit__(self, *_: object) -> None:
        self.bench.tokens.buyer, self.bench.tokens.company = self.kept


def deposited(bench: Bench, name: str) -> dict[str, str]:
    """Publish and deposit; return the names of what there is now."""
    done = bench.deposit(bench.seal(bench.publish(name)))
    siret = BUYER if name.startswith("lille") else OTHER_BUYER
    found = at(name) | {"siret": siret}
    return found | {key: done[key] for key in ("deposit", "transmission")}


def on_paper(bench: Bench, name: str) -> str:
    """Let the desk of whose procedure it is write down a copy; return its name."""
    org = BUYER if name.startswith("lille") else OTHER_BUYER
    form = dict(CALLS["register_backup_copy"].body)
    made = bench.done(
        f"/api/v1/consultations/{name}/desk/backup-copies", bench.token(org, "RD"), form
    )
    return str(made["backup_copy"])


def backed_up(bench: Bench, name: str) -> str:
    """Send a backup copy; return its name."""
    sealed = bench.seal(f"/api/v1/consultations/{name}", wish=Wish("BACKUP", ("0",)))
    return str(bench.deposit(sealed)["backup_copy"])


def opened_by_other(bench: Bench) -> tuple[dict[str, str], dict[str, str]]:
    """Do the same for the other buyer, then open both."""
    with other(bench):
        foreign = deposited(bench, "roubaix-1")
        copies = {"copy": on_paper(bench, "roubaix-1"), "sent copy": backed_up(bench, "roubaix-1")}
    bench.forward(SOON)
    open_all(bench, "lille-1")
    with other(bench):
        open_all(bench, "roubaix-1")
    return foreign, copies


def open_all(bench: Bench, name: str) -> None:
    opening = bench.attend(name)
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})


def offences(
    case: Case,
    calls: Mapping[str, Call],
    by: str = BY_TOKEN,
    roles: Iterable[str] = (*ROLES, ANONYMOUS),
) -> Counts:
    """Ask every cell; return how many there are and what is wrong, a line each."""
    counts = Counts()
    for role in roles:
        if by == BY_SESSION:
            case.act_as(role)
        for name, call in calls.items():
            count(case, counts, role, name, call, by)
    return counts


def count(case: Case, counts: Counts, role: str, name: str, call: Call, by: str) -> None:
    """Ask the cells of one operation and role, and note what is wrong."""
    seen = {}
    for where in WHERE:
        want = expected(call, role, where)
        if want is None:
            continue
        answer = case.ask(call, role, case.names(call, where), by)
        counts.cells += 1
        seen[where] = (answer.status_code, answer.content, dict(answer.headers))
        cell = f"{name} {role} {where}: {answer.status_code}"
        counts.wrong += [f"{cell}, not {want}"] if wrong(answer, want) else []
        counts.wrong += [f"{cell} tells a draft"] if MARK in answer.content else []
        counts.done |= {name} if answer.status_code < 300 else set()
    if seen.get("foreign", (0,))[0] == 404 and seen["foreign"] != seen["absent"]:
        counts.wrong.append(f"{name} {role}: foreign is not as absent")


def wrong(answer: Any, want: int) -> bool:
    if want != REACHED:
        return bool(answer.status_code != want)
    code = answer.json().get("code") if "problem" in answer.headers["content-type"] else None
    return answer.status_code in {401, 403, 404} or code in {"request.form", "request.json"}


def missing(app: FastAPI) -> set[str]:
    """Return the operations of an application for which no request is written."""
    document = app.openapi()["paths"].values()
    return {one["operationId"] for methods in document for one in methods.values()} - set(CALLS)


def test_every_cell_answers_as_the_design_says(
    case: Case, proof: Callable[[str, str], None]
) -> None:
    assert not missing(case.bench.app)
    assert {route.name for router in all_routers() for route in router.routes} == set(CALLS)
    counts = offences(case, CALLS)
    assert not counts.wrong
    assert len(counts.done) > len(CALLS) // 2, "the requests are good ones; others come too late"
    proof(
        "S1",
        f"{len(CALLS)} of {len(CALLS)} routes × {len(ROLES)} roles and nobody × own, foreign, "
        f"absent: {counts.cells} cells, 0 leaks, foreign = absent byte by byte; controls: a route "
        "without a row, a dropped filter of tenants, one of owners",
    )


def asked_now() -> list[str]:
    """Return whose sessions this size asks: at push the roles whose rows differ most."""
    every = [*ROLES, ANONYMOUS]
    few = ["BU", "AU", "CY", "PA", ANONYMOUS]
    return every[: sized(push=0, full=len(every), night=len(every))] or few


def test_a_session_reaches_what_its_seat_reaches(
    signed_in: Case, proof: Callable[[str, str], None]
) -> None:
    roles = asked_now()
    counts = offences(signed_in, CALLS, BY_SESSION, roles)
    assert not counts.wrong
    assert len(counts.done) > len(CALLS) // 3
    proof(
        "S1",
        f"by session: {counts.cells} cells, {len(roles)} of {len(ROLES) + 1}: seats of one person "
        "who switches, the company, an administrator, an ended session as nobody; control: a seat "
        "that is not switched",
    )


def test_a_seat_that_was_not_switched_is_caught(
    signed_in: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_in, "act_as", lambda _role: None)
    counts = offences(signed_in, {"list_refusals": CALLS["list_refusals"]}, BY_SESSION)
    assert counts.wrong


def test_every_page_is_the_same_for_every_role(
    signed_in: Case, proof: Callable[[str, str], None]
) -> None:
    bench = signed_in.bench
    assert addresses(bench.platform, bench.app.state.entrance) == set(PAGES)
    bench.platform.views.catch_up()
    wrong, count, roles = [], 0, asked_now()
    for role in roles:
        signed_in.act_as(role)
        for page in PAGES.values():
            answer = signed_in.readers[role].get(page.path.format(public="lille-1"))
            want = page.answer(role)
            count += 1
            wrong += [f"{role} {page.path}: {answer.status_code}"] * (answer.status_code != want)
            wrong += [f"{role} {page.path} tells a draft"] * (MARK in answer.content)
        for draft in ("lille-2", "roubaix-2"):
            found = signed_in.readers[role].get(f"/consultations/{draft}").status_code
            wrong += [f"{role} {draft}: {found}"] * (found != 404)
    assert not wrong
    proof("S1", f"{len(PAGES)} pages × {len(roles)} of {len(ROLES) + 1} roles: {count} answers")


def test_a_password_alone_administers_nothing(signed_in: Case) -> None:
    root = Reader(signed_in.bench)
    assert root.sign_in(OFFICERS["PA"]).status_code == 303
    signed_in = replace(signed_in, readers={"PA": root})
    for name, call in CALLS.items():
        if call.line == ALL and call.whose != "caller":
            continue
        row = OPERATIONS[name]
        answer = signed_in.ask(call, "PA", signed_in.names(call, "own"), BY_SESSION)
        told = (answer.status_code, answer.json().get("code") if answer.status_code >= 400 else "")
        assert row.public or told == (401, "login.too-weak"), (name, told)


def test_a_route_that_nobody_wrote_down_fails(case: Case) -> None:
    app = FastAPI(generate_unique_id_function=lambda route: route.name)
    for router in all_routers():
        app.include_router(router)

    @app.get("/api/v1/leak")
    def read_leak() -> dict[str, str]:
        return {}

    assert missing(app) == {"read_leak"}


class WithoutTenants(LedgerIndex):
    """The planted bug: whatever is asked for is the caller's own."""

    def tenant_of(self, consultation: str) -> str | None:
        return super().tenant_of(consultation) and BUYER


class WithoutOwners(Uploads):
    """The planted bug: a transmission is whose it is asked for."""

    def own(self, transmission: str, owner: str) -> Upload | None:
        return self.find(transmission)

    def own_deposit(self, deposit: str, owner: str) -> Upload | None:
        return self.of_deposit(deposit)


def test_a_dropped_owner_filter_is_caught(case: Case) -> None:
    names = ("read_transmission", "read_deposit", "read_receipt", "read_backup_copy")
    uploads = case.bench.platform.uploads
    uploads.__class__ = WithoutOwners
    try:
        counts = offences(case, {name: CALLS[name] for name in names})
    finally:
        uploads.__class__ = Uploads
    told = {tuple(line.split()[:3]) for line in counts.wrong}
    assert told >= {(name, "CY", "foreign:") for name in names}


def test_a_dropped_tenant_filter_is_caught(case: Case) -> None:
    names = ("read_consultation", "read_dossier", "list_opened_documents", "upload_dossier_file")
    names += ("list_backup_copies", "read_desk_register", "set_aside_backup_copy")
    index = case.bench.platform.index
    index.__class__ = WithoutTenants
    try:
        counts = offences(case, {name: CALLS[name] for name in names})
    finally:
        index.__class__ = LedgerIndex
    assert {line.split()[0] for line in counts.wrong} == set(names)
    assert any("tells a draft" in line for line in counts.wrong)
