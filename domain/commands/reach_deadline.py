"""Close the register when the deadline is certainly past (T6, envelope.md 12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import instant_text
from domain.commands.loading import RUNNING, envelopes_of, public_consultation
from domain.envelope import SealedEnvelope
from domain.errors import DeadlineNotPassed
from domain.events.consultation import DeadlineReached, DepositRow
from domain.ports import Act, Desk, Recorded, Tip


@dataclass(frozen=True)
class ReachDeadline:
    """Close the register of a consultation."""

    consultation: str


def reach_deadline(desk: Desk, act: Act, command: ReachDeadline) -> Recorded:
    """Append DeadlineReached, RegisterListed in parts and RegisterClosed, in one save."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    with desk.turns.hold(command.consultation):
        consultation = public_consultation(desk, command.consultation)
        consultation.require(DeadlineReached, "PUBLISHED")
        now = desk.reading(consultation)
        if not consultation.verdicts(now).reach:
            raise DeadlineNotPassed(consultation.deadline, now.earliest)
        deposits = envelopes_of(desk, command.consultation)
        head = desk.heads.covering(max([0, *(tip.positions[-1] for _, tip in deposits)]))
        consultation.close_register(
            desk.meta(act, now, consultation.tenant),
            sorted((_row(*pair) for pair in deposits), key=lambda row: row.deposit),
            head.size,
            head.root,
            f"{now.source} {instant_text(now.earliest)} {instant_text(now.latest)}",
        )
        return desk.save(act, command, [consultation])


def _row(envelope: SealedEnvelope, tip: Tip) -> DepositRow:
    """Return the register's row of one deposit: its last entry, so that no tail can go."""
    return DepositRow(
        deposit=envelope.name,
        header_hash=envelope.sealed().header_hash,
        leaf=tip.leaf,
        on_time=not envelope.was_late(),
        version=len(tip.positions),
    )
