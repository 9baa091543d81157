"""Which system tools the tests want, whether they are here, and the last line of ``make test``.

Nothing is installed from here: continuous integration does that before it calls ``make test``.
With ``PLI_STRICT=1`` a missing tool is a failure; elsewhere it is a line that nobody can miss. What
the runs themselves could not prove (no advisory service answered) is a line in both.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

UNMET = Path(__file__).resolve().parents[1] / ".pytest_cache" / "v" / "pli"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Tool:
    """A program that some tests need: the names it may have, and what stays unproven without."""

    name: str
    programs: tuple[str, ...]
    proves: str

    def found(self) -> str | None:
        """Return the path of the first of its names that is installed."""
        if self.name == "chromium" and os.environ.get("PLI_CHROMIUM"):
            return os.environ["PLI_CHROMIUM"]
        return next((path for name in self.programs if (path := shutil.which(name))), None)


TOOLS = (
    Tool("gcc", ("gcc",), "failing syncs in a process of its own, under a preload shim"),
    Tool("chromium", BROWSERS, "the pages in a real browser"),
    Tool("faketime", ("faketime",), "a server whose wall clock another process sets"),
    Tool("openssl", ("openssl",), "signatures judged by a second implementation"),
)


def missing() -> list[Tool]:
    """Return the tools that are absent, in the order of their names."""
    return [tool for tool in sorted(TOOLS, key=lambda tool: tool.name) if tool.found() is None]


def unmet() -> list[str]:
    """Return what the last runs could not prove and said so, tools left out."""
    names = {tool.name for tool in TOOLS}
    said = {text for path in UNMET.glob("unmet-*") for text in json.loads(path.read_text())}
    return sorted(text for text in said if text.split(maxsplit=1)[0] not in names)


def main() -> int:
    """Print one 'not met' line per missing tool; fail on any of them in strict mode."""
    absent, others = missing(), unmet()
    for tool in absent:
        print(f"not met: {tool.name} ({tool.proves})")
    for other in others:
        print(f"not met: {other}")
    if not absent and not others:
        print("every tool was present: nothing is 'not met'")
    return 1 if absent and os.environ.get("PLI_STRICT") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
