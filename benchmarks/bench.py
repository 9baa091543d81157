"""Runs every benchmark in turn: ``make bench``; each prints its own table."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("benchmarks.ledger", "benchmarks.envelope", "benchmarks.browser")


def main() -> int:
    """Run each benchmark in a process of its own, so that none warms the other's caches."""
    return max(
        subprocess.run([sys.executable, "-m", name, *sys.argv[1:]], check=False).returncode
        for name in BENCHMARKS
    )


if __name__ == "__main__":
    sys.exit(main())
