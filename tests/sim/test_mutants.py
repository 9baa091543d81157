"""Every planted bug of ``tests/mutants.py`` is found by the simulator, the healthy rules pass."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.oracle import Violation
from doubles.planted import planted_bugs
from doubles.proofs import Proof
from doubles.simulator import simulate
from doubles.sizes import sized

SEEDS = sized(push=0, full=20_000, night=20_000)

MUTANTS = planted_bugs().MUTANTS


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 12
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.skipif(not SEEDS, reason="mutants run in make prove and make night")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_simulator_kills(mutant: Any, proof: Proof) -> None:
    with mutant.planted():
        for seed in range(SEEDS):
            try:
                simulate(seed)
            except Violation:
                proof(f"R10 control {mutant.name}", f"planted bug found by seed {seed}")
                break
        else:
            pytest.fail(f"{mutant.name} survived {SEEDS} seeds")
    simulate(seed)
