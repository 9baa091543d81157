"""Views again from zero, compared byte by byte with the live ones up to the same position.

The live views may be behind the ledger while a server runs: the rebuilt ones stop where they are.
No row is folded that is not proven: its leaf and its chain on the way, then the whole against the
root of the stored tree (``replay/fold.py``), so that a changed row is told as such, not as a view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledger.entry import Row
from projections.rebuild import dump_of, seen
from projections.runner import Runner
from projections.store import scratch_writer
from replay.fold import Proof, Rows


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


class Stored(Rows, Protocol):
    """A log with its tree."""

    def root(self, size: int) -> bytes:
        """Return the root that the stored tree has at a size."""


class _Proven:
    """The rows up to a position, each proven before it is given on."""

    def __init__(self, log: Rows, position: int) -> None:
        self._log = log
        self._position = position
        self.proof = Proof()

    def read(self, after: int, limit: int) -> Sequence[Row]:
        rows = self._log.read(after, min(limit, self._position - after))
        self.proof(rows)
        return rows


def compare(
    log: Stored,
    views: Path,
    scratch: Path,
    progress: Callable[[int], None] = lambda position: None,
) -> Comparison:
    """Rebuild into a scratch file what the live views have seen, and compare.

    Raises NotProven for rows that are not those of the stored tree.
    """
    position, live = seen(views) if views.exists() else (-1, None)
    engine = scratch_writer(scratch)
    try:
        proven = _Proven(log, position)
        Runner(proven, engine).catch_up(progress)
        proven.proof.finish(log.root(proven.proof.size))
    finally:
        engine.dispose()
    return Comparison(position, live, dump_of(scratch))
