"""R2: kill -9 at any moment loses nothing that was acknowledged (H4).

1. A child saves with eight threads and writes each acknowledgement to a pipe. The parent, which
   alone survives, counts only what it has read.
2. After 80 to 230 ms (seeded) it kills the child, opens the home again (the normal start), and
   asserts: every acknowledged command is known, the whole log is sound, `integrity_check` is ok,
   and the head extends the last signed checkpoint.
3. What was not acknowledged may be there or not: nothing is asserted about it.

Control: a child that acknowledges before the commit must be caught.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from doubles.kill_child import kill_bench, save_of
from doubles.ledger import check_ledger
from doubles.proofs import Proof
from doubles.sizes import sized

from crypto.notes import parse_checkpoint, parse_note
from ledger.errors import LedgerLocked

CHILD = Path(__file__).parents[1] / "shared" / "doubles" / "kill_child.py"
CYCLES = sized(push=20, full=60, night=5_000)
EACH = sized(push=25, full=84, night=84)  # acknowledged at least before each kill
CHECKED_EVERY = sized(push=10, full=20, night=100)


def killed(home: Path, run: str, mode: str, delay: float) -> list[str]:
    """Run a child until it told enough, and a while; kill it, and return what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(home), run, mode], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    read = b""
    ends = None
    with child.stdout as answers:
        try:
            while ends is None or time.monotonic() < ends or read.count(b"\n") <= EACH:
                if select.select([answers], [], [], 0.01)[0]:
                    part = os.read(answers.fileno(), 65_536)
                    assert part, "the child ended by itself"
                    read += part
                if ends is None and read.startswith(b"ready\n"):
                    ends = time.monotonic() + delay
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        # What the child had written before it died counts too: its caller has it.
        while part := os.read(answers.fileno(), 65_536):
            read += part
    return [line.decode() for line in read.split(b"\n")[1:-1]]


def lost(home: Path, run: str, acks: list[str]) -> list[str]:
    """Start again as always; return the acknowledged commands that the log does not know."""
    bench = kill_bench(home)
    marked = parse_checkpoint(parse_note(bench.high_water.load()).text).size
    ledger = bench.open(pause=3600)
    assert ledger.head() >= marked
    missing = []
    for command in acks:
        thread, number = command.removeprefix(f"{run}-").split("/")
        if ledger.known(command, save_of(run, int(thread), int(number)).digest) is None:
            missing.append(command)
    ledger.close()
    return missing


def test_nothing_acknowledged_is_lost(tmp_path: Path, proof: Proof) -> None:
    kill_bench(tmp_path).create()
    chance = random.Random(2026)
    total = 0
    for cycle in range(CYCLES):
        acks = killed(tmp_path, f"r{cycle}", "real", chance.uniform(0.080, 0.230))
        assert len(acks) == len(set(acks))
        assert not lost(tmp_path, f"r{cycle}", acks)
        if cycle % CHECKED_EVERY == 0 or cycle == CYCLES - 1:
            check_ledger(kill_bench(tmp_path))
        total += len(acks)
    size = check_ledger(kill_bench(tmp_path))
    assert total >= CYCLES * EACH
    proof("R2", f"{CYCLES} kills, {total} acknowledged, 0 lost, {size} entries, seed 2026")


def test_an_acknowledgement_before_the_commit_is_caught(tmp_path: Path, proof: Proof) -> None:
    kill_bench(tmp_path).create()
    chance = random.Random(7)
    caught = 0
    for cycle in range(10):
        acks = killed(tmp_path, f"e{cycle}", "early", chance.uniform(0.080, 0.230))
        caught += len(lost(tmp_path, f"e{cycle}", acks))
        if caught:
            break
    assert caught
    proof("R2 control", f"{caught} acked before the commit and lost, after {cycle + 1} kills")


def test_a_second_server_is_refused_by_the_lock(tmp_path: Path) -> None:
    bench = kill_bench(tmp_path).create()
    first = bench.open()
    with pytest.raises(LedgerLocked):
        kill_bench(tmp_path).open()
    first.close()
