"""Every route, page, file and refusal carries the strict headers: generated over what is served."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from doubles.bench import Bench
from doubles.pages import page_routes
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from api.downloads import disposition, safe_name
from api.headers import CSP, HEADERS, SANDBOXED, ResponseHeaders
from api.pages import build
from api.routes import all_routers

SAMPLES = {
    "name:path": "pièces/RC.pdf",
    "consultation": "lille-1",
    "name": "lille-1",
    "lot": "0",
    "deposit": "0" * 32,
    "transmission": "00000000-0000-4000-8000-000000000000",
    "number": "1",
    "index": "0",
    "siret": "20009320100016",
}


def requests(bench: Bench) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route, page and built file, and of what is none."""
    for router in all_routers():
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods:
                yield method, filled(route.path)
    for page in page_routes(build(bench.platform, bench.app.state.entrance)):
        if isinstance(page, Route):
            for method in page.methods or ():
                yield method, filled(page.path)
        elif isinstance(page, Mount):
            yield "GET", f"{page.path}/manifest.json"
    yield "GET", "/openapi.json"
    yield "GET", "/api/v1/nothing"
    yield "GET", "/nothing"
    yield "PATCH", "/api/v1/consultations"


def filled(path: str) -> str:
    return re.sub(r"{([^}]+)}", lambda found: SAMPLES.get(found[1], "x"), path)


def lacking(headers: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the headers of one answer."""
    wrong = [name for name, value in HEADERS.items() if headers.get(name) != value]
    page = headers.get("content-type", "").startswith(
        ("text/html", "text/css", "text/javascript", "image/svg")
    )
    if headers.get("content-security-policy") != (CSP if page else SANDBOXED):
        wrong.append("content-security-policy")
    if not headers.get("cache-control"):
        wrong.append("cache-control")
    served = headers.get("content-type", "")
    if served.startswith("application/octet-stream") and "tile" not in headers.get("x-path", ""):
        disposed = headers.get("content-disposition", "")
        if not disposed.startswith("attachment;"):
            wrong.append("content-disposition")
    return wrong


def test_every_route_and_page_has_the_headers(bench: Bench) -> None:
    bench.publish()
    seen: dict[int, int] = {}
    for method, path in requests(bench):
        for token in (None, bench.tokens.buyer):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = bench.http.request(method, path, headers=headers)
            found = dict(answer.headers) | {"x-path": path}
            assert not lacking(found), (method, path, answer.status_code, lacking(found))
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            cache = answer.headers["cache-control"]
            if token and not cache.startswith("public"):
                assert cache.startswith("private"), (method, path, cache)
    assert {200, 401, 404, 405} <= set(seen), seen
    assert sum(seen.values()) > 130, seen


def test_an_error_of_ours_and_a_cut_body_carry_them_too(bench: Bench) -> None:
    @bench.app.get("/api/v1/broken")
    def broken() -> None:
        raise ArithmeticError("planted")

    answers = [
        bench.get("/api/v1/broken"),
        bench.http.post("/api/v1/buyers", content=b"x" * (2**20 + 1)),
    ]
    assert [one.status_code for one in answers] == [500, 413]
    for answer in answers:
        assert not lacking(answer.headers)
        assert answer.headers["content-type"] == "application/problem+json"


def test_entries_given_to_an_auditor_are_no_business_of_a_shared_cache(bench: Bench) -> None:
    bench.publish()
    made = bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    hashes = bench.get(f"/tile/0/000.p/{made['size']}", bench.tokens.buyer)
    assert hashes.headers["cache-control"].startswith("public")
    bench.platform.may_read_entries = lambda _caller: True  # type: ignore[method-assign]
    bundle = bench.get(f"/tile/entries/000.p/{made['size']}", bench.tokens.buyer)
    assert bundle.status_code == 200
    assert bundle.headers["cache-control"].startswith("private")


def test_planted_answers_without_headers_are_seen() -> None:
    """The control: each header taken away alone, a page's policy on data, a file shown inline."""
    good = dict(HEADERS) | {
        "content-type": "application/octet-stream",
        "content-security-policy": SANDBOXED,
        "cache-control": "no-cache",
        "content-disposition": "attachment; filename=x",
    }
    assert lacking(good) == []
    for name in good:
        if name != "content-type":
            assert lacking({key: value for key, value in good.items() if key != name}) == [name]
    assert lacking(good | {"content-security-policy": CSP}) == ["content-security-policy"]
    assert lacking(good | {"content-disposition": "inline"}) == ["content-disposition"]


def sent(headers: list[tuple[bytes, bytes]], asked: Any = (), **options: Any) -> dict[bytes, bytes]:
    """Return the headers of an answer that the application gave with these."""
    told: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "path": "/", "headers": list(asked)}
    asyncio.run(ResponseHeaders(inner, **options)(scope, None, send))  # type: ignore[arg-type]
    return dict(told[0]["headers"])


def test_hsts_is_announced_only_over_tls_and_own_headers_stay() -> None:
    assert b"strict-transport-security" in sent([], secure=True)
    assert b"strict-transport-security" not in sent([])
    own = sent([(b"Content-Security-Policy", b"own")])
    assert own[b"content-security-policy"] == b"own"


@pytest.mark.parametrize(
    ("given", "asked", "wanted"),
    [
        ("", [], "no-cache"),
        ("", [(b"authorization", b"Bearer x")], "private, no-store"),
        ("", [(b"cookie", b"pli_lang=fr")], "no-cache"),
        ("", [(b"cookie", b"pli_lang=fr; __Host-session=1")], "private, no-store"),
        ("no-cache", [(b"authorization", b"Bearer x")], "private, no-cache"),
        ("public, immutable", [(b"authorization", b"Bearer x")], "public, immutable"),
        ("private, max-age=1", [(b"authorization", b"Bearer x")], "private, max-age=1"),
    ],
)
def test_what_somebody_was_told_is_kept_by_nobody_else(given: str, asked: Any, wanted: str) -> None:
    headers = [(b"cache-control", given.encode())] if given else []
    assert sent(headers, asked)[b"cache-control"].decode() == wanted


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("pièces/RC.pdf", "RC.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("a\x00b.pdf", "ab.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie_ x=1.pdf"),
        ("gpj.\u202efdp.exe", "gpj.fdp.exe"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ("COM1.pdf", "_COM1.pdf"),
        ("end. . .", "end"),
        ("..", "document"),
        ("", "document"),
        ('a"b;c%41.pdf', "a_b_c_41.pdf"),
        ("é" * 150 + ".pdf", "é" * 98 + ".pdf"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_download_has_a_name_that_deceives_nobody(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    value = disposition(name)["Content-Disposition"]
    assert value.isascii()
    assert re.fullmatch(
        r"attachment; filename=\"[^\"\\%/\x00-\x1f\x7f]+\"; filename\*=UTF-8''[\w.~%!$&+^`'-]+",
        value,
    )
