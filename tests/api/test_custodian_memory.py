"""A custodian's memory has one connection: before 3.51.3 SQLite may corrupt what two write."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import Case
from doubles.local_custody import Bench

from api.adapters.custodian_state import STATE, CustodianState, check_answers
from ledger.witness import Remember

ORIGIN = "ledger.test/1"


def test_answers_and_cosignatures_share_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Counter[str] = Counter()
    real = sqlite3.connect

    def counted(path: Any, **given: Any) -> sqlite3.Connection:
        opened[str(path)] += 1
        return real(path, **given)

    monkeypatch.setattr(sqlite3, "connect", counted)
    bench = Bench(tmp_path)
    assert opened == {str(bench.folder / name / STATE): 1 for name in bench.names}
    bench.port.close()


def test_a_cosignature_waits_for_an_answer_and_is_not_rolled_back_with_it(tmp_path: Path) -> None:
    state = CustodianState(tmp_path / STATE)
    note = Case().published().ledger.note()
    begun, done = threading.Event(), threading.Event()

    def cosign() -> None:
        begun.set()
        state.remember(Remember(ORIGIN, None, note))
        done.set()

    def answer() -> None:
        with state.answer({"x": 1}, b"", "now"):
            other.start()
            assert begun.wait(10)
            assert state.witnessed(ORIGIN) is None
            assert not done.is_set(), "it waits: one transaction at a time"
            raise OSError("power lost")

    other = threading.Thread(target=cosign)
    with pytest.raises(OSError, match="power lost"):
        answer()
    other.join(10)
    assert done.is_set()
    assert state.answers() == []
    assert state.witnessed(ORIGIN) == note
    with state.answer({"x": 2}, b"", "now"):
        pass
    assert check_answers(state.answers()) == 1
    state.close()
