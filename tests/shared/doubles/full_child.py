"""A ledger on a disk of 5 MiB, for real: fill it, be refused, free the reserve, resume.

``python full_child.py HOME SEED`` inside a private mount namespace; one JSON line at the end.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":  # in place of this folder, whose names shadow the library's
    sys.path[:1] = [str(ROOT), str(ROOT / "tests" / "shared")]

from doubles.kill_child import kill_bench, save_of  # noqa: E402
from doubles.ledger import check_ledger  # noqa: E402

from ledger.application import Ledger  # noqa: E402
from ledger.errors import StorageFull  # noqa: E402
from ledger.vault import Vault  # noqa: E402

RESERVE = 512 * 1024


def fill(ledger: Ledger, vault: Vault, chance: Random, first: int) -> tuple[int, list[str]]:
    """Save and keep blobs until nothing fits any more."""
    blobs: list[str] = []
    number = first
    while True:
        try:
            if chance.random() < 0.3:
                blobs.append(vault.put(chance.randbytes(chance.randrange(1, 20_000))))
            ledger._store.sequencer.submit(save_of("f", 0, number))
            ledger.covering(number)
        except StorageFull:
            if ledger.known(f"f-0/{number}", save_of("f", 0, number).digest):
                number += 1
            return number, blobs
        number += 1


def main() -> None:
    home, chance = Path(sys.argv[1]), Random(int(sys.argv[2]))
    (home / "reserve").write_bytes(bytes(RESERVE))
    (home / "filler").write_bytes(bytes(chance.randrange(1, 3_000_000)))
    bench = kill_bench(home).create()
    vault = Vault(home / "blobs", halt=bench.halts.append)
    with closing(bench.open(pause=0.01)) as ledger:
        number, blobs = fill(ledger, vault, chance, 1)
        refused = ledger.head()
        served = len(ledger.read(-1, 100_000))
        (home / "reserve").unlink()
        after = number + 20
        for each in range(number, after):
            ledger._store.sequencer.submit(save_of("f", 0, each))
            vault.put(str(each).encode())
        ledger.covering(ledger.head() - 1)
        known = [
            ledger.known(f"f-0/{each}", save_of("f", 0, each).digest) for each in range(1, after)
        ]
    told = {
        "acked": number - 1,
        "blobs": len(blobs),
        "lost": known.count(None) + sum(not vault.get(name) for name in blobs),
        "served": served == refused,
        "halts": len(bench.halts),
        "size": check_ledger(kill_bench(home)),
        "expected": after,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
