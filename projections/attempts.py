"""Transmissions, whatever their end: a failed try is evidence for the company that made it.

Only the company itself asks, by its blinded tag in one consultation; no other query reads these
tables before an opening (rule N11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from projections.changes import Amend, Change, Put, Row, folded
from projections.facts import Fact
from projections.reading import Reader, instant
from projections.tables import attempts, messages


@dataclass(frozen=True)
class Message:
    """What the platform showed, at which second (a closed list of codes)."""

    at: datetime
    code: str
    text: str


@dataclass(frozen=True)
class Attempt:
    """One upload session."""

    transmission: str
    purpose: str
    kind: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    declared_bytes: int
    bytes_total: int | None
    refused_parts: int | None
    code: str | None
    cause: str | None
    allowed: int | None
    asked: int | None
    messages: tuple[Message, ...]


def _started(fact: Fact) -> Iterator[Change]:
    yield Put(
        attempts,
        {
            "transmission": fact.name,
            "consultation": fact.text("consultation"),
            "bidder": fact.text("bidder"),
            "purpose": fact.text("purpose"),
            "kind": fact.text("kind"),
            "lots": fact.json("lots"),
            "round": fact.number("round"),
            "intent": fact.text("intent"),
            "target": fact.maybe("target"),
            "declared_bytes": fact.number("declared_bytes"),
            "declared_files": fact.number("declared_files"),
            "state": "STARTED",
            "started_at": fact.at,
            "position": fact.position,
        },
    )


def _refused(fact: Fact) -> Iterator[Change]:
    yield Amend(
        attempts,
        {"transmission": fact.name},
        {
            "state": "REFUSED",
            "ended_at": fact.at,
            "code": fact.text("limit"),
            "allowed": _whole(fact, "allowed"),
            "asked": _whole(fact, "asked"),
        },
    )


def _whole(fact: Fact, field: str) -> int | None:
    found = fact.data.get(field)
    return found if isinstance(found, int) else None


def _stored(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "RECEIVING", "bytes_total": fact.number("bytes_total")}
    yield Amend(attempts, {"transmission": fact.name}, row)


def _stalled(fact: Fact) -> Iterator[Change]:
    row: Row = {"state": "STALLED", "cause": fact.text("cause")}
    yield Amend(attempts, {"transmission": fact.name}, row)


def _resumed(fact: Fact) -> Iterator[Change]:
    yield Amend(attempts, {"transmission": fact.name}, {"state": "RECEIVING", "cause": None})


def _shown(fact: Fact) -> Iterator[Change]:
    # a refused withdrawal or extension is told in its own stream: it is no attempt to deposit
    if fact.aggregate != "transmission":
        return
    yield Put(
        messages,
        {
            "transmission": fact.name,
            "version": fact.version,
            "at": fact.at,
            "code": fact.text("code"),
            "text": fact.text("text"),
        },
    )


def _failed(fact: Fact) -> Iterator[Change]:
    row: Row = {
        "state": "FAILED",
        "ended_at": fact.at,
        "code": fact.text("code"),
        "cause": fact.text("cause"),
        "refused_parts": fact.number("refused_parts"),
    }
    yield Amend(attempts, {"transmission": fact.name}, row)


def _expired(fact: Fact) -> Iterator[Change]:
    row: Row = {
        "state": "EXPIRED",
        "ended_at": fact.at,
        "refused_parts": fact.number("refused_parts"),
    }
    yield Amend(attempts, {"transmission": fact.name}, row)


def _completed(fact: Fact) -> Iterator[Change]:
    row: Row = {
        "state": "COMPLETED",
        "ended_at": fact.at,
        "bytes_total": fact.number("bytes_total"),
        "refused_parts": fact.number("refused_parts"),
    }
    yield Amend(attempts, {"transmission": fact.name}, row)


fold = folded(
    {
        "TransmissionStarted": _started,
        "FeasibilityRefused": _refused,
        "ChunksStored": _stored,
        "TransmissionStalled": _stalled,
        "TransmissionResumed": _resumed,
        "MessageShown": _shown,
        "TransmissionFailed": _failed,
        "TransmissionExpired": _expired,
        "TransmissionCompleted": _completed,
    }
)


class Attempts:
    """Reads a company's own attempts."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def own(self, consultation: str, bidder: str) -> tuple[Attempt, ...]:
        """Return the attempts of one blinded tag in one consultation, oldest first."""
        asked = (
            select(attempts)
            .where(attempts.c.consultation == consultation, attempts.c.bidder == bidder)
            .order_by(attempts.c.position)
        )
        shown = (
            select(messages)
            .join(attempts, attempts.c.transmission == messages.c.transmission)
            .where(attempts.c.consultation == consultation, attempts.c.bidder == bidder)
            .order_by(messages.c.transmission, messages.c.version)
        )
        with self._reader.connect() as connection:
            rows = list(connection.execute(asked).mappings())
            texts = list(connection.execute(shown).mappings())
        return tuple(
            Attempt(
                transmission=row["transmission"],
                purpose=row["purpose"],
                kind=row["kind"],
                state=row["state"],
                started_at=instant(row["started_at"]),
                ended_at=instant(row["ended_at"]) if row["ended_at"] else None,
                declared_bytes=row["declared_bytes"],
                bytes_total=row["bytes_total"],
                refused_parts=row["refused_parts"],
                code=row["code"],
                cause=row["cause"],
                allowed=row["allowed"],
                asked=row["asked"],
                messages=tuple(
                    Message(instant(text["at"]), text["code"], text["text"])
                    for text in texts
                    if text["transmission"] == row["transmission"]
                ),
            )
            for row in rows
        )
