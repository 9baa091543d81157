"""A log that shows custodians one tree and has another one cosigned: neither is answered for (P8).

A custodian has two memories: the pin of the views it was shown, and what it cosigned as a witness.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import DEADLINE, DEPOSIT, NAME
from doubles.local_custody import Bench, Sealed
from doubles.remote_custody import HttpBench
from doubles.views import ShownLedger

from api.adapters.custodians import LocalWitness
from crypto import merkle
from crypto.keyset import Keyset
from domain.ports import CustodianRefusal
from ledger.witness import Request

LATER = DEADLINE + timedelta(days=30)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def keyset(bench: Bench) -> Keyset:
    return bench.ceremony()


def cosign(bench: Bench, custodian: int, old: int = 0) -> int:
    """Have the newest checkpoint of what stands here cosigned by one; return its size."""
    steps = tuple(merkle.consistency_proof(bench.ledger.leaves(), old))
    request = bytes(Request(old, steps, bench.ledger.note()))
    assert LocalWitness(bench.all[custodian - 1]).add_checkpoint(request).status == 200
    return len(bench.ledger.rows)


def copied(honest: ShownLedger) -> ShownLedger:
    fork = ShownLedger()
    fork.rows, fork.tips, fork.now = list(honest.rows), dict(honest.tips), honest.now
    return fork


def hidden_extension(bench: Bench, keyset: Keyset) -> tuple[Sealed, ShownLedger]:
    """Return an envelope and a ledger without the extension that everybody else was shown."""
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    bench.case.published().assigned().sealed()
    fork = copied(bench.ledger)
    bench.ledger.write(f"consultation/{NAME}", "DeadlineExtended", new_at=LATER, reason="x")
    return sealed, fork


def refused(bench: Bench, sealed: Any, custodian: int) -> str:
    with pytest.raises(CustodianRefusal) as refusal:
        bench.partial(sealed, custodian)
    return str(refusal.value.reason)


@pytest.mark.parametrize("own_head", [True, False])
def test_a_fork_without_the_extension_that_was_cosigned_opens_nothing(
    bench: Bench, keyset: Keyset, own_head: bool
) -> None:
    sealed, fork = hidden_extension(bench, keyset)
    for _ in range(9):
        bench.ledger.write("consultation/other", "Happened")
    size = cosign(bench, 1)
    honest = merkle.root(bench.ledger.leaves()).hex()
    bench.case.ledger = bench.ledger = fork
    bench.case.closed().present("a", "b").planned(DEPOSIT)
    while len(fork.rows) < size:
        fork.write("consultation/other", "Happened")
    # the anchored head is one of the fork, or the very one that was cosigned
    bench.case.anchored(size=size, head=None if own_head else honest)
    assert refused(bench, sealed, 1) == "view"
    if own_head:
        assert bench.partial(sealed, 2), "the control: one that cosigned nothing cannot know"


def test_a_view_older_than_what_was_cosigned_opens_nothing(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    before = copied(bench.ledger)
    honest = bench.ledger
    honest.write(f"consultation/{NAME}", "ConsultationSuspended", reason="x")
    cosign(bench, 1)
    bench.ledger = before
    show, last = before.show, len(before.rows)
    before.show = lambda streams, since: show(streams, min(since, last))  # type: ignore[method-assign]
    assert refused(bench, sealed, 1) == "view"
    assert bench.partial(sealed, 2), "the control: it cosigned nothing"


def test_two_trees_of_one_size_are_told_apart(bench: Bench, keyset: Keyset) -> None:
    sealed = bench.ready(keyset)
    fork = copied(bench.ledger)
    bench.ledger.write("consultation/other", "Happened", what="one")
    fork.write("consultation/other", "Happened", what="two")
    cosign(bench, 1)
    honest, bench.ledger = bench.ledger, fork
    assert refused(bench, sealed, 1) == "view"
    bench.ledger = honest
    assert bench.partial(sealed, 1)


def test_what_continues_the_cosigned_head_is_proven_once_for_each(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    size = cosign(bench, 1)
    bench.ledger.write("consultation/other", "Happened")
    show, looks = bench.ledger.show, []

    def seen(streams: Any, since: int) -> Any:
        looks.append(since if not streams else -1)
        return show(streams, since)

    bench.ledger.show = seen  # type: ignore[method-assign]
    assert bench.partial(sealed)
    assert looks.count(size) == 1
    bench.ledger.write("consultation/other", "Happened")
    bench.reopen()
    assert bench.partial(sealed)
    assert looks.count(size) == 1, "its pin continues what it cosigned, and it knows so"


def test_a_log_that_grows_while_it_is_looked_at_is_looked_at_again(
    bench: Bench, keyset: Keyset
) -> None:
    sealed = bench.ready(keyset)
    size = cosign(bench, 1)
    bench.ledger.write("consultation/other", "Happened")
    show, grown = bench.ledger.show, []

    def growing(streams: Any, since: int) -> Any:
        if since == size and not grown:
            grown.append(since)
            bench.ledger.write("consultation/other", "Happened")
        return show(streams, since)

    bench.ledger.show = growing  # type: ignore[method-assign]
    assert bench.partial(sealed)


def test_over_http_both_proofs_come_with_the_question(tmp_path: Path) -> None:
    bench = HttpBench(tmp_path)
    keyset = bench.ceremony()
    sealed = bench.sealed(keyset)
    bench.case.header_hash = sealed.header.hash.hex()
    bench.case.published().assigned()
    cosign(bench, 1)
    bench.case.sealed().closed().present("a", "b").planned(DEPOSIT).anchored()
    assert bench.partial(sealed), "proven from the pin, the cosigned head, the closing head"
    bench.ledger.write("consultation/other", "Happened")
    asked = len(bench.out.asked)
    assert bench.partial(sealed)
    assert len(bench.out.asked) - asked <= 2, "the closing head alone is wanted again"
    for home in bench.homes:
        home.close()
