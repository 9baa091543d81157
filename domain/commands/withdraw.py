"""Withdraw a deposit: its depositor only, before the deadline only (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import DEPOSITING, bidder_of, blinded, envelope_of, found
from domain.commands.refusing import tell
from domain.consultation import Consultation
from domain.errors import DepositFrozen, NotFound
from domain.events.deposit import DepositWithdrawn
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class WithdrawDeposit:
    """Take one deposit back; what it had replaced stays replaced."""

    deposit: str
    reason: str | None = None


def withdraw(desk: Desk, act: Act, command: WithdrawDeposit) -> Recorded:
    """Append DepositWithdrawn; or MessageShown, and refuse with ``deposit.frozen``."""
    desk.law.roles.require(act.principal.role, DEPOSITING)
    if earlier := desk.earlier(act, command):
        _refused_before(desk, act, command)
        return earlier
    facts = envelope_of(desk, command.deposit).sealed()
    if bidder_of(desk, act, facts.consultation) != facts.bidder:
        raise NotFound("deposit", command.deposit)
    with desk.turns.hold(facts.consultation):
        envelope = envelope_of(desk, command.deposit)
        consultation = found(desk, Consultation, facts.consultation)
        now = desk.reading(consultation, envelope)
        meta = blinded(desk, act, now, envelope.tenant, facts.bidder)
        if not consultation.verdicts(now, envelope).withdrawal:
            frozen = DepositFrozen(command.deposit, consultation.deadline)
            raise tell(desk, act, command, envelope, meta, frozen)
        envelope.append(DepositWithdrawn(**envelope.stamp(meta), reason=command.reason))
        return desk.save(act, command, [envelope], {consultation.id: consultation.version})


def _refused_before(desk: Desk, act: Act, command: WithdrawDeposit) -> None:
    """Raise the refusal which the same act met before, if it met one: D was final by then."""
    envelope = envelope_of(desk, command.deposit)
    if act.command_id in envelope.told:
        consultation = found(desk, Consultation, envelope.sealed().consultation)
        raise DepositFrozen(command.deposit, consultation.deadline)
