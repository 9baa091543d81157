"""The list of consultations: words, filters, pages; the whole list is in the address."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from api.web.rendering import Renderer
from projections.consultations import Phase
from projections.reading import BadToken
from projections.search import Filter
from projections.views import PublicViews

LONGEST = 200


def pages(views: PublicViews, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/", response_class=HTMLResponse)
    def home(
        request: Request, q: str = "", phase: str = "", buyer: str = "", after: str = ""
    ) -> HTMLResponse:
        """List consultations."""
        wanted = Phase(phase) if phase in Phase.__members__ else None
        asked = Filter(words=q[:LONGEST], phase=wanted, buyer=buyer[:LONGEST])
        now = render.now()
        try:
            found = views.search.find(asked, now, after)
        except BadToken as refused:
            raise HTTPException(404) from refused
        kept = {"q": q[:LONGEST], "phase": phase, "buyer": buyer, "after": found.after or ""}
        following = urlencode({name: value for name, value in kept.items() if value})
        return render.page(
            request,
            "home.html",
            found=found,
            asked=asked,
            now=now,
            following=f"?{following}",
            buyers=views.search.buyers(),
            phases=list(Phase),
        )

    @made.get("/consultations", response_class=HTMLResponse)
    def consultations() -> RedirectResponse:
        """Send on to the list."""
        return RedirectResponse("/", status_code=308)

    return made
