"""The web application over one platform: routes, pages, guards, and one way to refuse.

It builds nothing: ``api/wiring.py`` hands it a finished platform, tests hand it one in a folder.
"""

from __future__ import annotations

import json
import sqlite3
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api import errors, refusals
from api.admission import Admission
from api.entrance import Entrance
from api.forgery import ForgeryGuard
from api.guards import App, BodyGuard, Receive, Scope, Send, refusal_of
from api.headers import ResponseHeaders, Unexpected
from api.metrics import Counted, Metrics
from api.openapi import document
from api.platform import Platform
from api.rates import address_of
from api.routes import all_routers
from crypto.errors import CryptoError
from domain.errors import DomainError, PlatformUnavailable
from ledger.errors import LedgerError

FORGED = "forged_request"
"""What stands in the book of refused accesses for a request that came to no route."""


def create_app(platform: Platform) -> FastAPI:
    """Return the application: every route of the platform, guarded."""
    settings = platform.settings
    app = FastAPI(
        title="Pli",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.platform = platform
    app.state.entrance = Entrance(platform, platform.provider)
    app.state.metrics = metrics = Metrics(platform)
    for router in all_routers():
        # as they stand: an included router makes each route again at its first request, and asks
        # twice for each request which of them is meant
        app.router.routes.extend(router.routes)
    _pages(app, platform)
    _handlers(app)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.add_middleware(Unexpected, answer=_unexpected_answer)
    app.add_middleware(Counted, metrics=metrics)
    app.add_middleware(
        Admission, rates=platform.rates, proxies=settings.trusted(), language=settings.lang
    )
    app.add_middleware(
        BodyGuard,
        window_s=settings.slow_window_s,
        rate=settings.slow_rate,
        dossier_limit=settings.max_dossier_bytes,
        language=settings.lang,
    )
    app.add_middleware(
        ForgeryGuard,
        secure=settings.secure,
        origin=settings.public_url,
        noted=partial(_forged, platform),
        language=settings.lang,
    )
    app.add_middleware(ResponseHeaders, secure=settings.secure)
    return app


def refusal(request: Request, error: BaseException) -> Response:
    """Return the problem document of an error, in the language of the request."""
    platform: Platform = request.app.state.platform
    language = errors.language_of(request.headers.get("accept-language"), platform.settings.lang)
    status, body = errors.problem(error, language)
    body |= getattr(request.state, "told", {})
    refusals.note(request, status, str(body["code"]))
    return Response(
        content=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        status_code=status,
        media_type=errors.MEDIA_TYPE,
        headers=dict(errors.headers_of(status, error)),
    )


def _forged(platform: Platform, scope: Scope, error: errors.Forged) -> None:
    """Keep a forged request; it came to no route, so nothing of its path is known to be ours."""
    address = address_of(scope, platform.settings.trusted())
    status = errors.text_of(error.code).status
    refusals.note_stranger(platform, FORGED, status, error.code, address)


def _pages(app: FastAPI, platform: Platform) -> None:
    """Let the pages answer what no route of the interface knows."""
    from api.pages import build

    pages = build(platform, app.state.entrance)

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(("/api/", "/tile")):
            raise errors.Absent
        await pages(scope, receive, send)

    app.router.default = default


def _handlers(app: FastAPI) -> None:
    for tree in (DomainError, CryptoError, errors.ApiError):
        app.add_exception_handler(tree, refusal)
    app.add_exception_handler(LedgerError, _ledger_error)
    app.add_exception_handler(RequestValidationError, _bad_form)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(sqlite3.Error, _beside_the_ledger)


def _ledger_error(request: Request, error: Exception) -> Response:
    platform: Platform = request.app.state.platform
    platform.note_ledger_error(error)
    return refusal(request, error)


def _bad_form(request: Request, error: Exception) -> Response:
    cut = refusal_of(request.scope)
    if cut is not None:
        return refusal(request, cut)
    found = list(error.errors()) if isinstance(error, RequestValidationError) else []
    if any(row["type"] in {"json_invalid", "model_attributes_type"} for row in found):
        return refusal(request, errors.NotJson("the body is no JSON object"))
    if any(
        [str(part).lower() for part in row["loc"]] == ["header", "idempotency-key"] for row in found
    ):
        return refusal(request, errors.KeyRequired("Idempotency-Key is absent or malformed"))
    fields = [
        {"field": ".".join(map(str, row["loc"][1:])) or str(row["loc"][0]), "reason": row["msg"]}
        for row in found
    ]
    return refusal(request, errors.BadForm("the request has a wrong form", fields=fields))


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    cut = refusal_of(request.scope)
    if cut is not None:
        return refusal(request, cut)
    found: errors.ApiError = errors.Absent()
    if status == 400:
        found = errors.NotJson("the body cannot be read")
    elif status == 405:
        found = errors.MethodNotAllowed("method not allowed")
    elif status == 415:
        found = errors.UnsupportedMedia("unsupported content type")
    elif status >= 500:
        found = errors.ApiError("platform error")
    response = refusal(request, found)
    allow = error.headers if isinstance(error, HTTPException) and error.headers else {}
    response.headers.update(allow)
    if status == 405 and (methods := _methods(request.scope)):
        response.headers["Allow"] = ", ".join(methods)
    return response


def _methods(scope: Scope) -> list[str]:
    """Return every method of a path: one route alone knows only its own."""
    return sorted(
        method
        for router in all_routers()
        for route in router.routes
        if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE
        for method in route.methods or ()
    )


def _beside_the_ledger(request: Request, error: Exception) -> Response:
    """Tell a full disk under accounts or uploads as what it is; nothing was written (507)."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return refusal(request, PlatformUnavailable("no room"))
    return _unexpected(request, error)


def _gone(request: Request, _: Exception) -> Response:
    """Say why we cut a line; into one that broke by itself nothing needs to be said."""
    cut = refusal_of(request.scope)
    return Response(status_code=400) if cut is None else refusal(request, cut)


def _unexpected(request: Request, error: Exception) -> Response:
    platform: Platform = request.app.state.platform
    platform.log_unexpected(error)
    return refusal(request, errors.ApiError("platform error"))


async def _unexpected_answer(scope: Scope, error: Exception) -> App:
    return await run_in_threadpool(_unexpected, Request(scope), error)
