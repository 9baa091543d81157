"""Keysets are made ahead and live; those that have served have their shares destroyed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from doubles.bench import Bench

from api import ceremonies
from api.facts import facts
from api.scheduler import HOUR_S, STOCK_S, Scheduler
from domain.ports import CustodianSilent

SECOND = 1_000_000


class Counter:
    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at

    def forward(self, seconds: int) -> None:
        self.at += seconds * SECOND


@pytest.fixture
def stocked(tmp_path: Path) -> Iterator[tuple[Bench, Counter]]:
    bench, counter = Bench(tmp_path, keyset_pool=2), Counter()
    bench.register()
    bench.scheduler = Scheduler(bench.platform, counter)
    yield bench, counter
    bench.close()


def kinds(bench: Bench, stream: str) -> list[str]:
    return [fact.kind for fact in facts(bench.platform.ledger, stream)]


def test_the_pool_fills_up_by_itself_and_a_consultation_takes_the_oldest(
    stocked: tuple[Bench, Counter],
) -> None:
    bench, counter = stocked
    bench.tick()
    assert ceremonies.waiting(bench.platform) == [], "a start has other things to do"
    for made in (1, 2, 2):
        counter.forward(STOCK_S)
        bench.tick()
        assert len(ceremonies.waiting(bench.platform)) == made
    oldest, other = ceremonies.waiting(bench.platform)
    at = bench.draft()
    size = bench.platform.ledger.head()
    bench.done(f"{at}/ceremony", bench.tokens.buyer, key="the-one-keyset")
    after = bench.platform.ledger.head()
    assert after - size == 4, "three appointments and the keyset: no ceremony"
    bench.done(f"{at}/ceremony", bench.tokens.buyer, key="the-one-keyset")
    assert bench.platform.ledger.head() == after, "asked again: the same keyset"
    assert ceremonies.waiting(bench.platform) == [other]
    assert oldest != other


def test_the_pool_is_asked_for_life_each_day_and_a_silent_keyset_is_not_given(
    stocked: tuple[Bench, Counter],
) -> None:
    bench, counter = stocked
    counter.forward(STOCK_S)
    bench.tick()
    (name,) = ceremonies.waiting(bench.platform)
    assert kinds(bench, f"ceremony/{name}").count("ProofOfLifeGiven") == 3
    counter.forward(STOCK_S)
    bench.tick()
    assert kinds(bench, f"ceremony/{name}").count("ProofOfLifeGiven") == 3, "once a day"
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    silent = held["custodian-3"]
    held["custodian-3"] = _Deaf(silent)
    bench.clock.forward(timedelta(days=1))
    counter.forward(STOCK_S)
    bench.tick()
    assert "ProofOfLifeMissed" in kinds(bench, f"ceremony/{name}")
    held["custodian-3"] = silent
    at = bench.draft()
    size = bench.platform.ledger.head()
    bench.done(f"{at}/ceremony", bench.tokens.buyer)
    assert bench.platform.ledger.head() - size > 4, "a ceremony of its own"
    assert name in ceremonies.waiting(bench.platform)


class _Deaf:
    """A custodian that answers no proof of life."""

    def __init__(self, inner: object) -> None:
        self.identity = inner.identity  # type: ignore[attr-defined]
        self.close = inner.close  # type: ignore[attr-defined]

    def alive(self, digest: str, consultation: str | None) -> object:
        raise CustodianSilent("custodian-3")


def test_a_ceremony_that_a_crash_cut_is_finished_under_its_name(
    stocked: tuple[Bench, Counter],
) -> None:
    bench, _ = stocked
    ceremonies.stock(bench.platform)
    (first,) = ceremonies.waiting(bench.platform)
    port = bench.platform.desk.custodians
    confirm = port.confirm
    port.confirm = _crash  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        ceremonies.stock(bench.platform)
    port.confirm = confirm  # type: ignore[method-assign]
    ceremonies.stock(bench.platform)
    made = ceremonies.waiting(bench.platform)
    assert len(made) == 2
    cut = next(name for name in made if name != first)
    assert kinds(bench, f"ceremony/{cut}").count("CeremonyStarted") == 1


def _crash(*_: object) -> object:
    raise KeyboardInterrupt


def test_shares_are_destroyed_when_their_time_has_come_and_the_silent_one_later(
    tmp_path: Path,
) -> None:
    bench, counter = Bench(tmp_path, keyset_retention_days=30), Counter()
    bench.register()
    bench.scheduler = Scheduler(bench.platform, counter)
    bench.publish()
    bench.forward(timedelta(days=45))
    assert "KeysetRetired" not in kinds(bench, "custody/lille-1"), "a lot still waits for the keys"
    opening = bench.attend("lille-1")
    for act in ("plan", "envelopes"):
        bench.done(f"{opening}/{act}", bench.tokens.buyer, {} if act == "envelopes" else None)
    assert "KeysetRetired" not in kinds(bench, "custody/lille-1"), "the control: not yet"
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    gone = held.pop("custodian-2")
    counter.forward(HOUR_S)
    bench.forward(timedelta(hours=1))
    told = kinds(bench, "custody/lille-1")
    assert (told.count("KeysetRetired"), told.count("ShareDestroyed")) == (1, 2)
    held["custodian-2"] = gone
    counter.forward(HOUR_S)
    bench.forward(timedelta(hours=1))
    told = kinds(bench, "custody/lille-1")
    assert (told.count("KeysetRetired"), told.count("ShareDestroyed")) == (1, 3)
    digest = facts(bench.platform.ledger, "custody/lille-1")[3].data["digest"]
    for name in ("custodian-1", "custodian-2", "custodian-3"):
        assert not list((bench.home.custodians / name).rglob(f"*{digest}*"))
    size = bench.platform.ledger.head()
    counter.forward(HOUR_S)
    bench.forward(timedelta(hours=1))
    assert kinds(bench, "custody/lille-1") == told
    assert bench.platform.ledger.head() >= size
    bench.close()
