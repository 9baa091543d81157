"""Decide on a late deposit, with reasons (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class AdmitLateDeposit:
    """Put a late deposit into a later plan; ``findings`` names the evidence."""

    deposit: str
    ground: str
    reasons: str
    findings: str


@dataclass(frozen=True)
class RejectLateDeposit:
    """Keep a late deposit closed."""

    deposit: str
    reasons: str


def admit_late_deposit(desk: Desk, act: Act, command: AdmitLateDeposit) -> Recorded:
    """Append LateDepositAdmitted and, for a REPLACE, what it supersedes from now on."""
    raise NotImplementedError


def reject_late_deposit(desk: Desk, act: Act, command: RejectLateDeposit) -> Recorded:
    """Append LateDepositRejected."""
    raise NotImplementedError
