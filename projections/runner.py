"""Follows the ledger in batches: the views and their position move in one transaction.

Each entry has its effect exactly once (ledger.md §12): a batch is folded in memory, then written
together with the tracking row, which must still stand where the batch began. A hole in the
positions is an alarm, never a skip.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, select, update

from projections import (
    attempts,
    backup_copies,
    custody,
    deposits,
    dossiers,
    members,
    openings,
    publication,
    story_line,
)
from projections.changes import Change, Fold, Routes
from projections.errors import AnotherRunner, GapFound, NotCaughtUp
from projections.facts import Fact, LedgerRow, Source
from projections.store import NAME
from projections.tables import tracking
from projections.writing import write

BATCH = 1000
READ_AT_ONCE = 250
"""Fewer than a batch, so that rows are folded while the processor's cache still holds them."""
POLL_S = 0.2
LEDGER_STREAM = "log"
"""The ledger's own stream: only its positions count here."""

FOLDS: tuple[Fold, ...] = (
    members.fold,
    publication.fold,
    dossiers.fold,
    custody.fold,
    attempts.fold,
    deposits.fold,
    backup_copies.fold,
    openings.fold,
    story_line.fold,
)


class Runner:
    """One writer of one ``views.db``.

    ``_moved`` guards ``_reached``, ``_woken`` and ``_stopped``: writers of the ledger wake the
    runner, readers wait on it. Only the thread that steps writes to the views.
    """

    def __init__(
        self, source: Source, views: Engine, *, batch: int = BATCH, folds: Sequence[Fold] = FOLDS
    ) -> None:
        self._source = source
        self._views = views
        self._batch = batch
        self._routes = Routes(folds)
        self._moved = threading.Condition()
        self._woken = False
        self._stopped = False
        self._reached = self.stored()

    def stored(self) -> int:
        """Return the position up to which the views are written, -1 for none."""
        with self._views.connect() as connection:
            return stored_position(connection)

    def step(self) -> int:
        """Fold and write the next batch; return how many entries it held.

        Raises GapFound for a hole and AnotherRunner when somebody else moved these views: in both
        cases nothing was written.
        """
        after = self._reached
        changes: list[Change] = []
        last = self._fold(after, changes)
        if last == after:
            return 0
        with self._views.begin() as connection:
            write(connection, changes)
            _advance(connection, after, last)
        # After this line the batch is in the views; before it, none of it is.
        self._arrived(last)
        return last - after

    def catch_up(self, progress: Callable[[int], None] = lambda position: None) -> int:
        """Step until the source has nothing more; return the position reached."""
        while self.step():
            progress(self._reached)
        return self._reached

    def wake(self) -> None:
        """Tell a following runner that there may be new entries."""
        with self._moved:
            self._woken = True
            self._moved.notify_all()

    def stop(self) -> None:
        """Let ``follow`` return after its present batch."""
        with self._moved:
            self._stopped = True
            self._moved.notify_all()

    def follow(self) -> None:
        """Step whenever woken, and every 200 ms as fallback, until stopped."""
        while not self._stopped:
            try:
                self.catch_up()
            except AnotherRunner:
                self._arrived(self.stored())
                continue
            with self._moved:
                self._moved.wait_for(lambda: self._woken or self._stopped, POLL_S)
                self._woken = False

    def wait(self, position: int, timeout: float = 5.0) -> None:
        """Return once the views show this position, so that a caller reads its own writes."""
        self.wake()
        with self._moved:
            if not self._moved.wait_for(lambda: self._reached >= position, timeout):
                raise NotCaughtUp(position, self._reached)

    def _fold(self, after: int, changes: list[Change]) -> int:
        """Add what the next batch changes; return the last position of it."""
        last, end = after, after + self._batch
        while last < end:
            asked = min(READ_AT_ONCE, end - last)
            rows = self._source.read(last, asked)
            _contiguous(rows, last + 1)
            self._changes(rows, changes)
            last += len(rows)
            if len(rows) < asked:
                break
        return last

    def _changes(self, rows: Sequence[LedgerRow], changes: list[Change]) -> None:
        routes, add = self._routes, changes.extend
        for row in rows:
            folds = routes[row.kind]
            if folds and row.stream != LEDGER_STREAM:
                fact = Fact(row)
                for fold in folds:
                    add(fold(fact))

    def _arrived(self, position: int) -> None:
        with self._moved:
            self._reached = position
            self._moved.notify_all()


def _contiguous(rows: Sequence[LedgerRow], expected: int) -> None:
    for due, row in enumerate(rows, expected):
        if row.position != due:
            raise GapFound(due, row.position)


def stored_position(connection: Connection) -> int:
    """Return the position up to which these views are written, -1 for none."""
    asked = select(tracking.c.position).where(tracking.c.name == NAME)
    return int(connection.execute(asked).scalar_one())


def _advance(connection: Connection, after: int, last: int) -> None:
    moved = connection.execute(
        update(tracking)
        .where(tracking.c.name == NAME, tracking.c.position == after)
        .values(position=last)
    )
    if moved.rowcount != 1:
        raise AnotherRunner(after)
