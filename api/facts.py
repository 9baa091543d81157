"""The entries of one stream as plain facts, for views which show what events said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ledger.application import Ledger


@dataclass(frozen=True)
class Fact:
    """One event of a stream: its kind, recording time and data."""

    kind: str
    at: str
    version: int
    position: int
    data: Mapping[str, Any]
    leaf: str


def facts(ledger: Ledger, stream: str, until: int | None = None) -> list[Fact]:
    """Return the events of a stream in order, up to a position."""
    found = []
    for row in ledger.stream(stream, until):
        entry = orjson.loads(row.entry)
        place = (row.kind, entry["at"], row.version, row.position)
        found.append(Fact(*place, entry["data"], row.leaf.hex()))
    return found


def last(found: list[Fact], *kinds: str) -> Fact | None:
    """Return the last fact of these kinds."""
    return next((fact for fact in reversed(found) if fact.kind in kinds), None)


def first(found: list[Fact], *kinds: str) -> Fact | None:
    """Return the first fact of these kinds."""
    return next((fact for fact in found if fact.kind in kinds), None)
