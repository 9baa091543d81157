"""How read models read: one connection per question, keyset pages, instants as instants."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import orjson
from sqlalchemy import Connection, Engine

from domain.clock import local_date

Item = TypeVar("Item")


class BadToken(ValueError):
    """A page token that this platform did not give."""


class Reader:
    """Hands out short read-only connections, each one snapshot of the views."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection in one transaction: what it reads belongs together."""
        with self._engine.connect() as connection, connection.begin():
            yield connection


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page of a list; ``after`` asks for the next one, None at the end."""

    items: tuple[Item, ...]
    after: str | None


def page_of(items: Sequence[Item], keys: Sequence[tuple[str, str]], limit: int) -> Page[Item]:
    """Cut a list that was read one item longer than a page."""
    if len(items) <= limit:
        return Page(tuple(items), None)
    packed = base64.urlsafe_b64encode(orjson.dumps(keys[limit - 1])).rstrip(b"=")
    return Page(tuple(items[:limit]), packed.decode())


def token_of(after: str | None) -> tuple[str, str] | None:
    """Return the key after which a page begins; raise BadToken for what we did not give."""
    if not after:
        return None
    try:
        value, name = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValueError, TypeError, binascii.Error) as refused:
        raise BadToken(after[:64]) from refused
    return str(value), str(name)


def instant(text: str) -> datetime:
    """Return the instant of a ledger text ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
    return datetime.fromisoformat(text).astimezone(UTC)


def instant_text(at: datetime) -> str:
    """Return the ledger text of an instant; both sort alike."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local_day(text: str) -> str:
    """Return the legal calendar date of a ledger text, as a text (T8)."""
    return local_date(instant(text)).isoformat()


def plain(text: str) -> str:
    """Return a text as the search compares it: no accent, no capital."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()
