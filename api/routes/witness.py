"""The application of a witness that runs alone: C2SP tlog-witness, and nothing of the platform.

Two routes: `POST /add-checkpoint` for logs, `GET /<sha256 of the origin>/checkpoint` for monitors.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import FastAPI, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api import errors
from api.guards import BodyGuard, refusal_of
from api.headers import ResponseHeaders
from ledger.witness import TEXT_TYPE, Answer

BODY_LIMIT = 65_536
"""63 hashes and a note of 100 lines are below 20 KB."""
WINDOW_S = 10.0
RATE = 256
"""Bytes a second over each window, unless the whole body came within it."""
NO_STORE = {"Cache-Control": "no-store"}


class Answers(Protocol):
    """What the routes need of a witness."""

    def answer(self, body: bytes) -> Answer:
        """Decide on one request, durably."""

    def cosigned(self, path: str) -> bytes | None:
        """Return the note cosigned last under a monitor's path."""


def create_witness_app(
    witness: Answers, *, window_s: float = WINDOW_S, rate: int = RATE
) -> FastAPI:
    """Return the application of one witness."""
    app = FastAPI(title="Pli witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return _cut(request)
        answer = await run_in_threadpool(witness.answer, body)
        # as a header: Starlette would add a charset to the type, and logs compare it whole
        headers = {**NO_STORE, "Content-Type": answer.content_type}
        return Response(answer.body, answer.status, headers)

    @app.get("/{name}/checkpoint")
    def read_cosigned(name: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
        note = witness.cosigned(f"{name}/checkpoint")
        if note is None:
            return Response(b"unknown origin\n", 404, NO_STORE, TEXT_TYPE)
        return Response(note, 200, NO_STORE, TEXT_TYPE)

    app.add_middleware(
        BodyGuard, window_s=window_s, rate=rate, dossier_limit=0, language="en", limit=BODY_LIMIT
    )
    app.add_middleware(ResponseHeaders)
    return app


def _cut(request: Request) -> Response:
    """Say why a body was cut; who left by himself reads nothing."""
    reason = refusal_of(request.scope) or errors.ApiError("the connection ended")
    status, _ = errors.problem(reason, "en")
    return Response(f"{reason}\n".encode(), status, {"Connection": "close"}, TEXT_TYPE)
