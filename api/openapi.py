"""The published contract: operation ids are function names, every status is documented.

A schema says all that a form asks, so that whoever follows it is never told `request.form`: what
no pattern can say has a ``format`` of its own, explained in ``FORMATS``.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457; `type` is the page /problems/<code>; facts stand beside the code.",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
    "additionalProperties": True,
}
MEANINGS = {
    304: "Unchanged since the ETag given",
    400: "The body is no JSON, or a header is missing",
    401: "No valid token",
    403: "Your object, not your right",
    404: "Absent or foreign: the same bytes",
    405: "Method not allowed",
    408: "Sent more slowly than the minimum rate",
    409: "Not in this state",
    412: "The object changed meanwhile",
    413: "Larger than a published limit",
    415: "Unsupported content type",
    416: "Outside the announced envelope",
    422: "A form, or a rule, refuses it",
    429: "Asked too often: come again after Retry-After",
    500: "Error of the platform",
    503: "Come again after Retry-After",
    507: "No room; never a limit of yours",
}
FORMATS = {
    "recordable": "text in Unicode form NFC without U+0000, surrogates and marks of direction",
    "page-token": "what the Link of an earlier page gave, or nothing",
    "legal-hour": "YYYY-MM-DDThh:mm, a legal hour that exists once in its zone",
    "time-zone": "a name of the IANA time zone database",
}
DESCRIPTION = "Consultations, sealed deposits, openings and their proofs. Formats of texts: "
BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""Documents a route that reads the body itself, as a stream of bytes."""
CONDITIONS = {"304": "If-None-Match", "412": "If-Match"}
"""Which header asks for which answer."""
Responses = dict[int | str, dict[str, Any]]


def refusals(*statuses: int) -> Responses:
    """Return the documentation of these refusals, beside those which any route can give."""
    wanted = sorted({*statuses, 429, 500, 503})
    return {status: _answer(status) for status in wanted}


def reads(*statuses: int) -> Responses:
    """Return the refusals of a route without body."""
    return refusals(404, 405, 422, *statuses)


def writes(*statuses: int) -> Responses:
    """Return the refusals of a route that changes something."""
    return refusals(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 507, *statuses)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION + "; ".join(f"{name}: {of}" for name, of in FORMATS.items()),
            routes=app.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = PROBLEM
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        demanding = _demanding()
        for path in made["paths"].values():
            for operation in path.values():
                _complete(operation, demanding)
        app.openapi_schema = made
    return app.openapi_schema


def _demanding() -> set[str]:
    """Return the operations that nobody reaches without a token."""
    from api.auth import caller
    from api.routes import all_routers

    def asks(found: Dependant) -> bool:
        return found.call is caller or any(map(asks, found.dependencies))

    routes = (route for router in all_routers() for route in router.routes)
    return {one.name for one in routes if isinstance(one, APIRoute) and asks(one.dependant)}


def _complete(operation: dict[str, Any], demanding: set[str]) -> None:
    """Say where a token is optional, and which condition a request may carry."""
    if "security" in operation and operation["operationId"] not in demanding:
        operation["security"] = [{}, *operation["security"]]
    for status, header in CONDITIONS.items():
        if status in operation["responses"]:
            row = {"name": header, "in": "header", "required": False, "schema": {"type": "string"}}
            operation.setdefault("parameters", []).append(row)


def _answer(status: int) -> dict[str, Any]:
    if status == 304:
        return {"description": MEANINGS[304]}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": MEANINGS[status], "content": content}
