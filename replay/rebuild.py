"""Views again from zero, compared byte by byte with the live ones up to the same position.

The live views may be behind the ledger while a server runs: the rebuilt ones stop where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from projections.facts import Source
from projections.rebuild import dump_of, seen
from projections.runner import Runner
from projections.store import writer
from replay.timeline import Until


@dataclass(frozen=True)
class Comparison:
    """The position compared, and both dumps; no live one before a server has first started."""

    position: int
    live: bytes | None
    rebuilt: bytes

    @property
    def equal(self) -> bool:
        """Whether every byte is the same; views that were never built contradict nothing."""
        return self.live is None or self.live == self.rebuilt


def compare(
    log: Source,
    views: Path,
    scratch: Path,
    progress: Callable[[int], None] = lambda position: None,
) -> Comparison:
    """Rebuild into a scratch file what the live views have seen, and compare."""
    position, live = seen(views) if views.exists() else (-1, None)
    engine = writer(scratch)
    try:
        Runner(Until(log, position), engine).catch_up(progress)
    finally:
        engine.dispose()
    return Comparison(position, live, dump_of(scratch))
