"""The ports of the domain in memory: they really keep what they are given, and fail on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

from domain.aggregate import Aggregate, Event
from domain.errors import CommandReused
from domain.events.backup_copy import BackupCopyReceived
from domain.events.consultation import ConsultationPublished
from domain.events.custody import KeyCeremonyCompleted, KeysetReady
from domain.events.deposit import DepositSealed, LateDepositRecorded
from domain.events.parties import CommitteeElected, RoleGranted
from domain.events.transmission import (
    TransmissionExpired,
    TransmissionFailed,
    TransmissionStarted,
)
from domain.ports import Head, Tip
from domain.scanning import Piece

A = TypeVar("A", bound=Aggregate)


class VersionConflict(Exception):
    """A stream moved since it was read."""


@dataclass(frozen=True)
class MemoryRecord:
    first: int
    count: int
    repeated: bool = False


class MemoryFiles:
    """The ledger: saves are atomic, commands are known for ever, versions have no gap."""

    def __init__(self) -> None:
        self.rows: list[Event] = []
        self.positions: dict[str, list[int]] = {}
        self.live: dict[str, Aggregate] = {}
        self.commands: dict[str, tuple[bytes, MemoryRecord]] = {}
        self.deposits: dict[str, list[tuple[str, str]]] = {}
        self.keysets: dict[str, str] = {}
        self.assignments: dict[str, str] = {}
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None

    def fork(self) -> MemoryFiles:
        """Return a ledger with the same past and a future of its own."""
        twin = MemoryFiles()
        twin.rows = list(self.rows)
        twin.positions = {stream: list(places) for stream, places in self.positions.items()}
        twin.live = dict(self.live)
        twin.commands = dict(self.commands)
        twin.deposits = {name: list(places) for name, places in self.deposits.items()}
        twin.keysets, twin.assignments = dict(self.keysets), dict(self.assignments)
        return twin

    def find(self, kind: type[A], stream: str) -> A | None:
        found = self.live.get(stream)
        if found is None:
            return None
        assert isinstance(found, kind)
        return found.copied()

    def known(self, command: str, digest: bytes) -> MemoryRecord | None:
        earlier = self.commands.get(command)
        if earlier is None:
            return None
        if earlier[0] != digest:
            raise CommandReused(command)
        return MemoryRecord(earlier[1].first, earlier[1].count, repeated=True)

    def save(
        self,
        command: str,
        digest: bytes,
        changed: Sequence[Aggregate],
        expect: Mapping[str, int] | None = None,
    ) -> MemoryRecord:
        earlier = self.known(command, digest)
        if earlier:
            return earlier
        for stream, version in (expect or {}).items():
            if len(self.positions.get(stream, ())) != version:
                raise VersionConflict(stream)
        for aggregate in changed:
            kept = len(self.positions.get(aggregate.id, ()))
            if aggregate.version - len(aggregate.pending_events) != kept:
                raise VersionConflict(aggregate.id)
        self.before_commit()
        record = MemoryRecord(len(self.rows), sum(len(one.pending_events) for one in changed))
        assert record.count, "a save has events"
        for aggregate in changed:
            for event in aggregate.collect_events():
                assert isinstance(event, Event)
                self.keep(event)
            self.live[aggregate.id] = aggregate.copied()
        self.commands[command] = (digest, record)
        self.after_commit()
        return record

    def keep(self, event: Event) -> None:
        self.positions.setdefault(event.originator_id, []).append(len(self.rows))
        self.rows.append(event)
        if isinstance(event, DepositSealed | LateDepositRecorded):
            place = (event.originator_id, event.bidder)
            self.deposits.setdefault(event.consultation, []).append(place)
        elif isinstance(event, KeysetReady):
            self.keysets[event.digest] = event.originator_id.partition("/")[2]
        elif isinstance(event, KeyCeremonyCompleted):
            self.assignments[event.digest] = event.originator_id.partition("/")[2]

    def stream(self, name: str) -> list[Event]:
        return [self.rows[position] for position in self.positions.get(name, ())]

    def rebuilt(self, stream: str) -> Aggregate | None:
        aggregate: Aggregate | None = None
        for event in self.stream(stream):
            aggregate = event.mutate(aggregate)
        return aggregate


class MemoryRegister:
    """Reads the streams that belong together straight from the memory ledger."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files

    def deposits(self, consultation: str, bidder: str | None = None) -> Sequence[Tip]:
        found = self.files.deposits.get(consultation, ())
        return [self._tip(stream) for stream, tag in found if bidder in {None, tag}]

    def copies(self, consultation: str) -> Sequence[Tip]:
        came = (row for row in self.files.rows if isinstance(row, BackupCopyReceived))
        return [self._tip(row.originator_id) for row in came if row.consultation == consultation]

    def broken_off(self, consultation: str, bidder: str) -> Sequence[str]:
        ends = (TransmissionFailed, TransmissionExpired)
        mine = {
            row.originator_id
            for row in self.files.rows
            if isinstance(row, TransmissionStarted)
            and (row.consultation, row.bidder) == (consultation, bidder)
        }
        found = [row.originator_id for row in self.files.rows if isinstance(row, ends)]
        return [stream.partition("/")[2] for stream in found if stream in mine]

    def _tip(self, stream: str) -> Tip:
        positions = tuple(self.files.positions[stream])
        leaf = hashlib.sha256(f"{stream}#{len(positions)}".encode()).hexdigest()
        return Tip(stream, positions, leaf)

    def assigned(self, digest: str) -> str | None:
        return self.files.assignments.get(digest)

    def ceremony(self, digest: str) -> str | None:
        return self.files.keysets.get(digest)

    def organisations(self) -> Sequence[str]:
        members = (RoleGranted, CommitteeElected)
        found = {row.originator_id for row in self.files.rows if isinstance(row, members)}
        return sorted(stream.partition("/")[2] for stream in found)

    def published_of(self, buyer: str) -> list[str]:
        rows = (row for row in self.files.rows if isinstance(row, ConsultationPublished))
        named = (row.originator_id for row in rows if row.meta.tenant == buyer)
        return sorted(stream.partition("/")[2] for stream in named)

    def acted_since(self, org: str, size: int) -> bool:
        later = self.files.rows[size:]
        return any(org in {row.meta.tenant, row.meta.actor.org} for row in later)


class MemorySubjects:
    """Commitments are counters; tags are hashes without salt."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.operators: dict[str, str] = {}

    def remember(self, field: str, value: str, subject: str) -> str:
        commitment = f"{len(self.values) + 1:064x}"
        self.values[commitment] = value
        return commitment

    def reveal(self, commitment: str) -> str | None:
        return self.values.get(commitment)

    def bidder_tag(self, consultation: str, operator: str) -> str:
        tag = hashlib.sha256(f"{consultation} {operator}".encode()).hexdigest()
        self.operators[tag] = operator
        return tag

    def operator_of(self, consultation: str, tag: str) -> str:
        return self.operators[tag]


class MemoryHeads:
    """Every head is published at once, unless ``published`` is taken away."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.published = True
        self.witnesses: tuple[str, ...] = ("witness-1", "witness-2")

    def covering(self, position: int) -> Head:
        size = max(len(self.files.rows), 1)
        assert position < size
        return Head(size, f"{size:064x}")

    def published_covering(self, stream: str, version: int) -> Head | None:
        if not self.published:
            return None
        size = self.files.positions[stream][version - 1] + 1
        return Head(size, f"{size:064x}", self.witnesses)

    def published_root(self, size: int) -> str | None:
        there = self.published and 0 < size <= len(self.files.rows)
        return f"{size:064x}" if there else None


class MemoryTurns:
    """One thread needs no turns."""

    def hold(self, consultation: str) -> AbstractContextManager[None]:
        return nullcontext()


class MemoryVault:
    """Envelopes and plaintexts by deposit."""

    def __init__(self) -> None:
        self.room = True
        self.stored: dict[str, bytes] = {}
        self.opened: dict[str, bytes] = {}
        self.partials: dict[str, dict[int, bytes]] = {}
        self.kept: set[tuple[str, str, int, bytes]] = set()
        self.answers: dict[tuple[str, str, int], list[tuple[int, bytes]]] = {}
        self.sittings: dict[tuple[str, str, int], list[dict[str, str]]] = {}
        self.documents: dict[str, list[bytes]] = {}
        self.scans: dict[str, list[bytes]] = {}
        self.blobs: dict[str, bytes] = {}

    def reserve(self, transmission: str, size: int) -> bool:
        return self.room

    def sealed(self, deposit: str) -> AbstractContextManager[BytesIO] | None:
        data = self.stored.get(deposit)
        return None if data is None else nullcontext(BytesIO(data))

    @contextmanager
    def plaintext(self, deposit: str) -> Iterator[BytesIO]:
        place = BytesIO()
        yield place
        self.opened[deposit] = place.getvalue()

    def keep_partials(
        self, deposit: str, lot: str, plan_no: int, partials: Mapping[int, bytes]
    ) -> None:
        self.partials.setdefault(deposit, {}).update(partials)
        self.kept.update((deposit, lot, plan_no, data) for data in partials.values())
        self.answers.setdefault((deposit, lot, plan_no), []).extend(partials.items())

    def kept_partials(self, deposit: str, lot: str, plan_no: int) -> list[tuple[int, bytes]]:
        return self.answers.get((deposit, lot, plan_no), [])

    def keep_sitting(
        self, deposit: str, lot: str, plan_no: int, told: Sequence[Mapping[str, str]]
    ) -> None:
        self.sittings[deposit, lot, plan_no] = [dict(row) for row in told]

    def sitting(self, deposit: str, lot: str, plan_no: int) -> list[dict[str, str]]:
        return self.sittings.get((deposit, lot, plan_no), [])

    def pieces(self, deposit: str) -> list[Piece]:
        return [
            Piece(place, len(data), lambda data=data: iter((data,)))  # type: ignore[misc]
            for place, data in enumerate(self.documents.get(deposit, ()), 1)
        ]

    def keep_scan(self, deposit: str, trace: bytes) -> None:
        self.scans.setdefault(deposit, []).append(trace)

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return name


class CountingRng:
    """Bytes that nobody would call random, the same in every run."""

    def __init__(self) -> None:
        self.drawn = 0

    def bytes(self, count: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(self.drawn.to_bytes(8, "big")).digest(count)
