"""The log as C2SP serves it: checkpoint and hash tiles to everybody, bundles to granted auditors.

Nothing beyond the last published checkpoint is served: such a tile answers with the same bytes as
one that does not exist (``ledger.md`` §2).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import PlainTextResponse

from api.auth import Anyone, Here, Known
from api.errors import Absent
from api.idempotency import Key
from api.openapi import reads, writes
from api.platform import Platform
from api.strict import StrictRoute
from crypto.errors import CryptoError
from crypto.notes import parse_checkpoint, parse_note
from ledger.tiles import ENTRIES, TilePath

router = APIRouter(tags=["ledger"], route_class=StrictRoute)

IMMUTABLE = "public, max-age=31536000, immutable"
GRANTED = "private, max-age=31536000, immutable"
"""Of what only granted auditors may read: a shared cache would hand it to anybody."""
Answer = dict[str, object]


@router.get("/checkpoint", response_class=PlainTextResponse, responses=reads())
def read_checkpoint(here: Here) -> PlainTextResponse:
    """Give the last published checkpoint with its cosignatures."""
    note = here.served("checkpoint")
    if note is None:
        raise Absent
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


@router.get("/tile/{path:path}", response_class=Response, responses=reads(401))
def read_tile(here: Here, path: Annotated[str, Path(max_length=80)], who: Anyone) -> Response:
    """Give a tile below the published size; entry bundles to granted auditors only."""
    try:
        tile = TilePath.parse(f"tile/{path}")
    except CryptoError as error:
        raise Absent from error
    if tile.level == ENTRIES and not (who is not None and here.may_read_entries(who.principal)):
        raise Absent
    data = here.served(str(tile))
    if data is None:
        raise Absent
    kept = GRANTED if tile.level == ENTRIES else IMMUTABLE
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": kept})


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
def read_favicon(here: Here) -> Response:
    """Give the icon which every browser asks for."""
    return Response(_icon(here), media_type="image/svg+xml")


def _checkpoint(note: bytes) -> Answer:
    found = parse_checkpoint(parse_note(note).text)
    return {"size": found.size, "root": found.root.hex(), "note": note.decode()}


def _icon(platform: Platform) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><title>Pli</title>'
        '<path fill="#1f4e79" d="M1 3h14v10H1z"/><path fill="#fff" d="M2 4l6 5 6-5v1l-6 5-6-5z"/>'
        "</svg>"
    )
