"""R11: views rebuilt equal views that followed, in other processes, hash seeds, zones, locales.

Positive controls: folds that lean on the order of a set, on the local zone or on where a batch
began must be caught by the same comparison.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.proofs import Proof
from doubles.sizes import sized

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "r11_program.py"
WORLDS = (
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8"},
)


def dumps(folder: Path, control: str, procedures: int) -> Iterator[str]:
    """Run the program once in each world: live in odd batches, then rebuilt; yield digests."""
    for number, world in enumerate(WORLDS):
        home = folder / f"{control}-{number}"
        home.mkdir()
        paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "shared")))
        environment = {**os.environ, **world, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(home), control, str(procedures)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield from done.stdout.split()


def test_rebuilt_equals_live_everywhere(tmp_path: Path, proof: Proof) -> None:
    procedures = sized(push=20, full=500, night=20_000)
    found = list(dumps(tmp_path, "none", procedures))
    assert len(found) == 4
    assert len(set(found)) == 1
    proof("R11", f"{procedures} procedures, 4 processes (hash seeds, zones, locales), equal views")


@pytest.mark.parametrize("control", ["set-order", "zone", "batch"])
def test_a_projection_that_is_not_deterministic_is_caught(tmp_path: Path, control: str) -> None:
    assert len(set(dumps(tmp_path, control, 5))) > 1
