"""Event of an aggregate ↔ entry (ledger.md §6): kind = TOPIC, data = fields, at = timestamp.

Fields are written and read by the annotations of the event's class: text, whole numbers, truth
values, lists, objects, instants, dates, enumerations and frozen dataclasses. Anything else is
refused, at the latest when the first event of its class is written. A field that is None has no
key; a field named by a word that Python keeps for itself (``from_``) has that word as its key.
Entries never change: a newer class reads older ones through its upcast methods.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from keyword import iskeyword
from operator import attrgetter
from sys import modules
from typing import Any, Final, Literal, NamedTuple, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Cipher, Compressor, Mapper, StoredEvent, Transcoder
from eventsourcing.utils import get_topic, resolve_topic

from ledger.entry import Draft, checked_state, instant_text
from ledger.errors import EventTypeRefused, FeatureRefused

Convert = Callable[[Any], Any]
NoneType: Final = type(None)
_OUTSIDE: Final = frozenset(
    {"originator_id", "originator_version", "originator_topic", "timestamp"}
)
_PLAIN: Final = frozenset({str, int, bool, list, dict, Any, object})
_SEQUENCES: Final = frozenset({list, tuple, Sequence})
_MAPPINGS: Final = frozenset({dict, Mapping})


class Codec(NamedTuple):
    """How a value goes into JSON and comes back; None: as it is."""

    write: Convert | None = None
    read: Convert | None = None


AS_IT_IS: Final = Codec()


class Named(NamedTuple):
    """One field: its name, its key, its codec, and what stands where it is absent."""

    name: str
    key: str
    codec: Codec
    default: Callable[[], object]


def codec_of(annotation: object, where: str) -> Codec:
    """Return the codec of a type, or raise EventTypeRefused."""
    if annotation in _PLAIN:
        return AS_IT_IS
    if isinstance(annotation, TypeVar) or annotation is NoneType:
        raise EventTypeRefused(where, annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return _codec_of_class(annotation, where)
    return _codec_of_generic(annotation, where)


def _codec_of_class(kind: type, where: str) -> Codec:
    if issubclass(kind, datetime):
        return Codec(instant_text, datetime.fromisoformat)
    if issubclass(kind, date):
        return Codec(date.isoformat, date.fromisoformat)
    if issubclass(kind, Enum):
        return Codec(attrgetter("value"), kind)
    if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return _codec_of_dataclass(kind)
    raise EventTypeRefused(where, kind)


def _codec_of_generic(annotation: object, where: str) -> Codec:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return _codec_of_union(arguments, where)
    if origin is Literal:
        return AS_IT_IS
    if origin in _SEQUENCES:
        return _codec_of_items(origin, arguments, where)
    if origin in _MAPPINGS and arguments[0] is str:
        item = codec_of(arguments[1], where)
        return Codec(*(each and _over_values(each) for each in item))
    raise EventTypeRefused(where, annotation)


def _codec_of_union(arguments: tuple[object, ...], where: str) -> Codec:
    """Know ``X | None``, and unions of what stands as it is: one could not tell others apart."""
    members = [codec_of(each, where) for each in arguments if each is not NoneType]
    if len(members) == 1:
        return members[0]
    if any(each != AS_IT_IS for each in members):
        raise EventTypeRefused(where, arguments)
    return AS_IT_IS


def _codec_of_items(origin: object, arguments: tuple[object, ...], where: str) -> Codec:
    if origin is tuple and arguments[1:] != (...,):
        raise EventTypeRefused(where, arguments)
    item = codec_of(arguments[0], where)
    made = tuple if origin is tuple else list
    if item == AS_IT_IS and made is list:
        return AS_IT_IS
    return Codec(_over_items(list, item.write), _over_items(made, item.read))


def _over_items(made: type, convert: Convert | None) -> Convert:
    return made if convert is None else lambda items: made(map(convert, items))


def _over_values(convert: Convert) -> Convert:
    return lambda items: {key: convert(value) for key, value in items.items()}


def _codec_of_dataclass(kind: type) -> Codec:
    named = _fields_of(kind)

    def write(value: object) -> dict[str, object]:
        return _write_fields(named, vars(value))

    def read(data: Mapping[str, Any]) -> object:
        made: object = object.__new__(kind)
        made.__dict__.update(_read_fields(named, data))
        return made

    return Codec(write, read)


def _fields_of(kind: type) -> tuple[Named, ...]:
    hints = hints_of(kind)
    return tuple(
        Named(
            each.name,
            key_of(each.name),
            codec_of(hints[each.name], f"{kind.__name__}.{each.name}"),
            _default(each),
        )
        for each in fields(kind)
        if each.name not in _OUTSIDE
    )


def key_of(name: str) -> str:
    """Return the key of a field in an entry."""
    bare = name.removesuffix("_")
    return bare if iskeyword(bare) else name


def _default(field: Field[Any]) -> Callable[[], object]:
    if field.default_factory is not MISSING:
        return field.default_factory
    value = None if field.default is MISSING else field.default
    return lambda: value


def _write_fields(named: Sequence[Named], values: Mapping[str, Any]) -> dict[str, object]:
    data = {}
    for name, key, codec, _ in named:
        value = values[name]
        if value is not None:
            data[key] = value if codec.write is None else codec.write(value)
    return data


def _read_fields(named: Sequence[Named], data: Mapping[str, Any]) -> dict[str, object]:
    values = {}
    for name, key, codec, default in named:
        if key in data:
            value = data[key]
            values[name] = value if codec.read is None else codec.read(value)
        else:
            values[name] = default()
    return values


@dataclass(frozen=True, slots=True)
class Plan:
    """How the events of one class are written and read."""

    kind: str
    version: int
    named: tuple[Named, ...]
    aggregate: str | None
    """Topic of the aggregate, for classes of the library that carry it; not stored."""


@cache
def plan_of(event_class: type) -> Plan:
    """Return the plan of an event class, or raise EventTypeRefused."""
    carries_topic = any(each.name == "originator_topic" for each in fields(event_class))
    aggregate = None
    if carries_topic:
        outer = modules[event_class.__module__]
        for part in event_class.__qualname__.split(".")[:-1]:
            outer = getattr(outer, part)
        aggregate = get_topic(outer)
    version = int(getattr(event_class, "class_version", 1))
    return Plan(get_topic(event_class), version, _fields_of(event_class), aggregate)


class CanonicalTranscoder(Transcoder):
    """The one byte form of an event's part of an entry."""

    def encode(self, obj: Mapping[str, Any]) -> bytes:
        """Return canonical ``{"at","data","v"}``, or raise EntryRefused with the broken rule."""
        return checked_state(obj["at"], obj["data"], obj["v"])

    def decode(self, data: bytes) -> dict[str, Any]:
        """Return the object of stored bytes, which were checked when they were written."""
        decoded: dict[str, Any] = orjson.loads(data)
        return decoded


class LedgerMapper(Mapper[str]):
    """Turns events into the states that the recorder stores, and entries into events."""

    def __init__(
        self,
        transcoder: Transcoder,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        if compressor is not None or cipher is not None:
            raise FeatureRefused("a cipher or a compressor is set")
        super().__init__(transcoder)

    def to_draft(self, domain_event: DomainEventProtocol[str]) -> Draft:
        """Return what the ledger appends of an event, its state canonical and checked."""
        plan = plan_of(type(domain_event))
        values = vars(domain_event)
        state = self.transcoder.encode(
            {
                "at": instant_text(values["timestamp"]),
                "data": _write_fields(plan.named, values),
                "v": plan.version,
            }
        )
        return Draft(values["originator_id"], values["originator_version"], plan.kind, state)

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the same as the library stores it."""
        return StoredEvent(*self.to_draft(domain_event))

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Return the event of an entry, brought up to the version of its class."""
        event_class = resolve_topic(stored_event.topic)
        plan = plan_of(event_class)
        entry = self.transcoder.decode(stored_event.state)
        data = entry["data"]
        for version in range(entry["v"], plan.version):
            getattr(event_class, f"upcast_v{version}_v{version + 1}")(data)
        values = _read_fields(plan.named, data)
        values["originator_id"] = stored_event.originator_id
        values["originator_version"] = stored_event.originator_version
        values["timestamp"] = datetime.fromisoformat(entry["at"])
        if plan.aggregate is not None:
            values["originator_topic"] = plan.aggregate
        event: DomainEventProtocol[str] = object.__new__(event_class)
        object.__setattr__(event, "__dict__", values)
        return event
