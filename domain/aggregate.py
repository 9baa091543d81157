"""The root of all aggregates and events: no hidden clock, explicit kinds, tables of states.

An event is a frozen dataclass whose ``TOPIC`` is the ``kind`` of its ledger entry. Any event that
an aggregate lists may be the first of its stream (a refused opening before anything was convened).
Aggregates never change a container in place: their values are replaced, so a shallow copy of an
aggregate is a safe copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, TypedDict, TypeVar, dataclass_transform

from eventsourcing.domain import BaseAggregate, CanMutateAggregate
from eventsourcing.utils import register_topic

from domain.clock import Reading
from domain.states import NEW, check_transition, target_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Actor:
    """Who acted: the person is a commitment, never a name (domain.md §0, mark °)."""

    person: str
    org: str
    role: str
    auth: str


@dataclass(frozen=True)
class Meta:
    """The metadata of every event (domain.md §3)."""

    actor: Actor
    tenant: str
    command: str
    correlation: str
    occurred_at: datetime
    clock: Reading
    rulebook: str
    behalf: str | None = None
    causation: str | None = None


class Stamp(TypedDict):
    """What every event carries, given to its class as keywords."""

    originator_id: str
    originator_version: int
    timestamp: datetime
    meta: Meta


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _Fact(CanMutateAggregate[str]):
    """Makes every subclass a frozen dataclass and registers its kind, which must be new."""

    TOPIC: ClassVar[str] = ""
    class_version: ClassVar[int] = 1

    def __init_subclass__(cls, *, kind: str) -> None:
        """Give the class its kind, the name under which the ledger keeps it for ever."""
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True)(cls)
        if kind:
            cls.TOPIC = kind
            register_topic(kind, cls)


class Event(_Fact, kind=""):
    """A fact of one stream. ``timestamp`` is the latest of the command's clock reading."""

    originator_id: str
    originator_version: int
    timestamp: datetime
    meta: Meta

    def __init_subclass__(cls, *, kind: str) -> None:
        """List the kind."""
        super().__init_subclass__(kind=kind)
        KINDS[kind] = cls

    def mutate(self, aggregate: Any) -> Any:  # noqa: ANN401 - the library's own signature
        """Apply this event to its aggregate, made blank if this event is its first."""
        if aggregate is None:
            prefix = self.originator_id.partition("/")[0]
            aggregate = AGGREGATES[prefix].blank(self.originator_id)
        if aggregate.version == 0:
            aggregate._created_on = self.timestamp
        return super().mutate(aggregate)

    def apply(self, aggregate: Any) -> None:  # noqa: ANN401 - the library's own signature
        """Let the aggregate fold this event into its state."""
        aggregate.fold(self)

    @staticmethod
    def create_timestamp() -> datetime:
        """Refuse: an event takes its time from the command's reading, never from a clock."""
        raise LookupError("events carry the reading of the command's clock")


KINDS: dict[str, type[Event]] = {}
"""Every kind of domain event that exists, by its name."""

AGGREGATES: dict[str, type[Aggregate]] = {}
"""Every aggregate class, by the first word of its streams."""

E = TypeVar("E", bound=Event)
A = TypeVar("A", bound="Aggregate")
Fold = Callable[[Any, Any], None]


def folds(*kinds: type[Event]) -> Callable[[Fold], Fold]:
    """Mark the method that folds these kinds into the state."""

    def mark(method: Fold) -> Fold:
        method.__dict__["folds"] = kinds
        return method

    return mark


class Aggregate(BaseAggregate[str]):
    """A stream of events and the state they make; built by ``blank``, never by calling a class."""

    TOPIC = "Aggregate"
    PREFIX: ClassVar[str] = ""
    MACHINE: ClassVar[str] = ""
    FIRST_STATE: ClassVar[str] = NEW
    EVENTS: ClassVar[tuple[type[Event], ...]] = ()
    FOLDS: ClassVar[dict[type[Event], Fold]] = {}

    def __init_subclass__(cls) -> None:
        """Read the marked methods and register the prefix of the streams."""
        super().__init_subclass__()
        cls.FOLDS = {
            kind: method
            for method in vars(cls).values()
            for kind in getattr(method, "folds", ())
            if callable(method)
        }
        AGGREGATES[cls.PREFIX] = cls

    @classmethod
    def blank(cls: type[A], stream: str) -> A:
        """Return the aggregate of this stream before its first event, at version 0."""
        made = cls.__new__(cls)
        made.__base_init__(originator_id=stream, originator_version=0, timestamp=BEGINNING)
        made.begin()
        return made

    def begin(self) -> None:
        """Set the values of a stream without events; each aggregate adds its own."""
        self.state = self.FIRST_STATE
        self.floor = BEGINNING
        self.tenant = ""

    @property
    def name(self) -> str:
        """Return the id inside the stream name."""
        return self.id.partition("/")[2]

    def fold(self, event: Event) -> None:
        """Take over what the event says. Replay is lenient: a fact is a fact."""
        if not self.tenant:
            self.tenant = event.meta.tenant
        self.floor = max(self.floor, event.meta.clock.earliest)
        method = self.FOLDS.get(type(event))
        if method is not None:
            method(self, event)
        target = target_of(self.MACHINE, self.state, event.TOPIC)
        if target is not None and self.reaches(event):
            self.state = target

    def stamp(self, meta: Meta) -> Stamp:
        """Return what the next event of this stream carries."""
        return Stamp(
            originator_id=self.id,
            originator_version=self.version + 1,
            timestamp=meta.clock.latest,
            meta=meta,
        )

    def append(self, event: Event) -> None:
        """Append an event which the state table allows, else raise ``<machine>.wrong-state``."""
        if type(event) not in self.EVENTS:
            raise TypeError(f"{type(self).__name__} lists no {event.TOPIC}")
        check_transition(self.MACHINE, self.state, event.TOPIC)
        event.mutate(self)
        self._pending_events.append(event)

    def reaches(self, event: Event) -> bool:
        """Say whether the table's target is reached by this event; conditional rows override."""
        return True

    def copied(self: A) -> A:
        """Return a copy without pending events; both can go on apart."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._pending_events = []
        return twin
