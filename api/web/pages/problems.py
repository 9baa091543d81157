"""What went wrong, in words: a page for each code, for what is absent, for our own failures."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.web.ports import Problem
from api.web.rendering import Renderer


def pages(render: Renderer, problem_texts: Mapping[str, Problem]) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/problems/{code}", response_class=HTMLResponse)
    def problem(request: Request, code: str) -> HTMLResponse:
        """Explain one error code."""
        text = problem_texts.get(code)
        if text is None:
            raise HTTPException(404)
        return render.page(request, "problem.html", code=code, text=text)

    return made


def not_found(render: Renderer, request: Request) -> HTMLResponse:
    """Answer for what is absent, or is not this reader's: the same bytes for both."""
    return render.page(request, "absent.html", 404)


def failed(render: Renderer, request: Request, status: int) -> HTMLResponse:
    """Answer for a request that could not be served."""
    return render.page(request, "failed.html", status, answered=status)
