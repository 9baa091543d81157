"""Every parser has a fuzz target (``doubles.parsers``), or a reason why nobody can feed it.

A parser is, by its syntax: a function or a method of a class, public, named ``parse``, ``decode``
or ``read``, or beginning with ``parse_``, ``decode_`` or ``read_``, of which an argument is bytes,
a text, a stream, a file, or a value out of JSON. A ``read`` on ``self`` is none: that is how a
store is asked for what it holds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from doubles.parsers import ELSEWHERE, SEEDS, TARGETS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
WORDS = ("parse", "decode", "read")
INPUTS = {"bytes", "str", "Json", "Value", "Reader", "Path"}
INPUTS |= {"Mapping[str, str]", "Iterable[str]", "Sequence[str]", "dict[str, Json]"}


def parsers(module: str, text: str) -> Iterator[str]:
    """Yield ``module:qualified.name`` of every parser of a source."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and is_parser(node, node.args.args):
            yield f"{module}:{node.name}"
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and is_parser(inner, own(inner)):
                    yield f"{module}:{node.name}.{inner.name}"


def own(method: ast.FunctionDef) -> list[ast.arg]:
    """Return the arguments after ``cls``; of a method on ``self`` only ``decode`` takes input."""
    first = method.args.args[0].arg if method.args.args else ""
    if first == "self" and not method.name.startswith(("decode", "parse")):
        return []
    return method.args.args[1:] if first in {"self", "cls"} else method.args.args


def is_parser(function: ast.FunctionDef, arguments: list[ast.arg]) -> bool:
    named = function.name in WORDS or function.name.startswith(tuple(f"{one}_" for one in WORDS))
    annotated = (one.annotation for one in arguments if one.annotation is not None)
    return named and any(ast.unparse(one) in INPUTS for one in annotated)


def all_parsers() -> set[str]:
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.update(parsers(module.removesuffix(".__init__"), path.read_text()))
    return found


def covered() -> set[str]:
    return {name for target in TARGETS.values() for name in target.covers}


def test_every_parser_has_a_fuzz_target() -> None:
    assert not sorted(all_parsers() - covered() - set(ELSEWHERE))


def test_every_target_drives_what_is_there() -> None:
    assert not sorted((covered() | set(ELSEWHERE)) - all_parsers())
    assert not covered() & set(ELSEWHERE)
    assert all(len(reason) > 20 for reason in ELSEWHERE.values())


def test_every_target_has_seeds_and_every_seed_a_target() -> None:
    folders = {path.name for path in SEEDS.iterdir() if path.is_dir()}
    assert folders == {*TARGETS, "planted"}


def test_planted_parsers_are_seen() -> None:
    source = """
def parse_price(text: str) -> int: ...
def read_lot(data: bytes) -> int: ...
def _parse(data: bytes) -> int: ...
def read_home(folder: Home) -> int: ...
class Notice:
    @classmethod
    def parse(cls, data: bytes) -> Notice: ...
    def decode(self, data: bytes) -> int: ...
    def read(self, path: str) -> bytes: ...
"""
    assert sorted(parsers("m", source)) == [
        "m:Notice.decode",
        "m:Notice.parse",
        "m:parse_price",
        "m:read_lot",
    ]
