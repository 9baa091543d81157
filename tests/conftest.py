"""Settings every test shares, and what the proofs of the goals say at the end of a run.

Properties are derandomised, so that a red run can be repeated. A harness tells its counts through
the fixture ``proof``; they are printed at the end, and full and night runs keep them as rows of
``benchmarks/PROOFS.md``, one row a goal, with the machine's load.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "pli",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("pli")

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "PROOFS.md"
SIZE = os.environ.get("PLI_SIZE", "push")
# every branch of what they are about is run by these; tracing costs the others a third more
COUNTED = ("crypto", "domain", "ledger", "projections", "replay")
# files that take longest come first, so that no worker waits for one of them at the end
LONGEST = (
    "trust/test_s4_fuzzing.py",
    "trust/test_s5_api_contract.py",
    "browser/test_pages.py",
    "browser/test_deposit.py",
    "story/test_story.py",
    "trust/test_r3_kill_postgres.py",
    "trust/test_r8_rollback_and_fork.py",
    "trust/test_r2_kill_sqlite.py",
    "sim/test_simulator.py",
    "browser/test_administration.py",
    "trust/test_r15_clock.py",
    "trust/test_s1_matrix.py",
    "trust/test_r6_bit_flips.py",
    "trust/test_kill_server_mid_deposits.py",
    "trust/test_s2_two_worlds.py",
    "browser/test_entrance.py",
    "trust/test_t13_custodians.py",
    "trust/test_r1_power_loss.py",
    "trust/test_r7_flips_at_rest.py",
    "ledger/test_recorder_of_the_library.py",
)
HEAD = """# Proofs

What the harnesses of `tests/trust` and `tests/sim` counted at full or night size; written by
`make prove` and `make night`, one row a goal, the newest run of each. A row exists only when its
test passed. Seconds are those of a shared machine and say nothing but the order of magnitude.

| goal | what was counted | size | seconds | commit | when, load |
|---|---|---|---|---|---|
"""


@pytest.fixture
def proof(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Return ``proof(goal, counted)``: what this harness did, kept if the test passes."""
    begun = time.monotonic()

    def tell(goal: str, counted: str) -> None:
        row = {"goal": goal, "counted": counted, "seconds": round(time.monotonic() - begun, 1)}
        record_property("proof", json.dumps(row, ensure_ascii=False))

    return tell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what counts for the coverage, and begin with what takes longest."""
    for item in items:
        if file_of(item).partition("/")[0] in COUNTED:
            item.add_marker(pytest.mark.counted)
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(file_of(item), len(places)))


def file_of(item: pytest.Item) -> str:
    """Return the path of a test's file below ``tests``."""
    return item.path.relative_to(ROOT / "tests").as_posix()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was proven, and keep it where the run was large enough to be quoted."""
    keep_unmet(terminalreporter)
    rows = [
        json.loads(value)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "proof"
    ]
    if not rows:
        return
    terminalreporter.section(f"proofs ({SIZE})")
    for row in sorted(rows, key=lambda row: place_of(row["goal"])):
        terminalreporter.line(f"{row['goal']}: {row['counted']} ({row['seconds']} s)")
    if SIZE != "push":
        KEPT.write_text(HEAD + "".join(kept(rows)), "utf-8")


def keep_unmet(terminalreporter: Any) -> None:
    """Remember what this run could not prove, for the last line of ``make test``."""
    said = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    unmet = {reason.partition("not met: ")[2] for reason in said if "not met: " in reason}
    config = terminalreporter.config
    which = "".join(sign if sign.isalnum() else "-" for sign in config.option.markexpr)
    config.cache.set(f"pli/unmet-{which}", sorted(unmet))


def kept(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the lines of the table with these rows in the place of older ones."""
    old = KEPT.read_text("utf-8").splitlines(keepends=True) if KEPT.exists() else []
    lines = {
        cells(line)[0]: line for line in old if line.startswith("| ") and "| goal |" not in line
    }
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    commit = asked.stdout.strip() or "-"
    load = f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[1]:.1f}, {platform.machine()}"
    for row in rows:
        counted = f"{row['counted']} | {SIZE} | {row['seconds']}"
        lines[row["goal"]] = f"| {row['goal']} | {counted} | {commit} | {load} |\n"
    return [lines[goal] for goal in sorted(lines, key=place_of)]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def place_of(goal: str) -> tuple[str, int, str]:
    """Return where a goal stands: R2 before R10, a control after what it controls."""
    word = goal.split(maxsplit=1)[0]
    digits = "".join(filter(str.isdigit, word))
    return word.rstrip("0123456789"), int(digits or 0), goal
