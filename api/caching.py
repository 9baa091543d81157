"""Strong ETags of what is read: the hash of the body, never a position of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import orjson
from fastapi import Request, Response

from api.errors import VersionDiffers


def tag_of(data: bytes) -> str:
    """Return the strong ETag of a body."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def bytes_of(body: Mapping[str, object]) -> bytes:
    """Return the one byte form in which a body is served and hashed."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def etagged(request: Request, body: Mapping[str, object]) -> Response:
    """Return the body as JSON with its ETag, or 304 where the caller has it already."""
    data = bytes_of(body)
    headers = {"ETag": tag_of(data), "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content=data, media_type="application/json", headers=headers)


def unchanged(request: Request, current: Callable[[], Mapping[str, object]]) -> None:
    """Return quietly if the caller knows the current state, or did not say what it knows."""
    given = request.headers.get("if-match")
    if given and not matches(given, tag_of(bytes_of(current()))):
        raise VersionDiffers("the object changed since it was read")


def matches(given: str, tag: str) -> bool:
    """Say whether a list of ETags names this one."""
    return given.strip() == "*" or tag in {part.strip() for part in given.split(",")}
