"""Keyset pages: ``?after=<opaque>&limit=1..100`` and ``Link: rel="next"``, never offsets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query

from api.errors import BadPageToken

T = TypeVar("T")
LARGEST = 100
After = Annotated[str | None, Query(max_length=2_400, json_schema_extra={"format": "page-token"})]
"""What the ``Link`` of an earlier page gave; as long as the longest key, which holds a scope."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows in order, and the key after which the next page begins, if there is one."""

    rows: Sequence[T]
    next_key: str | None


def token(key: str) -> str:
    """Return the opaque form of a key: callers may keep it, not read it."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(after: str | None) -> str:
    """Return the key behind a token, or "" for the first page; raise BadPageToken."""
    if not after:
        return ""
    try:
        raw = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise BadPageToken(after) from error
    if token(raw) != after:
        raise BadPageToken(after)
    return raw


def cut(rows: Sequence[tuple[str, T]], after: str | None, limit: int) -> Page[T]:
    """Return one page of rows given as (key, row) in ascending order of key."""
    low = key_of(after)
    rest = [(key, row) for key, row in rows if key > low]
    shown = rest[:limit]
    more = shown[-1][0] if len(rest) > limit else None
    return Page([row for _, row in shown], None if more is None else token(more))


def link(path: str, page: Page[T], limit: int, **asked: str) -> dict[str, str]:
    """Return the ``Link`` header of a page, no header on the last one; ``asked``: what it lists."""
    if page.next_key is None:
        return {}
    query = urlencode({**asked, "after": page.next_key, "limit": limit})
    return {"Link": f'<{path}?{query}>; rel="next"'}
