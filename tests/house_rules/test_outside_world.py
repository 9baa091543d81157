"""Time, randomness, files, network and environment enter by ports, or stand in ``allowed.toml``."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
MODULES = {
    "secrets": "random",
    "random": "random",
    "uuid": "random",
    "socket": "network",
    "httpx2": "network",
    "requests": "network",
    "aiohttp": "network",
    "urllib.request": "network",
    "time": "clock",
}
CALLS = {
    "os.urandom": "random",
    "nacl.utils.random": "random",
    "os.environ": "environment",
    "os.getenv": "environment",
    "datetime.now": "clock",
    "datetime.utcnow": "clock",
    "datetime.today": "clock",
    "date.today": "clock",
}
FILE_METHODS = {"open", "read_text", "read_bytes", "write_text", "write_bytes"}


def uses_of(source: str) -> set[tuple[str, int]]:
    """Return (what is used, line) for every touch of the outside world in this source."""
    found: set[tuple[str, int]] = set()
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            if name in MODULES:
                found.add((MODULES[name], node.lineno))
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            found.update((use, node.lineno) for call, use in CALLS.items() if dotted.endswith(call))
            if node.attr.startswith("randombytes"):
                found.add(("random", node.lineno))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "open":
                found.add(("files", node.lineno))
            if isinstance(node.func, ast.Attribute) and opens_file(node.func):
                found.add(("files", node.lineno))
    return found


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names, nothing for another node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def opens_file(function: ast.Attribute) -> bool:
    """Say whether this looks like ``Path.open`` and its kin (``os.open`` included)."""
    return function.attr in FILE_METHODS


def allowed() -> list[dict[str, object]]:
    return list(tomllib.loads((Path(__file__).parent / "allowed.toml").read_text())["allowed"])


def may(file: str, use: str) -> bool:
    for row in allowed():
        pattern = str(row["file"])
        named = file == pattern or (pattern.endswith("/**") and file.startswith(pattern[:-2]))
        if named and use in row["uses"]:  # type: ignore[operator]
            return True
    return False


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_outside_world_enters_by_ports(path: Path) -> None:
    file = path.relative_to(ROOT).as_posix()
    wrong = sorted((line, use) for use, line in uses_of(path.read_text()) if not may(file, use))
    assert not wrong, f"{file} touches the outside world: {wrong}; use a port or allowed.toml"


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("import secrets", "random"),
        ("from uuid import uuid4", "random"),
        ("import os\nos.urandom(3)", "random"),
        ("from nacl.bindings import x\nx.randombytes_buf(3)", "random"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("import time", "clock"),
        ("open('x')", "files"),
        ("from pathlib import Path\nPath('x').read_text()", "files"),
        ("import os\nos.environ['X']", "environment"),
        ("import socket", "network"),
    ],
)
def test_each_planted_touch_is_seen(source: str, use: str) -> None:
    assert use in {found for found, _ in uses_of(source)}


def test_every_exception_names_a_file_that_exists_and_says_why() -> None:
    for row in allowed():
        assert (ROOT / str(row["file"]).removesuffix("/**")).exists(), row
        assert len(str(row["why"])) > 20, row


def test_domain_and_crypto_hold_no_exception_but_sealed_boxes() -> None:
    inner = [row for row in allowed() if str(row["file"]).startswith(("domain", "crypto"))]
    assert all(row["uses"] == ["random"] for row in inner)
