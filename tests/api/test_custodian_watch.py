"""An embedded custodian that dies is started again: where that fails, and at the end of it all."""

from __future__ import annotations

import errno
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from doubles.local_custody import SeededRng
from doubles.views import ShownLedger

from api.adapters import custodian_processes
from api.adapters.custodian_processes import CustodianProcess
from api.adapters.custodians import create_local, credential_files

PATIENCE_S = 20


class Child:
    """A process that lives until its standard input is closed, or it is killed."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.stdin = self

    def close(self) -> None:
        self.ended.set()

    kill = close

    def wait(self, timeout: float | None = None) -> int:
        if not self.ended.wait(PATIENCE_S if timeout is None else timeout):
            raise subprocess.TimeoutExpired("child", timeout or PATIENCE_S)
        return 0

    def poll(self) -> int | None:
        return 0 if self.ended.is_set() else None


class Spawns:
    """What the machine does at each start: a child, or a failure."""

    def __init__(self, *does: Any) -> None:
        self.does = list(does)
        self.children: list[Child] = []
        self.started = threading.Condition()

    def __call__(self, watched: CustodianProcess) -> Any:
        done = self.does.pop(0)
        with self.started:
            self.started.notify_all()
        if isinstance(done, OSError):
            raise done
        if callable(done):
            done(watched)
        self.children.append(Child())
        with self.started:
            self.started.notify_all()
        return self.children[-1]

    def until(self, count: int) -> None:
        with self.started:
            assert self.started.wait_for(lambda: len(self.children) >= count, PATIENCE_S)


def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawns: Spawns) -> CustodianProcess:
    create_local(
        tmp_path / "custodians",
        organisation="platform",
        log=ShownLedger().vkey,
        credential=credential_files(tmp_path / "keys"),
        random=SeededRng(),
        names=("custodian-1",),
    )
    monkeypatch.setattr(CustodianProcess, "_spawn", lambda one: spawns(one))  # noqa: PLW0108 - bound
    monkeypatch.setattr(custodian_processes, "AGAIN_S", 0.0)
    process = CustodianProcess(
        tmp_path / "custodians" / "custodian-1", tmp_path / "keys" / "custodian-1.credential"
    )
    process._watching.start()
    return process


def test_a_machine_that_cannot_start_it_now_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.EAGAIN, "no more processes")
    spawns = Spawns(None, full, full, None)
    process = watched(tmp_path, monkeypatch, spawns)
    spawns.children[0].close()
    spawns.until(2)
    process.stop()
    assert not process._watching.is_alive()
    assert spawns.children[1].ended.is_set()


def test_an_end_that_comes_while_it_is_started_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(watched: CustodianProcess) -> None:
        watched._stopping.set()  # as `stop` begins; it feeds and awaits the one that died

    spawns = Spawns(None, end)
    process = watched(tmp_path, monkeypatch, spawns)
    spawns.children[0].close()
    process._watching.join(PATIENCE_S / 2)
    assert not process._watching.is_alive(), "else `stop` waits for it for ever"
    process.stop()
    assert spawns.children[1].ended.is_set()
