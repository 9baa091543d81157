"""The ledger as a rehearsal of the platform itself meets it: each save is a real commit of nothing.

A synthetic deposit every minute would fill the log: ``ledger.md`` §2 asks for one entry per kind
and beat. So its events live here, for the length of one probe; what the log is asked for is what a
save asks: a transaction on its database, durable when it returns, and a receipt under its key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from domain.aggregate import Aggregate, Event
from domain.errors import CommandReused
from ledger.entry import Row, splice
from ledger.mapper import CanonicalTranscoder, LedgerMapper
from ledger.queue import Recorded

A = TypeVar("A", bound=Aggregate)


class CanaryFiles:
    """Behind the port Files, and what attestations read of a ledger; _lock guards the events."""

    def __init__(
        self,
        base: Sequence[Event],
        confirm: Callable[[], None],
        receipt: Callable[[int], bytes],
    ) -> None:
        self._base = tuple(base)
        self._confirm = confirm
        self._receipt = receipt
        self._mapper = LedgerMapper(CanonicalTranscoder())
        self._lock = threading.Lock()
        self._events: list[Event] = list(base)
        self._commands: dict[str, tuple[bytes, Recorded]] = {}

    def forget(self) -> None:
        """Let go of all that one probe did."""
        with self._lock:
            self._events = list(self._base)
            self._commands = {}

    def find(self, kind: type[A], stream: str) -> A | None:
        """Return the aggregate rebuilt from its stream, None if the stream is empty."""
        aggregate = None
        for event in self._of(stream):
            aggregate = event.mutate(aggregate)
        return aggregate if isinstance(aggregate, kind) else None

    def known(self, command: str, digest: bytes) -> Recorded | None:
        """Return the record of this command; with another digest, raise CommandReused."""
        with self._lock:
            found = self._commands.get(command)
        if found is None:
            return None
        if found[0] != digest:
            raise CommandReused(command)
        return Recorded(found[1].first, found[1].count, repeated=True)

    def save(
        self,
        command: str,
        digest: bytes,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] | None = None,
    ) -> Recorded:
        """Keep the pending events once the log has committed, with nothing in it."""
        _ = expect  # nobody else moves these streams
        self._confirm()
        events: list[Any] = [event for each in changed for event in each.collect_events()]
        with self._lock:
            done = Recorded(len(self._events), len(events))
            self._events += events
            self._commands[command] = (digest, done)
        return done

    def stream(self, name: str, until: int | None = None) -> list[Row]:
        """Return the entries of a stream as far as an answer shows them."""
        _ = until
        return [self._row(place, event) for place, event in enumerate(self._of(name))]

    def receipt(self, position: int, published: bool = False) -> bytes:
        """Return a receipt of the log's first entry: signed and proven as any other."""
        _ = (position, published)
        return self._receipt(0)

    def _of(self, stream: str) -> list[Event]:
        with self._lock:
            return [event for event in self._events if event.originator_id == stream]

    def _row(self, place: int, event: Event) -> Row:
        draft = self._mapper.to_draft(event)
        stream, version, kind = draft.stream, draft.version, draft.kind
        entry = splice(draft.state, kind, "0" * 64, "0" * 32, stream, version)
        return Row(place, stream, version, kind, b"", entry)
