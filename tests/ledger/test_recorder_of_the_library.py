"""The library's own recorder tests, over the ledger.

Their states are opaque (``b"state1"``, topic ``"topic1"``), their streams are UUIDs and their
versions start at 0, which no entry can hold: a wrapper carries them inside canonical data, one
version higher. All cases of `ApplicationRecorderTestCase` pass so.

`AggregateRecorderTestCase` cannot: it inserts an empty list and expects no notification ids, while
a save here has events and every entry has a position.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from doubles.ledger import START, Bench, check_ledger
from doubles.postgres import server
from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent, Subscription

from ledger.application import Ledger
from ledger.entry import checked_state, instant_text, parse
from ledger.postgres import PostgresDatabase
from ledger.recorder import LedgerRecorder

# The library's cases import a cipher that needs another package; they never use it.
_STUB = ModuleType("eventsourcing.cipher")
_STUB.AESCipher = object  # type: ignore[attr-defined]
_ABSENT = "eventsourcing.cipher" not in sys.modules
if _ABSENT:
    sys.modules["eventsourcing.cipher"] = _STUB
from eventsourcing.tests.persistence import ApplicationRecorderTestCase  # noqa: E402

if _ABSENT:
    del sys.modules["eventsourcing.cipher"]


class Wrapped(ApplicationRecorder):
    """Carries opaque states in the data of entries, UUIDs in stream names, a key in each save."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        self.inner = recorder
        self.saves = 0

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self.saves += 1
        wrapped = [
            StoredEvent(
                f"counter/{each.originator_id}",
                each.originator_version + 1,
                each.topic.capitalize(),
                checked_state(instant_text(START), {"state": each.state.hex()}, 1),
            )
            for each in stored_events
        ]
        # as the library's own recorders do, so that two saves of the same event are two commands
        command = f"case/{id(wrapped)}/{self.saves}"
        ids = self.inner.insert_events(wrapped, command=command, digest=b"")
        return None if ids is None else list(ids)

    def select_events(self, originator_id: UUID | str, **kwargs: Any) -> Sequence[StoredEvent]:
        for bound in {"gt", "lte"} & kwargs.keys():
            kwargs[bound] += 1
        found = self.inner.select_events(f"counter/{originator_id}", **kwargs)
        return [
            StoredEvent(
                UUID(str(each.originator_id).removeprefix("counter/")),
                each.originator_version - 1,
                each.topic.lower(),
                _state(each.state),
            )
            for each in found
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        kinds = [topic.capitalize() for topic in topics]
        found = self.inner.select_notifications(
            start, limit, stop, kinds, inclusive_of_start=inclusive_of_start
        )
        return [_unwrapped(each) for each in found]

    def max_notification_id(self) -> int | None:
        return self.inner.max_notification_id()

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        following = self.inner.subscribe(gt, [topic.capitalize() for topic in topics])
        return _Unwrapping(following)  # type: ignore[return-value]


class _Unwrapping:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __enter__(self) -> _Unwrapping:
        self.inner.__enter__()
        return self

    def __exit__(self, *args: object) -> None:
        self.inner.__exit__(*args)

    def __iter__(self) -> _Unwrapping:
        return self

    def __next__(self) -> Notification:
        return _unwrapped(next(self.inner))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _state(entry: bytes) -> bytes:
    return bytes.fromhex(str(parse(entry).data["state"]))


def _unwrapped(each: Notification) -> Notification:
    return Notification(
        UUID(str(each.originator_id).removeprefix("counter/")),
        each.originator_version - 1,
        each.topic.lower(),
        _state(each.state),
        each.id,
    )


class TestLedgerRecorder(ApplicationRecorderTestCase[Wrapped]):
    """The library's cases."""

    INITIAL_VERSION = 0

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name), database=self.database()).create()
        self.ledger: Ledger = self.bench.open()

    def database(self) -> PostgresDatabase | None:
        """Return where the log stands: in a file of its home."""
        return None

    def create_recorder(self) -> Wrapped:
        recorder = self.ledger.application.recorder
        assert isinstance(recorder, LedgerRecorder)
        return Wrapped(recorder)

    def tearDown(self) -> None:
        self.ledger.close()
        check_ledger(self.bench)
        self.folder.cleanup()


@pytest.mark.postgres
class TestLedgerRecorderOnPostgres(TestLedgerRecorder):
    """The same cases on PostgreSQL."""

    def database(self) -> PostgresDatabase | None:
        return server().database()
