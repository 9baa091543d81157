"""Who waits behind a batch: a task is led by the queue's own thread, threads wake each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from ledger.queue import Queue, Recorded, Save, SaveSlot, TaskSlot


def test_a_task_that_came_during_a_batch_is_recorded_by_the_next() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def record(slots: Sequence[SaveSlot]) -> None:
        for slot in slots:
            slot.settle(Recorded(1, len(slots)))
        if not entered.is_set():
            entered.set()
            go_on.wait(30)

    queue = Queue(record)

    async def two() -> list[Recorded]:
        loop = asyncio.get_running_loop()
        first, second = (TaskSlot(Save(name, b"", ()), loop) for name in "ab")
        queue.enter(first)
        await asyncio.to_thread(entered.wait, 30)
        queue.enter(second)
        go_on.set()
        return [await first.future, await second.future]

    assert asyncio.run(two()) == [Recorded(1, 1), Recorded(1, 1)]
    queue.close()


def test_threads_that_waited_for_one_batch_wake_each_other() -> None:
    """One leads while nine wait; all nine are of the next batch, and each is answered."""
    entered, go_on = threading.Event(), threading.Event()
    batches: list[int] = []

    def record(slots: Sequence[SaveSlot]) -> None:
        entered.set()
        go_on.wait(30)
        batches.append(len(slots))
        for place, slot in enumerate(slots):
            slot.settle(Recorded(place, 1))

    queue = Queue(record)
    slots = [SaveSlot(Save(str(number), b"", ())) for number in range(10)]
    threads = [threading.Thread(target=queue.wait_or_lead, args=(slot,)) for slot in slots]
    threads[0].start()
    assert entered.wait(30)
    for each in threads[1:]:
        each.start()
    while len(queue._waiting) < 9:
        threads[1].join(0.001)
    go_on.set()
    for each in threads:
        each.join(30)
    assert not any(each.is_alive() for each in threads)
    assert batches == [1, 9]
    assert sorted(slot.outcome().first for slot in slots) == [0, *range(9)]
    queue.close()
