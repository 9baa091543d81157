"""The log as C2SP serves it: checkpoint and hash tiles to everybody, bundles to granted auditors.

Nothing beyond the last published checkpoint is served: such a tile answers with the same bytes as
one that does not exist (``ledger.md`` §2).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import PlainTextResponse

from api.auth import Here, Known
from api.errors import Absent
from api.idempotency import Key
from api.openapi import reads, writes
from api.scope import Bound
from api.strict import StrictRoute
from crypto.errors import CryptoError
from crypto.notes import parse_checkpoint, parse_note
from ledger.tiles import ENTRIES, TilePath

router = APIRouter(tags=["ledger"], route_class=StrictRoute)

IMMUTABLE = "public, max-age=31536000, immutable"
PRIVATE = "private, max-age=31536000, immutable"
"""For entries: no cache between may give to others what one auditor was granted."""
TileName = Annotated[str, Path(max_length=80)]
Answer = dict[str, object]


@router.get("/checkpoint", response_class=PlainTextResponse, responses=reads())
def read_checkpoint(here: Here) -> PlainTextResponse:
    """Give the last published checkpoint with its cosignatures."""
    note = here.served("checkpoint")
    if note is None:
        raise Absent
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


@router.get("/tile/entries/{path:path}", response_class=Response, responses=reads(401))
def read_entries(scope: Bound, path: TileName) -> Response:
    """Give a bundle of entries to an auditor who was granted the whole platform."""
    return _tile(scope.entries(str(_parsed(f"entries/{path}"))), PRIVATE)


@router.get("/tile/{path:path}", response_class=Response, responses=reads(401))
def read_tile(here: Here, path: TileName) -> Response:
    """Give a hash tile below the published size."""
    tile = _parsed(path)
    data = None if tile.level == ENTRIES else here.served(str(tile))
    if data is None:
        raise Absent
    return _tile(data, IMMUTABLE)


@router.get("/api/v1/ledger", responses=reads(401))
def read_ledger(here: Here) -> Answer:
    """Say origin, keys and the last published checkpoint."""
    shown: Answer = {
        "origin": here.desk.origin,
        "policy": here.policies["policy.txt"],
        "policy_log": here.policies["policy-log.txt"],
        "anchors": here.anchoring.status().shown(),
    }
    note = here.served("checkpoint")
    return shown | (_checkpoint(note) if note else {})


@router.post("/api/v1/ledger/checkpoints", status_code=201, responses=writes())
def publish_checkpoint(here: Here, who: Known, key: Key) -> Answer:
    """Publish a checkpoint now, as the operator asks; a repetition publishes another one."""
    _ = (who, key)
    return _checkpoint(here.publish())


@router.post("/api/v1/ledger/anchors", status_code=201, responses=writes())
def stamp_checkpoint(here: Here, who: Known, key: Key) -> Answer:
    """Publish a checkpoint and have it time-stamped now; a repetition stamps another one."""
    _ = (who, key)
    here.anchoring.now()
    return here.anchoring.status().shown()


@router.get("/favicon.ico", response_class=Response, responses=reads())
def read_favicon() -> Response:
    """Give the icon which every browser asks for."""
    return Response(_icon(), media_type="image/svg+xml")


def _parsed(path: str) -> TilePath:
    try:
        return TilePath.parse(f"tile/{path}")
    except CryptoError as error:
        raise Absent from error


def _tile(data: bytes, cached: str) -> Response:
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": cached})


def _checkpoint(note: bytes) -> Answer:
    found = parse_checkpoint(parse_note(note).text)
    return {"size": found.size, "root": found.root.hex(), "note": note.decode()}


def _icon() -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><title>Pli</title>'
        '<path fill="#1f4e79" d="M1 3h14v10H1z"/><path fill="#fff" d="M2 4l6 5 6-5v1l-6 5-6-5z"/>'
        "</svg>"
    )
