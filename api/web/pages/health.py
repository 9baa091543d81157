"""The platform's health, for everybody: now, and the last 24 hours as a plot with its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.health import SLOT, State
from api.web.rendering import Renderer
from replay.health import Verdict

HOUR = timedelta(hours=1)
HEIGHT = {Verdict.PROVEN: 20, Verdict.UNPROVEN: 60, Verdict.FAILED: 100}
"""Of a bar: the table says the same in words, so that no colour is needed."""


@dataclass(frozen=True)
class Hour:
    """How many of the ten minutes of an hour were proven, failed, unproven."""

    start: datetime
    proven: int
    failed: int
    unproven: int


def pages(render: Renderer, state: Callable[[], State]) -> APIRouter:
    """Return the page."""
    made = APIRouter(include_in_schema=False)

    @made.get("/health", response_class=HTMLResponse)
    def health(request: Request) -> HTMLResponse:
        """Show whether the platform can receive now, and could in the last 24 hours."""
        found = state()
        return render.page(
            request,
            "health.html",
            state=found,
            bars=[
                (8 * place, HEIGHT[slot.verdict], slot.verdict.value)
                for place, slot in enumerate(found.slots)
            ],
            hours=by_hour(found),
        )

    return made


def by_hour(state: State) -> list[Hour]:
    """Return the hours of the last day, the newest first."""
    hours: dict[datetime, list[Verdict]] = {}
    for slot in state.slots:
        start = slot.start.replace(minute=0)
        hours.setdefault(start, []).append(slot.verdict)
    return [
        Hour(start, *(found.count(one) for one in Verdict))
        for start, found in sorted(hours.items(), reverse=True)
    ]


SLOTS_OF_AN_HOUR = HOUR // SLOT
