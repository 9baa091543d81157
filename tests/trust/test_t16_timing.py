"""T16: foreign and absent, 0 and n deposits take the same time; a planted early exit is seen.

200 interleaved pairs for each question: Mann-Whitney p > 0.01 or medians within 5 %. Times of a
shared machine are noise to every other test, so this one runs alone, at night.
"""

from __future__ import annotations

import hashlib
import math
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from doubles.bench import Bench

from api.adapters.uploads import Upload, Uploads

pytestmark = [pytest.mark.night, pytest.mark.alone]
PAIRS = 200
WARM = 20
NEAR = 0.05
LEAST_P = 0.01


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("timing"))
    made.register()
    yield made
    made.close()


@pytest.fixture(scope="module")
def questions(bench: Bench) -> dict[str, tuple[str | None, str, str]]:
    """Return (token, path of what is there, path of what is not) by name."""
    done = bench.deposit(bench.seal(bench.publish("lille-1")))
    bench.draft("lille-2")
    bench.publish("lille-3")
    rival, other, buyer = bench.tokens.rival, bench.tokens.other, bench.tokens.buyer
    deposit, session = done["deposit"], done["transmission"]
    drafts = ("/api/v1/consultations/lille-2", "/api/v1/consultations/lille-9")
    deposits = (f"/api/v1/deposits/{deposit}", f"/api/v1/deposits/{'0' * 32}")
    zeros = "00000000-0000-4000-8000-000000000000"
    return {
        "a foreign draft": (other, *drafts),
        "a draft, to nobody": (None, *drafts),
        "a rival's deposit": (rival, *deposits),
        "a deposit, to its buyer": (buyer, *deposits),
        "a rival's transmission": (
            rival,
            f"/api/v1/transmissions/{session}",
            f"/api/v1/transmissions/{zeros}",
        ),
        # refused and recorded, with one deposit and with none
        "an opening before its hour": (
            buyer,
            "/api/v1/openings/lille-1/0/envelopes",
            "/api/v1/openings/lille-3/0/envelopes",
        ),
    }


def measured(bench: Bench, token: str | None, *paths: str) -> tuple[list[int], list[int]]:
    """Return the times of both paths, in turns, each turn in the other order."""
    times: tuple[list[int], list[int]] = ([], [])
    for turn in range(WARM + PAIRS):
        for one in (0, 1) if turn % 2 else (1, 0):
            early = "/openings/" in paths[one]
            begun = time.perf_counter_ns()
            ask = bench.post if early else bench.get
            status = ask(paths[one], token, **({"body": {}} if early else {})).status_code
            taken = time.perf_counter_ns() - begun
            assert status == (403 if early else 404)
            if turn >= WARM:
                times[one].append(taken)
    return times


def alike(one: list[int], two: list[int]) -> bool:
    """Say whether two samples may come from one distribution, or differ by less than 5 %."""
    medians = statistics.median(one), statistics.median(two)
    near = abs(medians[0] - medians[1]) <= NEAR * max(medians)
    return near or mann_whitney(one, two) > LEAST_P


def mann_whitney(one: list[int], two: list[int]) -> float:
    """Return the two-sided p of the rank sum, by its normal approximation."""
    ranks: dict[int, list[int]] = {}
    for place, value in enumerate(sorted([*one, *two]), 1):
        ranks.setdefault(value, []).append(place)
    total = sum(statistics.fmean(ranks[value]) for value in one)
    n, m = len(one), len(two)
    mean = n * (n + m + 1) / 2
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(total - mean) / spread / math.sqrt(2))


def test_foreign_and_absent_take_the_same_time(
    bench: Bench,
    questions: dict[str, tuple[str | None, str, str]],
    proof: Callable[[str, str], None],
) -> None:
    told = []
    for name, (token, *paths) in questions.items():
        one, two = measured(bench, token, *paths)
        if not alike(one, two):
            told.append((name, statistics.median(one), statistics.median(two)))
    assert not told
    proof("S2 timing", f"{len(questions)} questions × {PAIRS} pairs alike; control: an early exit")


class EarlyExit(Uploads):
    """The planted bug: looks for the deposit first, and works on only where there is one."""

    def own_deposit(self, deposit: str, owner: str) -> Upload | None:
        if self.of_deposit(deposit) is not None:
            for _ in range(400):
                hashlib.sha256(bytes(4096)).digest()
        return super().own_deposit(deposit, owner)


def test_a_planted_early_exit_is_seen(
    bench: Bench, questions: dict[str, tuple[str | None, str, str]]
) -> None:
    token, *paths = questions["a rival's deposit"]
    bench.platform.uploads.__class__ = EarlyExit
    try:
        one, two = measured(bench, token, *paths)
    finally:
        bench.platform.uploads.__class__ = Uploads
    assert not alike(one, two)
