"""A task that waits behind a batch is led by the queue's own thread."""

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
