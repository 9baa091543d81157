"""Finds a Chromium, or installs Debian's where that is possible; run at the head of `make test`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "-y", "-qq", "install", "--no-install-recommends", "chromium"),
)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
ABSENT = """\
Chromium was not found, and this user cannot install it: the pages will not be tested in a browser.
  Debian/Ubuntu: sudo apt-get install chromium      other systems: install Chromium or Chrome
  already somewhere else: PLI_CHROMIUM=/path/to/chrome make test
All other tests run; those of tests/browser are skipped as "not met: chromium" (with PLI_STRICT=1 \
that fails)."""


def found() -> str | None:
    """Return the browser to drive, None where there is none."""
    if os.environ.get("PLI_CHROMIUM"):
        return os.environ["PLI_CHROMIUM"]
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def flags() -> list[str]:
    """Return how to start it; without its sandbox only as root, which cannot have one."""
    return [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def installed() -> bool:
    """Install Debian's package where this user may; say whether it is there now."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("Chromium is absent: installing Debian's package (about 110 MB)", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in INSTALL:
        if subprocess.run(command, env=quiet, check=False, stdout=subprocess.DEVNULL).returncode:
            return False
    return found() is not None


def main() -> int:
    """Make sure of a browser; without one, fail only in strict mode."""
    if found() or installed():
        return 0
    print(ABSENT)
    return 1 if os.environ.get("PLI_STRICT") == "1" else 0


if __name__ == "__main__":
    sys.exit(main())
