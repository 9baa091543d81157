"""The event of an erasure (domain.md §4.17)."""

from __future__ import annotations

from domain.aggregate import Event


class DataErased(Event, kind="DataErased"):
    """Salts, values and key behind these commitments are destroyed; nobody can open them again."""

    commitments: list[str]
    reason: str
