"""Opening sessions, lot by lot: what each event changes, and where each session stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from projections.changes import Amend, Change, Put, Row, folded
from projections.facts import Fact
from projections.minutes import OUTCOMES, Minutes, minutes_of
from projections.reading import Reader, instant
from projections.tables import (
    anchors,
    consultations,
    openings,
    plans,
    presences,
    refusals,
    shares,
)


@dataclass(frozen=True)
class Session:
    """Where the opening of one lot stands; it says nothing of deposits."""

    lot: str
    state: str
    planned_at: datetime | None
    completed_at: datetime | None


def _place(fact: Fact) -> dict[str, str]:
    consultation, _, lot = fact.name.rpartition(".")
    return {"consultation": consultation, "lot": lot}


def _convened(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "CONVENED", "convened_at": fact.at, "members": len(fact.texts("members"))}
    yield Put(openings, {**_place(fact), **row})


def _present(fact: Fact) -> Iterator[Change]:
    row: Row = {"version": fact.version, "capacity": fact.text("capacity"), "at": fact.at}
    yield Put(presences, {**_place(fact), **row})


def _planned(fact: Fact) -> Iterator[Change]:
    lists = {name: fact.json(name) for name in OUTCOMES}
    row: Row = {"plan_no": fact.number("plan_no"), "kind": fact.text("kind"), "at": fact.at}
    yield Put(plans, {**_place(fact), **row, **lists})
    yield Amend(openings, _place(fact), {"state": "PLANNED", "planned_at": fact.at})


def _anchored(fact: Fact) -> Iterator[Change]:
    yield Put(
        anchors,
        {
            "stream": fact.stream,
            "version": fact.version,
            "purpose": fact.text("purpose"),
            "size": fact.number("size"),
            "root": fact.text("root"),
            "witnesses": fact.json("witnesses"),
            "token_hash": fact.maybe("token_hash"),
            "at": fact.at,
        },
    )
    if fact.aggregate == "opening":
        yield Amend(openings, _place(fact), {"state": "WITNESSED"})


def _quorum(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "UNLOCKED", "quorum_at": fact.at, "quorum": fact.json("custodians")}
    yield Amend(openings, _place(fact), row)


def _completed(fact: Fact) -> Iterator[Change]:
    yield Amend(openings, _place(fact), {"state": "COMPLETED", "completed_at": fact.at})
    yield Amend(
        plans,
        {**_place(fact), "plan_no": fact.number("plan_no")},
        {"completed_at": fact.at, "minutes_hash": fact.text("minutes_hash")},
    )


def _share(fact: Fact) -> Iterator[Change]:
    yield Put(
        shares,
        {
            "consultation": fact.name,
            "lot": fact.text("lot"),
            "deposit": fact.text("deposit"),
            "custodian": fact.text("custodian"),
            "plan_no": fact.number("plan_no"),
            "partial_hash": fact.text("partial_hash"),
            "at": fact.at,
        },
    )


def _refused(fact: Fact) -> Iterator[Change]:
    place: dict[str, str | None] = {"consultation": None, "lot": None}
    if fact.aggregate == "opening":
        place |= _place(fact)
    elif fact.aggregate == "custody":
        place["consultation"] = fact.name
    own = fact.name if fact.aggregate in {"deposit", "backup"} else None
    yield Put(
        refusals,
        {
            "stream": fact.stream,
            "version": fact.version,
            **place,
            "deposit": fact.maybe("deposit") or own,
            "asked_by": fact.maybe("asked_by") or fact.maybe("custodian"),
            "role": "CU" if fact.kind == "CustodianRefused" else fact.role,
            "code": fact.text("code"),
            "at": fact.at,
            "position": fact.position,
        },
    )


fold = folded(
    {
        "OpeningConvened": _convened,
        "PresenceRecorded": _present,
        "OpeningPlanFixed": _planned,
        "CheckpointAnchored": _anchored,
        "CustodyQuorumReached": _quorum,
        "OpeningCompleted": _completed,
        "OpeningShareReleased": _share,
        "OpeningRefused": _refused,
        "CustodianRefused": _refused,
    }
)


class Openings:
    """Reads opening sessions of published consultations."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def sessions(self, consultation: str) -> tuple[Session, ...]:
        """Return the opening session of each lot that has one."""
        asked = (
            select(openings)
            .join(consultations, consultations.c.consultation == openings.c.consultation)
            .where(
                openings.c.consultation == consultation, consultations.c.published_at.is_not(None)
            )
        )
        with self._reader.connect() as connection:
            rows = list(connection.execute(asked).mappings())
        found = [
            Session(
                row["lot"], row["state"], _maybe(row["planned_at"]), _maybe(row["completed_at"])
            )
            for row in rows
        ]
        return tuple(sorted(found, key=lambda session: by_lot(session.lot)))

    def minutes(self, consultation: str, lot: str) -> Minutes | None:
        """Return the minutes of a lot; None before its first plan, whatever was deposited."""
        where = (plans.c.consultation == consultation, plans.c.lot == lot)
        asked = select(plans).where(*where).order_by(plans.c.plan_no)
        with self._reader.connect() as connection:
            found = list(connection.execute(asked).mappings())
            return minutes_of(connection, found) if found else None


def by_lot(lot: str) -> tuple[int, str]:
    """Return the key that puts lot 2 before lot 10."""
    return (int(lot) if lot.isdecimal() else 10**9, lot)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
