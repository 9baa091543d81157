"""How far a keyset protects against its own holders (envelope.md §11)."""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import BadPlacement
from domain.events.custody import Placement

PROTECTS = {
    "A0": "protects from theft of the database, not from the operator",
    "A1": "no organisation reads alone, none blocks alone",
    "A2": "as A1, with an outside time stamp and sealed outside the platform",
}


def placement(k: int, holders: Mapping[str, int]) -> Placement:
    """Return A1 when no organisation reads alone and none blocks alone, else A0."""
    shares = sum(holders.values())
    if not 2 <= k <= shares:
        raise BadPlacement(k, shares)
    largest = max(holders.values())
    return Placement.A1 if largest < k <= shares - largest else Placement.A0


def level(placed: Placement, *, external_stamp: bool, client: str) -> str:
    """Return the level of a deposit: its placement, or A2."""
    outside = external_stamp and client == "cli"
    return "A2" if placed == Placement.A1 and outside else placed.value
