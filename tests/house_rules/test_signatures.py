"""The two inner packages say their types: ``Any`` stands there only where JSON truly is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# a JSON object whose form the cryptography checks; nothing else may be of any type
JSON = frozenset({"Mapping[str, Any]", "dict[str, Any]"})
ALLOWED = {
    ("domain/aggregate.py", "mutate"): "the library's own signature",
    ("domain/aggregate.py", "apply"): "the library's own signature",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions and methods that others may call."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and (
            not node.name.startswith("_") or node.name in {"__init__", "__call__"}
        ):
            yield node


def annotations(function: Function) -> Iterator[ast.expr]:
    """Yield every annotation of a signature."""
    given = function.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
        if argument is not None and argument.annotation is not None:
            yield argument.annotation
    if function.returns is not None:
        yield function.returns


def careless(annotation: ast.expr) -> bool:
    """Say whether ``Any`` stands here otherwise than as the value of a JSON object."""
    if ast.unparse(annotation) in JSON:
        return False
    if isinstance(annotation, ast.Name):
        return annotation.id == "Any"
    return any(careless(part) for part in ast.iter_child_nodes(annotation) if is_type(part))


def is_type(node: ast.AST) -> bool:
    return isinstance(node, ast.expr)


def offences(text: str) -> list[str]:
    """Return the names of public functions with a careless signature."""
    return [
        function.name
        for function in public_functions(ast.parse(text))
        if any(careless(annotation) for annotation in annotations(function))
    ]


def sources() -> list[Path]:
    return [path for package in ("domain", "crypto") for path in (ROOT / package).rglob("*.py")]


def test_no_public_signature_takes_or_gives_anything_at_all() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in sources()
        for name in offences(path.read_text())
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        "def read(x: Any) -> int: ...",
        "def read(x: int) -> Any: ...",
        "def read(x: list[Any]) -> int: ...",
        "def read(*, x: Callable[[Any], int]) -> int: ...",
        "def read(x: Mapping[str, Any] | Any) -> int: ...",
        "class A:\n    def read(self, **rest: Any) -> int: ...",
        "async def read(x: tuple[Any, ...]) -> int: ...",
    ],
)
def test_planted_a_careless_signature_is_seen(text: str) -> None:
    assert offences(text) == ["read"]


@pytest.mark.parametrize(
    "text",
    ["def read(x: Mapping[str, Any]) -> dict[str, Any] | None: ...", "def _own(x: Any): ..."],
)
def test_json_objects_and_private_functions_are_not(text: str) -> None:
    assert not offences(text)
