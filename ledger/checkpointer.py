"""Signs the head, apart from the commits: only after two paths agree, only above the mark.

Numbers in the code are those of ledger.md §5. Internal notes live in the mark (the last one), and
leave in a depositor's own receipt and in views for custodians only; `publisher` makes public ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from crypto import merkle, notes
from crypto.merkle import HASH_BYTES, CompactRange
from crypto.notes import Checkpoint
from ledger.errors import (
    HighWaterMoved,
    LedgerError,
    NoSuchEntry,
    PathsDisagree,
    StorageFull,
    StoreUnreachable,
)
from ledger.fail_stop import FailStop
from ledger.log_keys import LogSigners
from ledger.ports import HighWater
from ledger.proofs import consistency
from ledger.second_path import SecondPath
from ledger.sequencer import Sequencer
from ledger.store import Reads

ATTEMPTS = 5
PAUSE_SECONDS = 0.1
WAKE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Signed:
    """A note of ours and what it says."""

    checkpoint: Checkpoint
    note: bytes


def nobody_else(_: str) -> AbstractContextManager[None]:
    """Return at once: one process signs this log."""
    return nullcontext()


def read_mark(signers: LogSigners, note: bytes) -> Signed:
    """Return a note once it is proven to be signed by a key in force, else raise ForeignKey."""
    return Signed(signers.check(note), note)


class Checkpointer:
    """Signs what is committed, at most ten times a second, and publishes when asked."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        *,
        sequencer: Sequencer,
        snapshot: Callable[[], AbstractContextManager[Reads]],
        second_path: SecondPath,
        signers: LogSigners,
        high_water: HighWater,
        fail_stop: FailStop,
        turn: Callable[[str], AbstractContextManager[None]] = nobody_else,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._sequencer = sequencer
        self._snapshot = snapshot
        self._second_path = second_path  # under _signing
        self._signers = signers
        self._high_water = high_water
        self._fail_stop = fail_stop
        self._turn = turn
        self._pause = pause
        self._signing = threading.RLock()
        self._changed = threading.Condition()
        self._signed: Signed | None = None  # written under _signing, announced by _changed
        self._full = False  # under _changed: no note could be stored
        self._moved = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="checkpointer", daemon=True)

    # -- in the background -------------------------------------------------------------------

    def start(self) -> None:
        """Sign from now on whenever the head moved."""
        self._thread.start()

    def wake(self) -> None:
        """Tell that the head moved."""
        self._moved.set()

    def close(self) -> None:
        """Sign what was committed, then end."""
        self._closing.set()
        self._moved.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(LedgerError):
            self.sign_head()

    def covering(self, position: int) -> Signed:
        """Return an internal note that covers a position, waiting for it, or raise StorageFull."""
        self._fail_stop.check()
        if position >= self._sequencer.catch_up_with(position + 1):
            raise NoSuchEntry(f"at position {position}")
        while (signed := self._awaited(position)) is None:
            self.sign_head()  # there may be room again; if not, it is this caller who is told
        return signed

    def _awaited(self, position: int) -> Signed | None:
        """Return the note that covers a position once it is there; None where the disk is full."""
        with self._changed:
            while self._signed is None or self._signed.checkpoint.size <= position:
                self._fail_stop.check()
                if self._full:
                    return None
                self._moved.set()
                self._changed.wait(WAKE_SECONDS)
            return self._signed

    def _work(self) -> None:
        while not self._closing.is_set():
            self._moved.wait()
            self._moved.clear()
            try:
                self.sign_head()
            except StoreUnreachable:  # signed when the database answers again
                self._moved.set()
            except StorageFull:  # nothing was signed, nothing is lost: tried again until it fits
                self._tell_full()
                self._closing.wait(WAKE_SECONDS)
                self._moved.set()
                continue
            except LedgerError:  # the ledger has stopped; those who wait are told
                break
            self._closing.wait(self._pause)
        with self._changed:
            self._changed.notify_all()

    def _tell_full(self) -> None:
        with self._changed:
            self._full = True
            self._changed.notify_all()

    # -- signing -----------------------------------------------------------------------------

    def sign_head(self) -> Signed:
        """Sign the head as it is stored now, or return the note that covers it already."""
        with self._signing, self._turn("sign"), self._snapshot() as reads:
            head = reads.head()
            self._sequencer.catch_up_with(head.size)
            return self._sign(reads, head.size, head.edge)

    def sign_padded(self, multiple: int, beyond: int) -> Signed:
        """Pad the log and sign it at exactly the padded size, before anything larger is signed."""
        with self._signing, self._turn("sign"):
            filled = self._sequencer.fill(multiple, beyond)
            with self._snapshot() as reads:
                return self._sign(reads, filled.size, filled.edge)

    def _sign(self, reads: Reads, size: int, edge: bytes) -> Signed:
        for _ in range(ATTEMPTS):
            try:
                signed = self._sign_once(reads, size, edge)
            except HighWaterMoved:
                continue
            except (StorageFull, StoreUnreachable):
                raise
            except Exception as error:  # any doubt, of whatever kind
                raise self._fail_stop.trip(f"nothing is signed: {error}") from error
            with self._changed:
                self._signed, self._full = signed, False
                self._changed.notify_all()
            return signed
        raise self._fail_stop.trip("another process signs this log")

    def _sign_once(self, reads: Reads, size: int, edge: bytes) -> Signed:
        # 1 the running state
        pieces = [edge[at : at + HASH_BYTES] for at in range(0, len(edge), HASH_BYTES)]
        root = CompactRange.from_hashes(size, pieces).root()
        # 2 the stored entries
        if self._second_path.root(reads, size) != root:
            raise PathsDisagree(f"the root of size {size}")
        # 3 the mark
        checkpoint = Checkpoint(self._signers.origin, size, root)
        mark = self._high_water.load()
        if mark is not None:
            before = read_mark(self._signers, mark)
            proof = self._prove(before.checkpoint.size, size)
            merkle.check_consistency(
                before.checkpoint.size, size, before.checkpoint.root, root, proof
            )
            if before.checkpoint.size == size:
                return before
        # 4 sign  5 remember, before anybody sees it
        note = notes.note(checkpoint, self._signers.sign(checkpoint))
        self._high_water.swap(mark, note)
        return Signed(checkpoint, note)

    def _prove(self, old: int, size: int) -> list[bytes]:
        return consistency(old, size, self._sequencer.levels.hash_at)
