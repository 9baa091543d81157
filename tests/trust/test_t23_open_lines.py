"""T23: strangers who open lines and say nothing never take the files that the log needs.

A process that may open few files, and more idle lines than these: most of the files that are the
platform's own stay free, and it answers when they leave. The control takes as many lines as come:
no file is free, so the next write of the log would fail, and end the process (N2).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.bench import Bench
from doubles.crowd import Request, ServerProcess, answered
from doubles.proofs import Proof

from api.cli.serve import FILES_OF_LINE, OPEN, OWN_FILES, lines_of, most_files

pytestmark = pytest.mark.alone
FILES = OWN_FILES + 200
FEW = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))\n"
GREEDY = "import api.cli.serve as serve; serve.lines_of = lambda _files: serve.OPEN\n"
LINES = FILES + 100
FAIL_STOP = 3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    bench = Bench(tmp_path)
    bench.register()
    bench.close()
    return bench.home.folder


@contextlib.contextmanager
def idle(port: int) -> Iterator[int]:
    """Hold lines on which nothing is said; yield how many."""
    with contextlib.ExitStack() as held:
        for _ in range(LINES):
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        yield LINES


def free(serving: int) -> int:
    """Return how many more files a process may open, once no more lines are taken.

    One that ends meanwhile had none for its log.
    """
    least, quiet = FILES, 0
    while quiet < 20:
        time.sleep(0.05)
        try:
            now = FILES - len(list(Path(f"/proc/{serving}/fd").iterdir()))
        except OSError:
            return 0
        quiet = 0 if now < least else quiet + 1
        least = min(least, now)
    return least


def test_idle_lines_leave_the_log_its_files(home: Path, proof: Proof) -> None:
    server = ServerProcess(home, FEW)
    try:
        serving = server.serving
        with idle(server.port) as lines:
            left = free(serving)
        status, _ = asyncio.run(answered(server.port, Request("GET", "/ledger")))
    finally:
        server.kill()
    assert left > OWN_FILES // 2
    assert status == 200
    proof("T23", f"{lines} idle lines, {FILES} files: {left} of them free for the log")


def test_the_control_has_no_file_left(home: Path, proof: Proof) -> None:
    server = ServerProcess(home, FEW + GREEDY)
    try:
        serving = server.serving
        with idle(server.port) as lines:
            left = free(serving)
        ended = server.process.poll()
    finally:
        server.kill()
    assert left < 10
    assert ended in {None, FAIL_STOP}, "it ended by another fault: nothing is said of files"
    proof("T23 control", f"{lines} idle lines without bound: {left} files free for the log")


def test_how_many_lines_are_open() -> None:
    assert lines_of(OWN_FILES + FILES_OF_LINE * OPEN) == lines_of(10**6) == OPEN
    assert lines_of(1024) == 256
    assert lines_of(64) == 1
    assert lines_of(most_files()) >= 1
