"""R1: a power cut at any write loses nothing that was told, and breaks no chain (H5).

The real ledger, vault and mark run over a disk that writes everything down; each cut is a place in
that list and a seeded choice of what of the unsynced writes, truncations, names and renames the
disk has kept, torn at sectors of 512 bytes. From each image the ledger is started as always, with
the stock SQLite; every save, blob and checkpoint that was told before must be there, the second
path over all stored entries must give the root, and the start must not refuse.

Controls: WAL with synchronous=NORMAL, a device that ignores syncs, a vault that does not sync its
folders. Each must be caught.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from doubles.power import Disk, Platter
from doubles.power_work import REAL, Variant, Works, judge
from doubles.proofs import Proof
from doubles.sizes import sized

CUTS = sized(push=1_000, full=3_000, night=1_000_000)
CUTS_A_TRACE = 100
STEPS = 60
CONTROL_CUTS = 60


def traced(folder: Path, seed: int, variant: Variant) -> Disk:
    """Run one ledger from its creation to its end, and return its disk."""
    (folder / "disk").mkdir(parents=True)
    works = Works(Disk(folder / "disk"), seed, variant)
    works.create()
    works.run(STEPS)
    works.ledger.close()
    assert not works.bench.halts
    return works.disk


def verdicts(
    folder: Path, seed: int, cuts: int, variant: Variant = REAL, *, ignores_sync: bool = False
) -> Counter[str]:
    """Cut one trace at so many places; count what the images turn out to be."""
    disk = traced(folder, seed, variant)
    chance = Random(seed)
    places = sorted(chance.randrange(len(disk.trace) + 1) for _ in range(cuts))
    platter, at = Platter(ignores_sync=ignores_sync), 0
    found: Counter[str] = Counter()
    for place in places:
        for op in disk.trace[at:place]:
            platter.apply(op)
        at = place
        platter.image(disk.folder, folder / "image", chance)
        verdict = judge(folder / "image", platter.told)
        shutil.rmtree(folder / "image")
        kind = "lost" if verdict.lost else verdict.refused or "good"
        if kind != "good":
            found[f"example: seed {seed}, step {place}: {kind}"] += 1
        found["lost" if verdict.lost else "refused" if verdict.refused else "good"] += 1
        found["told"] += len(platter.told)
    shutil.rmtree(folder)
    return found


def test_no_power_cut_loses_what_was_told(tmp_path: Path, proof: Proof) -> None:
    total: Counter[str] = Counter()
    for seed in range(CUTS // CUTS_A_TRACE):
        total += verdicts(tmp_path / str(seed), seed, CUTS_A_TRACE)
    proof("R1", f"{CUTS} cuts, {total['told']} things told and looked for, {total['lost']} lost")
    assert total["good"] == CUTS, total


@pytest.mark.parametrize(
    ("variant", "ignores_sync", "least"),
    [
        (Variant(synchronous="NORMAL"), False, CONTROL_CUTS // 4),
        (REAL, True, CONTROL_CUTS // 2),
        (Variant(syncs_folders=False), False, CONTROL_CUTS // 4),
    ],
    ids=["NORMAL", "ignored-sync", "no-folder-sync"],
)
def test_a_weaker_store_is_caught(
    tmp_path: Path, variant: Variant, ignores_sync: bool, least: int, proof: Proof
) -> None:
    total = verdicts(tmp_path / "bad", 11, CONTROL_CUTS, variant, ignores_sync=ignores_sync)
    proof("R1 control", f"{total['lost']} lost, {total['refused']} refused of {CONTROL_CUTS}")
    assert total["lost"] + total["refused"] >= least


def test_a_trace_is_the_same_in_each_run(tmp_path: Path) -> None:
    kinds = [
        [
            (op.kind, op.at if op.kind == "write" else None)
            for op in traced(tmp_path / name, 5, REAL).trace
        ]
        for name in ("a", "b")
    ]
    assert kinds[0] == kinds[1]
