"""S1: every route × every role × own, foreign and absent, over HTTP on a real platform (T17).

What each cell must answer comes from ``domain.md`` §5 (``doubles.matrix``), not from the table of
the product. Foreign and absent are compared byte by byte. Pages are read by everybody, so a page
is a public route: it says nothing of a draft.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from doubles.bench import BUYER, OTHER_BUYER, SOON, Bench
from doubles.matrix import ANONYMOUS, CALLS, REACHED, ROLES, WHERE, Call, expected
from fastapi import FastAPI

from api.adapters.index import LedgerIndex
from api.adapters.uploads import Upload, Uploads
from api.routes import all_routers

pytestmark = pytest.mark.xdist_group("matrix")  # one platform for all three
MARK = b"REF-roubaix-2"
"""Stands in the other buyer's draft alone."""
NO_SIRET = "35600000000048"
ABSENT = {
    "consultation": "nowhere",
    "deposit": "0" * 32,
    "transmission": "00000000-0000-4000-8000-000000000000",
    "siret": NO_SIRET,
}


@dataclass
class Case:
    """A platform with something of everybody's: drafts, running, closed and opened procedures."""

    bench: Bench
    tokens: dict[str, str | None]
    objects: dict[str, dict[str, dict[str, str]]]

    def ask(self, call: Call, role: str, names: dict[str, str]) -> Any:
        """Send the request of a call about an object, as a role."""
        headers = dict(call.headers)
        if token := self.tokens[role]:
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
        return self.bench.http.request(call.method, path, headers=headers, **given)

    def names(self, call: Call, where: str) -> dict[str, str]:
        """Return the names of the object which a call is about."""
        return self.objects.get(call.whose, self.objects["opened"]).get(where, ABSENT)


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
    own = deposited(bench, "lille-1")
    foreign = opened_by_other(bench)
    bench.deadline = "2027-01-04T12:00"
    bench.draft("lille-2")
    with other(bench):
        bench.draft("roubaix-2")
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
    yield Case(bench, tokens, pairs)
    bench.close()


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


def opened_by_other(bench: Bench) -> dict[str, str]:
    """Do the same for the other buyer, then open both."""
    with other(bench):
        foreign = deposited(bench, "roubaix-1")
    bench.forward(SOON)
    open_all(bench, "lille-1")
    with other(bench):
        open_all(bench, "roubaix-1")
    return foreign


def open_all(bench: Bench, name: str) -> None:
    opening = bench.attend(name)
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})


def offences(case: Case, calls: Mapping[str, Call]) -> Counts:
    """Ask every cell; return how many there are and what is wrong, a line each."""
    counts = Counts()
    for name, call in calls.items():
        for role in (*ROLES, ANONYMOUS):
            seen = {}
            for where in WHERE:
                want = expected(call, role, where)
                if want is None:
                    continue
                answer = case.ask(call, role, case.names(call, where))
                counts.cells += 1
                seen[where] = (answer.status_code, answer.content, dict(answer.headers))
                cell = f"{name} {role} {where}: {answer.status_code}"
                counts.wrong += [f"{cell}, not {want}"] if wrong(answer, want) else []
                counts.wrong += [f"{cell} tells a draft"] if MARK in answer.content else []
                counts.done |= {name} if answer.status_code < 300 else set()
            if seen.get("foreign", (0,))[0] == 404 and seen["foreign"] != seen["absent"]:
                counts.wrong.append(f"{name} {role}: foreign is not as absent")
    return counts


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
    names = ("read_transmission", "read_deposit", "read_receipt")
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
    index = case.bench.platform.index
    index.__class__ = WithoutTenants
    try:
        counts = offences(case, {name: CALLS[name] for name in names})
    finally:
        index.__class__ = LedgerIndex
    assert {line.split()[0] for line in counts.wrong} == set(names)
    assert any("tells a draft" in line for line in counts.wrong)
