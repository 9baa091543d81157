"""The elected sequencer: above two writer processes one drains an inbox for all (ledger.md §4, C).

A caller puts its save into the inbox and waits for the answer, which the leader writes in the very
transaction that records the entries. The leader holds a lock of its session: with the process or
its line the lock falls, another process takes it, and what waits goes on waiting. Two leaders at
once are safe, since a batch is taken under the lock of the head row.

An answer that does not come is asked for again: the command tells whether it was recorded before.
No thread here reads a clock; who waits for an answer does so for a given time, so many times.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ledger.errors import (
    BatchGivenUp,
    LedgerClosed,
    LedgerError,
    OutcomeUnknown,
    StorageFull,
    StoreUnreachable,
)
from ledger.inbox_tables import Answer, Inbox
from ledger.inbox_words import answer_bytes, outcome_of, save_bytes, slot_of
from ledger.queue import Recorded, Save, SaveSlot, TaskSlot, wake

if TYPE_CHECKING:
    from ledger.fail_stop import FailStop
    from ledger.sequencer import Sequencer

POLL_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 3.0
TRIES: Final = 5


class _Call:
    """A caller that waits; `sent`: its save may stand in the inbox."""

    __slots__ = ("body", "key", "sent", "slot")

    def __init__(self, key: str, slot: SaveSlot) -> None:
        self.key = key
        self.slot = slot
        self.body = save_bytes(slot.save)
        self.sent = False

    def end(self, failure: LedgerError) -> None:
        """Note a failure of this process, which knows nothing of what it has sent."""
        self.slot.fail(OutcomeUnknown(self.slot.save.command) if self.sent else failure)


class InboxSequencer:
    """Records saves through the inbox, and drains it while this process is the elected one."""

    def __init__(
        self,
        inbox: Inbox,
        sequencer: Sequencer,
        fail_stop: FailStop,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._inbox = inbox
        self._sequencer = sequencer
        self._fail_stop = fail_stop
        self._patience = patience
        self._numbers = itertools.count(1)
        self._ended = threading.Event()
        self._changed = threading.Condition()
        # under _changed:
        self._calls: dict[str, _Call] = {}
        self._unsent: list[_Call] = []
        self._threads = [
            threading.Thread(target=work, name=f"inbox-{name}", daemon=True)
            for name, work in (("put", self._put), ("hear", self._hear), ("lead", self._lead))
        ]

    def start(self) -> None:
        """Begin to put, to hear and to stand for election."""
        for each in self._threads:
            each.start()

    def submit(self, save: Save) -> Recorded:
        """Record a save durably and return where it stands; its drafts were checked before."""
        slot = SaveSlot(save)
        with self._waiting(slot) as call:
            for _ in range(TRIES):
                self._send(call)
                if slot.woken.acquire(timeout=self._patience):
                    return slot.outcome()
        raise OutcomeUnknown(save.command)

    async def submit_async(self, save: Save) -> Recorded:
        """Record a save as `submit` does, for a task: its loop is never blocked."""
        slot = TaskSlot(save, asyncio.get_running_loop())
        with self._waiting(slot) as call:
            for _ in range(TRIES):
                self._send(call)
                await asyncio.wait({slot.future}, timeout=self._patience)
                if slot.future.done():
                    return slot.future.result()
        raise OutcomeUnknown(save.command)

    def close(self) -> None:
        """Stop leading and waiting; who still waits does not know what came of its save."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        for each in self._threads:
            each.join()
        self._end(LedgerClosed())
        self._inbox.close()

    # -- callers -----------------------------------------------------------------------------

    @contextmanager
    def _waiting(self, slot: SaveSlot) -> Iterator[_Call]:
        """Note a call for as long as its caller waits.

        Its key is its own, not the command's: two callers with one command get two answers.
        """
        call = _Call(f"{self._inbox.source}/{next(self._numbers)}", slot)
        with self._changed:
            self._calls[call.key] = call
        try:
            yield call
        finally:
            with self._changed:
                self._calls.pop(call.key, None)
            if isinstance(slot, TaskSlot):
                slot.future.cancel()  # nobody hears what comes later

    def _send(self, call: _Call) -> None:
        with self._changed:
            self._fail_stop.check()
            if self._ended.is_set():
                raise LedgerClosed
            self._unsent.append(call)
            self._changed.notify()

    def _end(self, failure: LedgerError) -> None:
        """Tell everybody who waits that no answer will come."""
        self._ended.set()
        with self._changed:
            calls = list(self._calls.values())
            self._calls.clear()
            self._changed.notify_all()
        for call in calls:
            call.end(failure)
        wake([call.slot for call in calls])

    # -- the thread that puts ----------------------------------------------------------------

    def _put(self) -> None:
        """Put all that came while the last were put."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._ended.is_set())
                calls, self._unsent = self._unsent, []
            if self._ended.is_set():
                return
            self._put_calls(calls)

    def _put_calls(self, calls: Sequence[_Call]) -> None:
        try:
            self._inbox.put([each.key for each in calls], [each.body for each in calls])
        except StoreUnreachable:  # put or not: their callers put them again
            pass
        except LedgerError as failure:  # not put: the disk is full, or the ledger has stopped
            with self._changed:
                failed = [each for each in calls if self._calls.pop(each.key, None)]
            for each in failed:
                each.end(failure)
            wake([each.slot for each in failed])
            return
        for each in calls:
            each.sent = True

    # -- the thread that hears ---------------------------------------------------------------

    def _hear(self) -> None:
        while not self._ended.is_set():
            try:
                self._settle(self._inbox.heard())
                self._inbox.wait_for_answers(POLL_SECONDS)
            except StoreUnreachable:
                self._ended.wait(POLL_SECONDS)
            except LedgerError as failure:  # the ledger has stopped
                self._end(failure)

    def _settle(self, answers: Sequence[tuple[str, bytes]]) -> None:
        """Wake the callers once this process knows the log as far as they are told."""
        with self._changed:
            found = [(self._calls.pop(key, None), body) for key, body in answers]
        slots = []
        size = 0
        for call, body in found:
            if call is None:  # it was asked for twice, or nobody waits any more
                continue
            outcome = outcome_of(body)
            if isinstance(outcome, Recorded):
                call.slot.settle(outcome)
                size = max(size, outcome.first + outcome.count)
            else:
                call.slot.fail(outcome)
            slots.append(call.slot)
        try:
            with suppress(StoreUnreachable):  # recorded it is, and the next to look will see it
                self._sequencer.catch_up_with(size)
        finally:
            wake(slots)

    # -- the thread that leads ---------------------------------------------------------------

    def _lead(self) -> None:
        """Stand for election until it is won, then drain; after a failure, stand again."""
        while not self._ended.is_set():
            try:
                if self._inbox.elected():
                    self._serve()
                self._ended.wait(POLL_SECONDS)
            except (BatchGivenUp, StorageFull, StoreUnreachable):
                # What was taken is back in the inbox, unless it was recorded and answered.
                self._ended.wait(POLL_SECONDS)
            except LedgerError as failure:  # the ledger has stopped: another process leads
                self._end(failure)
        self._inbox.resign()

    def _serve(self) -> None:
        while not self._ended.is_set():
            while self._inbox.any():
                self.drain()
            self._inbox.wait_for_saves(POLL_SECONDS)

    def drain(self) -> None:
        """Record one batch of what waits; safe in any process at any time."""
        try:
            self._batch(lambda slot: None)
        except StorageFull:
            # Whatever was recorded all the same has left the inbox with its answer.
            self._batch(lambda slot: slot.fail(StorageFull()))

    def _batch(self, judged: Callable[[SaveSlot], None]) -> None:
        names: list[tuple[str, str]] = []

        def take() -> list[SaveSlot]:
            rows = self._inbox.take()
            names.extend((row.key, row.source) for row in rows)
            slots = [slot_of(row.body) for row in rows]
            for slot in slots:
                judged(slot)
            return slots

        def answer(slots: Sequence[SaveSlot]) -> None:
            self._inbox.answer(
                [Answer(*name, answer_bytes(slot)) for name, slot in zip(names, slots, strict=True)]
            )

        self._sequencer.drain(take, answer)
