"""R5: a full disk refuses cleanly and loses nothing; with room again all goes on, unrepaired (T08).

First over the disk of H5, which has room for B bytes: log, WAL, blobs and mark share them. Then,
as root, on a tmpfs of 5 MiB in a mount namespace of its own (H7).

Control: a vault which tells a name before all bytes are written loses what was told.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from doubles.power import Disk, Platter
from doubles.power_work import Works, judge
from doubles.proofs import Proof
from doubles.sizes import sized

from ledger.errors import OutcomeUnknown, StorageFull

POINTS = sized(push=15, full=40, night=2_000)
MOUNTS = sized(push=2, full=6, night=30)
STEPS = 40
CHILD = Path(__file__).parents[1] / "shared/doubles/full_child.py"


def attempts(work: Callable[[], object], times: int) -> int:
    """Try so often; return how often the disk was full."""
    full = 0
    for _ in range(times):
        with suppress(OutcomeUnknown):
            try:
                work()
            except StorageFull:
                full += 1
    return full


def whole(works: Works, folder: Path, seed: int) -> bool:
    """Say whether everything that was told is there after a power cut right now."""
    platter = Platter()
    for op in works.disk.trace:
        platter.apply(op)
    platter.image(works.disk.folder, folder / "image", Random(seed))
    verdict = judge(folder / "image", platter.told)
    shutil.rmtree(folder / "image")
    return not verdict.lost and not verdict.refused


def test_a_full_disk_refuses_and_goes_on_with_room(tmp_path: Path, proof: Proof) -> None:
    refused = 0
    for point in range(POINTS):
        folder = tmp_path / str(point)
        (folder / "disk").mkdir(parents=True)
        works = Works(Disk(folder / "disk"), point, restarts=False)
        works.create()
        works.run(point % 7)
        chance = Random(point)
        works.disk.capacity = works.disk.used + chance.randrange(1, 120_000)
        while not (full := attempts(works.step, 5)):
            pass
        refused += full
        ledger = works.ledger
        # read-only: what is recorded is served, the process stays
        assert len(ledger.read(-1, 10_000)) == ledger.head()
        assert not works.bench.halts
        assert whole(works, folder, point)
        if point % 2:  # also a start on the full disk, once there is room again
            works.disk.capacity = None
            ledger.close()
            works.start()
        works.disk.capacity = None
        works.versions = {
            stream: works.ledger.stream(f"counter/p-{stream}")[-1].version
            for stream in range(4)
            if works.ledger.stream(f"counter/p-{stream}")
        }
        works.run(STEPS // 2)
        assert not works.bench.halts
        assert whole(works, folder, point + 1)
        works.ledger.close()
        shutil.rmtree(folder)
    proof("R5", f"{POINTS} points, {refused} refusals, 0 lost, each went on with room")


def test_a_name_told_too_early_is_lost(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    works = Works(Disk(tmp_path / "disk"), 1, restarts=False)
    works.create()
    works.disk.capacity = works.disk.used + 1_000
    data = bytes(2_000)
    works.disk.note("blob", hashlib.sha256(data).hexdigest())
    with pytest.raises(StorageFull):
        works.vault.put(data)
    assert not whole(works, tmp_path, 1)
    works.ledger.close()


def in_namespace(folder: Path, seed: int) -> subprocess.CompletedProcess[str]:
    mount = 'mount -t tmpfs -o size=5m pli "$1" && exec "$2" "$3" "$1" "$4"'
    shell = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    words = [str(folder), sys.executable, str(CHILD), str(seed)]
    return subprocess.run([*shell, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("seed", range(MOUNTS))
def test_a_real_disk_of_five_megabytes(tmp_path: Path, seed: int, proof: Proof) -> None:
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("not met: mount namespace (root)")
    allowed = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "pli", str(tmp_path)], check=False
    )
    if allowed.returncode:
        pytest.skip("not met: mount namespace (root)")
    ran = in_namespace(tmp_path, seed)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    proof("R5 tmpfs", f"tmpfs of 5 MiB: {told}")
    assert told["lost"] == told["halts"] == 0
    assert told["served"]
    assert told["acked"] > 20  # a floor for the harness: something was filled
    assert told["size"] == told["expected"]
