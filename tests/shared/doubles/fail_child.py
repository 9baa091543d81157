"""Programs whose disk fails: four threads save, and all that happens is told by a pipe.

``python fail_child.py HOME MODE FIRST LAST`` under LD_PRELOAD of `benchmarks/slow_fsync.c`: one
process after the other, the N-th sync of the N-th fails. Lines: ``ready``, an acknowledged command,
``halted``, ``served`` for each read that was begun after the failure and answered, ``refused``, and
``end STATUS``. MODE ``on`` is the planted mistake: fail-stop is taken out and the program goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":  # in place of this folder, whose names shadow the library's
    sys.path[:1] = [str(ROOT), str(ROOT / "tests" / "shared")]

from doubles.kill_child import kill_bench, save_of  # noqa: E402

from api.cli.serve import _leave_at_once  # noqa: E402
from ledger.application import Ledger  # noqa: E402
from ledger.errors import LedgerError, LedgerHalted  # noqa: E402
from ledger.fail_stop import FailStop  # noqa: E402

THREADS = 4
MOST = 400
PATIENCE_S = 20


class Halts(list):  # type: ignore[type-arg]
    """The list of a bench's halts, of which only ``append`` is used."""

    def __init__(self, halt: Callable[[LedgerHalted], None]) -> None:
        self.append = halt  # type: ignore[method-assign,assignment]


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def trip_without_stopping(self: FailStop, reason: str) -> LedgerError:
    failure = LedgerHalted(reason)
    self._halt(failure)
    return failure


def work(ledger: Ledger, run: str, thread: int, mode: str) -> None:
    number = 1
    while number < MOST:
        save = save_of(run, thread, number)
        try:
            ledger._store.sequencer.submit(save)
        except LedgerError:
            if mode != "on":
                raise
            continue  # the planted mistake: ask again as if nothing had happened
        tell(save.command)
        number += 1


def run(home: Path, name: str, mode: str) -> None:
    """Be one program to its end."""
    bench = kill_bench(home)
    opened: list[Ledger] = []

    def halt(failure: LedgerHalted) -> None:
        tell("halted")
        for ledger in opened:
            for read in (partial(ledger.read, -1, 5), partial(ledger.row, 0), ledger.head):
                try:
                    read()
                    tell("served")
                except LedgerHalted:
                    tell("refused")
        if mode != "on":  # as the platform does
            threading.Thread(target=_leave_at_once, args=(None,)).start()

    bench.halts = Halts(halt)
    ledger = bench.open(pause=0.02)
    opened.append(ledger)
    tell("ready")
    workers = [
        threading.Thread(target=work, args=(ledger, name, thread, mode))
        for thread in range(THREADS)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    with suppress(LedgerError):
        ledger.close()


def main() -> None:
    """Fork one program for each number: what is imported is shared."""
    home, mode = Path(sys.argv[1]), sys.argv[2]
    threading.excepthook = lambda args: None
    if mode == "on":
        FailStop.trip = trip_without_stopping  # type: ignore[method-assign]
    for number in range(int(sys.argv[3]), int(sys.argv[4]) + 1):
        os.environ["PLI_FSYNC_FAIL_FROM"] = str(number)
        os.environ["PLI_FSYNC_FAIL_ONCE"] = str(number % 2)
        child = os.fork()
        if child == 0:
            with suppress(LedgerError):
                run(home, f"n{number}", mode)
            if mode != "on":  # ended by a signal if it stays
                signal.alarm(PATIENCE_S)
                threading.Event().wait()  # a server does not end by itself
            os._exit(0)
        _, status = os.waitpid(child, 0)
        tell(f"end {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
