"""Which envelopes of one lot open: computed by anyone, never chosen (envelope.md §9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.events.consultation import Complements
from domain.events.transmission import DepositKind, Intent


@dataclass(frozen=True)
class PlanDeposit:
    """What the plan needs of one deposit.

    ``sealed_no`` and ``withdrawn_no`` are places in one common order, such as ledger positions.
    """

    deposit: str
    bidder: str
    kind: str
    lots: tuple[str, ...]
    round: int
    intent: str
    sealed_no: int
    target: str | None = None
    late: bool = False
    admitted: bool = False
    withdrawn_no: int | None = None

    def counts(self) -> bool:
        """Say whether the deposit has effects: on time or admitted."""
        return not self.late or self.admitted


@dataclass(frozen=True)
class Plan:
    """The verdict on every deposit of a lot, each list sorted."""

    open: tuple[str, ...]
    superseded: tuple[str, ...]
    withdrawn: tuple[str, ...]
    late: tuple[str, ...]
    undetermined: tuple[str, ...]


@dataclass
class _Links:
    """What the deposits do to each other, filled in order of reception."""

    parent: dict[str, str | None] = field(default_factory=dict)
    superseded: set[str] = field(default_factory=set)
    flagged: set[str] = field(default_factory=set)

    def leads_to(self, deposit: str, target: str) -> bool:
        """Say whether the parents of a deposit, itself included, lead to the target."""
        step: str | None = deposit
        while step is not None and step != target:
            step = self.parent[step]
        return step is not None


def compute_plan(lot: str, complements: Complements, deposits: Sequence[PlanDeposit]) -> Plan:
    """Return the plan of a lot; deposits stand by ``received_at``, then position.

    1 keep the lot's deposits; 2 let those that count act in order; 3 give each its verdict.
    """
    here = [one for one in deposits if lot in one.lots and one.kind in DepositKind.__members__]
    links = _Links()
    counted: dict[str, PlanDeposit] = {}
    for one in here:
        if one.counts():
            counted[one.deposit] = one
            _act(one, counted, links, complements)
    crowded = _crowded(one for one in counted.values() if _live(one, links))
    verdicts = {one.deposit: _verdict(one, links, crowded) for one in here}
    return Plan(
        **{
            name: tuple(sorted(deposit for deposit, verdict in verdicts.items() if verdict == name))
            for name in ("open", "superseded", "withdrawn", "late", "undetermined")
        }
    )


def _act(
    one: PlanDeposit, counted: dict[str, PlanDeposit], links: _Links, complements: Complements
) -> None:
    """Let one deposit replace or complement its target, or flag it."""
    links.parent[one.deposit] = None
    if one.intent in {Intent.INITIAL, Intent.UNDECLARED}:
        return
    target = counted.get(one.target or "")
    if target is None or not _reachable(one, target, links):
        links.flagged.add(one.deposit)
    elif one.intent == Intent.REPLACE:
        replaced = {each for each in counted if links.leads_to(each, target.deposit)}
        links.superseded |= replaced - {one.deposit}
        links.parent[one.deposit] = links.parent[target.deposit]
    elif complement_allowed(complements, one.kind):
        links.parent[one.deposit] = target.deposit
    else:
        links.flagged.add(one.deposit)


def _reachable(one: PlanDeposit, target: PlanDeposit, links: _Links) -> bool:
    """Say whether the target is earlier, alike, not superseded and not withdrawn before."""
    alike = (target.bidder, target.kind, target.round) == (one.bidder, one.kind, one.round)
    gone = target.withdrawn_no is not None and target.withdrawn_no < one.sealed_no
    return alike and not gone and target.deposit not in {one.deposit, *links.superseded}


def complement_allowed(complements: Complements, kind: str) -> bool:
    """Say whether the deposit policy allows a complement of this kind."""
    applications = complements == Complements.APPLICATION and kind == DepositKind.APPLICATION
    return complements == Complements.ALL or applications


def _live(one: PlanDeposit, links: _Links) -> bool:
    return one.withdrawn_no is None and one.deposit not in links.superseded | links.flagged


def _crowded(live: Iterable[PlanDeposit]) -> set[str]:
    """Return first deposits which share bidder, kind and round: a person decides."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for one in live:
        if one.intent in {Intent.INITIAL, Intent.UNDECLARED}:
            groups.setdefault((one.bidder, one.kind, one.round), []).append(one.deposit)
    return {deposit for group in groups.values() if len(group) > 1 for deposit in group}


def _verdict(one: PlanDeposit, links: _Links, crowded: set[str]) -> str:
    """Return the first verdict that applies."""
    if one.withdrawn_no is not None:
        return "withdrawn"
    if not one.counts():
        return "late"
    if one.deposit in links.superseded:
        return "superseded"
    return "undetermined" if one.deposit in links.flagged | crowded else "open"
