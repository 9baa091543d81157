"""An entry as projections read it: parsed in the lean way, without aggregates.

The bytes were checked when they were written; projections only take fields out of them, by the
names of domain.md §4 and envelope.md §14. Instants stay in their written form, which sorts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias, cast

import orjson

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"


class LedgerRow(Protocol):
    """One row of the ledger, as ``Ledger.read`` returns it."""

    @property
    def position(self) -> int:
        """Place in the whole log."""

    @property
    def stream(self) -> str:
        """Name of the stream."""

    @property
    def version(self) -> int:
        """Place in the stream, from 1."""

    @property
    def kind(self) -> str:
        """Name of the event."""

    @property
    def entry(self) -> bytes:
        """The stored bytes."""


class Source(Protocol):
    """Where entries come from: the ledger itself, or a file of them."""

    def read(self, after: int, limit: int) -> Sequence[LedgerRow]:
        """Return at most ``limit`` rows with positions above ``after``, in order."""


class Fact:
    """One domain event with its place.

    ``aggregate`` is the first word of the stream (consultation, deposit and so on), ``name`` the id
    inside it. Made for every entry that a fold looks at, so plain attributes.
    """

    __slots__ = ("aggregate", "at", "data", "kind", "name", "position", "stream", "version")

    at: str
    data: Mapping[str, Json]

    def __init__(self, row: LedgerRow) -> None:
        entry = orjson.loads(row.entry)
        self.at = entry["at"]
        self.data = entry["data"]
        self.kind = row.kind
        self.position = row.position
        self.stream = row.stream
        self.version = row.version
        self.aggregate, _, self.name = row.stream.partition("/")

    @property
    def tenant(self) -> str:
        """Return the buyer whose procedure this is."""
        return str(self.meta.get("tenant", ""))

    @property
    def role(self) -> str:
        """Return the two-letter role of who acted."""
        actor = self.meta.get("actor")
        return str(actor.get("role", "")) if isinstance(actor, dict) else ""

    @property
    def org(self) -> str:
        """Return the organisation of who acted."""
        actor = self.meta.get("actor")
        return str(actor.get("org", "")) if isinstance(actor, dict) else ""

    @property
    def meta(self) -> Mapping[str, Json]:
        """Return the metadata of the event (domain.md §3)."""
        found = self.data.get("meta")
        return found if isinstance(found, dict) else {}

    def text(self, field: str) -> str:
        """Return a text field which the schema requires."""
        return str(self.data[field])

    def number(self, field: str) -> int:
        """Return an integer field which the schema requires."""
        return int(cast("int", self.data[field]))

    def maybe(self, field: str) -> str | None:
        """Return a text field which may be absent."""
        found = self.data.get(field)
        return None if found is None else str(found)

    def count(self, field: str) -> int | None:
        """Return an integer field which may be absent."""
        found = self.data.get(field)
        return None if found is None else int(cast("int", found))

    def texts(self, field: str) -> list[str]:
        """Return a list of texts, empty where the field is absent."""
        return [str(item) for item in cast("list[Json]", self.data.get(field, []))]

    def rows(self, field: str) -> list[dict[str, Json]]:
        """Return a list of objects, empty where the field is absent."""
        return [dict(item) for item in cast("list[dict[str, Json]]", self.data.get(field, []))]

    def json(self, field: str) -> str:
        """Return a field as canonical JSON text, to be stored as it is."""
        return canonical(self.data.get(field, []))


def canonical(value: object) -> str:
    """Return the one text of a JSON value: sorted keys, no space."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
