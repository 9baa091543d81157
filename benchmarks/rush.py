"""The rush before a deadline: open-loop deposits against ``pli serve``, calm, then with kills.

``python -m benchmarks.rush [--quick] [--postgres] [--json]``. Latencies run from the moment at
which a client came to its receipt; those of the calm half are ``p99_ms`` and ``max_ms``. Exits 1
where a deposit was lost or doubled; goals of ``trust.md`` R12 stand beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "shared")]

from doubles.rush import Told  # noqa: E402
from doubles.rush_place import KILLS, Place  # noqa: E402
from doubles.rush_verdict import Verdict  # noqa: E402

GOALS = {
    "lost": "0",
    "duplicated": "0",
    "p99_ms": "250",
    "max_ms": "1000",
    "announce_p99_ms": "200",
    "kills_max_ms": "5000",
}


@contextmanager
def postgres() -> Iterator[None]:
    """Let the log stand in a schema of its own of a real PostgreSQL."""
    from doubles.postgres import server

    settings = {
        "PLI_DATABASE_URL": server().url,
        "PLI_DATABASE_SCHEMA": server().database().schema,
    }
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]


def figures(told: Told, verdict: Verdict, load: tuple[float, float]) -> dict[str, object]:
    """Return what a rush shows, in milliseconds and MiB."""
    bad = verdict.lost | verdict.unproven | verdict.spoiled
    return {
        "sent": verdict.sent,
        "receipts": verdict.receipts,
        "entries": verdict.entries,
        "lost": len(bad),
        "duplicated": len(verdict.doubled),
        "p99_ms": round(1000 * told.p99(0, 0.5)),
        "max_ms": round(1000 * told.slowest(0, 0.5)),
        "announce_p99_ms": round(1000 * told.announced(0, 0.5)),
        "kills": len(told.restarts),
        "kills_max_ms": round(1000 * told.slowest(0.5)),
        "restart_ms": round(1000 * max(told.restarts, default=0)),
        "retries": told.retries,
        "broken": told.broken,
        "rss_mib": told.peak // 2**20,
        "load": list(load),
    }


def main() -> int:
    """Run one rush and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 s calm and 15 s with kills")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--postgres", action="store_true", help="the log in PostgreSQL")
    parser.add_argument("--rate", type=float, default=33, help="deposits a second")
    parser.add_argument("--seconds", type=float, help="of each half")
    parser.add_argument("--kib", type=int, default=64, help="of each envelope")
    parser.add_argument("--seed", type=int, default=12)
    given = parser.parse_args()
    seconds = given.seconds or (15 if given.quick else 60)
    with tempfile.TemporaryDirectory(prefix="rush-") as folder:
        if given.postgres:
            with postgres():
                found = rushed(given, seconds, Path(folder))
        else:
            found = rushed(given, seconds, Path(folder))
    print(json.dumps(found) if given.json else table(found))
    return 1 if found["lost"] or found["duplicated"] else 0


def rushed(given: argparse.Namespace, seconds: float, folder: Path) -> dict[str, object]:
    """Seal what comes, let it come, and return the figures."""
    place = Place(folder, size=given.kib * 1024, seed=given.seed)
    bids = place.sealed(round(2 * given.rate * seconds))
    place.ready()
    before = os.getloadavg()[0]
    told, verdict = place.rush(bids, given.rate, KILLS)
    place.close()
    return figures(told, verdict, (before, os.getloadavg()[0]))


def table(found: Mapping[str, object]) -> str:
    """Return the figures with their goals, one a line."""
    rows = ((name, value, GOALS.get(name, "")) for name, value in found.items())
    return "\n".join(f"{name:<16}{value!s:>16}  {goal}" for name, value, goal in rows)


if __name__ == "__main__":
    sys.exit(main())
