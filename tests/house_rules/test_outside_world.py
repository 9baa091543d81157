"""Time, randomness, files, network and environment enter by ports, or stand in ``allowed.toml``.

The syntax tree is read, names are followed through imports (``from os import environ as e`` is
still the environment), and what only a type checker imports is not counted.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "crypto", "ledger", "projections", "replay", "api")
# a module, or a name in one: importing it or reaching it by an attribute is a touch
TOUCHES = {
    "random": """secrets random uuid.uuid1 uuid.uuid4 os.urandom os.getrandom nacl.utils.random
        nacl.bindings.crypto_box_seal nacl.public.SealedBox""",
    "network": """socket ssl httpx2 requests aiohttp urllib.request http.client http.server smtplib
        ftplib asyncio.open_connection asyncio.start_server asyncio.open_unix_connection""",
    "clock": """time datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today
        datetime.date.today""",
    "environment": """os.environ os.environb os.getenv os.getcwd os.getpid os.uname os.cpu_count
        pathlib.Path.home pathlib.Path.cwd platform getpass locale subprocess pydantic_settings""",
    "files": """tempfile shutil sqlite3.connect fcntl mmap glob fileinput io.open io.FileIO os.open
        os.fdopen os.fsync os.replace os.rename os.remove os.unlink os.mkdir os.makedirs os.listdir
        os.scandir os.walk os.stat os.path.exists os.path.getsize""",
    "resources": "importlib.resources pkgutil.get_data",
}
FORBIDDEN = {name: use for use, names in TOUCHES.items() for name in names.split()}
METHODS = """read_text read_bytes write_text write_bytes mkdir rmdir unlink iterdir rglob touch
    is_file is_dir stat symlink_to hardlink_to"""
FILE_METHODS = frozenset(METHODS.split())
MODE = re.compile(r"[rwxa][bt+]{0,2}")
RESOURCES = "importlib.resources"


class Source(ast.NodeVisitor):
    """One file: its imports by local name, and every touch of the outside with its line."""

    def __init__(self, text: str) -> None:
        self.names: dict[str, str] = {}
        self.resources: set[str] = set()  # variables that hold a packaged resource, not a file
        self.found: set[tuple[str, int]] = set()
        self.visit(ast.parse(text))

    def visit_If(self, node: ast.If) -> None:
        """Leave out what only the type checker imports."""
        guard = ast.unparse(node.test)
        for child in node.orelse if guard.endswith("TYPE_CHECKING") else [node.test, *node.body]:
            self.visit(child)
        if not guard.endswith("TYPE_CHECKING"):
            for child in node.orelse:
                self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.split(".")[0]
            self.names[alias.asname or top] = alias.name if alias.asname else top
            self.see(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names if node.module and not node.level else ():
            self.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            self.see(f"{node.module}.{alias.name}", node.lineno)
            if alias.name.startswith("randombytes"):
                self.found.add(("random", node.lineno))

    def visit_Assign(self, node: ast.Assign) -> None:
        if self.is_resource(node.value):
            self.resources.update(name.id for name in node.targets if isinstance(name, ast.Name))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if dotted := self.dotted(node):
            self.see(dotted, node.lineno)
        if node.attr.startswith("randombytes"):
            self.found.add(("random", node.lineno))
        if node.attr == "time" and ast.unparse(node.value).endswith(("loop", "loop()")):
            self.found.add(("clock", node.lineno))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Name) and called.id == "open" and "open" not in self.names:
            self.found.add(("files", node.lineno))
        if isinstance(called, ast.Attribute) and (
            called.attr in FILE_METHODS or (called.attr == "open" and opens_a_path(node))
        ):
            self.found.update(() if self.is_resource(called.value) else {("files", node.lineno)})
        self.generic_visit(node)

    def see(self, dotted: str, line: int) -> None:
        """Note a touch if this name is forbidden, or stands inside a forbidden module."""
        for end in prefixes(dotted):
            if end in FORBIDDEN:
                self.found.add((FORBIDDEN[end], line))

    def dotted(self, node: ast.expr) -> str | None:
        """Return the full name that a chain of attributes stands for, through the imports."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute) and (inner := self.dotted(node.value)):
            return f"{inner}.{node.attr}"
        return None

    def is_resource(self, node: ast.expr) -> bool:
        """Say whether an expression starts at ``importlib.resources``, as ``files(…) / …`` does."""
        while True:
            if isinstance(node, ast.Name):
                known = self.names.get(node.id, "")
                return node.id in self.resources or known.startswith(RESOURCES)
            if isinstance(node, ast.BinOp):
                node = node.left
            elif isinstance(node, ast.Call):
                node = node.func
            elif isinstance(node, ast.Attribute):
                if (self.dotted(node) or "").startswith(RESOURCES):
                    return True
                node = node.value
            else:
                return False


def prefixes(dotted: str) -> Iterator[str]:
    """Yield a dotted name and every module above it."""
    while dotted:
        yield dotted
        dotted = dotted.rpartition(".")[0]


def opens_a_path(call: ast.Call) -> bool:
    """Say whether this ``x.open(…)`` has the form of ``Path.open``: no argument, or a mode first.

    ``archive.open(member, "w")`` and ``vault.open(name)`` name what they open, so they do not.
    """
    if call.args and isinstance(call.args[0], ast.Constant):
        return bool(MODE.fullmatch(str(call.args[0].value)))
    if call.args:
        return isinstance(call.args[0], ast.Name) and call.args[0].id == "mode"
    return all(word.arg in {"mode", "encoding", "buffering", "newline"} for word in call.keywords)


def uses_of(text: str) -> set[tuple[str, int]]:
    """Return (what is used, line) for every touch of the outside world in this source."""
    return Source(text).found


def allowed() -> list[dict[str, object]]:
    return list(tomllib.loads((Path(__file__).parent / "allowed.toml").read_text())["allowed"])


ALLOWED = allowed()


def covers(row: dict[str, object], file: str) -> bool:
    pattern = str(row["file"])
    return file == pattern or (pattern.endswith("/**") and file.startswith(pattern[:-2]))


def may(file: str, use: str) -> bool:
    return any(covers(row, file) and use in row["uses"] for row in ALLOWED)  # type: ignore[operator]


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
        ("import uuid\nuuid.uuid4()", "random"),
        ("import os\nos.urandom(3)", "random"),
        ("import os as o\no.urandom(3)", "random"),
        ("from nacl.bindings import x\nx.randombytes_buf(3)", "random"),
        ("from nacl.bindings import randombytes", "random"),
        ("from nacl.bindings import crypto_box_seal", "random"),
        ("import nacl.utils\nnacl.utils.random(8)", "random"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("from datetime import datetime as d\nd.now(tz=None)", "clock"),
        ("import datetime\ndatetime.date.today()", "clock"),
        ("import time", "clock"),
        ("import asyncio\nasyncio.get_running_loop().time()", "clock"),
        ("from time import monotonic", "clock"),
        ("open('x')", "files"),
        ("from pathlib import Path\nPath('x').read_text()", "files"),
        ("from pathlib import Path\nPath('x').open()", "files"),
        ("def f(path):\n    return path.open('rb')", "files"),
        ("def f(path):\n    return path.open(mode='rb', buffering=0)", "files"),
        ("def f(path):\n    path.mkdir(parents=True)", "files"),
        ("import sqlite3\nsqlite3.connect('x')", "files"),
        ("from tempfile import TemporaryFile", "files"),
        ("import os\nos.environ['X']", "environment"),
        ("from os import environ as surroundings", "environment"),
        ("import subprocess", "environment"),
        ("import socket", "network"),
        ("def late():\n    from urllib.request import urlopen", "network"),
        ("from importlib.resources import files", "resources"),
        ("import pkgutil\npkgutil.get_data('a', 'b')", "resources"),
    ],
)
def test_each_planted_touch_is_seen(source: str, use: str) -> None:
    assert use in {found for found, _ in uses_of(source)}


@pytest.mark.parametrize(
    "source",
    [
        "from uuid import UUID",
        "from datetime import UTC, datetime, time\ndatetime.combine",
        "def f(clock):\n    return clock.now()",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from httpx2 import Response",
        "def f(archive, member):\n    return archive.open(member, 'w')",
        "def f(vault, name):\n    return vault.open(name)",
        "import io\nio.BytesIO(b'').read()",
        "import sqlite3\nsqlite3.OperationalError",
    ],
)
def test_what_only_looks_like_a_touch_is_not_seen(source: str) -> None:
    assert not uses_of(source)


@pytest.mark.parametrize(
    "source",
    [
        "from importlib.resources import files\nfiles('api').joinpath('a', 'b').read_text('utf-8')",
        "from importlib import resources\n(resources.files('api') / 'a').read_bytes()",
        "from importlib.resources import files\nroot = files('api')\n(root / 'a').read_text()",
    ],
)
def test_packaged_data_is_no_file(source: str) -> None:
    assert {use for use, _ in uses_of(source)} == {"resources"}


def test_every_exception_names_a_file_that_exists_and_says_why() -> None:
    for row in ALLOWED:
        assert set(row) == {"file", "uses", "why"}, row
        assert (ROOT / str(row["file"]).removesuffix("/**")).exists(), row
        assert len(str(row["why"])) > 20, row


def test_every_exception_is_still_needed() -> None:
    """An allowance that nothing uses is a door left open."""
    used: dict[str, set[str]] = {}
    for path in sources():
        file = path.relative_to(ROOT).as_posix()
        used[file] = {use for use, _ in uses_of(path.read_text())}
    for row in ALLOWED:
        needed = set().union(*(uses for file, uses in used.items() if covers(row, file)))
        given = set(row["uses"])  # type: ignore[call-overload]
        if str(row["file"]).endswith("/**"):
            assert given & needed, row["file"]
        else:
            assert given <= needed, (row["file"], given - needed)


def test_domain_and_crypto_hold_no_exception_but_sealed_boxes() -> None:
    inner = [row for row in ALLOWED if str(row["file"]).startswith(("domain", "crypto"))]
    assert all(row["file"] == "crypto/sealed_box.py" for row in inner), inner
    assert all(row["uses"] == ["random"] for row in inner), inner
