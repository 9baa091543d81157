"""The ledger against its peers, in interleaved rounds of one run (``ledger.md`` §15).

Every round runs each configuration for the same seconds in a fresh process and database; reported
are medians and the medians of the ratios of each round. Durable everywhere: WAL with
synchronous=FULL, PostgreSQL with fsync and synchronous_commit. One save = one event of about 0.8 KB
through ``Application.save``, profile and mapper included; the peers save the same event. Ours signs
checkpoints meanwhile, as always.

"Slow": each fsync and fdatasync takes at least 2 ms more (a preloaded shim, where a C compiler is);
a quick disk hides the point of group commit. ``--quick`` takes 2 rounds of 1 s and logs of 50,000
events instead of 3 rounds of 3 s and 1,000,000. ``--json`` prints one object as the only line, the
last one in any case; a figure that could not be measured is null.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "benchmarks"):  # or this file would stand before the package ledger
    sys.path[0] = str(ROOT)

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import shutil  # noqa: E402
import sqlite3  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks import (  # noqa: E402
    ledger_following,
    ledger_postgres,
    ledger_reading,
    ledger_writers,
)
from benchmarks.ledger_integrity import integrity_us, proofs_us, signature_us  # noqa: E402

# goal, and whether more is better
GOALS = {
    "pg64_vs_library": (10.0, True),
    "pg64_vs_pgbench": (0.6, True),
    "pg512_vs_library": (30.0, True),
    "pg512_vs_pgbench": (0.9, True),
    "pg512_p99_ms": (100.0, False),
    "pg1_vs_library": (1.0, True),
    "pg_saves_per_fsync": (10.0, True),
    "sqlite64_vs_library": (2.0, True),
    "sqlite64_slow_vs_library": (10.0, True),
    "sqlite1_vs_library": (1.0, True),
    "sqlite1_slow_vs_raw": (0.7, True),
    "integrity_share": (0.10, False),
    "saves_per_fsync": (10.0, True),
    "proof_us_1e6": (50.0, False),
    "consistency_us_1e6": (50.0, False),
    "fold_vs_scan": (0.5, True),
    "verified_vs_scan": (0.25, True),
    "rebuild_vs_library": (5.0, True),
    "catchup_per_s": (100_000.0, True),
    "catchup_vs_library": (300.0, True),
    "lag_p99_ms": (100.0, False),
}
READING: dict[str, Callable[[float, Path, int], dict[str, float]]] = {
    "folding": ledger_reading.folding,
    "rebuilding": ledger_reading.rebuilding,
    "catching_up": ledger_following.catching_up,
    "lagging": ledger_following.lagging,
}
SAVING = ledger_writers.CONFIGURATIONS | ledger_postgres.CONFIGURATIONS
NOT_SLOWED = {"probe", "folding", "rebuilding", "lagging", *ledger_postgres.CONFIGURATIONS}
SLOWER_US = 2_000
Results = dict[str, list[dict[str, float]]]


def in_fresh_process(name: str, seconds: float, count: int, shim: Path | None) -> dict[str, float]:
    """Run one configuration in its own process, database and folder."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if shim is not None:
            environment |= {"LD_PRELOAD": str(shim), "PLI_FSYNC_DELAY_US": str(SLOWER_US)}
        run = [sys.executable, __file__, "--worker", name, "--seconds", str(seconds)]
        ran = subprocess.run(
            [*run, "--count", str(count), folder],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
    if ran.returncode:
        print(f"{name} failed:\n{ran.stderr}", file=sys.stderr)
        return {}
    result: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return result


def compile_shim(folder: Path) -> Path | None:
    """Return the shim that slows each fsync, None where no C compiler is."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    shim, source = folder / "slow_fsync.so", ROOT / "benchmarks" / "slow_fsync.c"
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"]
    subprocess.run(build, check=True)
    return shim


def measure(rounds: int, seconds: float, count: int) -> Results:
    """Run the rounds; every configuration has its turn in each."""
    results: Results = {}
    with tempfile.TemporaryDirectory() as folder, ledger_postgres.server() as postgres:
        shim = compile_shim(Path(folder))
        names = [
            name
            for name in (*SAVING, *READING)
            if postgres or name not in ledger_postgres.CONFIGURATIONS
        ]
        for _ in range(rounds):
            for name in names:
                found = in_fresh_process(name, seconds, count, None)
                results.setdefault(name, []).append(found)
                if shim is not None and name not in NOT_SLOWED:
                    found = in_fresh_process(name, seconds, count, shim)
                    results.setdefault(f"{name}_slow", []).append(found)
    return results


class Found:
    """Medians over the rounds, None for what was not measured."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def median(self, name: str, what: str) -> float | None:
        found = [each[what] for each in self.results.get(name, ()) if what in each]
        return round(statistics.median(found), 2) if found else None

    def ratio(self, one: str, other: str, what: tuple[str, str] = ("rate", "rate")) -> float | None:
        pairs = zip(self.results.get(one, ()), self.results.get(other, ()), strict=False)
        found = [a[what[0]] / b[what[1]] for a, b in pairs if what[0] in a and what[1] in b]
        return round(statistics.median(found), 3) if found else None

    def within(self, name: str, one: str, other: str) -> float | None:
        return self.ratio(name, name, (one, other))


def saving(found: Found) -> dict[str, Any]:
    """Return what is known of saves."""
    cost, ours64 = integrity_us() + signature_us() / 400, found.median("ours64", "rate")
    return {
        "pg64_vs_library": found.ratio("pg64", "pg_library64"),
        "pg64_vs_pgbench": found.ratio("pg64", "pgbench64"),
        # the library has no tasks: its 64 threads, where it saves most
        "pg512_vs_library": found.ratio("pg512", "pg_library64"),
        "pg512_vs_pgbench": found.ratio("pg512", "pgbench64"),
        "pg512_p99_ms": found.median("pg512", "p99_ms"),
        "pg64_p99_ms": found.median("pg64", "p99_ms"),
        "pg1_vs_library": found.ratio("pg1", "pg_library1"),
        "pg1_vs_raw": found.ratio("pg1", "pg_raw1"),
        "pg_saves_per_fsync": found.median("pg64", "saves_per_fsync"),
        "sqlite64_vs_library": found.ratio("ours64", "library64"),
        "sqlite64_slow_vs_library": found.ratio("ours64_slow", "library64_slow"),
        "sqlite1_vs_library": found.ratio("ours1", "library1"),
        "sqlite1_vs_raw": found.ratio("ours1", "raw1"),
        "sqlite1_slow_vs_library": found.ratio("ours1_slow", "library1_slow"),
        "sqlite1_slow_vs_raw": found.ratio("ours1_slow", "raw1_slow"),
        # a signature at most ten times a second: over at least 400 entries at 4,000 a second
        "integrity_us": round(cost, 2),
        "integrity_share": None if ours64 is None else round(cost * ours64 / 1e6, 3),
        "saves_per_fsync": found.median("ours64", "saves_per_fsync"),
        "p99_ms_64": found.median("ours64", "p99_ms"),
        "entry_bytes": found.median("ours64", "entry_bytes"),
    }


def reading(found: Found) -> dict[str, Any]:
    """Return what is known of reads."""
    figures: dict[str, Any] = {}
    for size, name in ((10_000, "1e4"), (100_000, "1e5"), (1_000_000, "1e6")):
        included, consistent = proofs_us(size)
        figures[f"proof_us_{name}"] = round(included, 1)
        figures[f"consistency_us_{name}"] = round(consistent, 1)
    return figures | {
        "fold_vs_scan": found.within("folding", "fold", "scan"),
        "fold_parsed_vs_scan": found.within("folding", "fold_parsed", "scan"),
        "verified_vs_scan": found.within("folding", "verified", "scan"),
        "scan_per_s": found.median("folding", "scan"),
        "rebuild_vs_library": found.within("rebuilding", "rebuild", "rebuild_library"),
        "repository_vs_library": found.within(
            "rebuilding", "rebuild_repository", "rebuild_library"
        ),
        "catchup_per_s": found.median("catching_up", "catchup"),
        "catchup_all_views_per_s": found.median("catching_up", "catchup_all"),
        "catchup_vs_library": found.within("catching_up", "catchup", "catchup_library"),
        "catchup_slow_vs_library": found.within("catching_up_slow", "catchup", "catchup_library"),
        "lag_p99_ms": found.median("lagging", "lag_p99_ms"),
        "lag_appends_per_s": found.median("lagging", "lag_appends_per_s"),
    }


def worker(name: str, seconds: float, count: int, folder: str) -> None:
    if name in READING:
        found = READING[name](seconds, Path(folder), count)
    else:
        run, threads = SAVING[name]
        found = run(threads, seconds, Path(folder))
    print(json.dumps(found))


def show(figures: dict[str, Any]) -> None:
    """Print each goal and whether it is met, then the rates."""
    for name, (goal, more) in GOALS.items():
        found = figures[name]
        if found is None:
            print(f"{name:26} not measured: no C compiler, no PostgreSQL, or it failed")
            continue
        met = "met" if (found >= goal if more else found <= goal) else "NOT MET"
        print(f"{name:26} {found:10}   goal {'>=' if more else '<='} {goal:<8} {met}")
    for name, rate in figures["rates"].items():
        print(f"{name:26} {rate or 0:10.0f} a second")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s, not 3 of 3 s")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seconds, options.count, options.folder)
        return 0
    rounds, seconds, count = (2, 1.0, 50_000) if options.quick else (3, 3.0, 1_000_000)
    before = os.getloadavg()[0]
    found = Found(measure(rounds, seconds, count))
    figures = saving(found) | reading(found)
    rated = [name for name in found.results if name.removesuffix("_slow") not in READING]
    figures |= {
        "rates": {name: found.median(name, "rate") for name in rated},
        "rounds": rounds,
        "seconds": seconds,
        "events": count,
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    if not options.json:
        show(figures)
    print(json.dumps(figures, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
