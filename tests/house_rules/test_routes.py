"""Every route has its row among the permissions, and what is not public asks who calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.auth import Known, caller
from api.permissions import OPERATIONS, PUBLIC
from api.routes import all_routers

KEYED = frozenset({"POST"})


def routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for router in routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def asks_who_calls(dependant: Dependant) -> bool:
    """Say whether a request without a token cannot reach the function."""
    return dependant.call is caller or any(map(asks_who_calls, dependant.dependencies))


def header_names(dependant: Dependant) -> set[str]:
    own = {field.alias.lower() for field in dependant.header_params}
    return own.union(*map(header_names, dependant.dependencies))


def offences(routers: Iterable[APIRouter], rows: Mapping[str, str | None]) -> list[str]:
    """Return what is wrong with routes and rows, a line each."""
    found = list(routes(routers))
    names = [route.name for route in found]
    wrong = [f"{name}: no row in api/permissions.py" for name in names if name not in rows]
    wrong += [f"{name}: two routes" for name in set(names) if names.count(name) > 1]
    for route in found:
        if rows.get(route.name) != PUBLIC and not asks_who_calls(route.dependant):
            wrong.append(f"{route.name}: not public, and anybody may call it")
        if route.methods & KEYED and "idempotency-key" not in header_names(route.dependant):
            wrong.append(f"{route.name}: a POST without Idempotency-Key")
    return sorted(wrong)


def test_every_route_has_its_row_and_its_guard() -> None:
    assert not offences(all_routers(), OPERATIONS)


def test_every_row_has_its_route() -> None:
    assert not set(OPERATIONS) - {route.name for route in routes(all_routers())}


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

    rows = {"read_open": None, "do_keyless": None, "read_guarded": None}
    assert offences([planted], rows) == [
        "do_keyless: a POST without Idempotency-Key",
        "read_open: not public, and anybody may call it",
        "read_unlisted: no row in api/permissions.py",
        "read_unlisted: not public, and anybody may call it",
    ]
