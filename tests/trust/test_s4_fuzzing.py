"""Goal S4: no bytes make a parser fail in any other way than by its own refusal.

Each target of ``doubles.parsers`` is fuzzed by atheris in a process of its own, from kept seeds and
a dictionary of our formats. The seeds are also read in this process, so that a machine without
atheris reads them too. The control is a parser whose bug lies behind a magic and a word.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from doubles.parsers import SEEDS, TARGETS, target_of
from doubles.proofs import Proof
from doubles.sizes import sized

SECONDS = sized(push=4, full=60, night=600)
CONTROL_SECONDS = 60
START = 120
FOLDER = SEEDS.parent
ATHERIS = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="not met: atheris (fuzzing, Linux only)"
)


@dataclass(frozen=True)
class Fuzzed:
    """What a run of the fuzzer did: how many inputs, and the one that broke the target."""

    inputs: int
    said: str
    broken: bytes | None


def seeds(target: str) -> list[Path]:
    return sorted((SEEDS / target).iterdir())


def fuzz(target: str, seconds: int, place: Path) -> Fuzzed:
    """Fuzz one target; its corpus grows in a folder of the test, the kept seeds stay."""
    found = place / "found"
    found.mkdir()
    options = [f"-dict={FOLDER / 'pli.dict'}", f"-max_total_time={seconds}", "-seed=1"]
    options += [f"-artifact_prefix={place}/", "-print_final_stats=1", "-timeout=20"]
    options += ["-rss_limit_mb=2048", str(found), str(SEEDS / target)]
    ended = subprocess.run(
        [sys.executable, str(FOLDER / "fuzz_target.py"), target, *options],
        capture_output=True,
        timeout=seconds + START,
        check=False,
        env=os.environ | {"PYTHONPATH": str(FOLDER.parents[1])},
    )
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    count = re.search(r"number_of_executed_units:\s*(\d+)", said)
    broken = next(iter(sorted(place.glob("*-*"))), None)
    if ended.returncode and broken is None:
        raise AssertionError(said[-3_000:])
    return Fuzzed(int(count[1]) if count else 0, said[-3_000:], broken and broken.read_bytes())


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_seed_is_read_or_refused(target: str) -> None:
    run = TARGETS[target].make()
    assert seeds(target)
    for seed in seeds(target):
        run(seed.read_bytes())
    run(b"")


@ATHERIS
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_input_breaks_a_parser(target: str, tmp_path: Path, proof: Proof) -> None:
    done = fuzz(target, SECONDS, tmp_path)
    assert done.broken is None, f"keep as a seed: {done.broken!r}\n{done.said}"
    assert done.inputs > len(seeds(target)), done.said
    proof(f"S4 {target}", f"{done.inputs:,} inputs in {SECONDS} s, 0 uncaught")


@ATHERIS
def test_a_planted_bug_is_found(tmp_path: Path, proof: Proof) -> None:
    seed = next(iter(seeds("planted"))).read_bytes()
    target_of("planted").make()(seed)
    done = fuzz("planted", CONTROL_SECONDS, tmp_path)
    assert done.broken is not None, done.said
    assert b'"suite"' in done.broken
    assert "IndexError: planted" in done.said
    proof("S4 control", f"a planted bug is found by input {done.inputs:,}")
