"""The ledger as everybody may see it: its last published checkpoint and how to check it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from api.web.rendering import Renderer
from projections.views import PublicViews

POLICIES = ("policy.txt", "policy-log.txt")


def pages(views: PublicViews, render: Renderer) -> APIRouter:
    """Return the pages of this file."""
    made = APIRouter(include_in_schema=False)

    @made.get("/ledger", response_class=HTMLResponse)
    def ledger(request: Request) -> HTMLResponse:
        """Show the last published checkpoint, its keys and how to verify offline."""
        note = render.facts.published()
        policy = render.facts.policies().get(POLICIES[0], "")
        return render.page(
            request,
            "ledger.html",
            note=None if note is None else note.decode(),
            policy=policy,
            keys=_keys(policy, "log"),
            witnesses=_keys(policy, "witness"),
            anchors=views.checkpoints.anchored(20),
        )

    @made.get("/ledger/{name}", response_class=PlainTextResponse)
    def policy(name: str) -> PlainTextResponse:
        """Give a policy file as the verifier reads it."""
        if name not in POLICIES:
            raise HTTPException(404)
        text = render.facts.policies()[name]
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return PlainTextResponse(text, headers=headers)

    return made


def _keys(policy: str, word: str) -> list[str]:
    rows = [line.split() for line in policy.splitlines()]
    return [" ".join(row[1:]) for row in rows if row and row[0] == word]
