"""Which sealed deposits a replacement supersedes from now on: the plan rule, lot by lot."""

from __future__ import annotations

from domain.aggregate import Meta
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.plan import PlanDeposit, compute_plan
from domain.ports import Tip

LAST = 2**62
"""A place after every ledger position: that of the deposit being sealed now."""


def planned(placed: list[tuple[SealedEnvelope, tuple[int, ...]]]) -> list[PlanDeposit]:
    """Return the plan's view of deposits, by ``received_at``, then position."""
    ordered = sorted(placed, key=lambda pair: (pair[0].sealed().received_at, pair[1][0]))
    return [envelope.in_plan(positions) for envelope, positions in ordered]


def supersede_replaced(
    meta: Meta,
    consultation: Consultation,
    replacing: SealedEnvelope,
    positions: tuple[int, ...],
    others: list[tuple[SealedEnvelope, Tip]],
) -> list[SealedEnvelope]:
    """Append DepositSuperseded to what ``replacing`` supersedes; return the changed deposits."""
    placed = [(envelope, tip.positions) for envelope, tip in others]
    deposits = planned([*placed, (replacing, positions)])
    gone: dict[str, list[str]] = {}
    for lot in replacing.sealed().lots:
        for deposit in compute_plan(lot, consultation.complements, deposits).superseded:
            gone.setdefault(deposit, []).append(lot)
    changed = []
    for envelope, _ in others:
        lots = sorted({*gone.get(envelope.name, ())} - envelope.superseded_lots)
        if lots and envelope.state == "SEALED":
            envelope.supersede(meta, replacing.name, lots)
            changed.append(envelope)
    return changed
