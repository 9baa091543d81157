"""The application of a custodian that runs alone (`envelope.md` §10), and nothing of the platform.

Every answer and refusal that leaves here is signed, but for requests of no form (400, 404, 413).
Anyone may ask: who is not let in by the network is not seen here, and whoever is decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api import errors
from api.adapters import custodian_questions as questions
from api.adapters.keys import KeysError
from api.guards import BodyGuard, refusal_of
from api.headers import ResponseHeaders
from crypto.errors import CryptoError
from ledger.witness import TEXT_TYPE

if TYPE_CHECKING:
    from api.adapters.custodian_service import CustodianService, Said
    from api.guards import App

JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
VIEW_LIMIT = 32 * 1_048_576
"""A register of 50,000 deposits with its consultation is below 20 MiB."""
SMALL_LIMIT = 65_536
WINDOW_S = 10.0
RATE = 4_096
"""Bytes a second over each window, unless the whole body came within it."""
MOST_LINES = 1_000
NO_STORE = {"Cache-Control": "no-store"}
CEREMONY = re.compile(r"[0-9a-f]{32}")
DIGEST = re.compile(r"[0-9a-f]{64}")
NUMBER = re.compile(r"[0-9]{1,15}")
STEPS = ("round1", "round2", "confirm")
Read = Callable[[bytes], "Said"]


def create_custodian_app(
    service: CustodianService, *, window_s: float = WINDOW_S, rate: int = RATE
) -> Starlette:
    """Return the application of one custodian."""
    doors = _Doors(service)
    app = Starlette(
        routes=[
            Route("/v1/identity", doors.identity, methods=["GET"]),
            Route("/v1/time", doors.time, methods=["POST"]),
            Route("/v1/views", doors.views, methods=["POST"]),
            Route("/v1/ceremonies/{ceremony}/{step}", doors.ceremony, methods=["POST"]),
            Route("/v1/keysets/{digest}/{act}", doors.keyset, methods=["POST"]),
            Route("/v1/log", doors.log, methods=["GET"]),
            Route("/add-checkpoint", doors.add_checkpoint, methods=["POST"]),
            Route("/{origin}/checkpoint", doors.cosigned, methods=["GET"]),
        ]
    )
    app.add_middleware(_Bounds, window_s=window_s, rate=rate)
    app.add_middleware(ResponseHeaders)
    return app


class _Bounds(BodyGuard):
    """Views may be large, nothing else."""

    def __init__(self, app: App, *, window_s: float, rate: int) -> None:
        super().__init__(
            app, window_s=window_s, rate=rate, dossier_limit=0, language="en", limit=SMALL_LIMIT
        )
        self.limits = [(re.compile(r"/v1/(?:views$|ceremonies/|keysets/)"), VIEW_LIMIT)]


class _Doors:
    """One method for each address: read the body, ask the service in a thread, answer."""

    def __init__(self, service: CustodianService) -> None:
        self._service = service

    async def identity(self, _: Request) -> Response:
        """GET /v1/identity."""
        return _answer(await run_in_threadpool(self._service.identity))

    async def time(self, request: Request) -> Response:
        """POST /v1/time."""
        return await _asked(request, lambda body: self._service.time(questions.read_time(body)))

    async def views(self, request: Request) -> Response:
        """POST /v1/views."""
        return await _asked(request, lambda body: self._service.view(questions.read_view(body)))

    async def ceremony(self, request: Request) -> Response:
        """POST /v1/ceremonies/{ceremony}/{step}."""
        name, step = request.path_params["ceremony"], request.path_params["step"]
        if not CEREMONY.fullmatch(name) or step not in STEPS:
            return _absent()
        return await _asked(
            request, lambda body: self._service.ceremony(name, step, questions.read_round(body))
        )

    async def keyset(self, request: Request) -> Response:
        """POST /v1/keysets/{digest}/{act}."""
        digest, act = request.path_params["digest"], request.path_params["act"]
        service = self._service
        acts: dict[str, Read] = {
            "alive": lambda body: service.alive(digest, questions.read_share(body)),
            "partials": lambda body: service.partial(digest, questions.read_partial(body)),
            "retire": lambda body: service.retire(digest, questions.read_share(body)),
        }
        if not DIGEST.fullmatch(digest) or act not in acts:
            return _absent()
        return await _asked(request, acts[act])

    async def log(self, request: Request) -> Response:
        """GET /v1/log?after=N: its own log of answers, oldest first, a bounded part of it."""
        after = request.query_params.get("after", "0")
        if not NUMBER.fullmatch(after):
            return _problem(errors.BadForm("after is the number of a line"))
        lines = await run_in_threadpool(self._service.log, int(after), MOST_LINES)
        return Response(lines, 200, NO_STORE, LINES_TYPE)

    async def add_checkpoint(self, request: Request) -> Response:
        """POST /add-checkpoint (C2SP tlog-witness)."""
        try:
            body = await request.body()
        except ClientDisconnect:
            return _cut(request)
        answer = await run_in_threadpool(self._service.witness, body)
        # as a header: Starlette would add a charset to the type, and logs compare it whole
        headers = {**NO_STORE, "Content-Type": answer.content_type}
        return Response(answer.body, answer.status, headers)

    async def cosigned(self, request: Request) -> Response:
        """GET /{SHA-256 of the origin}/checkpoint, for monitors."""
        path = f"{request.path_params['origin']}/checkpoint"
        note = await run_in_threadpool(self._service.cosigned, path)
        return _absent() if note is None else Response(note, 200, NO_STORE, TEXT_TYPE)


async def _asked(request: Request, read: Read) -> Response:
    """Answer one question; what has no form is refused unsigned, nothing was decided then."""
    try:
        body = await request.body()
    except ClientDisconnect:
        return _cut(request)
    try:
        return _answer(await run_in_threadpool(read, body))
    except CryptoError as error:
        return _problem(errors.BadForm(str(error)[:200]))
    except KeysError as error:  # a share that does not open: its operator must look
        from api.journal import say  # slow to import, and hardly ever needed here

        say("alarm", about="custodian", code=error.code)
        return _problem(error)


def _answer(said: Said) -> Response:
    return Response(said.body, said.status, NO_STORE, JSON_TYPE)


def _absent() -> Response:
    return Response(b"no such address\n", 404, NO_STORE, TEXT_TYPE)


def _problem(error: Exception) -> Response:
    status, _ = errors.problem(error, "en")
    return Response(f"{errors.code_of(error)}: {error}\n".encode(), status, NO_STORE, TEXT_TYPE)


def _cut(request: Request) -> Response:
    """Say why a body was cut; who left by himself reads nothing."""
    reason = refusal_of(request.scope) or errors.ApiError("the connection ended")
    status, _ = errors.problem(reason, "en")
    return Response(f"{reason}\n".encode(), status, {"Connection": "close"}, TEXT_TYPE)
