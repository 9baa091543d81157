"""Seal a deposit: the last missing chunk is durable, nothing else has to come (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.transmit import EnvelopeHead
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class SealDeposit:
    """The envelope is whole and durable; ``commitment`` is recomputed from the stored leaves."""

    transmission: str
    head: EnvelopeHead
    commitment: str
    ciphertext_root: str
    bytes_total: int
    receipt_id: str
    refused_parts: int = 0


def seal_deposit(desk: Desk, act: Act, command: SealDeposit) -> Recorded:
    """Append the end of the session and DepositSealed or LateDepositRecorded, in one save."""
    raise NotImplementedError
