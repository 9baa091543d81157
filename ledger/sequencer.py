"""Sequencer: all that waits becomes one transaction (ledger.md §4).

Who waits and who leads is `ledger/queue.py`; everything here from `_record` on is done by the one
leader. Several processes may append to one PostgreSQL: the head row is their fence, and a head that
has moved makes the leader take the other's entries before its own.

Numbers in the code are those of ledger.md §4.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from ledger.chains import GUARD, NO_ENTRY, Tip
from ledger.entry import (
    LOG_STREAM,
    Data,
    Draft,
    Row,
    checked_state,
    dated,
    instant_text,
    leaf,
    splice,
)
from ledger.errors import (
    BatchGivenUp,
    CommandReused,
    LedgerError,
    OutcomeUnknown,
    StorageFull,
    StoreUnreachable,
    StreamMoved,
    TimeRefused,
)
from ledger.fail_stop import FailStop
from ledger.ports import Clock, Rng
from ledger.queue import Queue, Recorded, Save, SaveSlot, TaskSlot, WorkSlot
from ledger.store import Begun, Command, Head, Writer
from ledger.tree import Growth, Levels

MOST_TIPS: Final = 200_000
SALT_BYTES: Final = 16
NO_TIP: Final = Tip(0, "", "")

R = TypeVar("R")


class Filled(NamedTuple):
    """The tree right after padding, whatever came later."""

    size: int
    edge: bytes


class _Batch:
    """What one transaction will write; built save by save, dropped as a whole when it fails."""

    def __init__(self, head: Head, known: dict[str, Command], tips: dict[str, Tip]) -> None:
        self.rows: list[Row] = []
        self.commands: list[tuple[str, bytes, int, int]] = []
        self.slots: list[SaveSlot] = []
        self.known = known
        self.tips = tips
        self.size = head.size
        self.max_at = head.max_at


class Sequencer:
    """Gives every save its positions; the only writer of the log in this process."""

    def __init__(
        self, store: Writer, levels: Levels, clock: Clock, rng: Rng, fail_stop: FailStop
    ) -> None:
        self.levels = levels
        self.moved: Callable[[int], None] = lambda size: None
        # called around each commit with the streams that it moves:
        self.moving: Callable[[AbstractSet[str]], None] = lambda streams: None
        self.rested: Callable[[AbstractSet[str]], None] = lambda streams: None
        self._store = store
        self._clock = clock
        self._rng = rng
        self._fail_stop = fail_stop
        self._queue = Queue(self._record)
        # Owned by whoever leads:
        self._tips: dict[str, Tip] = {}

    def submit(self, save: Save) -> Recorded:
        """Record a save durably and return where it stands; its drafts were checked before."""
        self._fail_stop.check()
        slot = SaveSlot(save)
        self._queue.wait_or_lead(slot)
        return slot.outcome()

    async def submit_async(self, save: Save) -> Recorded:
        """Record a save as `submit` does, for a task: its loop is never blocked.

        A cancelled task may have recorded its save: its command tells.
        """
        self._fail_stop.check()
        slot = TaskSlot(save, asyncio.get_running_loop())
        self._queue.enter(slot)
        return await slot.future

    def alone(self, work: Callable[[], R]) -> R:
        """Run something on the writing connection, between two batches."""
        self._fail_stop.check()
        slot = WorkSlot(work)
        self._queue.wait_or_lead(slot)  # type: ignore[arg-type]
        return slot.outcome()

    def catch_up_with(self, size: int) -> int:
        """Return the size in memory; a reader may see a commit before its leader notes it."""
        if self.levels.size < size:
            self.alone(self._refresh)
        return self.levels.size

    def refresh(self) -> int:
        """Take what other processes have written since, and return the size."""
        self.alone(self._refresh)
        return self.levels.size

    def try_commit(self) -> None:
        """Commit without an entry, durably: raises whatever a save would meet in the store now."""
        self.alone(self._try_commit)

    def fill(self, multiple: int, beyond: int) -> Filled:
        """Pad the log to a multiple and beyond a size, and return the tree at exactly that size."""
        return self.alone(lambda: self._fill(multiple, beyond))

    def note(self, kind: str, command: str, digest: bytes, data_at: Callable[[int], Data]) -> int:
        """Record one entry of the ledger's own whose data name its position; return that."""
        return self.alone(lambda: self._note(kind, command, digest, data_at))

    def drain(
        self,
        take: Callable[[], Sequence[SaveSlot]],
        answer: Callable[[Sequence[SaveSlot]], None],
    ) -> None:
        """Record saves that wait elsewhere: taken, recorded and answered by one transaction."""
        self.alone(lambda: self._drain(take, answer))

    def close(self) -> None:
        """End what leads for tasks."""
        self._queue.close()

    # -- one batch ---------------------------------------------------------------------------

    def _record(self, slots: Sequence[SaveSlot]) -> None:
        """Write one batch; one that the database gave up, or lost before COMMIT, runs once more."""
        try:
            self._attempt(slots)
        except (BatchGivenUp, StoreUnreachable):
            self._attempt(slots)

    def _attempt(self, slots: Sequence[SaveSlot]) -> None:
        ceiling = instant_text(self._clock.now().latest + GUARD)
        unsettled = [slot for slot in slots if not slot.settled]
        self._write(self._begin(unsettled), unsettled, ceiling)

    def _write(self, begun: Begun, slots: Sequence[SaveSlot], ceiling: str) -> None:
        head = begun.head
        try:
            batch = self._prepare(begun, slots)
            for slot in slots:
                self._place(batch, slot, ceiling)
        except Exception:
            self._store.rollback()
            raise
        if not batch.rows:
            self._store.rollback()
            return
        streams = {row.stream for row in batch.rows}
        self.moving(streams)
        try:
            self._commit(head, batch)
        finally:
            self.rested(streams)

    def _begin(self, slots: Sequence[SaveSlot] = ()) -> Begun:
        """2 to 4: begin; a head that differs from memory means that another writer was here."""
        if len(self._tips) > MOST_TIPS:
            self._tips.clear()
        unknown = self._unknown(slots)
        try:
            self._store.recover()
            begun = self._store.begin([slot.save.command for slot in slots], unknown)
        except (BatchGivenUp, StorageFull):
            self._store.rollback()
            raise
        if begun.head.size != self.levels.size:
            self._catch_up(begun.head)
        self._tips.update(dict.fromkeys(unknown, NO_TIP) | begun.tips)
        return begun

    def _refresh(self) -> None:
        """Take what others wrote, without locking the head: what is committed never changes."""
        self._store.recover()
        head = self._store.head()
        if head.size != self.levels.size:
            self._catch_up(head)

    def _try_commit(self) -> None:
        self._begin()
        try:
            self._store.try_write()
            self._store.commit()
        except Exception:
            self._store.rollback()
            raise

    def _catch_up(self, head: Head) -> None:
        size = self.levels.size
        if head.size < size:
            self._store.rollback()
            raise self._fail_stop.trip(f"the store went back from size {size} to {head.size}")
        self._tips.clear()
        self.levels.adopt(self.levels.grow(self._store.leaves(size, head.size)))
        self.moved(head.size)

    def _prepare(self, begun: Begun, slots: Sequence[SaveSlot]) -> _Batch:
        """4: the tips that are not in memory, where they were not asked for at the beginning."""
        unknown = self._unknown(slots)
        if unknown:
            self._tips.update(dict.fromkeys(unknown, NO_TIP) | self._store.tips(unknown))
        tips = {stream: self._tips[stream] for stream in _streams(slots)}
        return _Batch(begun.head, begun.known, tips)

    def _unknown(self, slots: Sequence[SaveSlot]) -> list[str]:
        return sorted(_streams(slots) - self._tips.keys())

    def _place(self, batch: _Batch, slot: SaveSlot, ceiling: str) -> None:
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
            stream, version, kind, state = draft
            tip = tips.get(stream) or batch.tips[stream]
            if version != tip.version + 1:
                raise StreamMoved(stream, version - 1, tip.version)
            at = draft.at
            if at < tip.at:
                at = tip.at
                state = dated(state, at)
            _check_time(at, max_at, ceiling)
            max_at = max(max_at, at)
            salt = salts[2 * SALT_BYTES * number : 2 * SALT_BYTES * (number + 1)]
            prev = tip.leaf or self._genesis(batch, rows)
            entry = splice(state, kind, prev, salt, stream, version)
            hashed = leaf(entry)
            rows.append(Row(first + number, stream, version, kind, hashed, entry))
            tips[stream] = Tip(version, hashed.hex(), at)
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
        except BatchGivenUp:
            self._store.rollback()
            raise
        except StoreUnreachable as failure:
            if not sent:
                raise
            self._fail(batch, failure, growth, sent=sent)
            return
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

    # -- saves that wait elsewhere -----------------------------------------------------------

    def _drain(
        self,
        take: Callable[[], Sequence[SaveSlot]],
        answer: Callable[[Sequence[SaveSlot]], None],
    ) -> None:
        """2 to 8 for slots that nobody here waits for: what fails is taken again, as a whole."""
        ceiling = instant_text(self._clock.now().latest + GUARD)
        begun = self._begin()
        head = begun.head
        try:
            slots = take()
            unsettled = [slot for slot in slots if not slot.settled]
            known = self._store.known([slot.save.command for slot in unsettled])
            batch = self._prepare(begun._replace(known=known), unsettled)
            for slot in unsettled:
                self._place(batch, slot, ceiling)
            for slot in batch.slots:  # said in the same transaction, so true once it is read
                slot.settled = True
            growth = self.levels.grow([row.leaf for row in batch.rows])
            if batch.rows:
                new = Head(growth.size, growth.edge, batch.max_at)
                self._store.write(batch.rows, growth.tiles, batch.commands, head, new)
            if slots:
                answer(slots)
            self._store.commit()
        except Exception:
            self._store.rollback()
            raise
        if batch.rows:
            self.levels.adopt(growth)
            self._tips.update(batch.tips)
            self.moved(growth.size)

    # -- padding -----------------------------------------------------------------------------

    def _fill(self, multiple: int, beyond: int) -> Filled:
        begun = self._begin()
        size = begun.head.size
        count = -(-max(size, beyond + 1) // multiple) * multiple - size
        if not count:
            self._store.rollback()
            return Filled(size, begun.head.edge)
        ceiling = self._clock.now().latest
        tip = self._store.tips([LOG_STREAM])[LOG_STREAM]
        state = checked_state(instant_text(ceiling), {}, 1)
        drafts = [
            Draft(LOG_STREAM, tip.version + number, "LogPadded", state)
            for number in range(1, count + 1)
        ]
        command = f"{LOG_STREAM}/pad/{size}"
        slot = SaveSlot(Save(command, hashlib.sha256(command.encode()).digest(), drafts))
        known = self._store.known([command])
        self._write(begun._replace(known=known), [slot], instant_text(ceiling + GUARD))
        slot.outcome()
        return Filled(size + count, self.levels.grow(()).edge)

    def _note(self, kind: str, command: str, digest: bytes, data_at: Callable[[int], Data]) -> int:
        begun = self._begin()
        now = self._clock.now().latest
        tip = self._store.tips([LOG_STREAM])[LOG_STREAM]
        state = checked_state(instant_text(now), data_at(begun.head.size), 1)
        draft = Draft(LOG_STREAM, tip.version + 1, kind, state)
        slot = SaveSlot(Save(command, digest, [draft]))
        known = self._store.known([command])
        self._write(begun._replace(known=known), [slot], instant_text(now + GUARD))
        return slot.outcome().first


def _streams(slots: Sequence[SaveSlot]) -> set[str]:
    streams = {draft.stream for slot in slots for draft in slot.save.drafts}
    streams.update(stream for slot in slots for stream in slot.save.expect)
    return streams


def _check_time(at: str, max_at: str, ceiling: str) -> None:
    if at > ceiling:
        raise TimeRefused(at, ceiling)
    if at < max_at:
        floor = instant_text(datetime.fromisoformat(max_at) - GUARD)
        if at < floor:
            raise TimeRefused(at, floor)
