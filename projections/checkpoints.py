"""Published checkpoints that procedures and days were anchored to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from projections.deposits import listed
from projections.reading import Reader, instant
from projections.tables import anchors


@dataclass(frozen=True)
class Anchor:
    """A published checkpoint, why it was recorded, and who cosigned it."""

    purpose: str
    size: int
    root: str
    witnesses: tuple[str, ...]
    at: datetime


class Checkpoints:
    """Reads anchored checkpoints; sizes of published checkpoints are padded and public."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def anchored(self, limit: int = 50) -> tuple[Anchor, ...]:
        """Return the newest anchored checkpoints, one for each size and purpose."""
        asked = select(anchors).order_by(anchors.c.size.desc(), anchors.c.at, anchors.c.stream)
        found: dict[tuple[int, str], Anchor] = {}
        with self._reader.connect() as connection:
            for row in connection.execute(asked).mappings():
                found.setdefault(
                    (row["size"], row["purpose"]),
                    Anchor(
                        row["purpose"],
                        row["size"],
                        row["root"],
                        listed(row["witnesses"]),
                        instant(row["at"]),
                    ),
                )
        return tuple(found.values())[:limit]
