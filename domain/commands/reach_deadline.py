"""Close the register when the deadline is certainly past (T6, envelope.md 12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.backup_copy import BackupCopy
from domain.clock import instant_text
from domain.commands.loading import RUNNING, copies_of, envelopes_of, public_consultation
from domain.consultation import Consultation
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
        copies = copies_of(desk, command.consultation)
        tips = [tip for _, tip in (*deposits, *copies)]
        head = desk.heads.covering(max([0, *(tip.positions[-1] for tip in tips)]))
        rows = [_row(*pair) for pair in deposits]
        rows += [_copy_row(consultation, *pair) for pair in copies]
        consultation.close_register(
            desk.meta(act, now, consultation.tenant),
            sorted(rows, key=lambda row: row.deposit),
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


def _copy_row(consultation: Consultation, copy: BackupCopy, tip: Tip) -> DepositRow:
    """Return the row of an electronic backup copy (envelope.md §13)."""
    return DepositRow(
        deposit=copy.name,
        header_hash=copy.received().header_hash or "",
        leaf=tip.leaf,
        on_time=copy.earliest() <= consultation.deadline,
        version=len(tip.positions),
    )
