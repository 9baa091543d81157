"""What exists in code equals its block of docs/spec; what does not exist yet is named pending."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import pkgutil
import re
import types
import typing
from pathlib import Path

import pytest

import domain
from domain import aggregate
from domain.aggregate import AGGREGATES, KINDS
from domain.states import TRANSITIONS
from ledger.mapper import key_of

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
COMMON = {"originator_id", "originator_version", "timestamp", "meta"}
FIELD = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?P<mark>[°\[\]?]*)(?: (?P<words>[A-Z][A-Z0-9_|]*))?")

for module in pkgutil.walk_packages(domain.__path__, "domain."):
    importlib.import_module(module.name)


def blocks(kind: str, file: str) -> str:
    return "\n".join(re.findall(rf"```{kind}\n(.*?)```", (SPEC / file).read_text(), re.DOTALL))


def spec_events() -> dict[str, str]:
    text = re.sub(r"\s+", " ", blocks("events", "events.md"))
    return dict(re.findall(r"([A-Z][A-Za-z0-9]+)\(([^)]*)\)", text))


def fields_of(body: str, known: dict[str, str]) -> dict[str, tuple[bool, bool, frozenset[str]]]:
    """Return name -> (optional, list, words); ``+ those of X`` takes X's fields over."""
    found: dict[str, tuple[bool, bool, frozenset[str]]] = {}
    for part in filter(None, re.split(r", (?![A-Z])", body.strip())):
        if part.startswith("+ those of "):
            found |= fields_of(known[part.removeprefix("+ those of ")], known)
            continue
        for piece in part.split(" + those of "):
            if piece in known:
                found |= fields_of(known[piece], known)
                continue
            match = FIELD.fullmatch(piece)
            assert match, f"{piece!r} in {body!r}"
            words = frozenset((match["words"] or "").split("|")) - {""}
            mark = match["mark"]
            found[match["name"]] = ("?" in mark, "[]" in mark, words)
    return found


EVENTS = spec_events()


def described(kind: type) -> dict[str, tuple[bool, bool, frozenset[str]]]:
    hints = typing.get_type_hints(kind)
    return {
        key_of(field.name): shape(hints[field.name])
        for field in dataclasses.fields(kind)
        if field.name not in COMMON
    }


def shape(hint: object) -> tuple[bool, bool, frozenset[str]]:
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    optional = types.NoneType in parts
    (core,) = [part for part in parts if part is not types.NoneType]
    if typing.get_origin(core) is list:
        return optional, True, frozenset()
    words = frozenset(core) if isinstance(core, type) and issubclass(core, enum.Enum) else ()
    return optional, False, frozenset(str(word) for word in words)


def test_the_blocks_are_read_whole() -> None:
    assert len(EVENTS) > 170
    assert "AwardDecided" in EVENTS
    assert fields_of(EVENTS["LateDepositRecorded"], EVENTS).keys() > {"late_by_ms", "bidder"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_has_the_fields_of_its_block(kind: str) -> None:
    wanted = fields_of(EVENTS[kind], EVENTS)
    found = described(KINDS[kind])
    assert list(sorted(found)) == list(sorted(wanted))
    for name, (optional, listed, words) in wanted.items():
        assert found[name][:2] == (optional, listed), name
        assert not words or found[name][2] == words, name


def test_what_is_not_written_yet_is_named_and_nothing_else() -> None:
    pending = (SPEC / "pending.txt").read_text().split()
    assert pending == sorted(set(EVENTS) - set(KINDS))


def test_every_kind_belongs_to_an_aggregate_and_is_its_own_topic() -> None:
    listed = {event for kind in AGGREGATES.values() for event in kind.EVENTS}
    assert listed == set(KINDS.values())
    assert all(name == event.TOPIC for name, event in KINDS.items())


def test_persons_in_the_blocks_are_commitments_in_code() -> None:
    for kind, body in EVENTS.items():
        for name in re.findall(r"([a-z_]+)°", body):
            if kind in KINDS:
                hints = typing.get_type_hints(KINDS[kind])
                assert {key_of(field): hint for field, hint in hints.items()}[name] is str


def spec_states() -> dict[str, dict[str, dict[str, str]]]:
    """Read the notation ``machine: FROM: Event→TO · FROM, FROM: Event|Event→TO (when)``."""
    machines: dict[str, dict[str, dict[str, str]]] = {}
    text = blocks("states", "states.md")
    text = re.sub(
        r"\s+", " ", re.sub(r"\([^)]*\)", "", re.sub(r"^(\w+):", r"#\1:", text, flags=re.M))
    )
    for body in filter(None, map(str.strip, text.split("#"))):
        machine, rest = body.split(":", 1)
        table = machines.setdefault(machine, {})
        for row in rest.split("·"):
            states, _, moves = row.strip().rpartition(": ")
            for state in states.split(", "):
                for move in moves.split(", "):
                    names, target = move.strip().split("→")
                    for name in names.split("|"):
                        table.setdefault(state.strip(), {})[name.strip()] = target.strip()
    return machines


@pytest.mark.parametrize("machine", sorted(TRANSITIONS))
def test_a_state_table_is_its_block(machine: str) -> None:
    assert TRANSITIONS[machine] == spec_states()[machine]


def test_every_machine_that_the_aggregates_name_has_a_table() -> None:
    named = {kind.MACHINE for kind in aggregate.AGGREGATES.values()} - {""}
    assert named == set(TRANSITIONS)
