"""Every route and page has its row, what is not public asks who calls, and no query is unbound.

The syntax tree of routes and pages is read: what reaches the readers of the whole platform stands
in operations of rows that are public or the platform's own; everything else asks its ``Scope``.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from doubles.bench import Bench
from doubles.pages import addresses
from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth import Known, caller
from api.law import shipped_law
from api.permission_table import document
from api.permissions import OPERATIONS, PAGES, PUBLIC, Row, Whose, tenant
from api.routes import all_routers

ROOT = Path(__file__).resolve().parents[2]
KEYED = frozenset({"POST"})
UNBOUND = frozenset({Whose.PUBLIC, Whose.PLATFORM})
JUDGED = frozenset({"act"})
"""What a route may ask of the platform itself: a command, which the domain judges."""
OWNED_READERS = ("attempts", "deposits", "members", "reading", "store", "tables")


def routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for router in routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def asks_who_calls(dependant: Dependant) -> bool:
    """Say whether a request without a token cannot reach the function."""
    return dependant.call is caller or any(map(asks_who_calls, dependant.dependencies))


def header_names(dependant: Dependant) -> set[str]:
    own = {field.alias.lower() for field in dependant.header_params}
    return own.union(*map(header_names, dependant.dependencies))


def offences(routers: Iterable[APIRouter], rows: Mapping[str, Row]) -> list[str]:
    """Return what is wrong with routes and rows, a line each."""
    found = list(routes(routers))
    names = [route.name for route in found]
    wrong = [f"{name}: no row in api/permissions.py" for name in names if name not in rows]
    wrong += [f"{name}: two routes" for name in set(names) if names.count(name) > 1]
    for route in found:
        public = route.name in rows and rows[route.name].public
        if not public and not asks_who_calls(route.dependant):
            wrong.append(f"{route.name}: not public, and anybody may call it")
        if route.methods & KEYED and "idempotency-key" not in header_names(route.dependant):
            wrong.append(f"{route.name}: a POST without Idempotency-Key")
    return sorted(wrong)


def unbound(text: str, rows: Mapping[str, Row]) -> list[str]:
    """Return where a route reaches beyond its caller, a line each."""
    wrong = []
    for top in ast.parse(text).body:
        if not isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        row = rows.get(top.name)
        if row is not None and row.whose in UNBOUND:
            continue
        wrong += [f"{top.name}:{line} {what}" for line, what in sorted(reaches(top))]
    return wrong


def reaches(top: ast.AST) -> Iterator[tuple[int, str]]:
    """Find the platform in hand: by its annotation, by its name, or inside of what holds it."""
    judged = {
        id(node.value)
        for node in ast.walk(top)
        if isinstance(node, ast.Attribute) and node.attr in JUDGED
    }
    for node in ast.walk(top):
        if isinstance(node, ast.Name) and node.id in {"Here", "Platform", "platform_of"}:
            yield node.lineno, node.id
        if (
            isinstance(node, ast.Attribute)
            and node.attr.strip("_") == "platform"
            and id(node) not in judged
        ):
            yield node.lineno, ast.unparse(node)


def owned_readers(text: str) -> list[str]:
    """Return the imports by which a page would read what belongs to somebody."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("projections.")
        and (
            (
                str(node.module).partition(".")[2] in OWNED_READERS
                and {name.name for name in node.names} != {"BadToken"}
            )
            or "Views" in {name.name for name in node.names}
        )
    ]


def test_every_route_has_its_row_and_its_guard() -> None:
    assert not offences(all_routers(), OPERATIONS)


def test_every_row_has_its_route() -> None:
    assert not set(OPERATIONS) - {route.name for route in routes(all_routers())}


def test_every_page_has_its_row_and_every_row_its_page(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert sorted(addresses(bench.platform, bench.app.state.entrance)) == sorted(PAGES)
    bench.close()


def test_every_row_names_an_act_of_the_domain_and_who_judges_it() -> None:
    acts = shipped_law().roles.acts
    for name, row in {**OPERATIONS, **PAGES}.items():
        assert row.act in acts or row.whose in {Whose.PUBLIC, Whose.CALLER, Whose.HOLDER}, name
        if row.judge:
            module, _, use_case = row.judge.partition(".")
            assert callable(getattr(importlib.import_module(f"domain.commands.{module}"), use_case))


def test_the_document_is_the_table() -> None:
    told = (ROOT / "docs" / "spec" / "permissions.md").read_text()
    assert told == document(), "write it again: python -m api.permission_table"


def test_no_route_asks_beyond_its_caller() -> None:
    for path in sorted((ROOT / "api" / "routes").glob("*.py")):
        if path.name not in {"__init__.py", "witness.py"}:
            assert not unbound(path.read_text(), OPERATIONS), path.name


def test_no_page_holds_what_belongs_to_somebody() -> None:
    for path in sorted((ROOT / "api" / "web" / "pages").glob("*.py")):
        assert not owned_readers(path.read_text()), path.name


def test_planted_routes_without_row_guard_or_key_are_seen() -> None:
    planted = APIRouter()

    @planted.get("/unlisted")
    def read_unlisted() -> None: ...

    @planted.get("/open")
    def read_open() -> None: ...

    @planted.post("/keyless")
    def do_keyless(who: Known) -> None: ...

    @planted.get("/guarded", dependencies=[Depends(caller)])
    def read_guarded() -> None: ...

    row = tenant("draft consultation")
    rows = {"read_open": row, "do_keyless": row, "read_guarded": row}
    assert offences([planted], rows) == [
        "do_keyless: a POST without Idempotency-Key",
        "read_open: not public, and anybody may call it",
        "read_unlisted: no row in api/permissions.py",
        "read_unlisted: not public, and anybody may call it",
    ]


PLANTED = """
def read_deposit(who: Known, deposit: Id):
    return who.platform.uploads.of_deposit(deposit)
def read_all(here: Here):
    return here.index.deposits("x")
def do_it(who: Known):
    return who.platform.act(use_case, act, command)
class Acting:
    def done(self):
        found = self._who.platform
        return found.ledger
"""


def test_planted_unbound_questions_are_seen() -> None:
    rows = {"read_deposit": tenant("x"), "read_all": tenant("x"), "do_it": tenant("x")}
    assert unbound(PLANTED, rows) == [
        "read_deposit:3 who.platform",
        "read_all:4 Here",
        "Acting:10 self._who.platform",
    ]
    assert not unbound(PLANTED.partition("class")[0], dict.fromkeys(rows, PUBLIC))
    assert owned_readers("from projections.views import Views\n")
    assert owned_readers("from projections.deposits import Deposits\n")
    assert not owned_readers("from projections.views import PublicViews\n")
