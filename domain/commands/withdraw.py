"""Withdraw a deposit: its depositor only, before the deadline only (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class WithdrawDeposit:
    """Take one deposit back; what it had replaced stays replaced."""

    deposit: str
    reason: str | None = None


def withdraw(desk: Desk, act: Act, command: WithdrawDeposit) -> Recorded:
    """Append DepositWithdrawn, or refuse with ``deposit.frozen``."""
    raise NotImplementedError
