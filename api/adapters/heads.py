"""Checkpoints behind the port Heads: what stands under the register and behind each plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crypto.log_errors import QuorumNotMet
from crypto.notes import parse_checkpoint, parse_note
from crypto.policies import Policy
from domain.ports import Head
from ledger.proofs import TileHashes, root_at

if TYPE_CHECKING:
    from ledger.application import Ledger


class LedgerHeads:
    """Heads of one ledger; a published one counts only under the full policy of its witnesses."""

    def __init__(self, ledger: Ledger, policy: Policy, token: Callable[[int], str | None]) -> None:
        self._ledger = ledger
        self._policy = policy
        self._token = token

    def covering(self, position: int) -> Head:
        """Return an internal checkpoint that covers this position, waiting for it."""
        found = parse_checkpoint(parse_note(self._ledger.covering(position)).text)
        return Head(found.size, found.root.hex())

    def published_covering(self, stream: str, version: int) -> Head | None:
        """Return the first published, witnessed checkpoint covering an entry, None if none yet."""
        rows = self._ledger.stream(stream)
        if len(rows) < version:
            return None
        note = self._ledger.published_covering(rows[version - 1].position)
        if note is None:
            return None
        try:
            verified = self._policy.verify(note)
        except QuorumNotMet:
            return None
        found = verified.checkpoint
        names = tuple(sorted(verified.cosignatures))
        return Head(found.size, found.root.hex(), names, self._token(found.size))

    def published_root(self, size: int) -> str | None:
        """Return the root of this size, 64 hex, None where so much is not published."""
        files = self._ledger.files()
        if not 0 < size <= files.size:
            return None
        return root_at(size, TileHashes(size, files.tile)).hex()
