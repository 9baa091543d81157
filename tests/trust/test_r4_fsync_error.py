"""R4: after the first failed sync the process ends; no false acknowledgement, no read served.

First over the disk of H5: the N-th sync of anything (log, WAL, blob, mark, folder) fails once, and
what it should have written is never written, as on Linux. Then, where a C compiler is, in a
process of its own under a preload shim (H6) whose N-th `fsync` or `fdatasync` fails.

Controls: a layer that repeats the failed sync and is told "done" loses what was acknowledged; a
process without fail-stop serves on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import apsw
import pytest
from doubles.kill_child import kill_bench
from doubles.ledger import check_ledger
from doubles.power import Disk, Platter
from doubles.power_work import Works, judge
from doubles.proofs import Proof
from doubles.sizes import sized

from ledger.errors import LedgerClosed, LedgerError, LedgerHalted

POINTS = sized(push=20, full=50, night=2_000)
STEPS = 60
SYNCS = 140
ROOT = Path(__file__).parents[2]
CHILD = ROOT / "tests/shared/doubles/fail_child.py"


def failing(folder: Path, seed: int, number: int, *, repeats: bool = False) -> Works:
    """Run a ledger until its N-th sync has failed."""
    (folder / "disk").mkdir(parents=True)
    disk = Disk(folder / "disk")
    disk.failing, disk.repeats_sync = {number}, repeats
    return Works(disk, seed)


def reads(works: Works) -> Iterator[Callable[[], object]]:
    ledger = works.ledger
    yield lambda: ledger.read(-1, 5)
    yield lambda: ledger.row(0)
    yield lambda: ledger.stream("log")
    yield ledger.head
    yield lambda: ledger.covering(0)
    yield ledger.published
    yield lambda: ledger.known("x", b"")
    yield works.save
    yield ledger.publish


def lost_after(works: Works, folder: Path, seed: int) -> int:
    """Cut the power now, in the worst ways; return how much of what was told is lost."""
    platter = Platter()
    for op in works.disk.trace:
        platter.apply(op)
    lost = 0
    for image in range(3):
        platter.image(works.disk.folder, folder / "image", Random(seed + image))
        verdict = judge(folder / "image", platter.told)
        shutil.rmtree(folder / "image")
        lost += verdict.lost + bool(verdict.refused)
    return lost


def test_the_first_failed_sync_is_the_last(tmp_path: Path, proof: Proof) -> None:
    stopped = begun = 0
    for point in range(POINTS):
        seed, folder = point // SYNCS, tmp_path / str(point)
        number = 1 + point % SYNCS if POINTS > SYNCS else 1 + point * SYNCS // POINTS
        works = failing(folder, seed, number)
        try:
            works.create()
            works.run(STEPS)
        except (LedgerError, OSError, apsw.IOError):
            pass
        else:
            works.ledger.close()
            assert works.disk.syncs < number, f"sync {number} failed and nothing stopped"
            continue
        stopped += 1
        assert len(works.bench.halts) <= 1
        if hasattr(works, "ledger"):
            begun += 1
            syncs = works.disk.syncs
            for read in reads(works):
                with pytest.raises((LedgerHalted, LedgerClosed)):
                    read()
            assert works.disk.syncs == syncs, "a sync was repeated"
            works.ledger.close()
        assert not lost_after(works, folder, point), f"point {point}"
        shutil.rmtree(folder)
    proof("R4", f"{POINTS} points, {stopped} stopped, {begun} while serving; 0 lost, 0 read")
    assert begun >= POINTS // 2


def test_a_repeated_sync_loses_what_was_told(tmp_path: Path, proof: Proof) -> None:
    lost = 0
    for number in range(12, 120, 9):
        folder = tmp_path / str(number)
        works = failing(folder, 3, number, repeats=True)
        works.create()
        works.run(STEPS // 2)
        lost += lost_after(works, folder, number)
        works.ledger.close()
    proof("R4 control", f"{lost} losses behind repeated syncs")
    assert lost


# -- in a process of its own -------------------------------------------------------------------


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("not met: gcc")
    built = tmp_path_factory.mktemp("shim") / "slow_fsync.so"
    source = ROOT / "benchmarks/slow_fsync.c"
    command = [compiler, "-Wall", "-Werror", "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"]
    subprocess.run(command, check=True)
    return built


def told(shim: Path, home: Path, mode: str, first: int, last: int) -> list[list[str]]:
    """Let so many processes fail in turn; return what each told, and its seconds after it."""
    run = [sys.executable, str(CHILD), str(home), mode, str(first), str(last)]
    environment = os.environ | {"LD_PRELOAD": str(shim)}
    child = subprocess.Popen(
        run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    runs: list[list[str]] = [[]]
    failed = 0.0
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            runs[-1].append(line.strip())
            if line == "halted\n":
                failed = time.monotonic()
            elif line.startswith("end "):
                runs[-1].append(f"{time.monotonic() - failed:.3f}")
                runs.append([])
    child.wait()
    return runs[:-1]


def test_the_process_is_gone(shim: Path, tmp_path: Path, proof: Proof) -> None:
    kill_bench(tmp_path).create()
    runs = told(shim, tmp_path, "real", 1, POINTS)
    assert len(runs) == POINTS, "a process served on"
    for number, lines in enumerate(runs, 1):
        assert lines[-2] == "end 3", f"sync {number} failed and the process ran to its end"
        assert lines.count("halted") == 1
        assert "served" not in lines
    acks = [line for lines in runs for line in lines if "/" in line]
    with closing(kill_bench(tmp_path).open(pause=3600)) as ledger:
        false = [
            command
            for command in acks
            if ledger.known(command, hashlib.sha256(command.encode()).digest()) is None
        ]
    assert not false
    check_ledger(kill_bench(tmp_path))
    slowest = max(lines[-1] for lines in runs)
    proof(
        "R4 shim",
        f"{POINTS} processes gone, slowest {slowest} s; {len(acks)} acks, 0 false",
    )
    assert acks


def test_without_fail_stop_the_process_serves_on(shim: Path, tmp_path: Path, proof: Proof) -> None:
    kill_bench(tmp_path).create()
    (lines,) = told(shim, tmp_path, "on", 7, 7)
    after = lines[lines.index("halted") :]
    acks = [line for line in after if "/" in line]
    proof("R4 shim control", f"{after.count('served')} reads and {len(acks)} acks afterwards")
    assert lines[-2] == "end 0"
    assert after.count("served")
    assert acks
