"""Has closing heads and, once a day, the last published checkpoint stamped by an outside clock.

What is due is derived from the ledger: closed registers whose closing head has no stamp, and the
day without one. So nothing is queued that a crash could lose; an authority that is down is asked
again, and what is due for a day is an alarm (ledger.md §9). One thread beside the scheduler: a slow
authority holds up no deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import orjson

from api.idempotency import derived_id
from api.journal import say
from crypto.errors import CryptoError
from crypto.policies import Policy
from crypto.timestamps import NONCE_BYTES
from domain.clock import instant_text
from domain.commands.anchor_checkpoint import AnchorCheckpoint, anchor_checkpoint
from domain.events.opening import AnchorPurpose
from domain.ports import Act, Desk, Head, Principal
from ledger.anchors import ALARM, day_of, gaps, obtain
from ledger.ports import Timestamper

if TYPE_CHECKING:
    from api.adapters.anchor_book import AnchorBook
    from api.adapters.index import LedgerIndex
    from ledger.application import Ledger

TICK_S = 1.0
FIRST_WAIT_US = 5_000_000
LONGEST_WAIT_US = 600_000_000
DAY = timedelta(days=1)


class Warned(Timestamper, Protocol):
    """An authority that may have to say what it is not."""

    @property
    def warning(self) -> str | None:
        """What people must know of it, None for a real one."""


@dataclass(frozen=True)
class Due:
    """A published checkpoint that is to be stamped, and since when."""

    note: bytes
    size: int
    purpose: AnchorPurpose
    since: datetime


@dataclass(frozen=True)
class AnchorStatus:
    """How the anchors of a log stand."""

    last_at: datetime | None
    last_size: int
    pending: int
    oldest: datetime | None
    alarm: bool
    failure: str | None
    missed: tuple[date, ...]
    """Days since the first anchor on which nothing was stamped; today is not judged yet."""
    test: bool

    def shown(self) -> dict[str, object]:
        """Return what anybody may see: sizes of published checkpoints are public."""
        shown: dict[str, object] = {
            "pending": self.pending,
            "alarm": self.alarm,
            "missed": [day.isoformat() for day in self.missed],
            "legal_value": not self.test,
        }
        if self.last_at is not None:
            shown |= {"last_at": instant_text(self.last_at), "last_size": self.last_size}
        if self.failure is not None:
            shown["failure"] = self.failure
        if self.oldest is not None:
            shown["pending_since"] = instant_text(self.oldest)
        return shown


class Anchoring:
    """Asks the authority for what is due; ``tick`` is also called by tests and by the story."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        *,
        desk: Desk,
        ledger: Ledger,
        index: LedgerIndex,
        book: AnchorBook,
        store: Callable[[bytes], str],
        timestamper: Warned,
        counter: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._index = index
        self._book = book
        self._store = store
        self._timestamper = timestamper
        self._counter = counter
        self._policy = Policy.parse(ledger.policies["policy.txt"]).without_quorum()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchors", daemon=True)
        # owned by whoever ticks, one at a time under _lock
        self._lock = threading.Lock()
        self._wait = 0
        self._failed_at = 0
        self._failure: str | None = None
        # positions of closed registers whose closing head is stamped: never undone
        self._done: set[int] = set()

    def start(self) -> None:
        """Begin in a thread of its own; a test authority is announced."""
        if self._timestamper.warning is not None:
            say("timestamps.test", text=self._timestamper.warning)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def tick(self) -> None:
        """Stamp what is due, unless the authority failed a moment ago."""
        with self._lock:
            if self._failure is not None and self._counter() - self._failed_at < self._wait:
                return
            for due in self._due():
                if not self._try(due):
                    return

    def now(self) -> int:
        """Publish and stamp a checkpoint on demand; return its size, or raise what refuses."""
        with self._lock:
            self._ledger.publish()
            due = self._newest(self._desk.clock.now().latest)
            self._stamp(due)
            return due.size

    def status(self) -> AnchorStatus:
        """Say how the anchors stand."""
        rows, due, now = self._book.rows(), self._due(), self._desk.clock.now().latest
        oldest = min((one.since for one in due), default=None)
        yesterday = day_of(now) - DAY
        days = [day_of(row.at) for row in rows]
        return AnchorStatus(
            last_at=rows[-1].at if rows else None,
            last_size=rows[-1].size if rows else 0,
            pending=len(due),
            oldest=oldest,
            alarm=oldest is not None and now - oldest > ALARM,
            failure=self._failure,
            missed=tuple(gaps(days, days[0], yesterday)) if days else (),
            test=self._timestamper.warning is not None,
        )

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            try:
                self.tick()
            except Exception as error:
                code = getattr(error, "code", type(error).__name__)
                say("anchors.failed", code=code)

    # -- what is due

    def _due(self) -> list[Due]:
        """Return closing heads without a stamp, then the day's checkpoint if it has none."""
        rows = self._book.rows()
        stamped = {row.size for row in rows}
        found: dict[int, Due] = {}
        for position in self._index.closings():
            note = None
            if position not in self._done:
                note = self._ledger.published_covering(position)
            if note is None:
                continue
            size = self._size(note)
            if size in stamped:
                self._done.add(position)
            elif size not in found:
                since = _at(self._ledger.row(position).entry)
                found[size] = Due(note, size, AnchorPurpose.CLOSING, since)
        due = list(found.values())
        now = self._desk.clock.now()
        published = self._ledger.published()
        if published is not None and not (rows and day_of(rows[-1].at) >= day_of(now.earliest)):
            size = self._size(published)
            since = rows[-1].at + DAY if rows else _at(self._ledger.row(0).entry)
            if size not in stamped and size not in found:
                due.append(Due(published, size, AnchorPurpose.DAILY, min(since, now.latest)))
        return due

    def _newest(self, since: datetime) -> Due:
        note = self._ledger.published() or b""
        return Due(note, self._size(note), AnchorPurpose.DAILY, since)

    def _size(self, note: bytes) -> int:
        return self._policy.verify(note).checkpoint.size

    # -- asking

    def _try(self, due: Due) -> bool:
        """Stamp one; on failure remember why, and when to ask again."""
        try:
            self._stamp(due)
        except (OSError, CryptoError) as error:
            reason = str(getattr(error, "code", type(error).__name__))
            if reason != self._failure:
                say("anchor.failed", size=due.size, code=reason)
            self._wait = min(max(self._wait * 2, FIRST_WAIT_US), LONGEST_WAIT_US)
            self._failed_at, self._failure = self._counter(), reason
            return False
        self._wait, self._failure = 0, None
        return True

    def _stamp(self, due: Due) -> None:
        nonce = self._desk.rng.bytes(NONCE_BYTES)
        token, _ = obtain(self._timestamper, due.note, self._policy.logs, nonce)
        # Durable before the entry names it; a crash between the two leaves an orphan blob.
        name = self._store(token)
        verified = self._policy.verify(due.note)
        witnesses = tuple(sorted(verified.cosignatures))
        head = Head(due.size, verified.checkpoint.root.hex(), witnesses, name)
        act = Act(derived_id(f"anchors-{due.size}", name), self._itself, "anchors")
        anchor_checkpoint(self._desk, act, AnchorCheckpoint(due.purpose, head))
        self._book.forget()

    @property
    def _itself(self) -> Principal:
        return Principal(self._desk.platform, "PA", "platform", "scheduler")


def _at(entry: bytes) -> datetime:
    return datetime.fromisoformat(orjson.loads(entry)["at"])
