"""What the ledger needs from outside: clock, chance, key, mark, witnesses, connections (H1).

An adapter satisfies a port by its shape alone; nothing in ``ledger`` opens a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from crypto.notes import Checkpoint, VerifierKey
from crypto.timestamps import Certificates
from ledger.errors import LedgerHalted
from ledger.files import SYSTEM, Files

if TYPE_CHECKING:
    from ledger.fail_stop import FailStop
    from ledger.inbox_tables import Inbox
    from ledger.store import Connection, Reader, Writer
    from ledger.witness import Reply

Halt = Callable[[LedgerHalted], None]
"""Ends the process after a failure of the store; it is called once."""


class Reading(Protocol):
    """Time as an interval; entries are dated by its later end."""

    @property
    def latest(self) -> datetime:
        """Return an instant that is certainly not before now."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> Reading:
        """Return the present as an interval."""


class Rng(Protocol):
    """Where chance comes from."""

    def bytes(self, count: int) -> bytes:
        """Return this many fresh random bytes."""


class Signer(Protocol):
    """The log's own key, outside the database."""

    @property
    def key(self) -> VerifierKey:
        """Return the public half; its name is the origin of the log."""

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signature line of a checkpoint."""


class HighWater(Protocol):
    """The last note that was signed, kept outside the database by compare-and-swap."""

    def load(self) -> bytes | None:
        """Return the note, None if nothing was ever signed."""

    def swap(self, expected: bytes | None, new: bytes) -> None:
        """Store a note durably if the stored one is the expected one, else HighWaterMoved."""


class Witness(Protocol):
    """A witness of this log, wherever it runs (C2SP tlog-witness)."""

    @property
    def key(self) -> VerifierKey:
        """Return the key with which it cosigns."""

    def add_checkpoint(self, body: bytes) -> Reply:
        """Send one add-checkpoint request; OSError where it does not answer."""

    def checkpoint(self) -> bytes | None:
        """Return the last note of this log that it cosigned; OSError: no answer."""


class Waiting(Protocol):
    """Tells when another process has written."""

    def wait(self, seconds: float) -> None:
        """Return once something was announced, or after this long; StoreUnreachable: ask later."""

    def close(self) -> None:
        """Give the connection back."""


class Database(Protocol):
    """Where a log is stored: one file of a home, or one schema of a server."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def writer(self, fail_stop: FailStop) -> Writer:
        """Open the connection that writes."""

    def reader(self, fail_stop: FailStop) -> Reader:
        """Open a connection that only reads."""

    def turn(self, what: str) -> AbstractContextManager[None]:
        """Hold, alone among all processes, the right to sign or to publish this log."""

    def waiting(self, writer: Writer) -> Waiting | None:
        """Return what tells of batches not of this writer, None where there can be none."""

    def close(self) -> None:
        """Give back what it keeps open between two uses."""

    def inbox(self, writer: Writer, fail_stop: FailStop) -> Inbox | None:
        """Return the inbox of an elected sequencer, None where each process records itself."""


class Timestamper(Protocol):
    """An authority that stamps (RFC 3161), wherever it runs."""

    @property
    def trusted(self) -> Certificates:
        """Return the roots under which its answers are judged."""

    def stamp(self, request: bytes) -> bytes:
        """Return the answer to a request, unjudged; OSError: no answer."""


def never_halt(failure: LedgerHalted) -> None:
    """Do nothing more than refuse: for commands that end anyway."""


@dataclass(frozen=True)
class Ports:
    """Everything from outside that one ledger works with."""

    clock: Clock
    rng: Rng
    signer: Signer
    high_water: HighWater
    connect: Callable[[str], Connection]
    witnesses: Sequence[Witness] = ()
    halt: Halt = field(default=never_halt)
    files: Files = SYSTEM
    database: Database | None = None
    """Where the log is, if not in the file of the home."""
    signers: Sequence[Signer] = ()
    """The log's other keys that are here, while one takes the place of another."""
