"""JSON bodies are refused, never repaired (N7, T25): no doubled key, no NaN, no fraction.

Two readers must agree: orjson refuses what is no UTF-8 or no JSON, the standard reader shows
doubled keys and numbers as they were written. No field of this interface is a fraction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

DEEPEST = 32
"""Levels of a body; the deepest form has four."""
HALF_SURROGATE = ("no low surrogate", "invalid high surrogate", "unexpected end of hex escape")
"""What orjson says of half a surrogate: a text, which the field that holds it refuses (422)."""
MOST_VALUES = 50_000
"""Values of a body; the longest honest one, a dossier of 10,000 files, has 30,000."""
LONGEST_NUMBER = 20
"""Characters of an integer: the largest that an entry holds has 16 digits."""


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON is any value here
        """Return the body, parsed once."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class NamedRoute(APIRoute):
    """A route whose operation is called as its function, wherever it is put."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - the library's options
        super().__init__(path, endpoint, **(options | {"operation_id": endpoint.__name__}))


class StrictRoute(NamedRoute):
    """A route that reads its body through ``StrictRequest``."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler, given strict requests."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response: Response = await inner(StrictRequest(request.scope, request.receive))
            return response

        return handler


def parse(body: bytes) -> object:
    """Return the value of a body that can be read in one way only, else raise JSONDecodeError.

    It is read before anybody is known, and everybody waits meanwhile: what would take long is not.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise json.JSONDecodeError("more values than any form has", "", 0)
    try:
        found: object = json.loads(
            body,
            object_pairs_hook=_unique,
            parse_constant=_refused,
            parse_float=_refused,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error
    _check_depth(found)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not str(error).startswith(HALF_SURROGATE):
            raise
    return found


def _check_depth(found: object) -> None:
    level = [found]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise json.JSONDecodeError("nested too deeply", "", 0)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise json.JSONDecodeError("doubled key", "", 0)
    return found


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER or text == "-0":
        raise json.JSONDecodeError("no integer of this interface", "", 0)
    return int(text)


def _refused(text: str) -> object:
    raise json.JSONDecodeError(f"{text[:40]} is no integer", "", 0)
