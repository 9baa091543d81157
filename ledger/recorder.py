"""The eventsourcing recorder over the ledger: one save waits in one slot, with its command id.

Notification id = position. Stream `log` is the ledger's own and is never delivered, so followers
of the library see gaps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    StoredEvent,
)

from ledger.entry import LOG_STREAM, Draft, Row, check_draft
from ledger.errors import CommandMissing, EntryRefused, FeatureRefused, NothingToSave
from ledger.queue import NOTHING_EXPECTED, Recorded, Save, Saves
from ledger.store import FOREVER, Reads

LONGEST_COMMAND: Final = 200
_AT_ONCE: Final = 1_000


def checked_save(
    command: str, digest: bytes, drafts: Sequence[Draft], expect: Mapping[str, int] | None
) -> Save:
    """Return a save that may queue: in the caller's thread, so that a bad one never does."""
    if not 0 < len(command) <= LONGEST_COMMAND:
        raise CommandMissing(command)
    if not drafts:
        raise NothingToSave(command)
    for draft in drafts:
        if draft.stream == LOG_STREAM:
            raise EntryRefused("stream", f"{LOG_STREAM} is the ledger's own")
        check_draft(draft)
    return Save(command, digest, drafts, expect or NOTHING_EXPECTED)


class LedgerRecorder(ApplicationRecorder):
    """Writes through the sequencer, reads through readers."""

    def __init__(
        self,
        sequencer: Saves,
        snapshot: Callable[[], AbstractContextManager[Reads]],
        once: Callable[[], AbstractContextManager[Reads]],
    ) -> None:
        self._sequencer = sequencer
        self._snapshot = snapshot
        self._once = once
        self._following: list[_Following] = []  # under _lock
        self._lock = threading.Lock()

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # noqa: ANN401 - the library's signature
    ) -> Sequence[int] | None:
        """Record the events of one command; ``command`` is mandatory.

        None where the command came before with another number of events: the first answer stands.
        """
        drafts = [
            Draft(str(each.originator_id), each.originator_version, each.topic, each.state)
            for each in stored_events
        ]
        recorded = self.record(drafts, **kwargs)
        if recorded.count != len(stored_events):
            return None
        return range(recorded.first, recorded.first + recorded.count)

    def record(
        self,
        drafts: Sequence[Draft],
        *,
        command: str = "",
        digest: bytes = b"",
        expect: Mapping[str, int] | None = None,
        tracking: object = None,
    ) -> Recorded:
        """Record the events of one command and say where they stand."""
        if tracking is not None:
            raise FeatureRefused("a tracking record is given")
        return self._sequencer.submit(checked_save(command, digest, drafts, expect))

    async def record_async(
        self,
        drafts: Sequence[Draft],
        *,
        command: str,
        digest: bytes,
        expect: Mapping[str, int] | None = None,
    ) -> Recorded:
        """Record as `record` does, for a task: its loop is never blocked."""
        return await self._sequencer.submit_async(checked_save(command, digest, drafts, expect))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the entries of a stream; their state is the whole entry."""
        with self._once() as reads:
            rows = reads.stream(
                str(originator_id),
                after=0 if gt is None else gt,
                last=FOREVER if lte is None else lte,
                backwards=desc,
                limit=FOREVER if limit is None else limit,
            )
        return [StoredEvent(row.stream, row.version, row.kind, row.entry) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return entries by position, without the ledger's own."""
        place = 0 if start is None else start + (not inclusive_of_start)
        end = FOREVER if stop is None else stop + 1
        found: list[Notification] = []
        with self._snapshot() as reads:
            while len(found) < limit:
                rows = reads.rows(place, end, _AT_ONCE)
                found += [_notification(row) for row in rows if _wanted(row, topics)]
                if len(rows) < _AT_ONCE:
                    break
                place = rows[-1].position + 1
        return found[:limit]

    def max_notification_id(self) -> int | None:
        """Return the last position, None while the log holds only entry 0."""
        with self._snapshot() as reads:
            size = reads.head().size
        return size - 1 if size > 1 else None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> ListenNotifySubscription[LedgerRecorder]:
        """Follow the entries after a position as they are recorded."""
        following = _Following(self, gt, topics)
        with self._lock:
            self._following.append(following)
        return following

    def notify(self) -> None:
        """Wake those who follow; called after each commit."""
        with self._lock:
            followers = list(self._following)
        for each in followers:
            each.wake()

    def forget(self, following: _Following) -> None:
        """Stop waking one that was stopped."""
        with self._lock:
            self._following = [each for each in self._following if each is not following]


class _Following(ListenNotifySubscription[LedgerRecorder]):
    """A library subscription that the recorder wakes."""

    def wake(self) -> None:
        self._has_been_notified.set()

    def stop(self) -> None:
        self._recorder.forget(self)
        super().stop()


def _wanted(row: Row, topics: Sequence[str]) -> bool:
    return row.stream != LOG_STREAM and (not topics or row.kind in topics)


def _notification(row: Row) -> Notification:
    return Notification(row.stream, row.version, row.kind, row.entry, row.position)
