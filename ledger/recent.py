"""Aggregates that were asked for lately, folded up to a version (docs/adr/0030).

Nothing held here is an answer by itself: the store is asked for what came after that version, and
entries before it never change. Where one process alone writes, a stream that none of its commits
has moved since it was read has nothing new to say, and is not asked for again (docs/adr/0036).
Whoever asks gets a copy, since a command goes on from what it found and may give it up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Any, Final, Protocol, cast

from eventsourcing.domain import DomainEventProtocol

MOST_HELD: Final = 2_000
"""Aggregates in memory; the one that nobody asked for the longest goes first."""


class Copied(Protocol):
    """An aggregate whose state is made of values that never change."""

    @property
    def version(self) -> int:
        """The number of its events."""

    def copied(self) -> Copied:
        """Return a copy that can go on apart."""


class Events(Protocol):
    """Where streams are read."""

    def get(
        self, originator_id: str, *, gt: int | None = None
    ) -> Iterable[DomainEventProtocol[Any]]:
        """Yield the events of a stream after a version."""


class RecentAggregates:
    """What was folded lately, by stream; every thread may use it.

    ``alone``: nobody else writes this log, and whoever commits says so by ``moving`` and ``moved``.
    """

    def __init__(self, events: Events, most: int = MOST_HELD, *, alone: bool = False) -> None:
        self._events = events
        self._most = most
        self._alone = alone
        self._lock = threading.Lock()
        # under _lock; none of those held is changed:
        self._held: OrderedDict[str, Copied] = OrderedDict()
        self._still: set[str] = set()  # of those held: the store would have nothing new
        self._moving: set[str] = set()  # in a commit that may be seen at any moment
        self._commits = 0

    def moving(self, streams: Collection[str]) -> None:
        """Note that a commit begins which may move these streams."""
        with self._lock:
            self._moving.update(streams)
            self._still.difference_update(streams)

    def moved(self, streams: Collection[str]) -> None:
        """Note that it is over, whatever came of it: what was read meanwhile may be from before."""
        with self._lock:
            self._moving.difference_update(streams)
            self._commits += 1

    def find(self, stream: str) -> object | None:
        """Return the aggregate as it is stored now, None if the stream is empty."""
        with self._lock:
            commits = self._commits
            still = stream in self._still
            held = self._held.get(stream)
            if held is not None:
                self._held.move_to_end(stream)
        if still and held is not None:
            return held.copied()
        found: Any = None if held is None else held.copied()
        later = list(self._events.get(stream, gt=None if held is None else held.version))
        for event in later:
            found = event.mutate(found)  # type: ignore[attr-defined]
        if not hasattr(found, "copied"):
            return cast("object | None", found)
        kept = cast("Copied", found)
        self._keep(stream, kept if later else cast("Copied", held), commits)
        return kept.copied() if later else kept

    def _keep(self, stream: str, found: Copied, commits: int) -> None:
        """Hold the newest; it is still if no commit was under way since before it was read."""
        with self._lock:
            before = self._held.get(stream)
            if before is None or before.version < found.version:
                self._held[stream] = before = found
            self._held.move_to_end(stream)
            unmoved = commits == self._commits and stream not in self._moving
            if self._alone and unmoved and before.version == found.version:
                self._still.add(stream)
            if len(self._held) > self._most:
                self._still.discard(self._held.popitem(last=False)[0])
