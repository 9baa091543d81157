"""The accessibility statement: not audited is not compliant, and the page says so."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.web.rendering import Renderer


def pages(render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/accessibility", response_class=HTMLResponse)
    def statement(request: Request) -> HTMLResponse:
        """Show the statement."""
        return render.page(request, "accessibility.html")

    return made
