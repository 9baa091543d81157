"""Aggregates that were asked for lately, folded up to a version (docs/adr/0030).

Nothing held here is an answer by itself: at each question the store is asked for what came after
that version, and entries before it never change. Whoever asks gets a copy, since a command goes on
from what it found and may give it up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
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
    """What was folded lately, by stream; every thread may use it."""

    def __init__(self, events: Events, most: int = MOST_HELD) -> None:
        self._events = events
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Copied] = OrderedDict()  # under _lock; none of them is changed

    def find(self, stream: str) -> object | None:
        """Return the aggregate as it is stored now, None if the stream is empty."""
        with self._lock:
            held = self._held.get(stream)
            if held is not None:
                self._held.move_to_end(stream)
        found: Any = None if held is None else held.copied()
        later = list(self._events.get(stream, gt=None if held is None else held.version))
        for event in later:
            found = event.mutate(found)  # type: ignore[attr-defined]
        if later and hasattr(found, "copied"):
            self._keep(stream, cast("Copied", found))
            return cast("Copied", found).copied()
        return cast("object | None", found)

    def _keep(self, stream: str, found: Copied) -> None:
        with self._lock:
            before = self._held.get(stream)
            if before is None or before.version < found.version:
                self._held[stream] = found
            self._held.move_to_end(stream)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
