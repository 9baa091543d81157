"""The views' thread outlives what fails under it, and a full disk beside the ledger is a 507."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest
from doubles.bench import Bench

from api.adapters.follower import ViewsFollower
from ledger.errors import LedgerClosed


class Failing:
    """A runner that fails twice, then follows until it is stopped."""

    def __init__(self) -> None:
        self.tries = 0
        self.followed = threading.Event()
        self.stopped = threading.Event()

    def follow(self) -> None:
        self.tries += 1
        if self.tries < 3:
            raise sqlite3.OperationalError("database or disk is full")
        self.followed.set()
        self.stopped.wait(30)

    def stop(self) -> None:
        self.stopped.set()

    def wake(self) -> None:
        return


class Ledger:
    """A ledger that has stopped."""

    def head(self) -> int:
        raise LedgerClosed


class Engine:
    def dispose(self) -> None:
        return


def test_views_go_on_once_there_is_room_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("api.adapters.follower.AGAIN_S", 0.01)
    runner: Any = Failing()
    follower = ViewsFollower(Ledger(), runner, Engine())  # type: ignore[arg-type]
    follower.start()
    assert runner.followed.wait(30)
    follower.stop()
    assert runner.tries == 3
    assert capsys.readouterr().err.count('"event":"views.failed","code":"OperationalError"') == 1, (
        "said once"
    )


@pytest.mark.parametrize(("code", "status"), [(sqlite3.SQLITE_FULL, 507), (1, 500)])
def test_a_full_disk_under_the_accounts_is_no_traceback(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int, status: int
) -> None:
    def full(*_: object) -> None:
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(bench.platform.accounts, "authenticate", full)
    answer = bench.get("/api/v1/deposits", bench.tokens.company)
    assert answer.status_code == status
    assert answer.json()["status"] == status
