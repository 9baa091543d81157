"""Openings, lot by lot, and their minutes; before a plan the page is the same for 0 and n bids."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.web.pages.consultation import found
from api.web.rendering import Renderer
from projections.views import PublicViews


def pages(views: PublicViews, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/consultations/{name}/opening/{lot}", response_class=HTMLResponse)
    def minutes(request: Request, name: str, lot: str) -> HTMLResponse:
        """Show the minutes of one lot, or that there are none yet."""
        one = found(views, render, name)
        titles = {row.lot: row.title for row in one.lots}
        if lot not in titles:
            raise HTTPException(404)
        sessions = {session.lot: session for session in views.openings.sessions(name)}
        return render.page(
            request,
            "opening.html",
            one=one,
            lot=lot,
            title=titles[lot],
            session=sessions.get(lot),
            minutes=views.openings.minutes(name, lot),
            custody=views.custody.of(name),
        )

    return made
