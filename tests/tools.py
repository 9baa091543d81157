"""Which system tools the tests want, whether they are here, and the last line of ``make test``.

Nothing is installed from here: continuous integration does that before it calls ``make test``.
With ``PLI_STRICT=1`` a missing tool is a failure; elsewhere it is a line that nobody can miss.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

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
    Tool("openssl", ("openssl",), "signatures judged by a second implementation"),
)


def missing() -> list[Tool]:
    """Return the tools that are absent, in the order of their names."""
    return [tool for tool in sorted(TOOLS, key=lambda tool: tool.name) if tool.found() is None]


def main() -> int:
    """Print one 'not met' line per missing tool; fail on any of them in strict mode."""
    absent = missing()
    for tool in absent:
        print(f"not met: {tool.name} ({tool.proves})")
    if not absent:
        print("every tool was present: nothing is 'not met'")
    return 1 if absent and os.environ.get("PLI_STRICT") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
