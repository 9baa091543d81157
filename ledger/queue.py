"""The queue before the writer: threads and asyncio tasks wait, one leader commits (ledger.md §4).

A thread that finds nobody leading leads: it runs what waits, itself included, in its own thread,
and hands the lead to the first that came meanwhile. A task never leads, since its loop must not
block: where a task comes first, a thread of the queue leads for it. There is no timer; a batch
forms while the previous one is in flight.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from ledger.entry import Draft
from ledger.errors import OutcomeUnknown

MOST_ENTRIES: Final = 2_000
MOST_BYTES: Final = 4 * 1024 * 1024
AWAKE: Final = 2
"""So many callers of a batch are awake at once: more would only wait for the interpreter's lock."""

NOTHING_EXPECTED: Final[Mapping[str, int]] = MappingProxyType({})

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the entries of a command stand: contiguous positions; repeated: it came before."""

    first: int
    count: int
    repeated: bool = False


class Save(NamedTuple):
    """The entries of one command: all or none of them are recorded."""

    command: str
    digest: bytes
    drafts: Sequence[Draft]
    expect: Mapping[str, int] = NOTHING_EXPECTED

    def weight(self) -> int:
        """Return its size in bytes, nearly."""
        return sum(len(draft.state) for draft in self.drafts)


class Saves(Protocol):
    """What records saves: the sequencer of this process, or the elected one."""

    def submit(self, save: Save) -> Recorded:
        """Record a save durably and return where it stands."""

    async def submit_async(self, save: Save) -> Recorded:
        """Record a save as `submit` does, for a task."""


class Slot(Generic[R]):
    """One waiting caller. `woken` is released once: when it is settled, or when it shall lead."""

    __slots__ = ("_failure", "_result", "settled", "woken")

    def __init__(self) -> None:
        self.woken = threading.Lock()
        self.woken.acquire()
        self.settled = False
        self._failure: Exception | None = None
        self._result: R | None = None

    def wait(self) -> None:
        """Wait to be woken."""
        self.woken.acquire()

    def settle(self, result: R) -> None:
        """Note what came of it."""
        self._result, self.settled = result, True

    def fail(self, failure: Exception) -> None:
        """Note why nothing came of it."""
        self._failure, self.settled = failure, True

    def outcome(self) -> R:
        """Return what came of it, or raise why nothing did."""
        if self._failure is not None:
            raise self._failure
        if not self.settled:  # its leader was interrupted
            raise OutcomeUnknown("of an interrupted batch")
        return self._result  # type: ignore[return-value]


class SaveSlot(Slot[Recorded]):
    """A save whose thread waits; woken, it wakes the one that follows it in its batch."""

    __slots__ = ("following", "save")

    def __init__(self, save: Save) -> None:
        super().__init__()
        self.save = save
        self.following: SaveSlot | None = None

    def wait(self) -> None:
        """Wait to be woken, and let the next one go on."""
        self.woken.acquire()
        if self.following is not None:
            self.following.woken.release()


class TaskSlot(SaveSlot):
    """A save whose asyncio task waits."""

    __slots__ = ("future", "loop")

    def __init__(self, save: Save, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(save)
        self.loop = loop
        self.future: asyncio.Future[Recorded] = loop.create_future()

    def resolve(self) -> None:
        """Tell the task, in its own loop."""
        if self.future.done():  # the task was cancelled: what was recorded stays recorded
            return
        try:
            self.future.set_result(self.outcome())
        except Exception as failure:
            self.future.set_exception(failure)


class WorkSlot(Slot[R]):
    """Something else that is to be done between two batches."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], R]) -> None:
        super().__init__()
        self.work = work


AnySlot = SaveSlot | WorkSlot[object]


class Queue:
    """Lets one caller at a time run what waits."""

    def __init__(self, record: Callable[[Sequence[SaveSlot]], None]) -> None:
        self._record = record
        # Shared, under _mutex:
        self._mutex = threading.Lock()
        self._waiting: deque[AnySlot] = deque()
        self._led = False
        # Leads for tasks; started with the first of them:
        self._turns = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._ended = False

    def wait_or_lead(self, slot: AnySlot) -> None:
        """Return once the slot is settled."""
        with self._mutex:
            self._waiting.append(slot)
            leads, self._led = not self._led, True
        if not leads:
            slot.wait()
            if slot.settled:
                return
        self._lead()

    def enter(self, slot: TaskSlot) -> None:
        """Let a task's save wait; its future is resolved in its loop."""
        with self._mutex:
            self._waiting.append(slot)
            leads, self._led = not self._led, True
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="sequencer", daemon=True)
                self._thread.start()
        if leads:
            self._turns.release()

    def close(self) -> None:
        """End the thread that leads for tasks, once nothing waits."""
        self._ended = True
        self._turns.release()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._turns.acquire()
            if self._ended:
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
                heir = self._waiting[0] if self._waiting else None
                self._led = heir is not None
            if isinstance(heir, TaskSlot):
                self._turns.release()
            elif heir is not None:
                heir.woken.release()
            _wake_in_turn(batch)

    def _take(self) -> list[AnySlot]:
        """1: all that waits, at most so many entries or bytes; other work goes alone."""
        batch = [self._waiting.popleft()]
        entries = weight = 0
        while isinstance(batch[-1], SaveSlot) and self._waiting:
            entries += len(batch[-1].save.drafts)
            weight += batch[-1].save.weight()
            following = self._waiting[0]
            full = entries >= MOST_ENTRIES or weight >= MOST_BYTES
            if full or not isinstance(following, SaveSlot):
                break
            batch.append(self._waiting.popleft())
        return batch

    def _run(self, batch: Sequence[AnySlot]) -> None:
        try:
            if isinstance(batch[0], WorkSlot):
                batch[0].settle(batch[0].work())
            else:
                self._record([slot for slot in batch if isinstance(slot, SaveSlot)])
        except Exception as error:  # whatever failed, nobody may wait for ever
            for slot in batch:
                if not slot.settled:
                    slot.fail(error)


def _wake_in_turn(batch: Sequence[AnySlot]) -> None:
    """Tell every caller of a batch; its first slot is the leader's own, if no task's.

    Threads are woken in a few chains: all at once they would only crowd before the interpreter's
    lock, each woken twice.
    """
    tasks: list[SaveSlot] = []
    threads: list[SaveSlot] = []
    for slot in batch:
        if isinstance(slot, TaskSlot):
            tasks.append(slot)
        elif isinstance(slot, SaveSlot):
            threads.append(slot)
    if threads and threads[0] is batch[0]:
        del threads[0]
    for slot, following in zip(threads, threads[AWAKE:], strict=False):
        slot.following = following
    wake([*threads[:AWAKE], *tasks])


def wake(batch: Sequence[SaveSlot]) -> None:
    """Tell every one of these callers; a loop is told once for all of its tasks."""
    tasks: dict[asyncio.AbstractEventLoop, list[TaskSlot]] = {}
    for slot in batch:
        if isinstance(slot, TaskSlot):
            tasks.setdefault(slot.loop, []).append(slot)
        else:
            slot.woken.release()
    for loop, slots in tasks.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, slots)


def _resolve(slots: Sequence[TaskSlot]) -> None:
    for slot in slots:
        slot.resolve()
