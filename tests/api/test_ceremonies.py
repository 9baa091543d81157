"""A keyset is asked for once: where it cannot be assigned, no ceremony is held for it."""

from __future__ import annotations

from doubles.bench import Bench, shown


def test_a_second_keyset_is_refused_before_any_ceremony(bench: Bench) -> None:
    at = bench.draft()
    key = "the-one-keyset"
    first = bench.done(f"{at}/ceremony", bench.tokens.buyer, key=key)
    size = bench.platform.ledger.head()
    for _ in range(3):
        refused = bench.post(f"{at}/ceremony", bench.tokens.buyer)
        assert (refused.status_code, shown(refused)) == (409, "custody.keyset-taken")
    assert bench.done(f"{at}/ceremony", bench.tokens.buyer, key=key) == first
    assert bench.platform.ledger.head() == size, "no round of a ceremony was held"
    other = bench.draft("lille-2")
    bench.done(f"{other}/ceremony", bench.tokens.buyer)
    assert bench.platform.ledger.head() > size, "control: a ceremony is entries"
