"""What seals in a browser answers every vector as Python does, and its types hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from doubles.node import FRONT, ROOT, node, packages

VECTORS = ROOT / "tests" / "vectors" / "envelope"
RUNNER = ROOT / "tests" / "frontend" / "known_answers.mjs"
# what custodians and the opening do; a browser never does
ELSEWHERE = {"alive", "recovery", "partial-make", "partial", "combine", "package"}
ELSEWHERE |= {"dkg-make1", "dkg-round1", "dkg-finish"}
ELSEWHERE |= {"quorum", "step", "rule", "local", "placement", "plan", "fault", "custodian"}


def vectors(*names: str) -> list[dict[str, Any]]:
    return [one for name in names for one in json.loads((VECTORS / name).read_text())["vectors"]]


def missed(answers: str, expected: list[dict[str, Any]]) -> list[str]:
    """Return the vectors that were answered otherwise, or not at all."""
    given = {one["id"]: one for one in map(json.loads, answers.splitlines())}
    return [
        one["id"]
        for one in expected
        if (found := given.get(one["id"])) is None
        or found["got"] != one["expect"]
        or any(found["out"].get(key) != value for key, value in one.get("out", {}).items())
    ]


def test_every_vector_that_a_browser_needs() -> None:
    names = sorted(path.name for path in VECTORS.glob("*.json"))
    expected = [one for one in vectors(*names) if one["op"] not in ELSEWHERE]
    done = node(RUNNER, *(VECTORS / name for name in names))
    assert done.returncode == 0, done.stderr
    assert len(expected) > 250
    assert not missed(done.stdout, expected)


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("pli1.ts", "concat(Uint8Array.of(0), data)", "data"),
        ("canonical.ts", "written(value, 1) !== text", "false"),
        ("package.ts", "FORBIDDEN.test(name)", "false"),
        ("group.ts", "!sodium.crypto_core_ed25519_is_valid_point(point)", "false"),
        ("group.ts", "!equal(again, e)", "false"),
    ],
)
def test_a_planted_fault_is_seen(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    """Either vectors are answered otherwise, or the self-test refuses to begin."""
    changed = tmp_path / "frontend"
    shutil.copytree(FRONT / "src", changed / "src")
    (changed / "node_modules").symlink_to(packages())
    (changed / "package.json").write_bytes((FRONT / "package.json").read_bytes())
    source = (changed / "src" / file).read_text()
    assert source.count(right) == 1
    (changed / "src" / file).write_text(source.replace(right, wrong))
    runner = tmp_path / "tests" / "frontend" / RUNNER.name
    runner.parent.mkdir(parents=True)
    shutil.copy(RUNNER, runner)
    names = ("hash.json", "group.json", "capsule.json")
    if file == "package.ts":
        names = ("package.json",)
    done = node(runner, *(VECTORS / name for name in names))
    expected = [one for one in vectors(*names) if one["op"] not in ELSEWHERE]
    assert done.returncode != 0 or missed(done.stdout, expected)
    if "is_valid_point" in right:
        assert "self-test" in done.stderr


def test_the_types_hold() -> None:
    done = node(packages() / "typescript" / "bin" / "tsc", "--noEmit", cwd=FRONT)
    assert done.returncode == 0, done.stdout + done.stderr
