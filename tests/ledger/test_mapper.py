"""Event ↔ entry: every allowed type comes back as it was, every other is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Optional, TypeVar

import orjson
import pytest
from doubles.counter import Colour, Counter, Root, Weight
from eventsourcing.persistence import StoredEvent

from ledger.entry import splice
from ledger.errors import EntryRefused, EventTypeRefused, FeatureRefused
from ledger.mapper import CanonicalTranscoder, LedgerMapper, codec_of, key_of, plan_of

AT = datetime(2026, 3, 2, 7, 0, 0, 5, tzinfo=UTC)
MAPPER = LedgerMapper(CanonicalTranscoder())


class Level(Enum):
    LOW = 1


@dataclass(frozen=True)
class Nested:
    weight: Weight
    tags: list[str] = field(default_factory=list)
    levels: tuple[Level, ...] = ()


class Everything(Root):
    TOPIC = "EverythingHappened"
    text: str
    number: int
    truth: bool
    plain_list: list  # type: ignore[type-arg]
    plain_object: dict  # type: ignore[type-arg]
    instant: datetime
    day: date
    level: Level
    colour: Colour
    nested: Nested
    days: list[date]
    sequence: Sequence[Weight]
    names: tuple[str, ...]
    by_name: dict[str, Weight]
    mapping: Mapping[str, str]
    choice: Literal["A", "B"]
    either: str | int
    maybe: Optional[date] = None  # noqa: UP045 - both spellings are read
    perhaps: Weight | None = None


def everything(**changed: object) -> Everything:
    values: dict[str, Any] = {
        "text": "Lambersart",
        "number": -7,
        "truth": True,
        "plain_list": [1, "x", {"a": []}],
        "plain_object": {"a": {"b": 1}},
        "instant": AT,
        "day": date(2026, 3, 2),
        "level": Level.LOW,
        "colour": Colour.RED,
        "nested": Nested(Weight(5, date(2024, 2, 29)), ["a"], (Level.LOW,)),
        "days": [date(2026, 1, 1)],
        "sequence": [Weight(1)],
        "names": ("a", "b"),
        "by_name": {"a": Weight(2)},
        "mapping": {"a": "b"},
        "choice": "B",
        "either": 3,
    }
    return Everything("counter/a", 1, AT, **(values | changed))


def stored(event: Root) -> StoredEvent:
    made = MAPPER.to_stored_event(event)
    entry = splice(made.state, made.topic, "0" * 64, "0" * 32, str(made.originator_id), 1)
    return StoredEvent(made.originator_id, made.originator_version, made.topic, entry)


@pytest.mark.parametrize("changed", [{}, {"maybe": date(2026, 5, 1), "perhaps": Weight(9)}])
def test_every_allowed_type_comes_back_as_it_was(changed: dict[str, object]) -> None:
    event = everything(**changed)
    assert MAPPER.to_domain_event(stored(event)) == event


def test_what_is_written_is_plain() -> None:
    data = orjson.loads(bytes(MAPPER.to_stored_event(everything()).state))["data"]
    assert data["instant"] == "2026-03-02T07:00:00.000005Z"
    assert data["nested"] == {
        "levels": [1],
        "tags": ["a"],
        "weight": {"colour": "RED", "grams": 5, "on": "2024-02-29"},
    }
    assert "maybe" not in data
    assert "originator_id" not in data


def test_an_absent_field_takes_the_default_of_its_class() -> None:
    event = stored(everything())
    entry = orjson.loads(event.state)
    del entry["data"]["nested"]["tags"], entry["data"]["nested"]["levels"]
    del entry["data"]["nested"]["weight"]["colour"]
    again = StoredEvent(event.originator_id, 1, event.topic, orjson.dumps(entry))
    read = MAPPER.to_domain_event(again)
    assert isinstance(read, Everything)
    assert read.nested == Nested(Weight(5, date(2024, 2, 29)), [], ())


class Keyword(Root):
    TOPIC = "KeywordHappened"
    from_: str
    to_: str
    to: str


def test_a_field_named_by_a_word_that_python_keeps_has_that_word_as_its_key() -> None:
    event = Keyword("counter/a", 1, AT, from_="a", to_="b", to="c")
    written = stored(event)
    assert orjson.loads(written.state)["data"] == {"from": "a", "to": "c", "to_": "b"}
    back = MAPPER.to_domain_event(written)
    assert vars(back) == vars(event)
    assert [key_of(name) for name in ("from_", "from", "to_", "_")] == ["from", "from", "to_", "_"]


def test_an_older_entry_is_read_by_the_newer_class() -> None:
    entry = {"at": "2026-03-02T07:00:00.000000Z", "data": {"amount": 3}, "v": 1}
    read = MAPPER.to_domain_event(
        StoredEvent("counter/a", 2, "CounterCounted", orjson.dumps(entry))
    )
    assert isinstance(read, Counter.Counted)
    assert (read.amount, read.weights, read.note) == (3, [], None)


def test_the_topic_of_an_aggregate_is_not_stored_and_comes_back() -> None:
    opened = Counter.Opened("counter/a", 1, AT, "Counter", "a", {})
    assert b"originator_topic" not in MAPPER.to_stored_event(opened).state
    assert MAPPER.to_domain_event(stored(opened)) == opened


@dataclass
class Changeable:
    a: int


@pytest.mark.parametrize(
    "annotation",
    [
        float,
        bytes,
        set,
        Decimal,
        Changeable,
        set[str],
        list[float],
        dict[int, str],
        tuple[int, str],
        Colour | Weight,
        TypeVar("T"),
        type(None),
    ],
    ids=str,
)
def test_other_types_are_refused_when_the_class_is_first_used(annotation: object) -> None:
    with pytest.raises(EventTypeRefused, match=r"Event\.field"):
        codec_of(annotation, "Event.field")


def test_the_refusal_names_the_field() -> None:
    wrong = make_dataclass("Wrong", [("price", float)], bases=(), namespace={"TOPIC": "Wrong"})
    with pytest.raises(EventTypeRefused, match=r"Wrong\.price"):
        plan_of(wrong)


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("number", {"plain_list": [1.5]}),
        ("key", {"plain_object": {"Key": 1}}),
        ("range", {"number": 2**53}),
        ("null", {"plain_list": [None]}),
        ("nfc", {"text": "e\u0301"}),
        ("size", {"text": "a" * 65_536}),
        ("syntax", {"text": Decimal(1)}),
    ],
)
def test_values_outside_the_profile_are_refused_with_their_rule(
    rule: str, changed: dict[str, object]
) -> None:
    with pytest.raises(EntryRefused) as refused:
        MAPPER.to_stored_event(everything(**changed))
    assert refused.value.code == rule


def test_ciphers_and_compressors_are_refused() -> None:
    with pytest.raises(FeatureRefused):
        LedgerMapper(CanonicalTranscoder(), compressor=object())  # type: ignore[arg-type]
