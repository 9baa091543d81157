"""One event of about 0.8 KB: what the library, its peers and ours all save, one a save."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    MetaDomainEvent,
    event,
)

from crypto import notes
from crypto.notes import LOG, Checkpoint, VerifierKey
from ledger.application import Ledger
from ledger.creation import create
from ledger.high_water import FolderHighWater
from ledger.ports import Ports
from ledger.sqlite import connect

META = {
    "actor": {"auth": "oidc", "org": "21590512200017", "person": "5d" * 32, "role": "BU"},
    "clock": {
        "earliest": "2026-03-02T07:10:14.119820Z",
        "latest": "2026-03-02T07:10:14.121820Z",
        "source": "HOST",
    },
    "command": "0f9d3f0e-6a86-4a5e-9d53-6f2d3b0a7c11",
    "correlation": "need/2026-0147",
    "rulebook": "2026-01-01",
    "tenant": "21590512200017",
}


class Root(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """Root of the events, for the library and for us."""

    originator_id: str
    originator_version: int
    timestamp: datetime

    def _as_dict(self) -> dict[str, Any]:
        return vars(self)


class RootCreated(Root, CanInitAggregate[str]):
    """Root of first events."""

    originator_topic: str


class Parcel(BaseAggregate[str]):
    """An aggregate whose every save is one event of about 0.8 KB as entry."""

    TOPIC = "Parcel"

    class Event(Root):
        """Root of its events."""

        TOPIC = "ParcelEvent"

    class Sent(Event, RootCreated):
        """The first event."""

        TOPIC = "ParcelSent"
        name: str

    class Moved(Event):
        """What is measured."""

        TOPIC = "ParcelMoved"
        place: str
        count: int
        digest: str
        meta: dict[str, Any]

    @event(Sent)
    def __init__(self, name: str, timestamp: datetime) -> None:
        self.name = name

    @staticmethod
    def create_id(name: str) -> str:
        return f"parcel/{name}"

    @event(Moved)
    def move(
        self, place: str, count: int, digest: str, meta: dict[str, Any], timestamp: datetime
    ) -> None:
        pass


def moved(parcel: Parcel, number: int) -> None:
    parcel.move(
        place="Villeneuve d'Ascq",
        count=number,
        digest="c5" * 32,
        meta=META,
        timestamp=datetime.now(UTC),
    )


@dataclass(frozen=True)
class Reading:
    latest: datetime


class HostClock:
    def now(self) -> Reading:
        return Reading(datetime.now(UTC))


class HostRng:
    def bytes(self, count: int) -> bytes:
        return os.urandom(count)


class Signer:
    name = "bench.example/ledger"

    def __init__(self) -> None:
        self._seed = secrets.token_bytes(32)
        self.key = VerifierKey.of_seed(self.name, LOG, self._seed)

    def sign(self, checkpoint: Checkpoint) -> str:
        return notes.sign(checkpoint, self.name, self._seed)


def open_ledger(folder: Path, **database: Any) -> Ledger:  # noqa: ANN401
    """Return a new ledger; ``database`` names where it stands, if not in the folder."""
    high_water = FolderHighWater(folder / "highwater")
    ports = Ports(HostClock(), HostRng(), Signer(), high_water, connect, **database)
    create(folder, ports)
    return Ledger(
        folder,
        clock=ports.clock,
        rng=ports.rng,
        signer=ports.signer,
        high_water=high_water,
        **database,
    )
