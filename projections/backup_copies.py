"""Backup copies: what each event changes; they are read behind the plan of their lot only (N11).

``minutes`` joins this table to the plans of a lot; nothing else reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from projections.changes import Amend, Cell, Change, Put, folded
from projections.facts import Fact
from projections.reading import instant
from projections.tables import backup_copies, backup_lots


@dataclass(frozen=True)
class Copy:
    """One backup copy in the minutes: how it came, and what was decided."""

    copy: str
    medium: str
    label_ok: bool
    received_at: datetime
    seal_no: str | None
    state: str
    ground: str | None
    reason: str | None
    fault: str | None
    cause: str | None
    decided_at: datetime | None


def _received(fact: Fact) -> Iterator[Change]:
    row: dict[str, Cell] = {
        "copy": fact.name,
        "consultation": fact.text("consultation"),
        "medium": fact.text("medium"),
        "label_ok": bool(fact.data["label_ok"]),
        "received_at": fact.text("received_at"),
        "uncertainty_ms": fact.number("uncertainty_ms"),
        "seal_no": fact.maybe("seal_no"),
        "state": "RECEIVED",
        "position": fact.position,
    }
    yield Put(backup_copies, row)
    for lot in fact.texts("lots"):
        yield Put(backup_lots, {"copy": fact.name, "lot": lot})


def _moved(fact: Fact, state: str, **more: Cell) -> Iterator[Change]:
    yield Amend(backup_copies, {"copy": fact.name}, {"state": state, **more})


def _authorised(fact: Fact) -> Iterator[Change]:
    return _moved(fact, "AUTHORISED", ground=fact.text("ground"), decided_at=fact.at)


def _opened(fact: Fact) -> Iterator[Change]:
    return _moved(fact, "OPENED")


def _unreadable(fact: Fact) -> Iterator[Change]:
    # a deposit may be unreadable too: no copy has its name, so no row here changes
    return _moved(fact, "UNREADABLE", fault=fact.text("fault"), cause=fact.text("cause"))


def _set_aside(fact: Fact) -> Iterator[Change]:
    return _moved(fact, "SET_ASIDE", reason=fact.text("reason"), decided_at=fact.at)


def _destroyed(fact: Fact) -> Iterator[Change]:
    return _moved(fact, "DESTROYED")


fold = folded(
    {
        "BackupCopyReceived": _received,
        "BackupCopyOpeningAuthorised": _authorised,
        "BackupCopyOpened": _opened,
        "EnvelopeUnreadable": _unreadable,
        "BackupCopySetAside": _set_aside,
        "BackupCopyDestroyed": _destroyed,
    }
)


def _came(row: RowMapping) -> datetime:
    """Return when a copy came; for what a desk wrote down, the beginning of its minute."""
    at = instant(row["received_at"])
    written = row["medium"] != "ELECTRONIC"
    return at - timedelta(milliseconds=row["uncertainty_ms"]) if written else at


def of_lot(
    connection: Connection, consultation: str, lot: str, planned: Sequence[str]
) -> tuple[Copy, ...]:
    """Return the copies of a planned lot, oldest first; one of several lots waits for them all."""
    others = backup_lots.alias()  # the same table is joined below
    waiting = (
        select(others.c.copy)
        .where(others.c.copy == backup_copies.c.copy, others.c.lot.not_in(planned))
        .exists()
    )
    asked = (
        select(backup_copies)
        .join(backup_lots, backup_lots.c.copy == backup_copies.c.copy)
        .where(backup_copies.c.consultation == consultation, backup_lots.c.lot == lot, ~waiting)
        .order_by(backup_copies.c.received_at, backup_copies.c.position)
    )
    return tuple(
        Copy(
            copy=row["copy"],
            medium=row["medium"],
            label_ok=row["label_ok"],
            received_at=_came(row),
            seal_no=row["seal_no"],
            state=row["state"],
            ground=row["ground"],
            reason=row["reason"],
            fault=row["fault"],
            cause=row["cause"],
            decided_at=None if row["decided_at"] is None else instant(row["decided_at"]),
        )
        for row in connection.execute(asked).mappings()
    )
