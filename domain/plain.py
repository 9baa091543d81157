"""Commands, rows and minutes as plain JSON values, the form that is hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache

from crypto.canonical import Json, encode
from crypto.digests import sha256
from domain.clock import instant_text


def plain(value: object) -> Json:
    """Return a value as JSON: absent fields have no key, enumerations are their text."""
    if isinstance(value, str | bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, datetime | date):
        return instant_text(value) if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain_object(value)


def plain_object(value: object) -> dict[str, Json]:
    """Return a dataclass as a JSON object, without its absent fields."""
    kind: type = type(value)
    named = ((name, getattr(value, name)) for name in field_names(kind))
    return {name: plain(item) for name, item in named if item is not None}


@cache
def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields; nothing else has a plain form."""
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no plain form")
    return tuple(field.name for field in fields(kind))


def canonical(value: object) -> bytes:
    """Return the canonical bytes of a dataclass."""
    return encode(plain_object(value))


def digest(value: object, **also: str) -> bytes:
    """Return the SHA-256 of a command with its name and what else binds it."""
    body: dict[str, Json] = {"body": plain_object(value), "command": type(value).__name__, **also}
    return sha256(encode(body))
