"""Where one custodian sits: keys, memory, clock, and the two acts that every answer consists of.

`look` gets a view of the ledger and proves it against the pin; `record` makes the pin and the
signed answer durable in one transaction. An answer that was not recorded never leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from api.adapters.custodian_boxes import Boxes
from api.adapters.custodian_identity import (
    Identity,
    Secrets,
    drop_first_box,
    read_identity,
    read_secrets,
    trusted_log,
)
from api.adapters.custodian_state import STATE, CustodianState
from api.adapters.keys import Chest, Credential, Random
from crypto import statements
from crypto.canonical import Json
from crypto.policies import Policy
from domain.clock import Reading, instant_text
from domain.errors import ClockDistrusted
from replay.custodian_facts import Head
from replay.custody_view import Known, Pin, VerifiedView, ViewRefused, check_view

Show = Callable[[Sequence[str], int], Mapping[str, Json]]
"""Fetches a view of these streams, with the proof from a size that is already known."""

NO_TIME = "unknown"
LOOKS = 3
"""So often a log that grows between two looks is looked at again."""


class Clock(Protocol):
    """The custodian's own clock."""

    def now(self) -> Reading:
        """Return an interval, or raise ClockDistrusted."""


class CustodianError(Exception):
    """Root of what a custodian cannot do."""

    code = "custodian"


class NotAsked(CustodianError):
    """What was asked does not fit the ceremony, keyset or ledger that this custodian knows."""

    code = "custodian.not-asked"


class ViewWanted(CustodianError):
    """A view must be shown that proves from this size; nothing was decided."""

    code = "custodian.view-wanted"

    def __init__(self, since: int) -> None:
        super().__init__(f"a view from size {since} is wanted")
        self.since = since


class Refused(CustodianError):
    """A signed refusal; `reason` is the code of `envelope.md` §10."""

    code = "custodian.refused"

    def __init__(self, custodian: str, reason: str, sig: str) -> None:
        super().__init__(f"custodian {custodian} refuses: {reason}")
        self.custodian, self.reason, self.sig = custodian, reason, sig


class Complaint(CustodianError):
    """A signed complaint: a message of the ceremony fails."""

    code = "ceremony.complaint"

    def __init__(self, index: int, against: int, reason: str, sig: str) -> None:
        super().__init__(f"custodian {index} complains against {against}: {reason}")
        self.index, self.against, self.reason, self.sig = index, against, reason, sig


@dataclass(frozen=True)
class Seen:
    """A verified view, the pin it was checked against, the cosigned head that it continues."""

    before: Pin
    view: VerifiedView
    cosigned: Head | None = None


@dataclass(frozen=True)
class Seat:
    """One custodian's place; its owner holds its lock while it is used."""

    folder: Path
    identity: Identity
    secrets: Secrets = field(repr=False)
    chest: Chest
    state: CustodianState
    clock: Clock
    random: Random
    show: Show
    policy: Policy
    boxes: Boxes

    @classmethod
    def take(
        cls, folder: Path, credential: Credential, clock: Clock, random: Random, show: Show
    ) -> Seat:
        """Open the folder of a custodian; another passphrase or credential raises ChestLocked."""
        identity = read_identity(folder)
        chest = Chest(folder, credential, random)
        secrets = read_secrets(chest, identity)
        policy = trusted_log(folder, identity)
        state = CustodianState(folder / STATE)
        boxes = Boxes(chest, state.boxes, random, lambda: _middle(clock))
        boxes.begin(secrets.first_box)
        drop_first_box(chest, identity, secrets)
        return cls(
            folder=folder,
            identity=identity,
            secrets=replace(secrets, first_box=None),
            chest=chest,
            state=state,
            clock=clock,
            random=random,
            show=show,
            policy=policy,
            boxes=boxes,
        )

    def look(self, *streams: str) -> Seen:
        """Return a view of these streams, proven against all that is known, or raise ViewRefused.

        Pin and cosignatures are two memories: a log that shows one tree here, and has another one
        cosigned, could hide an extension of the deadline. So a view must continue both.
        """
        for _ in range(LOOKS):
            seen = self._look(streams)
            head = self.state.cosigned(self.identity.log.name)
            if head is None or head == self.state.agreed() or self._continues(head, seen):
                return replace(seen, cosigned=head)
        raise ViewRefused("it is not proven to continue what was cosigned")

    def _look(self, streams: Sequence[str]) -> Seen:
        pin = self.state.pin()
        known = Known(self.policy, self.identity.log.name, pin, self.state.tips(streams))
        view = check_view(self.show(streams, pin.size), known)
        if not set(view.streams) <= set(streams):
            # what was seen of another stream is not held against it: it could be shown shorter
            raise ViewRefused("a stream is shown that was not asked for")
        return Seen(pin, view)

    def _continues(self, head: Head, seen: Seen) -> bool:
        """Say whether the view continues a head; most often it is its own, or that of the pin."""
        now = seen.view.checkpoint
        for size, root in ((seen.before.size, seen.before.root), (now.size, now.root)):
            if size == head.size:
                return root.hex() == head.root
        return self.leads(head, seen)

    def judge(self, view: Mapping[str, Json]) -> Seen:
        """Return a view that came by itself, of any streams, proven against all that was seen."""
        pin = self.state.pin()
        log = self.identity.log.name
        names = check_view(view, Known(self.policy, log, pin)).streams
        return Seen(pin, check_view(view, Known(self.policy, log, pin, self.state.tips(names))))

    def leads(self, head: Head, seen: Seen) -> bool:
        """Say whether a proof from this head is shown that ends in the tree of the view."""
        try:
            since = Pin(head.size, bytes.fromhex(head.root), seen.view.genesis)
            known = Known(self.policy, self.identity.log.name, since)
            later = check_view(self.show((), head.size), known)
        except (ValueError, ViewRefused):
            return False
        # the log may have grown between the two looks: then this answer is asked for again
        return later.checkpoint == seen.view.checkpoint

    def reading(self) -> Reading | None:
        """Return the custodian's own time, None if its clock gives no interval."""
        try:
            return self.clock.now()
        except ClockDistrusted:
            return None

    def sign(self, body: Mapping[str, Json]) -> bytes:
        """Return the signature under an answer or refusal."""
        return statements.sign(self.secrets.sign, statements.answer(body))

    @contextmanager
    def record(
        self, body: Mapping[str, Json], signature: bytes, seen: Seen | None = None
    ) -> Iterator[None]:
        """Make pin, answer and what the block writes durable together, or nothing of them."""
        now = self.reading()
        with self.state.answer(body, signature, _at(now)):
            if seen is not None:
                self.state.swap(seen.before, seen.view, seen.cosigned)
            yield


def _middle(clock: Clock) -> datetime | None:
    try:
        return clock.now().middle()
    except ClockDistrusted:
        return None


def _at(now: Reading | None) -> str:
    return NO_TIME if now is None else instant_text(now.middle())
