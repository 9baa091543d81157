"""Open the envelopes of a plan, one answer of the custodians per envelope (§4.10)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class OpenEnvelopes:
    """Open the current plan of a lot; ``deposit`` asks for one envelope of it alone."""

    consultation: str
    lot: str
    deposit: str | None = None


@dataclass(frozen=True)
class OpenDeposit:
    """Ask for one envelope outside any lot: always refused, recorded in its stream."""

    deposit: str


def open_envelopes(desk: Desk, act: Act, command: OpenEnvelopes) -> Recorded:
    """Append the shares, each envelope's outcome, and OpeningCompleted; or OpeningRefused."""
    raise NotImplementedError


def open_deposit(desk: Desk, act: Act, command: OpenDeposit) -> Recorded:
    """Append OpeningRefused in ``deposit/<id>`` and raise the refusal."""
    raise NotImplementedError
