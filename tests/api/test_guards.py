"""No body is read beyond its limit or below the minimum rate, and every answer carries headers."""

from __future__ import annotations

import asyncio
import json

from api.guards import BodyGuard, refusal_of


class Recorder:
    """An ASGI application that reads its body and notes what it saw."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.cut = False
        self.reason = ""

    async def __call__(self, scope, receive, send):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.cut = True
                self.reason = getattr(refusal_of(scope), "code", "")
                return
            self.seen += message.get("body", b"")
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def run(app, path: str, parts: list[bytes | None], headers=()) -> list[dict]:
    """Send these parts; None means that the client sends nothing more for ever."""
    queue = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
        if part is not None
    ]
    sent: list[dict] = []

    async def receive():
        if queue:
            return queue.pop(0)
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(app(scope, receive, send))
    return sent


def guarded(inner, **options):
    settings = {"window_s": 60, "rate": 1024, "dossier_limit": 4_000_000} | options
    return BodyGuard(inner, **settings)


def test_a_body_within_its_limit_passes_whole() -> None:
    inner = Recorder()
    sent = run(guarded(inner), "/api/v1/consultations", [b"a" * 10, b"b"])
    assert sent[0]["status"] == 200
    assert bytes(inner.seen) == b"a" * 10 + b"b"


def test_a_declared_length_over_the_limit_is_refused_before_the_first_byte() -> None:
    inner = Recorder()
    headers = [(b"content-length", b"1048577"), (b"accept-language", b"en")]
    sent = run(guarded(inner), "/api/v1/consultations", [b"x"], headers)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["code"] == "request.too-large"
    assert not inner.seen
    assert not inner.cut


def test_an_undeclared_length_over_the_limit_is_cut() -> None:
    inner = Recorder()
    sent = run(guarded(inner), "/api/v1/transmissions/t/head", [b"x" * 65_544, b"y"])
    assert inner.cut
    assert inner.reason == "request.too-large"
    assert sent[0]["status"] == 413


def test_chunks_and_dossier_files_have_their_own_limits() -> None:
    chunk = Recorder()
    size = 1_048_576 + 16
    sent = run(guarded(chunk), "/api/v1/transmissions/t/chunks/0", [b"x" * size])
    assert sent[0]["status"] == 200
    dossier = Recorder()
    path = "/api/v1/consultations/c/dossier/files/rc.pdf"
    assert run(guarded(dossier), path, [b"x" * 3_000_000])[0]["status"] == 200


def test_a_silent_client_is_cut_and_told_why() -> None:
    inner = Recorder()
    sent = run(guarded(inner, window_s=0.05), "/api/v1/transmissions/t/chunks/0", [b"x", None])
    assert inner.cut
    assert inner.reason == "request.too-slow"
    assert sent[0]["status"] == 408


def test_a_fast_sender_may_fall_silent_for_a_while() -> None:
    """Its bytes were worth more than a window; one that brought none is cut after one."""

    async def play(first: bytes) -> list[str]:
        seen: list[str] = []
        parts = [first, b"end"]

        async def receive():
            if len(parts) == 1:
                await asyncio.sleep(0.4)
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def inner(scope, receive, send):
            seen.extend([(await receive())["type"] for _ in range(2)])

        async def send(message): ...

        scope = {"type": "http", "path": "/", "headers": []}
        await guarded(inner, window_s=0.2, rate=1_000)(scope, receive, send)
        return seen

    assert asyncio.run(play(b"x" * 1_000)) == ["http.request"] * 2
    assert asyncio.run(play(b"x")) == ["http.request", "http.disconnect"]


def test_patience_is_lost_only_while_the_client_is_waited_for() -> None:
    async def slow_to_read(scope, receive, send):
        await receive()
        await asyncio.sleep(0.4)
        scope["last"] = (await receive())["type"]

    parts = [b"a", b"b"]

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message): ...

    scope = {"type": "http", "path": "/", "headers": []}
    asyncio.run(guarded(slow_to_read, window_s=0.2)(scope, receive, send))
    assert scope["last"] == "http.request"
