"""R9: four writers and a reader see one log that does one thing after the other (H15), on SQLite.

Each append notes when it was asked and when it was answered. Controls: a writer that takes its
position from a stale head, one that answers before a commit that never comes, one that loses a
payload: each of these histories must be refused, and so must each hand-made wrong history.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.kill_child import kill_bench, save_of
from doubles.ledger import check_ledger
from doubles.linearizability import Append, HeadRead, NotLinearizable, Op, check_history
from doubles.proofs import Proof
from doubles.sizes import sized

from ledger.application import Ledger

WRITERS = sized(push=4, full=4, night=16)
EACH = sized(push=1_500, full=1_500, night=100_000)


def told(ledger: Ledger, each: int, submit: Callable[[Ledger, int, int], int]) -> list[Op]:
    """Let all writers append beside a reader; return who was told what, and when."""
    ticks = itertools.count()
    ops: list[list[Op]] = [[] for _ in range(WRITERS + 1)]
    begin, ended = threading.Barrier(WRITERS + 1), threading.Event()

    def write(thread: int) -> None:
        begin.wait()
        for number in range(1, each + 1):
            asked = next(ticks)
            position = submit(ledger, thread, number)
            ops[thread].append(Append(asked, next(ticks), position, f"h-{thread}/{number}"))

    def read() -> None:
        begin.wait()
        while not ended.is_set():
            asked = next(ticks)
            size = ledger.head()
            ops[-1].append(HeadRead(asked, next(ticks), size))
            ledger.wait_beyond(size, 0.01)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(WRITERS)]
    for each_thread in (reader, *writers):
        each_thread.start()
    for writer in writers:
        writer.join()
    ended.set()
    reader.join()
    return [op for part in ops for op in part]


def real(ledger: Ledger, thread: int, number: int) -> int:
    return ledger._store.sequencer.submit(save_of("h", thread, number)).first


def stored(ledger: Ledger) -> dict[int, str]:
    """Return which save stands at each position beyond entry 0."""
    found: dict[int, str] = {}
    while rows := ledger.read(max(found, default=0), 1_000):
        found |= {row.position: f"{row.stream.split('/')[1]}/{row.version}" for row in rows}
    return found


def test_the_ledger_is_linearizable(tmp_path: Path, proof: Proof) -> None:
    bench = kill_bench(tmp_path).create()
    ledger = bench.open(pause=0.1)
    ops = told(ledger, EACH, real)
    check_history(ops, stored(ledger))
    ledger.close()
    reads = sum(isinstance(op, HeadRead) for op in ops)
    assert check_ledger(bench) == 1 + WRITERS * EACH
    proof("R9", f"{len(ops) - reads} appends of {WRITERS} writers, {reads} reads: linearizable")
    assert reads > 10


def racy(ledger: Ledger, thread: int, number: int) -> int:
    """Tell the position that the head had before."""
    seen = ledger.head()
    real(ledger, thread, number)
    return seen


TURN = threading.Lock()


def early(ledger: Ledger, thread: int, number: int) -> int:
    """Answer with the right position, before a commit that never comes for the last one."""
    with TURN:
        position = ledger.head()
        if thread or number < 50:
            real(ledger, thread, number)
        return position


def losing(ledger: Ledger, thread: int, number: int) -> int:
    """Record the seventh save of each writer with the content of another."""
    if number == 7:
        return ledger._store.sequencer.submit(save_of("x", thread, 1)).first
    return real(ledger, thread, number if number < 7 else number - 1)


@pytest.mark.parametrize(
    ("mutant", "told_so"),
    [
        (racy, "was told for"),
        (early, "appends were told, the log holds|was told"),
        (losing, "was told"),
    ],
    ids=["racy", "early", "losing"],
)
def test_a_broken_writer_is_caught(
    tmp_path: Path, mutant: Callable[[Ledger, int, int], int], told_so: str, proof: Proof
) -> None:
    ledger = kill_bench(tmp_path).create().open(pause=0.1)
    ops = told(ledger, 50, mutant)
    log = stored(ledger)
    ledger.close()
    with pytest.raises(NotLinearizable, match=told_so) as caught:
        check_history(ops, log)
    proof(f"R9 control {mutant.__name__}", f"caught: {caught.value}"[:120])


GOOD: list[Op] = [Append(0, 2, 0, "a"), HeadRead(1, 3, 1), Append(4, 5, 1, "b"), HeadRead(6, 7, 2)]
LOG = {0: "a", 1: "b"}


def test_a_good_history_passes_even_with_unknown_outcomes() -> None:
    check_history(GOOD, LOG)
    check_history(GOOD, {**LOG, 2: "unknown"}, whole=False)
    check_history([], {})


@pytest.mark.parametrize(
    ("ops", "log"),
    [
        ([Append(0, 1, 0, "a"), Append(0, 1, 0, "b")], {0: "a"}),
        ([Append(0, 1, 0, "a"), Append(0, 1, 2, "b")], {0: "a", 2: "b"}),
        (GOOD, {0: "a"}),
        (GOOD, {0: "a", 1: "x"}),
        ([Append(0, 1, 1, "a"), Append(2, 3, 0, "b")], {0: "b", 1: "a"}),
        ([*GOOD, HeadRead(8, 9, 1)], LOG),
        ([HeadRead(0, 1, 2), HeadRead(2, 3, 1)], {}),
    ],
    ids=["twice", "gap", "lost", "other", "real-time", "stale-head", "head-goes-back"],
)
def test_a_wrong_history_is_refused(ops: list[Op], log: dict[int, str]) -> None:
    with pytest.raises(NotLinearizable):
        check_history(ops, log)


@pytest.mark.parametrize("log", [{0: "a", 2: "b"}, {0: "a", 1: "a"}])
def test_a_wrong_final_log_is_refused(log: dict[int, str]) -> None:
    with pytest.raises(NotLinearizable):
        check_history([], log, whole=False)
