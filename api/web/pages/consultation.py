"""One consultation: what is bought, until when, under which limits, how to deposit, its history."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.web.rendering import Renderer
from projections.consultations import Consultation
from projections.views import PublicViews


def pages(views: PublicViews, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/consultations/{name}", response_class=HTMLResponse)
    def consultation(request: Request, name: str) -> HTMLResponse:
        """Show one consultation."""
        now = render.now()
        return render.page(
            request,
            "consultation.html",
            one=found(views, render, name),
            versions=views.dossiers.versions(name),
            custody=views.custody.of(name),
            sessions=views.openings.sessions(name),
            now=now,
        )

    @made.get("/consultations/{name}/history", response_class=HTMLResponse)
    def history(request: Request, name: str) -> HTMLResponse:
        """Show the whole life of a procedure on one line."""
        return render.page(
            request,
            "history.html",
            one=found(views, render, name),
            line=views.story_line.of(name),
        )

    return made


def found(views: PublicViews, render: Renderer, name: str) -> Consultation:
    """Return a published consultation, or the same 404 for one that is absent or a draft."""
    one = views.consultations.read(name, render.now())
    if one is None:
        raise HTTPException(404)
    return one
