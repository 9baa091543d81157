"""A whole log folded by kinds; what is not proven is not taken, wherever it was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from doubles.entries import HandLedger
from doubles.procedures import whole_story

from crypto import merkle
from ledger.entry import Row, leaf
from projections.facts import Fact
from replay.fold import NotProven, Proof, fold, rebuilt


class Log:
    """Rows in memory, as they were or changed."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)

    def read(self, after: int, limit: int) -> list[Row]:
        return self.rows[after + 1 : after + 1 + limit]

    def stream(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.stream == name]

    def root(self) -> bytes:
        return merkle.root([row.leaf for row in self.rows])


def real(ledger: HandLedger, times: int = 1) -> Log:
    """Return the hand-made rows as the store gives them."""
    return Log(
        [Row(r.position, r.stream, r.version, r.kind, leaf(r.entry), r.entry) for r in ledger.rows]
    )


def count(state: Counter[str], fact: Fact) -> None:
    state[fact.aggregate] += 1


def test_a_handler_sees_the_entries_of_its_kinds_and_no_others() -> None:
    log = real(whole_story().ledger)
    found = fold(log, Counter[str](), {"DepositSealed": count, "BuyerRegistered": count})
    assert found == Counter(
        row.stream.partition("/")[0]
        for row in log.rows
        if row.kind in {"DepositSealed", "BuyerRegistered"}
    )
    assert found["deposit"] > 1


def test_streams_are_rebuilt_one_after_the_other() -> None:
    log = real(whole_story().ledger)
    names = sorted({row.stream for row in log.rows if row.stream.startswith("deposit/")})
    found = dict(rebuilt(log, names, lambda name: Counter[str](), {"DepositSealed": count}))
    assert list(found) == names
    assert sum(each["deposit"] for each in found.values()) == sum(
        row.kind == "DepositSealed" for row in log.rows
    )


def test_a_sound_log_is_proven_to_its_root() -> None:
    log = real(whole_story().ledger)
    proof = Proof()
    fold(log, None, {}, proof)
    assert proof.finish(log.root()) == len(log.rows)


def test_another_root_is_not_proven() -> None:
    log = real(whole_story().ledger)
    proof = Proof()
    fold(log, None, {}, proof)
    with pytest.raises(NotProven):
        proof.finish(bytes(32))


def restated(row: Row, entry: bytes) -> Row:
    return row._replace(entry=entry, leaf=leaf(entry))


CHANGES: dict[str, Callable[[Row], Row]] = {
    "a byte": lambda row: row._replace(entry=row.entry.replace(b'"at"', b'"as"', 1)),
    "its leaf": lambda row: row._replace(leaf=bytes(32)),
    "its position": lambda row: row._replace(position=row.position + 1),
    "its version": lambda row: row._replace(version=row.version + 1),
    "its kind": lambda row: row._replace(kind="Otherwise"),
    "its stream": lambda row: row._replace(stream="buyer/other", version=1),
    "the link": lambda row: restated(row, row.entry.replace(b'"prev":"', b'"prev":"0', 1)),
    "the words moved into data": lambda row: restated(
        row, row.entry[:-1] + b',"kind":"X","version":%d}' % row.version
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", [0, 17, -1])
def test_a_changed_row_is_found_at_its_place(change: str, place: int) -> None:
    log = real(whole_story().ledger)
    row = log.rows[place]
    log.rows[place] = CHANGES[change](row)
    with pytest.raises(NotProven) as found:
        fold(log, None, {}, Proof())
    assert found.value.position in {row.position, row.position + 1}
