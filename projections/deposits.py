"""Sealed envelopes: what each event changes, and a company's own ones by its blinded tag.

Before the start of the ``OpeningPlanFixed`` of its lot a deposit is reachable here by its own
bidder only: ``openings`` joins these tables, behind that plan (rule N11).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select

from projections.changes import Amend, Cell, Change, Put, folded
from projections.facts import Fact
from projections.reading import Reader, instant
from projections.tables import deposit_lots, deposits

TEXTS = (
    *("consultation", "bidder", "transmission", "kind", "intent", "target"),
    *("documents_root", "commitment", "started_at", "received_at", "receipt_id"),
)
NUMBERS = ("round", "bytes_total", "documents_count", "uncertainty_ms", "late_by_ms")


@dataclass(frozen=True)
class Deposit:
    """One deposit as its own depositor reads it."""

    deposit: str
    transmission: str
    kind: str
    round: int
    lots: tuple[str, ...]
    intent: str
    target: str | None
    state: str
    superseded_by: str | None
    received_at: datetime
    uncertainty_ms: int
    late_by_ms: int | None
    bytes_total: int
    documents_count: int
    commitment: str
    receipt_id: str


def _recorded(fact: Fact) -> Iterator[Change]:
    state = "SEALED" if fact.kind == "DepositSealed" else "LATE"
    lots = fact.texts("lots")
    row: dict[str, Cell] = {name: fact.maybe(name) for name in TEXTS}
    row |= {name: fact.count(name) for name in NUMBERS}
    row |= {
        "deposit": fact.name,
        "tenant": fact.tenant,
        "state": state,
        "position": fact.position,
    }
    yield Put(deposits, row)
    for lot in lots:
        yield Put(deposit_lots, {"deposit": fact.name, "lot": lot, "state": state})


def _moved(fact: Fact, state: str, **more: Cell) -> Iterator[Change]:
    yield Amend(deposits, {"deposit": fact.name}, {"state": state, **more})
    yield Amend(deposit_lots, {"deposit": fact.name}, {"state": state})


def _admitted(fact: Fact) -> Iterator[Change]:
    yield from _moved(fact, "SEALED")


def _rejected(fact: Fact) -> Iterator[Change]:
    yield from _moved(fact, "KEPT_CLOSED")


def _withdrawn(fact: Fact) -> Iterator[Change]:
    yield from _moved(fact, "WITHDRAWN", withdrawn_at=fact.at)


def _superseded(fact: Fact) -> Iterator[Change]:
    row = {"state": "SUPERSEDED", "superseded_by": fact.text("by")}
    for lot in fact.texts("lots"):
        yield Amend(deposit_lots, {"deposit": fact.name, "lot": lot}, row)


def _opened(fact: Fact) -> Iterator[Change]:
    yield Amend(
        deposits,
        {"deposit": fact.name},
        {
            "state": "OPENED",
            "operator": fact.text("operator"),
            "form": fact.text("form"),
            "commitment_matches": bool(fact.data["commitment_matches"]),
            "documents_match": bool(fact.data["documents_match"]),
            "opened_at": fact.at,
        },
    )
    for lot in fact.texts("lots"):
        yield Amend(deposit_lots, {"deposit": fact.name, "lot": lot}, {"state": "OPENED"})


def _unreadable(fact: Fact) -> Iterator[Change]:
    yield from _moved(fact, "UNREADABLE", fault=fact.text("fault"), cause=fact.text("cause"))


def _quarantined(fact: Fact) -> Iterator[Change]:
    yield from _moved(fact, "QUARANTINED")


fold = folded(
    {
        "DepositSealed": _recorded,
        "LateDepositRecorded": _recorded,
        "LateDepositAdmitted": _admitted,
        "LateDepositRejected": _rejected,
        "DepositWithdrawn": _withdrawn,
        "DepositSuperseded": _superseded,
        "EnvelopeOpened": _opened,
        "EnvelopeUnreadable": _unreadable,
        "MalwareDetected": _quarantined,
    }
)


class Deposits:
    """Reads a company's own deposits, never anybody else's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def own(self, consultation: str, bidder: str) -> tuple[Deposit, ...]:
        """Return the deposits of one blinded tag in one consultation, oldest first."""
        asked = (
            select(deposits)
            .where(deposits.c.consultation == consultation, deposits.c.bidder == bidder)
            .order_by(deposits.c.position)
        )
        per_lot = (
            select(deposit_lots)
            .join(deposits, deposits.c.deposit == deposit_lots.c.deposit)
            .where(deposits.c.consultation == consultation, deposits.c.bidder == bidder)
            .order_by(deposit_lots.c.deposit, deposit_lots.c.lot)
        )
        with self._reader.connect() as connection:
            rows = list(connection.execute(asked).mappings())
            lots = list(connection.execute(per_lot).mappings())
        return tuple(
            deposit_of(row, [lot for lot in lots if lot["deposit"] == row["deposit"]])
            for row in rows
        )


def deposit_of(row: RowMapping, lots: list[RowMapping]) -> Deposit:
    """Return one deposit; it is superseded once all its lots are (domain.md §6)."""
    replaced = bool(lots) and all(lot["state"] == "SUPERSEDED" for lot in lots)
    return Deposit(
        deposit=row["deposit"],
        transmission=row["transmission"],
        kind=row["kind"],
        round=row["round"],
        lots=tuple(lot["lot"] for lot in lots),
        intent=row["intent"],
        target=row["target"],
        state="SUPERSEDED" if replaced else row["state"],
        superseded_by=next((lot["superseded_by"] for lot in lots if lot["superseded_by"]), None),
        received_at=instant(row["received_at"]),
        uncertainty_ms=row["uncertainty_ms"],
        late_by_ms=row["late_by_ms"],
        bytes_total=row["bytes_total"],
        documents_count=row["documents_count"],
        commitment=row["commitment"],
        receipt_id=row["receipt_id"],
    )


def listed(text: str | None) -> tuple[str, ...]:
    """Return a stored list of texts."""
    return tuple(json.loads(text)) if text else ()
