"""Views again from zero, compared byte by byte with the live ones up to the same position.

The live views may be behind the ledger while a server runs: the rebuilt ones stop where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from projections.facts import Source
from projections.rebuild import dump_of
from projections.runner import Runner
from projections.store import reader, writer
from replay.timeline import Until


@dataclass(frozen=True)
class Comparison:
    """The position compared, and both dumps."""

    position: int
    live: bytes
    rebuilt: bytes

    @property
    def equal(self) -> bool:
        """Whether every byte is the same."""
        return self.live == self.rebuilt


def compare(
    log: Source,
    views: Path,
    scratch: Path,
    progress: Callable[[int], None] = lambda position: None,
) -> Comparison:
    """Rebuild into a scratch file what the live views have seen, and compare."""
    position = -1
    if views.exists():
        live_engine = reader(views)
        try:
            position = Runner(log, live_engine).stored()
        finally:
            live_engine.dispose()
    engine = writer(scratch)
    try:
        Runner(Until(log, position), engine).catch_up(progress)
    finally:
        engine.dispose()
    live = dump_of(views) if views.exists() else b""
    return Comparison(position, live, dump_of(scratch))
