"""JSON bodies are refused, never repaired: no doubled key, no NaN, one object (N7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON is any value here
        """Return the body, parsed once."""
        if not hasattr(self, "_json"):
            self._json = json.loads(
                await self.body(), object_pairs_hook=_unique, parse_constant=_no_constant
            )
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body through ``StrictRequest``."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler, given strict requests."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response: Response = await inner(StrictRequest(request.scope, request.receive))
            return response

        return handler


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise json.JSONDecodeError("doubled key", "", 0)
    return found


def _no_constant(name: str) -> object:
    raise json.JSONDecodeError(f"{name} is no JSON", "", 0)
