"""Decide on a late deposit, with reasons (§4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import envelope_of, envelopes_of, found, opening_of
from domain.commands.superseding import supersede_replaced
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import NotFound, OpeningOrder
from domain.events.deposit import LateDepositAdmitted, LateDepositRejected
from domain.events.transmission import Intent
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded, Tip

DECIDING = "admit late, open backup copy"


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
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = envelope_of(desk, command.deposit).sealed().consultation
    # one at a time with whoever fixes a plan: what is superseded here must not be planned there
    with desk.turns.hold(consultation):
        return _admit(desk, act, command)


def _admit(desk: Desk, act: Act, command: AdmitLateDeposit) -> Recorded:
    envelope, consultation = _late(desk, act, command.deposit)
    mine: list[tuple[SealedEnvelope, Tip]] = []
    expect = {consultation.id: consultation.version}
    if envelope.sealed().intent == Intent.REPLACE:
        expect |= _no_plan_under_way(desk, consultation, envelope)
        mine = envelopes_of(desk, consultation.name, envelope.sealed().bidder)
    now = desk.reading(consultation, envelope, *(one for one, _ in mine))
    meta = desk.meta(act, now, consultation.tenant)
    for name in ("ground", "reasons", "findings"):
        check_text(name, getattr(command, name))
    envelope.append(
        LateDepositAdmitted(
            **envelope.stamp(meta),
            ground=command.ground,
            reasons=command.reasons,
            findings=command.findings,
        )
    )
    changed = [envelope]
    if mine:
        others = [pair for pair in mine if pair[0].id != envelope.id]
        places = next(tip.positions for one, tip in mine if one.id == envelope.id)
        changed += supersede_replaced(meta, consultation, envelope, places, others)
    return desk.save(act, command, changed, expect)


def reject_late_deposit(desk: Desk, act: Act, command: RejectLateDeposit) -> Recorded:
    """Append LateDepositRejected."""
    if earlier := desk.earlier(act, command):
        return earlier
    envelope, consultation = _late(desk, act, command.deposit)
    meta = desk.meta(act, desk.reading(consultation, envelope), consultation.tenant)
    envelope.append(
        LateDepositRejected(**envelope.stamp(meta), reasons=check_text("reasons", command.reasons))
    )
    return desk.save(act, command, [envelope])


def _late(desk: Desk, act: Act, deposit: str) -> tuple[SealedEnvelope, Consultation]:
    """Return a deposit of the caller's own, closed consultation."""
    envelope = envelope_of(desk, deposit)
    if envelope.tenant != act.principal.org:
        raise NotFound("deposit", deposit)
    desk.law.roles.require(act.principal.role, DECIDING)
    consultation = found(desk, Consultation, envelope.sealed().consultation)
    consultation.require(LateDepositAdmitted, "CLOSED")
    return envelope, consultation


def _no_plan_under_way(
    desk: Desk, consultation: Consultation, envelope: SealedEnvelope
) -> dict[str, int]:
    """Return where the openings end if no fixed plan waits, else refuse.

    A replacement would close what the plan says to open.
    """
    ends = {}
    for lot in envelope.sealed().lots:
        session = opening_of(desk, consultation.name, lot)
        if session.plans and session.state != "COMPLETED":
            raise OpeningOrder(session.name, "the end of the plan in force")
        ends[session.id] = session.version
    return ends
