"""Daily proof of life of every share, and the canary opened end to end (envelope.md 2.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class ProveLife:
    """Ask every custodian of a consultation's keyset for a proof of life."""

    consultation: str


@dataclass(frozen=True)
class ProvePoolLife:
    """Ask every custodian of a keyset in the pool for a proof of life."""

    ceremony: str


@dataclass(frozen=True)
class DecryptCanary:
    """Seal a fixed text to the canary keyset and open it with the custodians."""

    consultation: str


def prove_life(desk: Desk, act: Act, command: ProveLife) -> Recorded:
    """Append ProofOfLifeGiven or ProofOfLifeMissed for each custodian."""
    raise NotImplementedError


def prove_pool_life(desk: Desk, act: Act, command: ProvePoolLife) -> Recorded:
    """Append the same in ``ceremony/<id>``."""
    raise NotImplementedError


def decrypt_canary(desk: Desk, act: Act, command: DecryptCanary) -> Recorded:
    """Append CanaryDecrypted, or refuse with ``custody.canary-failed``."""
    raise NotImplementedError
