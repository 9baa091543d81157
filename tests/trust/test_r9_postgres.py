"""R9 on PostgreSQL: four writer processes and a reader see one log, one thing after the other.

Every process reads the same monotonic clock around each append; the reader is another process too.
The controls of the check stand in `test_r9_linearizable.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from doubles.kill_child import kill_bench
from doubles.ledger import check_ledger
from doubles.linearizability import Append, HeadRead, Op, check_history
from doubles.postgres import server
from doubles.proofs import Proof
from doubles.sizes import sized

PROGRAM = Path(__file__).parents[1] / "shared" / "doubles" / "kill_child.py"
CHILD = (sys.executable, str(PROGRAM))
WRITERS = sized(push=4, full=4, night=16)
EACH = sized(push=300, full=1_500, night=100_000)

pytestmark = pytest.mark.postgres


def appended(line: str) -> Append:
    asked, answered, position, command = line.split()
    return Append(int(asked), int(answered), int(position), command)


def test_processes_are_linearizable(tmp_path: Path, proof: Proof) -> None:
    schema = server().database().schema
    bench = kill_bench(tmp_path, server().url, schema).create()
    environment = {**os.environ, "KILL_CHILD_THREADS": "1", "KILL_CHILD_EACH": str(EACH)}
    writers = [
        subprocess.Popen(
            [*CHILD, str(tmp_path), f"p{n}", "timed", server().url, schema, f"w{n}"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for n in range(WRITERS)
    ]
    reads: list[Op] = []
    ended = threading.Event()

    def read() -> None:
        replica = bench.reader()
        while not ended.is_set():
            asked = time.monotonic_ns()
            size = replica.size()
            reads.append(HeadRead(asked, time.monotonic_ns(), size))
        replica.close()

    reader = threading.Thread(target=read)
    reader.start()
    told = [writer.communicate()[0].splitlines()[1:] for writer in writers]
    ended.set()
    reader.join()
    ops = [*reads, *(appended(line) for lines in told for line in lines)]
    found = bench.reader()
    log = {
        row.position: f"{row.stream.split('/')[1]}/{row.version}" for row in found.read(0, 10**9)
    }
    found.close()
    check_history(ops, log)
    assert check_ledger(bench) == 1 + WRITERS * EACH
    assert len(reads) > 10
    counted = f"{WRITERS} processes, {WRITERS * EACH} appends, {len(reads)} reads"
    proof("R9 PostgreSQL", f"{counted}: linearizable")
