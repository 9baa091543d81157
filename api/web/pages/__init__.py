"""Pages by reader. ``router`` is what the application mounts; ``site`` is the same, whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from api import attestations
from api.entrance import Entrance
from api.errors import ApiError, LoginRequired, LoginTooOld, LoginTooWeak, code_of, headers_of
from api.headers import WORKER_CSP
from api.health import State
from api.web.assets import FOLDER, PREFIX, built_assets
from api.web.pages import (
    accessibility,
    account,
    administration,
    consultation,
    deposit,
    health,
    home,
    invitation,
    ledger,
    login,
    opening,
    problems,
    receipts,
    sitting,
)
from api.web.pages.forms import Door, go_first
from api.web.pages.problems import failed, not_found
from api.web.ports import Problem
from api.web.receipt_report import CheckReceipt
from api.web.rendering import Renderer
from domain.errors import DomainError
from projections.views import PublicViews

__all__ = ["failed", "not_found", "router", "site", "static"]

IMMUTABLE = "public, max-age=31536000, immutable"
WORKER = "seal-worker-"
"""The one script that compiles libsodium; its own answer's policy governs it, no page's does."""


class HashedFiles(StaticFiles):
    """Built files: their names carry their hash, so they never change."""

    def file_response(self, *args: object, **options: object) -> Response:
        """Answer with a file that any cache may keep for ever."""
        answer = super().file_response(*args, **options)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = IMMUTABLE
        if Path(str(args[0])).name.startswith(WORKER):
            answer.headers["Content-Security-Policy"] = WORKER_CSP
        return answer


def router(
    views: PublicViews,
    render: Renderer,
    *,
    check_receipt: CheckReceipt,
    problem_texts: Mapping[str, Problem],
) -> APIRouter:
    """Return every page; reads only ``views`` and what the renderer knows of the ledger."""
    made = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    made.include_router(home.pages(views, render))
    made.include_router(consultation.pages(views, render))
    made.include_router(deposit.pages(views, render))
    made.include_router(opening.pages(views, render))
    made.include_router(receipts.pages(render, check_receipt))
    made.include_router(ledger.pages(views, render))
    made.include_router(problems.pages(render, problem_texts))
    made.include_router(accessibility.pages(render))
    return made


def static() -> HashedFiles:
    """Return the application that serves the built files."""
    return HashedFiles(packages=[("api.web", FOLDER)])


def site(  # noqa: PLR0913 - what pages stand on
    views: PublicViews,
    render: Renderer,
    *,
    check_receipt: CheckReceipt,
    problem_texts: Mapping[str, Problem],
    entrance: Entrance | None = None,
    state: Callable[[], State] | None = None,
) -> FastAPI:
    """Return the pages as one application, with its own 404 and 500, to be mounted at ``/``.

    Pages come without style where Pli was built without its front end; without an entrance nobody
    can sign in.
    """
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    made.include_router(
        router(views, render, check_receipt=check_receipt, problem_texts=problem_texts)
    )
    if state is not None:
        made.include_router(health.pages(render, state))
    if entrance is not None:
        _entrance(made, render, problem_texts, entrance)
    if built_assets():
        made.mount(PREFIX, static(), name="static")

    async def absent(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code != 404:
            return failed(render, request, error.status_code)
        return not_found(render, request)

    async def broken(request: Request, _error: Exception) -> Response:
        return failed(render, request, 500)

    made.add_exception_handler(HTTPException, absent)
    made.add_exception_handler(Exception, broken)
    return made


def _entrance(
    made: FastAPI, render: Renderer, texts: Mapping[str, Problem], entrance: Entrance
) -> None:
    """Add the pages of people who sign in, and what they are told when something is refused."""
    door = Door(entrance)
    render.visitor = door.visitor
    render.damaged = partial(attestations.damaged, entrance.platform)
    for part in (login, invitation, account, administration, sitting):
        made.include_router(part.pages(door, render))

    async def sign_in(request: Request, _error: Exception) -> Response:
        following = request.url.path if request.method == "GET" else "/account"
        return go_first(request, f"/login?next={quote(following, safe='/')}")

    async def prove_again(request: Request, _error: Exception) -> Response:
        return go_first(request, "/login/again?next=/account")

    async def refused(request: Request, error: Exception) -> Response:
        code = code_of(error)
        text = texts[code]
        door.note(request, error)
        answer = render.page(request, "problem.html", text.status, code=code, text=text)
        answer.headers.update(headers_of(text.status, error))
        return answer

    made.add_exception_handler(LoginRequired, sign_in)
    made.add_exception_handler(LoginTooOld, prove_again)
    made.add_exception_handler(LoginTooWeak, prove_again)
    made.add_exception_handler(ApiError, refused)
    made.add_exception_handler(DomainError, refused)
