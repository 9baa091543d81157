"""Depositing in the browser: a form for a company's session; its script seals and sends.

No document, and no name of one, is ever sent here: the page has no address that takes them. Without
a script, and for everybody else, it says how to deposit without this page.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.sessions import forgery_token
from api.web.pages.consultation import found
from api.web.rendering import Renderer
from projections.views import PublicViews

DEPOSITS = "CY"


def pages(views: PublicViews, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/consultations/{name}/deposit", response_class=HTMLResponse)
    def deposit(request: Request, name: str) -> HTMLResponse:
        """Show the form, or who may fill it in."""
        one = found(views, render, name)
        who = render.visitor(request) if render.visitor else None
        seat = who.seat if who is not None else None
        company = seat is not None and seat.role == DEPOSITS
        damaged = render.damaged(seat.org, name) if seat and company and render.damaged else []
        return render.page(
            request,
            "deposit.html",
            one=one,
            reading=render.facts.now(),
            company=company,
            damaged=damaged,
            csrf=forgery_token(who.secret) if who and company else "",
        )

    return made
