"""One attempt to deposit: announce, bytes, end; every end is a fact (domain.md §4.6)."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Aggregate, Meta, folds
from domain.errors import EnvelopeIncomplete
from domain.events.transmission import (
    ChunksStored,
    DrawerMismatchWarned,
    EnvelopeAnnounced,
    EnvelopeKind,
    FeasibilityRefused,
    MessageShown,
    Purpose,
    ReadabilityChecked,
    StallCause,
    TransmissionCompleted,
    TransmissionExpired,
    TransmissionFailed,
    TransmissionResumed,
    TransmissionStalled,
    TransmissionStarted,
)


class TransmissionSession(Aggregate):
    """One upload of one envelope."""

    TOPIC = "TransmissionSession"
    PREFIX = "transmission"
    MACHINE = "transmission"
    EVENTS = (
        TransmissionStarted,
        FeasibilityRefused,
        EnvelopeAnnounced,
        ChunksStored,
        TransmissionStalled,
        TransmissionResumed,
        MessageShown,
        DrawerMismatchWarned,
        ReadabilityChecked,
        TransmissionFailed,
        TransmissionExpired,
        TransmissionCompleted,
    )

    def begin(self) -> None:
        """Start without an announce."""
        super().begin()
        self.started: TransmissionStarted | None = None
        self.started_at: datetime | None = None
        self.announced: EnvelopeAnnounced | None = None
        self.announced_at: datetime | None = None
        self.refused: FeasibilityRefused | None = None
        self.failed: TransmissionFailed | None = None
        self.broken_off: TransmissionFailed | TransmissionExpired | None = None
        self.last_chunk = -1
        self.bytes_total = 0
        self.stalls: tuple[StallCause, ...] = ()

    @folds(TransmissionStarted)
    def _started(self, event: TransmissionStarted) -> None:
        self.started, self.started_at = event, event.meta.clock.middle()

    @folds(FeasibilityRefused)
    def _refused(self, event: FeasibilityRefused) -> None:
        self.refused = event

    @folds(EnvelopeAnnounced)
    def _announced(self, event: EnvelopeAnnounced) -> None:
        self.announced, self.announced_at = event, event.meta.clock.middle()

    @folds(ChunksStored)
    def _stored(self, event: ChunksStored) -> None:
        self.last_chunk = max(self.last_chunk, event.last)
        self.bytes_total = event.bytes_total

    @folds(TransmissionStalled)
    def _stalled(self, event: TransmissionStalled) -> None:
        self.stalls = (*self.stalls, event.cause)

    @folds(TransmissionFailed)
    def _failed(self, event: TransmissionFailed) -> None:
        self.failed = self.broken_off = event

    @folds(TransmissionExpired)
    def _expired(self, event: TransmissionExpired) -> None:
        self.broken_off = event

    def start(self) -> TransmissionStarted:
        """Return the announce of sizes and intent, else refuse: nothing was started."""
        if self.started is None:
            raise EnvelopeIncomplete(self.name, "its announce")
        return self.started

    def announce(self) -> EnvelopeAnnounced:
        """Return the announced head, else refuse: the head must come first."""
        if self.announced is None:
            raise EnvelopeIncomplete(self.name, "its head")
        return self.announced

    def rehearses(self) -> bool:
        """Say whether this is a rehearsal: the same code, no deposit."""
        return self.start().purpose == Purpose.REHEARSAL

    def is_bid(self) -> bool:
        """Say whether a deposit was meant: neither a rehearsal nor a backup copy."""
        return not self.rehearses() and self.start().kind != EnvelopeKind.BACKUP

    def server_fault(self) -> bool:
        """Say whether the platform failed in this session."""
        failed = self.failed is not None and self.failed.cause == StallCause.SERVER
        return failed or StallCause.SERVER in self.stalls

    def complete(self, meta: Meta, ciphertext_root: str, bytes_total: int, refused: int) -> None:
        """Append what is not yet recorded of the bytes, and the end."""
        announced = self.announce()
        if self.state == "STALLED":
            self.append(TransmissionResumed(**self.stamp(meta), from_chunk=max(self.last_chunk, 0)))
        if self.bytes_total < bytes_total:
            first = min(self.last_chunk + 1, announced.chunks - 1)
            self.append(
                ChunksStored(
                    **self.stamp(meta),
                    first=first,
                    last=announced.chunks - 1,
                    bytes_total=bytes_total,
                )
            )
        self.append(
            TransmissionCompleted(
                **self.stamp(meta),
                received_at=meta.clock.middle(),
                uncertainty_ms=meta.clock.uncertainty_ms(),
                ciphertext_root=ciphertext_root,
                bytes_total=bytes_total,
                refused_parts=refused,
            )
        )

    def fail(self, meta: Meta, code: str, cause: StallCause, refused: int) -> None:
        """Append the end without a deposit."""
        self.append(
            TransmissionFailed(**self.stamp(meta), code=code, cause=cause, refused_parts=refused)
        )
