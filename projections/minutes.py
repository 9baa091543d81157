"""The minutes of an opening, which exist only once a plan is fixed.

Every query on deposits in this file starts from a row of ``plans``: before the start of the
``OpeningPlanFixed`` of a lot there is nothing that could be joined (rule N11).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from projections.backup_copies import Copy, of_lot
from projections.deposits import listed
from projections.reading import instant
from projections.tables import (
    anchors,
    deposits,
    openings,
    plans,
    presences,
    refusals,
    shares,
    story,
)

OUTCOMES = ("open", "superseded", "withdrawn", "late", "undetermined")
"""The lists of a plan, in the order of the event."""


@dataclass(frozen=True)
class Malware:
    """What was found in an opened envelope, in which document."""

    file: str
    engine: str
    signature: str
    at: datetime


@dataclass(frozen=True)
class Envelope:
    """One envelope in the minutes: what the plan says of it, and what happened."""

    deposit: str
    verdict: str
    state: str
    kind: str
    received_at: datetime
    late_by_ms: int | None
    operator: str | None
    form: str | None
    commitment_matches: bool | None
    documents_match: bool | None
    opened_at: datetime | None
    fault: str | None
    cause: str | None
    answers: tuple[str, ...]
    malware: Malware | None = None


@dataclass(frozen=True)
class Refusal:
    """A try to open that was refused and recorded."""

    at: datetime
    role: str
    asked_by: str
    code: str
    deposit: str | None


@dataclass(frozen=True)
class Plan:
    """One computed plan; later ones only add."""

    plan_no: int
    kind: str
    at: datetime
    completed_at: datetime | None
    minutes_hash: str | None


@dataclass(frozen=True)
class ClosingHead:
    """The published checkpoint that stands behind the plan."""

    size: int
    root: str
    witnesses: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class Minutes:
    """What happened at the opening of one lot."""

    consultation: str
    lot: str
    state: str
    convened_at: datetime | None
    members: int
    presences: tuple[str, ...]
    plans: tuple[Plan, ...]
    closing: ClosingHead | None
    quorum_at: datetime | None
    quorum: tuple[str, ...]
    completed_at: datetime | None
    envelopes: tuple[Envelope, ...]
    copies: tuple[Copy, ...]
    refusals: tuple[Refusal, ...]


def minutes_of(connection: Connection, found: list[RowMapping]) -> Minutes:
    """Return the minutes of the lot to which these plans belong."""
    consultation, lot = found[0]["consultation"], found[0]["lot"]
    session = (
        connection.execute(
            select(openings).where(openings.c.consultation == consultation, openings.c.lot == lot)
        )
        .mappings()
        .one()
    )
    present = connection.execute(
        select(presences.c.capacity)
        .where(presences.c.consultation == consultation, presences.c.lot == lot)
        .order_by(presences.c.version)
    ).scalars()
    verdicts = _verdicts(found)
    return Minutes(
        consultation=consultation,
        lot=lot,
        state=session["state"],
        convened_at=_maybe(session["convened_at"]),
        members=session["members"] or 0,
        presences=tuple(present),
        plans=tuple(_plan(row) for row in found),
        closing=_closing(connection, f"opening/{consultation}.{lot}"),
        quorum_at=_maybe(session["quorum_at"]),
        quorum=listed(session["quorum"]),
        completed_at=_maybe(session["completed_at"]),
        envelopes=tuple(_envelopes(connection, consultation, lot, verdicts)),
        copies=of_lot(connection, consultation, lot, _planned(connection, consultation)),
        refusals=tuple(_refusals(connection, consultation, lot, verdicts)),
    )


def _verdicts(found: list[RowMapping]) -> dict[str, str]:
    verdicts: dict[str, str] = {}
    for row in found:
        for outcome in OUTCOMES:
            verdicts |= dict.fromkeys(listed(row[outcome]), outcome)
    return verdicts


def _planned(connection: Connection, consultation: str) -> list[str]:
    """Return the lots of a consultation that have a plan."""
    asked = select(plans.c.lot).where(plans.c.consultation == consultation).distinct()
    return sorted(connection.execute(asked).scalars())


def _plan(row: RowMapping) -> Plan:
    return Plan(
        plan_no=row["plan_no"],
        kind=row["kind"],
        at=instant(row["at"]),
        completed_at=_maybe(row["completed_at"]),
        minutes_hash=row["minutes_hash"],
    )


def _closing(connection: Connection, stream: str) -> ClosingHead | None:
    asked = (
        select(anchors)
        .where(anchors.c.stream == stream, anchors.c.purpose == "CLOSING")
        .order_by(anchors.c.version)
    )
    row = connection.execute(asked).mappings().first()
    if row is None:
        return None
    return ClosingHead(row["size"], row["root"], listed(row["witnesses"]), instant(row["at"]))


def _envelopes(
    connection: Connection, consultation: str, lot: str, verdicts: dict[str, str]
) -> Iterator[Envelope]:
    asked = (
        select(deposits)
        .where(deposits.c.consultation == consultation, deposits.c.deposit.in_(list(verdicts)))
        .order_by(deposits.c.received_at, deposits.c.position)
    )
    answers = connection.execute(
        select(shares.c.deposit, shares.c.custodian)
        .where(shares.c.consultation == consultation, shares.c.lot == lot)
        .order_by(shares.c.deposit, shares.c.custodian)
        .distinct()
    ).all()
    malware = _malware(connection, verdicts)
    for row in connection.execute(asked).mappings():
        yield Envelope(
            deposit=row["deposit"],
            verdict=verdicts[row["deposit"]],
            state=row["state"],
            kind=row["kind"],
            received_at=instant(row["received_at"]),
            late_by_ms=row["late_by_ms"],
            operator=row["operator"],
            form=row["form"],
            commitment_matches=row["commitment_matches"],
            documents_match=row["documents_match"],
            opened_at=_maybe(row["opened_at"]),
            fault=row["fault"],
            cause=row["cause"],
            answers=tuple(name for deposit, name in answers if deposit == row["deposit"]),
            malware=malware.get(row["deposit"]),
        )


def _malware(connection: Connection, verdicts: dict[str, str]) -> dict[str, Malware]:
    """Return what was found, by deposit: the line of the procedure holds it."""
    asked = select(story.c.deposit, story.c.at, story.c.detail).where(
        story.c.kind == "MalwareDetected", story.c.deposit.in_(list(verdicts))
    )
    found = {}
    for deposit, at, detail in connection.execute(asked):
        told = json.loads(detail)
        found[deposit] = Malware(told["file"], told["engine"], told["signature"], instant(at))
    return found


def _refusals(
    connection: Connection, consultation: str, lot: str, verdicts: dict[str, str]
) -> Iterator[Refusal]:
    asked = select(refusals).order_by(refusals.c.position)
    of_lot = (refusals.c.consultation == consultation) & (refusals.c.lot == lot)
    of_deposit = refusals.c.lot.is_(None) & refusals.c.deposit.in_(list(verdicts))
    for row in connection.execute(asked.where(of_lot | of_deposit)).mappings():
        yield Refusal(
            at=instant(row["at"]),
            role=row["role"],
            asked_by=row["asked_by"] or "",
            code=row["code"],
            deposit=row["deposit"],
        )


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
