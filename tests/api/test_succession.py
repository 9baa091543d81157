"""What serves is struck down and the next serves at once; what leaves by itself is not followed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.bench import Bench
from doubles.crowd import ServerProcess, children, end_with_successors, zombie

from api.adapters.succession import FIRST_PAUSE_S, LONGEST_PAUSE_S, MOST, pause_before

FORKED = """
import os, signal, sys, threading
from api.adapters import succession
from api.cli import guarded
def serve():
    print(os.getpid(), threading.active_count(), flush=True)
    {does}
    return 0
def whole():
    sys.exit(succession.Succession(serve, lambda: None).run())
sys.exit(guarded(whole))
"""
"""A first process whose successors say their name, then do what the test gives them to do."""
WAITS = "signal.pause()"


class First:
    """A first process, and what its successors say."""

    def __init__(self, does: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKED.format(does=does)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> int:
        """Return the process that serves now, once it says so."""
        assert self.process.stdout is not None
        name, threads = self.process.stdout.readline().split()
        assert threads == "1", "a thread of the first process is gone in the next"
        return int(name)

    def ended(self) -> tuple[int, str]:
        """Return its exit status and what stood on stderr, once it has ended."""
        told = self.process.communicate(timeout=60)[1]
        return self.process.returncode, told


def until_gone(process: int) -> None:
    never = threading.Event()
    for _ in range(3_000):
        if zombie(process):
            return
        never.wait(0.01)
    raise AssertionError("it is still there")


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_after_one_that_was_struck_down_the_next_serves(by: signal.Signals) -> None:
    first = First(WAITS)
    struck = first.next()
    os.kill(struck, by)
    successor = first.next()
    assert successor != struck
    first.process.terminate()
    status, told = first.ended()
    assert (status, told.count("server.restarted"), by.name in told) == (0, 1, True)
    assert zombie(successor), "asked to end, the whole ends"


@pytest.mark.parametrize(
    ("does", "status"),
    [
        ("os._exit(3)", 3),  # a fail-stop: nothing is served after it
        ("return 0", 0),
        ("raise RuntimeError('of ours')", 1),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_what_leaves_by_itself_is_not_followed(does: str, status: int) -> None:
    first = First(does)
    first.next()
    ended, told = first.ended()
    assert (ended, "server.restarted" in told) == (status, False)
    assert ("RuntimeError: of ours" in told) == (status == 1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_is_passed_on(how: signal.Signals) -> None:
    first = First("signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); signal.pause()")
    first.next()
    first.process.send_signal(how)
    assert first.ended()[0] == 0


def test_who_serves_ends_with_the_first_process_however_that_dies() -> None:
    first = First(WAITS)
    serving = first.next()
    first.process.kill()
    first.ended()
    until_gone(serving)


def test_processes_that_die_of_their_start_are_given_up_after_growing_pauses() -> None:
    first = First("os.kill(os.getpid(), signal.SIGKILL)")
    assert len({first.next() for _ in range(4)}) == 4
    first.process.terminate()
    assert first.ended()[0] in {0, 128 + signal.SIGKILL}, "asked to end, it goes on no more"
    pauses = [pause_before(count) for count in range(1, MOST)]
    assert pauses == sorted(pauses)
    assert pauses[:2] == [0, FIRST_PAUSE_S]
    assert pause_before(MOST + 20) == LONGEST_PAUSE_S
    quick = "succession.pause_before = lambda struck: 0\n"
    done = subprocess.run(
        [sys.executable, "-c", quick_program(quick)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "[platform.struck-down]" in done.stderr) == (3, True)
    assert len(done.stdout.splitlines()) == MOST


def quick_program(patch: str) -> str:
    program = FORKED.format(does="os.kill(os.getpid(), signal.SIGKILL)")
    return program.replace("def serve", f"{patch}def serve")


@pytest.fixture
def server(bench: Bench) -> Iterator[ServerProcess]:
    bench.close()
    made = ServerProcess(bench.home.folder)
    yield made
    end_with_successors(made.process)
    bench.reopen()


def test_the_first_process_of_a_server_holds_nothing_of_its_home(
    server: ServerProcess, bench: Bench
) -> None:
    first, home = server.process.pid, str(bench.home.folder)
    assert len(list(Path(f"/proc/{first}/task").iterdir())) == 1
    assert not any(home in name for name in files_of(first))
    assert any(home in name for name in files_of(server.serving)), "the control: who serves does"
    struck = server.serving
    server.strike()
    assert server.serving != struck
    assert len(children(first)) == 1
    server.process.terminate()
    assert server.process.wait(60) == 0


def files_of(process: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{process}/fd").iterdir():
        try:
            found.add(str(path.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found
