"""Every verb of ``pli`` is a file, a line of the README, a line of ``--help``, and starts light."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from api.cli import COMMANDS, overview

ROOT = Path(__file__).resolve().parents[2]
# pydantic is not among them: typer itself imports it where it finds it
NAMES = "fastapi starlette sqlalchemy eventsourcing typst granian nacl httpx2 jinja2 babel"
HEAVY = frozenset(NAMES.split())
# what even the --help of one verb must not pay for
SERVER = frozenset({"fastapi", "starlette", "sqlalchemy", "typst", "granian", "jinja2"})
PROGRAM = """
import json, sys
from api.cli import run
status = run({arguments!r})
loaded = sorted({{name.split(".")[0] for name in sys.modules}})
sys.stderr.write(json.dumps([status, loaded]))
"""


def started(*arguments: str) -> tuple[int, frozenset[str], str]:
    """Run ``pli`` in a fresh process: exit status, top-level modules loaded, what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=list(arguments))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    last = done.stderr.splitlines()[-1] if done.stderr else "[]"
    assert last.startswith("["), done.stderr[-2_000:]
    status, modules = json.loads(last)
    return status, frozenset(modules), done.stdout


def verbs_of_readme(text: str) -> set[str]:
    """Return the verbs that the README says ``pli --help`` lists."""
    listed = re.search(r"`pli --help` lists them: `([a-z ]+)`", text)
    assert listed, "the README lists the verbs of pli"
    return set(listed.group(1).split())


def verbs_of_files(names: Iterable[str]) -> set[str]:
    """Return the verbs that the files of ``api/cli`` stand for."""
    return {name.removesuffix(".py") for name in names if name != "__init__.py"}


def test_each_verb_is_a_file_and_each_file_a_verb() -> None:
    files = verbs_of_files(path.name for path in (ROOT / "api" / "cli").glob("*.py"))
    assert files == set(COMMANDS)


def test_the_readme_lists_the_same_verbs() -> None:
    assert verbs_of_readme((ROOT / "README.md").read_text()) == set(COMMANDS)


def test_help_lists_the_same_verbs_in_both_languages() -> None:
    for lang in ("fr", "en"):
        shown = re.findall(r"^  ([a-z]+) +\S", overview(lang), re.MULTILINE)
        assert shown == list(COMMANDS)
    assert overview("fr") != overview("en")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["verify", "--help"], ["verify", "log", "--help"]]
)
def test_help_and_verification_load_nothing_heavy(arguments: list[str]) -> None:
    status, modules, shown = started(*arguments)
    assert status == 0
    assert shown
    assert not sorted(modules & HEAVY)


@pytest.mark.parametrize("verb", COMMANDS)
def test_each_verb_explains_itself(verb: str) -> None:
    status, modules, shown = started(verb, "--help")
    assert status == 0
    assert "usage" in shown.lower()
    assert not sorted(modules & SERVER)


def test_planted_a_heavy_module_is_seen() -> None:
    loaded = "from api.cli import run\nimport fastapi"
    program = PROGRAM.replace("from api.cli import run", loaded).format(arguments=["--help"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"fastapi", "starlette"} <= set(json.loads(done.stderr)[1]) & HEAVY


def test_planted_a_verb_that_is_only_listed_is_seen() -> None:
    assert verbs_of_readme("`pli --help` lists them: `seal shred`. Each") != set(COMMANDS)
    assert verbs_of_files(["__init__.py", "shred.py"]) == {"shred"}
