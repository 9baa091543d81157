"""Sequencer: all that waits becomes one transaction (ledger.md §4).

A caller that finds nobody writing leads: it commits what waits, itself included, in its own thread,
and hands the lead to the first save that came meanwhile. There is no timer; a batch forms while the
previous commit is in flight. Everything below `Sequencer._lead` is done by the one leader.

Numbers in the code are those of ledger.md §4.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

from ledger.chains import GUARD, NO_ENTRY, Tip
from ledger.entry import (
    LOG_STREAM,
    Draft,
    Row,
    checked_state,
    dated,
    instant_text,
    leaf,
    splice,
)
from ledger.errors import (
    CommandReused,
    LedgerError,
    OutcomeUnknown,
    StorageFull,
    StreamMoved,
    TimeRefused,
)
from ledger.fail_stop import FailStop
from ledger.ports import Clock, Rng
from ledger.sqlite import Command, Head, SqliteWriter
from ledger.tree import Growth, Levels

MOST_ENTRIES: Final = 2_000
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_TIPS: Final = 200_000
SALT_BYTES: Final = 16
NO_TIP: Final = Tip(0, "", "")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the entries of a command stand: contiguous positions; repeated: it came before."""

    first: int
    count: int
    repeated: bool = False


class Filled(NamedTuple):
    """The tree right after padding, whatever came later."""

    size: int
    edge: bytes


@dataclass(frozen=True, slots=True)
class Save:
    """The entries of one command: all or none of them are recorded."""

    command: str
    digest: bytes
    drafts: Sequence[Draft]
    expect: Mapping[str, int] = field(default_factory=dict)

    def weight(self) -> int:
        """Return its size in bytes, nearly."""
        return sum(len(draft.state) for draft in self.drafts)


class _Slot(Generic[R]):
    """One waiting caller. `woken` is released once: when it is settled, or when it shall lead."""

    __slots__ = ("_failure", "_result", "settled", "woken")

    def __init__(self) -> None:
        self.woken = threading.Lock()
        self.woken.acquire()
        self.settled = False
        self._failure: Exception | None = None
        self._result: R | None = None

    def settle(self, result: R) -> None:
        self._result, self.settled = result, True

    def fail(self, failure: Exception) -> None:
        self._failure, self.settled = failure, True

    def outcome(self) -> R:
        if self._failure is not None:
            raise self._failure
        if not self.settled:  # its leader was interrupted
            raise OutcomeUnknown("of an interrupted batch")
        return self._result  # type: ignore[return-value]


class _SaveSlot(_Slot[Recorded]):
    __slots__ = ("save",)

    def __init__(self, save: Save) -> None:
        super().__init__()
        self.save = save


class _WorkSlot(_Slot[R]):
    __slots__ = ("work",)

    def __init__(self, work: Callable[[], R]) -> None:
        super().__init__()
        self.work = work


class _Batch:
    """What one transaction will write; built save by save, dropped as a whole when it fails."""

    def __init__(self, head: Head, known: dict[str, Command], tips: dict[str, Tip]) -> None:
        self.rows: list[Row] = []
        self.commands: list[tuple[str, bytes, int, int]] = []
        self.slots: list[_SaveSlot] = []
        self.known = known
        self.tips = tips
        self.size = head.size
        self.max_at = head.max_at


class Sequencer:
    """Gives every save its positions; the only writer of the log."""

    def __init__(
        self, store: SqliteWriter, levels: Levels, clock: Clock, rng: Rng, fail_stop: FailStop
    ) -> None:
        self.levels = levels
        self.moved: Callable[[int], None] = lambda size: None
        self._store = store
        self._clock = clock
        self._rng = rng
        self._fail_stop = fail_stop
        # Owned by whoever leads:
        self._tips: dict[str, Tip] = {}
        # Shared, under _mutex:
        self._mutex = threading.Lock()
        self._queue: deque[_SaveSlot | _WorkSlot[object]] = deque()
        self._led = False

    def submit(self, save: Save) -> Recorded:
        """Record a save durably and return where it stands; its drafts were checked before."""
        slot = _SaveSlot(save)
        self._wait_or_lead(slot)
        return slot.outcome()

    def alone(self, work: Callable[[], R]) -> R:
        """Run something on the writing connection, between two batches."""
        slot = _WorkSlot(work)
        self._wait_or_lead(slot)  # type: ignore[arg-type]
        return slot.outcome()

    def catch_up_with(self, size: int) -> int:
        """Return the size in memory; a reader may see a commit just before its leader notes it."""
        if self.levels.size < size:
            self.alone(lambda: None)
        return self.levels.size

    def fill(self, multiple: int, beyond: int) -> Filled:
        """Pad the log to a multiple and beyond a size, and return the tree at exactly that size."""
        return self.alone(lambda: self._fill(multiple, beyond))

    # -- who leads ---------------------------------------------------------------------------

    def _wait_or_lead(self, slot: _SaveSlot | _WorkSlot[object]) -> None:
        self._fail_stop.check()
        with self._mutex:
            self._queue.append(slot)
            leads, self._led = not self._led, True
        if not leads:
            slot.woken.acquire()
            if slot.settled:
                return
        self._lead()

    def _lead(self) -> None:
        """Do the work at the head of the queue, one's own included, then hand the lead over."""
        with self._mutex:
            batch = self._take()
        try:
            self._run(batch)
        finally:
            with self._mutex:
                heir = self._queue[0] if self._queue else None
                self._led = heir is not None
            if heir is not None:
                heir.woken.release()
            for slot in batch:
                slot.woken.release()

    def _take(self) -> list[_SaveSlot | _WorkSlot[object]]:
        """1: all that waits, at most so many entries or bytes; other work goes alone."""
        batch = [self._queue.popleft()]
        entries = weight = 0
        while isinstance(batch[-1], _SaveSlot) and self._queue:
            entries += len(batch[-1].save.drafts)
            weight += batch[-1].save.weight()
            following = self._queue[0]
            full = entries >= MOST_ENTRIES or weight >= MOST_BYTES
            if full or not isinstance(following, _SaveSlot):
                break
            batch.append(self._queue.popleft())
        return batch

    def _run(self, batch: Sequence[_SaveSlot | _WorkSlot[object]]) -> None:
        try:
            if isinstance(batch[0], _WorkSlot):
                batch[0].settle(batch[0].work())
            else:
                self._record([slot for slot in batch if isinstance(slot, _SaveSlot)])
        except Exception as error:  # whatever failed, nobody may wait for ever
            for slot in batch:
                if not slot.settled:
                    slot.fail(error)

    # -- one batch ---------------------------------------------------------------------------

    def _record(self, slots: Sequence[_SaveSlot]) -> None:
        ceiling = instant_text(self._clock.now().latest + GUARD)
        head = self._begin()
        try:
            batch = self._prepare(head, slots)
            for slot in slots:
                self._place(batch, slot, ceiling)
        except Exception:
            self._store.rollback()
            raise
        if batch.rows:
            self._commit(head, batch)
        else:
            self._store.rollback()

    def _begin(self) -> Head:
        """2, 3: begin; a head that differs from memory means that another writer was here."""
        try:
            head = self._store.begin()
        except StorageFull:
            self._store.rollback()
            raise
        if head.size != self.levels.size:
            self._catch_up(head)
        return head

    def _catch_up(self, head: Head) -> None:
        size = self.levels.size
        if head.size < size:
            self._store.rollback()
            raise self._fail_stop.trip(f"the store went back from size {size} to {head.size}")
        self._tips.clear()
        self.levels.adopt(self.levels.grow(self._store.leaves(size, head.size)))

    def _prepare(self, head: Head, slots: Sequence[_SaveSlot]) -> _Batch:
        """4: one query for the command keys, one for the tips that are not in memory."""
        known = self._store.known([slot.save.command for slot in slots])
        if len(self._tips) > MOST_TIPS:
            self._tips.clear()
        streams = {draft.stream for slot in slots for draft in slot.save.drafts}
        streams.update(stream for slot in slots for stream in slot.save.expect)
        unknown = sorted(streams - self._tips.keys())
        if unknown:
            self._tips.update(dict.fromkeys(unknown, NO_TIP) | self._store.tips(unknown))
        return _Batch(head, known, {stream: self._tips[stream] for stream in streams})

    def _place(self, batch: _Batch, slot: _SaveSlot, ceiling: str) -> None:
        """5: settle a save that came before or may not be; place the others behind the last."""
        save = slot.save
        try:
            earlier = batch.known.get(save.command)
            if earlier is not None:
                if earlier.digest != save.digest:
                    raise CommandReused(save.command)
                result = Recorded(earlier.first, earlier.count, repeated=True)
                if earlier.first < self.levels.size:
                    slot.settle(result)
                    return
            else:
                result = self._append(batch, save, ceiling)
        except LedgerError as refused:
            slot.fail(refused)
            return
        # Not settled before the commit: its first sight may stand in this very batch.
        slot.settle(result)
        slot.settled = False
        batch.slots.append(slot)

    def _append(self, batch: _Batch, save: Save, ceiling: str) -> Recorded:
        for stream, expected in save.expect.items():
            if batch.tips[stream].version != expected:
                raise StreamMoved(stream, expected, batch.tips[stream].version)
        salts = self._rng.bytes(SALT_BYTES * len(save.drafts)).hex()
        first, max_at = batch.size, batch.max_at
        tips: dict[str, Tip] = {}
        rows: list[Row] = []
        for number, draft in enumerate(save.drafts):
            tip = tips.get(draft.stream) or batch.tips[draft.stream]
            if draft.version != tip.version + 1:
                raise StreamMoved(draft.stream, draft.version - 1, tip.version)
            state, at = draft.state, draft.at
            if at < tip.at:
                at = tip.at
                state = dated(state, at)
            _check_time(at, max_at, ceiling)
            max_at = max(max_at, at)
            salt = salts[2 * SALT_BYTES * number : 2 * SALT_BYTES * (number + 1)]
            prev = tip.leaf or self._genesis(batch, rows)
            entry = splice(state, draft.kind, prev, salt, draft.stream, draft.version)
            hashed = leaf(entry)
            rows.append(Row(first + number, draft.stream, draft.version, draft.kind, hashed, entry))
            tips[draft.stream] = Tip(draft.version, hashed.hex(), at)
        # From here on the save has its place.
        batch.rows += rows
        batch.tips.update(tips)
        batch.size += len(rows)
        batch.max_at = max_at
        batch.commands.append((save.command, save.digest, first, len(rows)))
        batch.known[save.command] = Command(save.digest, first, len(rows))
        return Recorded(first, len(rows))

    def _genesis(self, batch: _Batch, rows: Sequence[Row]) -> str:
        """Return what a stream's first entry links to: the leaf of entry 0."""
        if self.levels.size:
            return self.levels.hash_at(0, 0).hex()
        first = (*batch.rows, *rows)[:1]
        return first[0].leaf.hex() if first else NO_ENTRY

    def _commit(self, head: Head, batch: _Batch) -> None:
        growth = self.levels.grow([row.leaf for row in batch.rows])
        sent = False
        try:
            # 6
            new = Head(growth.size, growth.edge, batch.max_at)
            self._store.write(batch.rows, growth.tiles, batch.commands, head, new)
            # 7: a crash before leaves nothing; after this line all is durable, unacknowledged,
            # and a retry finds its command key
            sent = True
            self._store.commit()
        except LedgerError as failure:
            self._fail(batch, failure, growth, sent=sent)
            return
        # 8
        self.levels.adopt(growth)
        self._tips.update(batch.tips)
        for slot in batch.slots:
            slot.settled = True
        self.moved(growth.size)

    def _fail(self, batch: _Batch, failure: LedgerError, growth: Growth, *, sent: bool) -> None:
        """Give the batch its error: full disk, stop, or an outcome that nobody knows."""
        unknown = sent
        if isinstance(failure, StorageFull):
            self._store.rollback()
            # A full disk is survived only if the store says itself that nothing was written.
            unknown = self._store.head().size == growth.size
            self._tips.clear()
        for slot in batch.slots:
            slot.fail(OutcomeUnknown(slot.save.command) if unknown else failure)

    # -- padding -----------------------------------------------------------------------------

    def _fill(self, multiple: int, beyond: int) -> Filled:
        size = self.levels.size
        count = -(-max(size, beyond + 1) // multiple) * multiple - size
        if count:
            tip = self._store.tips([LOG_STREAM])[LOG_STREAM]
            state = checked_state(instant_text(self._clock.now().latest), {}, 1)
            drafts = [
                Draft(LOG_STREAM, tip.version + number, "LogPadded", state)
                for number in range(1, count + 1)
            ]
            command = f"{LOG_STREAM}/pad/{size}"
            slot = _SaveSlot(Save(command, hashlib.sha256(command.encode()).digest(), drafts))
            self._record([slot])
            slot.outcome()
        return Filled(size + count, self._store.head().edge)


def _check_time(at: str, max_at: str, ceiling: str) -> None:
    if at > ceiling:
        raise TimeRefused(at, ceiling)
    if at < max_at:
        floor = instant_text(datetime.fromisoformat(max_at) - GUARD)
        if at < floor:
            raise TimeRefused(at, floor)
