"""A hand-made ledger that shows views as `envelope.md` §10 says, signed by its own key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from doubles.entries import HandLedger

from crypto import merkle, notes
from crypto.notes import Checkpoint, VerifierKey
from crypto.policies import Policy, log_policy

ORIGIN = "ledger.test/1"
SEED = hashlib.sha256(b"a hand-made log").digest()
CALLER = ("BU", "21590350100017", "21590350100017")


class ShownLedger(HandLedger):
    """Appends what a test writes, and shows it; nothing keeps it from showing lies."""

    def __init__(self, seed: bytes = SEED, origin: str = ORIGIN) -> None:
        super().__init__()
        self.seed = seed
        self.origin = origin

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey.of_seed(self.origin, notes.LOG, self.seed)

    @property
    def policy(self) -> Policy:
        return Policy.parse(log_policy(self.vkey))

    def write(self, stream: str, event: str, /, **fields: object) -> None:
        self.add(CALLER, stream, event, fields)

    def leaves(self) -> list[bytes]:
        return [row.leaf for row in self.rows]

    def note(self, size: int | None = None) -> bytes:
        leaves = self.leaves()[:size]
        checkpoint = Checkpoint(self.origin, len(leaves), merkle.root(leaves))
        return notes.note(checkpoint, [notes.sign(checkpoint, self.origin, self.seed)])

    def show(self, streams: Sequence[str], since: int) -> Mapping[str, Any]:
        leaves = self.leaves()
        return {
            "checkpoint": self.note().decode(),
            "consistency": [step.hex() for step in merkle.consistency_proof(leaves, since)],
            "streams": [self.stream(name) for name in streams],
        }

    def stream(self, name: str) -> dict[str, Any]:
        rows = [row for row in self.rows if row.stream == name]
        position = rows[-1].position
        path = merkle.inclusion_proof(self.leaves(), position)
        return {
            "entries": [base64.b64encode(row.entry).decode() for row in rows],
            "inclusion": [step.hex() for step in path],
            "position": position,
        }

    def tip(self, stream: str) -> tuple[int, str]:
        return self.tips[stream]
