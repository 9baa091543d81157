"""T19: no other site makes a browser act here: over every route that may change something.

Made from the routes themselves, so that a new one is tried too. With the cookie of a session each
is refused without the page's token, with another session's, and from a foreign origin; with all
that belongs to it, it is answered by itself (the control: the same request, not refused as forged).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from doubles.bench import COMPANY, Bench
from doubles.reader import HERE, Reader, invited, joined
from fastapi.routing import APIRoute

from api.auth import FRESH
from api.pages import build
from api.permissions import OPERATIONS
from api.routes import all_routers
from api.sessions import forgery_token

SAFE = {"GET", "HEAD", "OPTIONS"}
FOREIGN = "https://evil.example"
# reads a receipt and keeps nothing: its origin is checked, and there is nothing to forge
KEEPS_NOTHING = {"/receipt"}
# of the entrance: bound to the cookie of the browser, before there is a session
ENTRANCE = re.compile(r"/login(/.*)?|/invitation/[^/]+(/passkey(/options)?)?")


def changing(routes) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods - SAFE):
                yield method, re.sub(r"\{[^}]*\}", "x", route.path)
        inner = getattr(route, "original_router", None) or getattr(route, "routes", None)
        if inner is not None:
            yield from changing(getattr(inner, "routes", inner))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("forged"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def ada(bench: Bench) -> Reader:
    reader = joined(bench, COMPANY, "CY", "ada@lille.example")
    reader.http.cookies.set("pli-login", "ab" * 32)
    return reader


def code_of(answer) -> str:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return str(answer.json()["code"])
    found = re.search(r"<code>([a-z.-]+)</code>", answer.text)
    return found.group(1) if found else ""


def tried(reader: Reader, method: str, path: str, **headers: str) -> tuple[int, str]:
    answer = reader.http.request(method, path, headers={"idempotency-key": "forged-1", **headers})
    return answer.status_code, code_of(answer)


FORGED = (403, "request.forged")


def test_every_route_of_the_interface_refuses_what_is_forged(bench, ada, proof) -> None:
    routes = sorted(set(changing(route for made in all_routers() for route in made.routes)))
    assert len(routes) > 25, "the routes were found"
    token = forgery_token(ada.cookie)
    stranger = Reader(bench)
    stranger.sign_in("ada@lille.example")
    other = forgery_token(stranger.cookie)
    count = 0
    for method, path in routes:
        for headers in (
            {},
            {"origin": HERE},
            {"origin": HERE, "pli-csrf": other},
            {"origin": HERE, "pli-csrf": token.upper()},
            {"origin": FOREIGN, "pli-csrf": token},
            {"origin": "null", "pli-csrf": token},
            {"pli-csrf": token},
            {"sec-fetch-site": "cross-site", "pli-csrf": token},
            {"sec-fetch-site": "same-site", "pli-csrf": token},
            {"origin": HERE, "sec-fetch-site": "cross-site", "pli-csrf": token},
            {"origin": HERE, "authorization": "Basic YTpi"},
        ):
            assert tried(ada, method, path, **headers) == FORGED, (method, path, headers)
            count += 1
        for headers in (
            {"origin": HERE, "pli-csrf": token},
            {"origin": "null", "sec-fetch-site": "same-origin", "pli-csrf": token},
            {"authorization": f"Bearer {bench.tokens.company}", "origin": FOREIGN},
        ):
            assert tried(ada, method, path, **headers) != FORGED, (method, path, headers)
    proof("T19", f"{len(routes)} routes of the interface, {count} forged requests, 0 let through")


def test_every_form_of_the_pages_refuses_what_is_forged(bench, ada, proof) -> None:
    pages = build(bench.platform, bench.app.state.entrance)
    routes = sorted(set(changing(pages.routes)) - {("POST", path) for path in KEEPS_NOTHING})
    assert len(routes) > 15, "the pages were found"
    own, entrance = forgery_token(ada.cookie), forgery_token("ab" * 32)
    count = 0
    for method, path in routes:
        right, wrong = (entrance, own) if ENTRANCE.fullmatch(path) else (own, entrance)
        for origin, token in ((HERE, ""), (HERE, wrong), (FOREIGN, right), ("null", right)):
            answer = ada.http.request(
                method, path, data={"csrf": token}, headers={"origin": origin}
            )
            assert (answer.status_code, code_of(answer)) == FORGED, (path, origin, answer.text)
            script = ada.http.request(
                method, path, json={}, headers={"origin": origin, "pli-csrf": token}
            )
            assert (script.status_code, code_of(script)) == FORGED, (path, origin)
            count += 2
    assert ada.get("/api/v1/me").status_code == 200, "nothing of all this ended the session"
    for method, path in routes:
        right = entrance if ENTRANCE.fullmatch(path) else forgery_token(ada.cookie)
        answer = ada.http.request(method, path, data={"csrf": right}, headers={"origin": HERE})
        assert (answer.status_code, code_of(answer)) != FORGED, (path, answer.text)
        if ada.cookie is None:
            ada.sign_in("ada@lille.example")
        ada.http.cookies.set("pli-login", "ab" * 32)
    proof("T19", f"{len(routes)} forms, {count} forged requests, 0 let through")


def test_a_login_is_not_forged_either(bench: Bench) -> None:
    """Nobody signs a victim in under an account of their own (login CSRF)."""
    reader = Reader(bench)
    token = reader.token("/login", "/login")
    fields = {"csrf": token, "email": "ada@lille.example", "password": "x"}
    assert reader.post("/login", fields, origin=FOREIGN).status_code == 403
    assert code_of(reader.post("/login", {**fields, "csrf": "0" * 64})) == "request.forged"
    assert code_of(Reader(bench).post("/login", fields)) == "request.forged"
    at = invited(bench, COMPANY, "CY", "bob@lille.example")
    assert code_of(Reader(bench).post(at, {"password": "cheval exact agrafe"})) == "request.forged"


def test_cookies_say_what_they_must(tmp_path) -> None:
    bench = Bench(tmp_path, secure=True)
    answer = bench.http.get("/login")
    kept = answer.headers["set-cookie"]
    assert kept.startswith("__Host-pli-login=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(kept.split("; "))
    assert "domain" not in kept.lower()
    bench.close()


def test_what_asks_for_a_fresh_proof_exists() -> None:
    assert set(OPERATIONS) >= FRESH
