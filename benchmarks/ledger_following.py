"""Projections: catching up with a log against the library's runner on it, and their live lag."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import threading
import time
from pathlib import Path
from typing import Any

from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder

import domain.commands.open_envelopes  # noqa: F401 - registers the kinds of events
from benchmarks.lives import lives, log_of_lives
from benchmarks.parcels import open_ledger
from domain import buyer, consultation, custody, dossier, envelope, opening, operator, transmission
from domain.events.deposit import DepositSealed, LateDepositRecorded
from ledger.application import Ledger
from ledger.queue import Save
from projections import deposits, store
from projections.runner import FOLDS, Runner

REGISTRY = (buyer, consultation, custody, dossier, envelope, opening, operator, transmission)
TOGETHER = 10
APPENDS_A_SECOND = 2_000


class DepositView(SQLiteTrackingRecorder):
    """The library's way to the same view: the row and the position in one transaction."""

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS deposits(deposit TEXT PRIMARY KEY, consultation TEXT,"
            " bidder TEXT, bytes_total INTEGER, received_at TEXT, state TEXT)",
        ]

    def sealed(self, row: tuple[Any, ...], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute("INSERT INTO deposits VALUES (?, ?, ?, ?, ?, 'SEALED')", row)


class DepositProjection(Projection[DepositView]):
    """Follows all kinds, as our runner does; only sealed deposits change the view."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:  # noqa: ANN401
        if isinstance(domain_event, (DepositSealed, LateDepositRecorded)):
            event = domain_event
            row = (
                event.originator_id,
                event.consultation,
                event.bidder,
                event.bytes_total,
                event.received_at.isoformat(),
            )
            self.view.sealed(row, tracking)
        else:
            self.view.insert_tracking(tracking)


def catching_up(seconds: float, folder: Path, count: int) -> dict[str, float]:
    """Let both runners read the same log on the same disk; the library's for these seconds."""
    ledger = log_of_lives(folder, count)
    size = ledger.head()
    found = {}
    for name, folds in (("catchup", (deposits.fold,)), ("catchup_all", FOLDS)):
        engine = store.writer(folder / f"{name}.db")
        started = time.perf_counter()
        Runner(ledger, engine, folds=folds).catch_up()
        found[name] = size / (time.perf_counter() - started)
        engine.dispose()
    found["catchup_library"] = by_library(ledger, seconds, folder)
    ledger.close()
    return found


def by_library(ledger: Ledger, seconds: float, folder: Path) -> float:
    """Return how many events a second the library's runner takes from our log."""

    class Same(Application[str]):
        name = "ledger"

        def __new__(cls, env: object = None) -> Any:  # noqa: ANN401
            return ledger.application

    env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "peer.db")}
    runner = ProjectionRunner(
        application_class=Same, projection_class=DepositProjection, view_class=DepositView, env=env
    )
    name = ledger.application.name
    started, before = time.perf_counter(), runner.view.max_tracking_id(name) or 0
    runner.is_interrupted.wait(seconds)
    reached = (runner.view.max_tracking_id(name) or 0) - before
    took = time.perf_counter() - started
    runner.stop()
    runner._processing_thread.join()
    if runner._thread_error is not None:
        raise runner._thread_error
    return reached / took


class Timed(Runner):
    """Keeps when it reached which position."""

    def __init__(self, *given: Any) -> None:  # noqa: ANN401
        self.reached: list[tuple[int, float]] = []
        super().__init__(*given)

    def _arrived(self, position: int) -> None:
        self.reached.append((position, time.perf_counter()))
        super()._arrived(position)


def lagging(seconds: float, folder: Path, count: int) -> dict[str, float]:
    """Append 2,000 events a second, ten a save; return when after its answer an entry is in view.

    The views are all those of the platform; the answer came when the entry was durable.
    """
    ledger = open_ledger(folder)
    engine = store.writer(folder / "views.db")
    runner = Timed(ledger, engine)
    told = ledger._store.sequencer.moved

    def moved(size: int) -> None:
        told(size)
        runner.wake()

    ledger._store.sequencer.moved = moved
    following = threading.Thread(target=runner.follow)
    following.start()
    drafts = lives(int(APPENDS_A_SECOND * seconds))
    answered: list[tuple[int, float]] = []
    started = time.perf_counter()
    for number in itertools.count():
        some = list(itertools.islice(drafts, TOGETHER))
        if not some:
            break
        due = started + number * TOGETHER / APPENDS_A_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        digest = hashlib.sha256(b"%d" % number).digest()
        place = ledger._store.sequencer.submit(Save(f"lag/{number}", digest, some))
        answered.append((place.first + place.count - 1, time.perf_counter()))
    took = time.perf_counter() - started
    runner.wait(ledger.head() - 1)
    runner.stop()
    following.join()
    positions = [position for position, _ in runner.reached]
    lags = sorted(
        max(0.0, runner.reached[bisect.bisect_left(positions, position)][1] - at)
        for position, at in answered
    )
    engine.dispose()
    ledger.close()
    return {
        "lag_p99_ms": 1000 * lags[int(len(lags) * 0.99)],
        "lag_appends_per_s": TOGETHER * len(answered) / took,
    }
