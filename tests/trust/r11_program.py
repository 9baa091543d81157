"""One world of R11: follow a ledger in odd batches, rebuild it, print both digests."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from doubles.procedures import MEL, Teller, whole_story

from projections import store
from projections.changes import Change, Fold, Put
from projections.facts import Fact
from projections.rebuild import dump_of
from projections.runner import FOLDS, Runner
from projections.tables import messages


def marked(fact: Fact, text: str) -> Put:
    row = {"transmission": fact.stream, "version": fact.version, "text": text}
    return Put(messages, row)


def by_set_order(fact: Fact) -> Iterator[Change]:
    yield marked(fact, " ".join({fact.kind, fact.stream, fact.at, *fact.data}))


def by_zone(fact: Fact) -> Iterator[Change]:
    local = datetime.fromisoformat(fact.at).astimezone()
    yield marked(fact, local.strftime("%Y-%m-%d"))


def by_batch() -> Fold:
    seen = 0

    def fold(fact: Fact) -> Iterator[Change]:
        nonlocal seen
        seen += 1
        yield marked(fact, str(seen))

    return fold


def folds_of(control: str) -> tuple[Fold, ...]:
    planted: dict[str, tuple[Fold, ...]] = {
        "none": (),
        "set-order": (by_set_order,),
        "zone": (by_zone,),
        "batch": (by_batch(),),
    }
    return (*FOLDS, *planted[control])


def told(procedures: int) -> Teller:
    teller = whole_story()
    for number in range(procedures):
        later = datetime(2026, 6, 1, 10, tzinfo=UTC) + timedelta(days=number % 90)
        teller.published(f"c{number}", tenant=MEL, title=f"Objet {number}", deadline=later)
    teller.ledger.publish()
    return teller


def main(folder: Path, control: str, procedures: int) -> None:
    ledger = told(procedures).ledger
    for name, batches in (("live", (1, 7, 64)), ("rebuilt", (1000,))):
        engine = store.writer(folder / f"{name}.db")
        turn = 0
        while Runner(ledger, engine, batch=batches[turn], folds=folds_of(control)).step():
            turn = (turn + 1) % len(batches)
        engine.dispose()
        print(hashlib.sha256(dump_of(folder / f"{name}.db")).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
