"""Sealing in the browser's module takes the same memory for any size (envelope.md §17)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from doubles.node import FRONT, ROOT, node, packages
from doubles.sizes import sized

MIB = 1_048_576
SIZE = sized(push=64, full=256, night=1024) * MIB
MOST_MIB = 128


def peak(root: Path, document: Path) -> float:
    """Return the greatest resident size, in MiB, of a Node that seals the document."""
    bench = root / "benchmarks" / "sealing_speed.mjs"
    done = node(bench, document, ROOT / "tests" / "vectors" / "envelope" / "file.json")
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout)["rss_mib"])


def hollow(folder: Path) -> Path:
    """Return a document of zeros that takes no room on the disk."""
    document = folder / "offre.bin"
    with document.open("wb") as file:
        file.truncate(SIZE)
    return document


def test_memory_does_not_grow_with_the_document(tmp_path: Path) -> None:
    assert peak(ROOT, hollow(tmp_path)) <= MOST_MIB


def test_a_sealer_that_keeps_what_it_read_is_seen(tmp_path: Path) -> None:
    """The control: the same module without giving back the memory of what it has read."""
    shutil.copytree(FRONT / "src", tmp_path / "frontend" / "src")
    (tmp_path / "frontend" / "node_modules").symlink_to(packages())
    (tmp_path / "frontend" / "package.json").write_bytes((FRONT / "package.json").read_bytes())
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "sealing_speed.mjs", tmp_path / "benchmarks")
    changed = tmp_path / "frontend" / "src" / "canonical.ts"
    giving = "nowhere.postMessage(undefined, [bytes.buffer]);"
    source = changed.read_text()
    assert source.count(giving) == 1
    changed.write_text(source.replace(giving, "kept.push(bytes);") + "\nconst kept: unknown[] = [];\n")
    assert peak(tmp_path, hollow(tmp_path)) > MOST_MIB
