"""Ledger: the object which the upper layers hold, the Files port of the domain and more.

A save returns when its events are durable; nothing is acknowledged before (N1). Opening is the
recovery path: a store that does not continue what was signed is refused (N6).
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from eventsourcing.domain import DomainEventProtocol

from crypto.canonical import Json
from crypto.log_errors import QuorumNotMet
from crypto.policies import Policy
from ledger.checkpointer import PAUSE_SECONDS, Checkpointer
from ledger.creation import log_signers
from ledger.entry import Draft, Row
from ledger.errors import CommandReused, LedgerHalted, NoSuchEntry, NotPublished
from ledger.files import SYSTEM, Files
from ledger.library import LedgerApplication
from ledger.opened_store import OpenedStore
from ledger.other_writers import OtherWriters
from ledger.ports import Clock, Database, Halt, HighWater, Ports, Rng, Signer, Witness, never_halt
from ledger.proofs import consistency, inclusion
from ledger.publisher import Publisher
from ledger.queue import Recorded
from ledger.readers import LogReader, StoredLog
from ledger.receipt import make_receipt
from ledger.recent import RecentAggregates
from ledger.recorder import LedgerRecorder
from ledger.recovery import check_mark, check_witnesses, read_genesis, verified_tiles
from ledger.second_path import SecondPath
from ledger.sqlite import connect
from ledger.store import Connection

if TYPE_CHECKING:
    from ledger.inbox import InboxSequencer


class Aggregate(Protocol):
    """What a save needs of an aggregate."""

    def collect_events(self) -> Sequence[DomainEventProtocol[Any]]:
        """Hand over the pending events."""


A = TypeVar("A")


class Ledger:
    """One log, open for writing; every thread may use it."""

    def __init__(  # noqa: PLR0913 - its ports
        self,
        folder: Path,
        *,
        clock: Clock,
        rng: Rng,
        signer: Signer,
        high_water: HighWater,
        witnesses: Sequence[Witness] = (),
        connect: Callable[[str], Connection] = connect,
        database: Database | None = None,
        halt: Halt = never_halt,
        policy: str | None = None,
        pause: float = PAUSE_SECONDS,
        files: Files = SYSTEM,
        signers: Sequence[Signer] = (),
    ) -> None:
        ports = Ports(
            clock, rng, signer, high_water, connect, witnesses, halt, files, database, signers
        )
        self._given_policy = policy
        self._high_water = high_water
        self._store = OpenedStore(folder, ports)
        try:
            self._open(ports, pause)
        except BaseException:
            self._store.close()
            raise
        self._checkpointer.start()
        self._checkpointer.wake()
        if self._inbox is not None:
            self._inbox.start()
        self._others = OtherWriters.of(self._store)

    def _open(self, ports: Ports, pause: float) -> None:
        store = self._store
        levels = store.sequencer.levels
        note = ports.high_water.load()
        store.sequencer.refresh()  # what another process signed meanwhile is in the store already
        with store.readers.snapshot() as reads:
            signers = log_signers(reads, ports)
            mark = check_mark(levels, signers, note)
            self.genesis = read_genesis(reads, signers.keys, ports.signer.key)
        signers.check_able()
        alone = signers.keys.policy()
        self.policies = {
            "policy.txt": self._given_policy or alone,
            "policy-log.txt": alone,
        }
        self._policy = Policy.parse(self.policies["policy.txt"])
        self.silent_witnesses = check_witnesses(
            levels, signers, ports.witnesses, store.sequencer.refresh
        )
        self._checkpointer = Checkpointer(
            sequencer=store.sequencer,
            snapshot=store.readers.snapshot,
            second_path=SecondPath(verified_tiles(levels, mark)),
            signers=signers,
            high_water=ports.high_water,
            fail_stop=store.fail_stop,
            turn=store.database.turn,
            pause=pause,
        )
        self._publisher = Publisher(
            checkpointer=self._checkpointer,
            sequencer=store.sequencer,
            store=store.writer,
            witnesses=ports.witnesses,
            pad=self.genesis.pad,
            turn=store.database.turn,
        )
        self._inbox = _inbox_of(store)
        readers = store.readers
        writes = self._inbox or store.sequencer
        self._recorder = LedgerRecorder(writes, readers.snapshot, readers.once)
        self.application = LedgerApplication(self._recorder)
        # the lock of a home keeps other writers from its file, and from no other database
        self._alone = ports.database is None
        self._recent = RecentAggregates(self.application.events, alone=self._alone)
        store.sequencer.moving = self._recent.moving
        store.sequencer.rested = self._recent.moved
        self._grown = threading.Condition()
        store.sequencer.moved = self._moved

    @property
    def origin(self) -> str:
        """The name of the log, which its checkpoints carry."""
        return self.genesis.origin

    @property
    def reader(self) -> LogReader:
        """What only reads, for whoever reads the whole log again."""
        return self._store.reader

    # -- the Files port ----------------------------------------------------------------------

    def find(self, kind: type[A], stream: str) -> A | None:
        """Return the aggregate rebuilt from its stream, None if the stream is empty."""
        self._store.fail_stop.check()
        found = self._recent.find(stream)
        if found is None:
            return None
        if not isinstance(found, kind):
            raise NoSuchEntry(f"of a {kind.__name__} in {stream}")
        return found

    def known(self, command: str, digest: bytes) -> Recorded | None:
        """Return where this command was recorded; with another digest, raise CommandReused."""
        with self._store.readers.once() as reads:
            found = reads.command(command)
        if found is None:
            return None
        if found.digest != digest:
            raise CommandReused(command)
        return Recorded(found.first, found.count, repeated=True)

    def save(
        self,
        command: str,
        digest: bytes,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] | None = None,
    ) -> Recorded:
        """Write all pending events at once, durably; ``expect``: streams that must not move.

        Raises StreamMoved (load and decide again), CommandReused, EntryRefused, TimeRefused for
        this save alone; StorageFull, OutcomeUnknown (repeat it), LedgerHalted with its batch.
        """
        drafts = self._drafts(changed)
        return self._recorder.record(drafts, command=command, digest=digest, expect=expect)

    def confirm(self) -> None:
        """Prove that a save would be durable now: a commit on the log's database, without entry.

        Raises what a save raises: StorageFull, StoreUnreachable, LedgerHalted.
        """
        self._store.fail_stop.check()
        self._store.sequencer.try_commit()

    async def save_async(
        self,
        command: str,
        digest: bytes,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] | None = None,
    ) -> Recorded:
        """Write as `save` does, for a task: its loop is never blocked."""
        drafts = self._drafts(changed)
        return await self._recorder.record_async(
            drafts, command=command, digest=digest, expect=expect
        )

    def _drafts(self, changed: Sequence[Aggregate]) -> list[Draft]:
        to_draft = self.application.mapper.to_draft
        return [to_draft(event) for each in changed for event in each.collect_events()]

    # -- reading -----------------------------------------------------------------------------

    def read(self, after: int, limit: int) -> list[Row]:
        """Return the rows of positions > after, in order, stream ``log`` too."""
        return self._store.reader.read(after, limit)

    def row(self, position: int) -> Row:
        """Return the row of one position, or raise NoSuchEntry."""
        return self._store.reader.row(position)

    def stream(self, name: str, until: int | None = None) -> list[Row]:
        """Return the entries of a stream by version, up to and including a position."""
        return self._store.reader.stream(name, until)

    def head(self) -> int:
        """Return the number of durable entries."""
        self._store.fail_stop.check()
        return self._store.sequencer.levels.size

    def grown_beyond(self, position: int) -> bool:
        """Say whether there may be entries after a position that this process has not read.

        Where another process writes too, only the store knows: True.
        """
        return not self._alone or self.head() > position + 1

    def wait_beyond(self, size: int, timeout: float) -> int:
        """Return the size once it is larger than this one, or after the timeout."""
        with self._grown:
            self._grown.wait_for(lambda: self._store.sequencer.levels.size > size, timeout)
        return self.head()

    # -- checkpoints and proofs --------------------------------------------------------------

    def covering(self, position: int) -> bytes:
        """Return the newest internal note, once it covers a position."""
        return self._checkpointer.covering(position).note

    def publish(self, closing: bool = False) -> bytes:
        """Pad, sign, store and have cosigned; return the note with the cosignatures that came.

        A closing head must reach the quorum of the policy: else QuorumNotMet, and it stays
        published with what came.
        """
        note = self._publisher.publish()
        if closing:
            try:
                self._policy.verify(note)
            except QuorumNotMet:
                self._publisher.owe(note)
                raise
        return note

    def complete(self, *positions: int) -> None:
        """Ask again for what the closing heads over these positions lack of their quorum.

        Each witness is asked once for all of them; what comes is added. QuorumNotMet: one of them
        has not enough yet. NotPublished: no checkpoint covers one of the positions.
        """
        heads = {position: self._closing_head(position) for position in positions}
        lacking = {position: note for position, note in heads.items() if not self._settled(note)}
        if lacking:
            self._publisher.complete(*lacking.values())
        for position in lacking:
            note = self._closing_head(position)
            self._publisher.settle(self._policy.verify(note).checkpoint.size)

    def _closing_head(self, position: int) -> bytes:
        note = self.published_covering(position)
        if note is None:
            raise NotPublished
        return note

    def _settled(self, note: bytes) -> bool:
        """Say whether a head has its quorum; then it is owed nothing any more."""
        try:
            verified = self._policy.verify(note)
        except QuorumNotMet:
            return False
        self._publisher.settle(verified.checkpoint.size)
        return True

    def published(self) -> bytes | None:
        """Return the newest published note with its cosignatures."""
        return self._store.reader.published()

    def published_covering(self, position: int) -> bytes | None:
        """Return the first published note that covers a position, with its cosignatures."""
        return self._store.reader.published_covering(position)

    def receipt(self, position: int, published: bool = False) -> bytes:
        """Return the C2SP tlog-proof of an entry, the entry itself in ``extra``.

        First form: under an internal checkpoint, which is awaited. Published form: under the first
        published one that covers it, else NotPublished.
        """
        if published:
            return self._store.reader.published_receipt(position)
        note = self.covering(position)
        return make_receipt(self.row(position), note, self._store.sequencer.levels.hash_at)

    def files(self) -> StoredLog:
        """Return what is served of the log: nothing beyond the last published checkpoint."""
        return self._store.reader.files()

    def view(self, streams: Sequence[str], since: int) -> dict[str, Json]:
        """Return whole streams under one checkpoint, provably later than size ``since``.

        The object of ``envelope.md`` §10, for custodians.
        """
        rows = {name: self.stream(name) for name in streams}
        for name, found in rows.items():
            if not found:
                raise NoSuchEntry(f"in stream {name}")
        newest = max((found[-1].position for found in rows.values()), default=0)
        signed = self._checkpointer.covering(max(newest, since - 1))
        size, hash_at = signed.checkpoint.size, self._store.sequencer.levels.hash_at
        return {
            "checkpoint": signed.note.decode(),
            "consistency": [each.hex() for each in consistency(since, size, hash_at)],
            "streams": [
                {
                    "entries": [base64.b64encode(row.entry).decode() for row in found],
                    "inclusion": [
                        each.hex() for each in inclusion(found[-1].position, size, hash_at)
                    ],
                    "position": found[-1].position,
                }
                for found in rows.values()
            ],
        }

    def consistency(self, old: int, size: int) -> list[str]:
        """Return the proof, in hex, that the tree of a size continues a smaller one."""
        hash_at = self._store.sequencer.levels.hash_at
        return [each.hex() for each in consistency(old, size, hash_at)]

    def stop(self, failure: LedgerHalted) -> None:
        """Stop with another store of the same home that failed: nothing is served any more (N2)."""
        self._store.fail_stop.trip(failure.reason)

    def close(self) -> None:
        """Sign what is committed, then give files and lock back; a second call does nothing."""
        if self._others is not None:
            self._others.close()
        if self._inbox is not None:
            self._inbox.close()
        self._checkpointer.close()
        self.application.close()
        self._store.close()

    def _moved(self, size: int) -> None:
        self._checkpointer.wake()
        self._recorder.notify()
        with self._grown:
            self._grown.notify_all()


def _inbox_of(store: OpenedStore) -> InboxSequencer | None:
    """Return who records for this store, None where each process does it for itself.

    Imported here, because it needs the driver of PostgreSQL, which a log in a file does without.
    """
    inbox = store.database.inbox(store.writer, store.fail_stop)
    if inbox is None:
        return None
    from ledger.inbox import InboxSequencer

    return InboxSequencer(inbox, store.sequencer, store.fail_stop)
