"""How far a keyset protects against its own holders (envelope.md §11)."""

from __future__ import annotations

from collections.abc import Mapping

from domain.clock import ClockSource, Reading
from domain.errors import BadPlacement, ClockDistrusted
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


def check_outside_time(placed: Placement, now: Reading) -> None:
    """Return quietly if this reading may open under such a keyset, else raise ClockDistrusted.

    Above A0 nothing opens on the host's clock alone (envelope.md 12.5): the others are waited for.
    """
    if placed != Placement.A0 and now.source != ClockSource.QUORUM:
        raise ClockDistrusted(f"level {placed} opens by several clocks, not by the {now.source}")
