"""``pli serve`` with a clock that a file sets, as its own process: time passes when the test says.

``python timed_server.py HOME PORT CLOCK``: CLOCK holds an instant; everything else is as in
``api/cli/serve.py``, the scheduler included.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":  # in place of this folder, whose names shadow the library's
    sys.path[:1] = [str(ROOT), str(ROOT / "tests" / "shared")]

from api.app import create_app  # noqa: E402
from api.cli.serve import serve_until_signal  # noqa: E402
from api.home import Home  # noqa: E402
from api.settings import Settings  # noqa: E402
from api.wiring import open_platform  # noqa: E402
from domain.clock import ClockSource, Reading  # noqa: E402

WIDTH = timedelta(milliseconds=10)


class FileClock:
    """Says what stands in a file; a file that is being replaced is read again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> Reading:
        at = datetime.fromisoformat(self._path.read_text())
        return Reading(ClockSource.QUORUM, at, at + WIDTH)


def set_clock(path: Path, at: datetime) -> None:
    """Set the clock of a server, all at once."""
    beside = path.with_suffix(".next")
    beside.write_text(at.isoformat())
    beside.replace(path)


def main() -> None:
    home, port, clock = Path(sys.argv[1]), int(sys.argv[2]), FileClock(Path(sys.argv[3]))
    settings = Settings(home=home, port=port, reserve_bytes=0)
    platform = open_platform(Home(home).existing(), settings, clock=clock)
    platform.now = lambda: clock.now().latest
    try:
        platform.start()
        asyncio.run(serve_until_signal(create_app(platform), "127.0.0.1", port))
    finally:
        platform.close()


if __name__ == "__main__":
    main()
