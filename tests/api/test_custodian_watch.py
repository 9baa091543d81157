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
from api.adapters.custodian_processes import Beside, CustodianProcess
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

    def __call__(self) -> Any:
        done = self.does.pop(0)
        if isinstance(done, OSError):
            raise done
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
    monkeypatch.setattr(CustodianProcess, "_spawn", lambda _: spawns())
    monkeypatch.setattr(custodian_processes, "AGAIN_US", 0)
    monkeypatch.setattr(custodian_processes, "LOOK_S", 0.01)
    return CustodianProcess(
        tmp_path / "custodians" / "custodian-1", tmp_path / "keys" / "custodian-1.credential"
    )


def looking() -> bool:
    return "custodians" in {thread.name for thread in threading.enumerate()}


def test_a_machine_that_cannot_start_it_now_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.EAGAIN, "no more processes")
    spawns = Spawns(None, full, full, None)
    process = watched(tmp_path, monkeypatch, spawns)
    with Beside([process]).watched():
        spawns.children[0].close()
        spawns.until(2)
    process.stop()
    assert spawns.children[1].ended.is_set()


def test_who_looks_has_ended_before_the_custodians_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawns = Spawns(None, None)
    process = watched(tmp_path, monkeypatch, spawns)
    with Beside([process]).watched():
        assert looking(), "the control: while they serve somebody looks"
        spawns.children[0].close()
    assert not looking(), "else one is started behind the back of whoever ends them"
    process.stop()
    assert all(child.ended.is_set() for child in spawns.children)
