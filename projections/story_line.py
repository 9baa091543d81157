"""The whole life of a procedure on one line: every fact in order, with its entry's reference.

A reference is ``stream#version``, never a position. What would tell whether deposits exist stays
out until the plans are fixed: facts of a deposit until the plan of its lot, register rows and the
references around them until the plan of every lot (rule N11: the version of ``RegisterClosed``
counts the parts before it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, or_, select

from projections.changes import Change, Put
from projections.facts import Fact, canonical
from projections.reading import Reader, instant
from projections.tables import consultations, deposit_lots, deposits, lots, plans, story

STREAMS = ("consultation", "dossier", "custody", "opening", "deposit")
AFTER_PLAN = frozenset({"OpeningRefused", "CustodianRefused", "OpeningShareReleased"})
AFTER_ALL_PLANS = frozenset({"RegisterListed"})
COUNTING = frozenset({"RegisterListed", "RegisterClosed"})
TOLD = frozenset(
    {
        *("capacity", "cause", "code", "fault", "form", "importance", "k", "late_by_ms", "lot"),
        *("n", "new_at", "old_at", "placement", "plan_no", "purpose", "reason", "reference"),
        *("title", "version", "file", "engine", "signature"),
    }
)
"""The fields of an event that a line repeats; all others are read in the entry itself."""


@dataclass(frozen=True)
class Moment:
    """One fact on the line; ``reference`` is None while it would tell something."""

    at: datetime
    kind: str
    role: str
    lot: str | None
    deposit: str | None
    reference: str | None
    detail: dict[str, str | int]


def fold(fact: Fact) -> Iterator[Change]:
    """Put every fact of a procedure on its line."""
    if fact.aggregate not in STREAMS:
        return
    consultation, lot = fact.name, fact.maybe("lot")
    deposit = fact.maybe("deposit")
    if fact.aggregate == "opening":
        consultation, _, lot = fact.name.rpartition(".")
    told = {name: value for name, value in fact.data.items() if name in TOLD}
    of_deposit = fact.aggregate == "deposit"
    yield Put(
        story,
        {
            "position": fact.position,
            "stream": fact.stream,
            "version": fact.version,
            "kind": fact.kind,
            "at": fact.at,
            "consultation": None if of_deposit else consultation,
            "lot": lot,
            "deposit": fact.name if of_deposit else deposit,
            "role": fact.role,
            "detail": canonical(told),
        },
    )


class StoryLine:
    """Reads the line of a published consultation as everybody may see it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of(self, consultation: str) -> tuple[Moment, ...]:
        """Return the facts in order; empty where nothing is published under this name."""
        with self._reader.connect() as connection:
            if not _published(connection, consultation):
                return ()
            planned = _planned(connection, consultation)
            complete = _every_lot(connection, consultation) <= planned
            shown = _shown_deposits(connection, consultation, planned)
            rows = connection.execute(
                select(story)
                .where(
                    or_(story.c.consultation == consultation, story.c.deposit.in_(sorted(shown)))
                )
                .order_by(story.c.position)
            ).mappings()
            return tuple(
                _moment(row, complete=complete)
                for row in rows
                if _visible(row, planned, shown, complete=complete)
            )


def _published(connection: Connection, consultation: str) -> bool:
    asked = select(consultations.c.published_at).where(
        consultations.c.consultation == consultation, consultations.c.published_at.is_not(None)
    )
    return connection.execute(asked).first() is not None


def _planned(connection: Connection, consultation: str) -> frozenset[str]:
    asked = select(plans.c.lot).where(plans.c.consultation == consultation)
    return frozenset(connection.execute(asked).scalars())


def _every_lot(connection: Connection, consultation: str) -> frozenset[str]:
    asked = select(lots.c.lot).where(lots.c.consultation == consultation)
    return frozenset(connection.execute(asked).scalars()) or frozenset({"0"})


def _shown_deposits(
    connection: Connection, consultation: str, planned: frozenset[str]
) -> frozenset[str]:
    """Return the deposits all of whose lots have a plan."""
    waiting = (
        select(deposit_lots.c.deposit)
        .where(
            deposit_lots.c.deposit == deposits.c.deposit,
            deposit_lots.c.lot.not_in(sorted(planned)),
        )
        .exists()
    )
    asked = select(deposits.c.deposit).where(deposits.c.consultation == consultation, ~waiting)
    return frozenset(connection.execute(asked).scalars())


def _visible(
    row: RowMapping, planned: frozenset[str], shown: frozenset[str], *, complete: bool
) -> bool:
    if row["deposit"] is not None and row["kind"] not in AFTER_PLAN:
        return row["deposit"] in shown
    if row["kind"] in AFTER_ALL_PLANS:
        return complete
    if row["kind"] in AFTER_PLAN:
        if row["lot"] is not None:
            return row["lot"] in planned
        return row["deposit"] in shown
    return True


def _moment(row: RowMapping, *, complete: bool) -> Moment:
    hidden = row["kind"] in COUNTING and not complete
    return Moment(
        at=instant(row["at"]),
        kind=row["kind"],
        role=row["role"],
        lot=row["lot"],
        deposit=row["deposit"],
        reference=None if hidden else f"{row['stream']}#{row['version']}",
        detail=json.loads(row["detail"]),
    )
