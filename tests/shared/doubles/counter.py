"""A small aggregate written in the library's own way, for tests of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)


class Colour(StrEnum):
    """A value that is written as its text."""

    RED = "RED"


@dataclass(frozen=True)
class Weight:
    """A value object inside an event."""

    grams: int
    on: date | None = None
    colour: Colour = Colour.RED


class Root(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """Root of the events: no hidden clock."""

    originator_id: str
    originator_version: int
    timestamp: datetime

    @staticmethod
    def create_timestamp() -> datetime:
        raise LookupError("the timestamp is given")


class RootCreated(Root, CanInitAggregate[str]):
    """Root of first events."""

    originator_topic: str


class Counter(BaseAggregate[str]):
    """Counts; its stream is ``counter/<name>``."""

    TOPIC = "Counter"

    class Event(Root):
        """Root of its events."""

        TOPIC = "CounterEvent"

    class Opened(Event, RootCreated):
        """It was opened."""

        TOPIC = "CounterOpened"
        name: str
        meta: dict[str, Any]

    class Counted(Event):
        """Something was counted."""

        TOPIC = "CounterCounted"
        class_version = 2
        amount: int
        weights: list[Weight]
        note: str | None

        @staticmethod
        def upcast_v1_v2(data: dict[str, Any]) -> None:
            data["weights"] = []

    @event(Opened)
    def __init__(self, name: str, timestamp: datetime, meta: dict[str, Any]) -> None:
        self.name = name
        self.total = 0
        self.notes: list[str | None] = []
        self.weights: list[Weight] = []

    @staticmethod
    def create_id(name: str) -> str:
        return f"counter/{name}"

    @event(Counted)
    def count(
        self,
        amount: int,
        weights: list[Weight],
        timestamp: datetime,
        note: str | None = None,
    ) -> None:
        self.total += amount
        self.weights = weights
        self.notes = [*self.notes, note]
