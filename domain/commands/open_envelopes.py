"""Open the envelopes of a plan, one answer of the custodians per envelope (§4.10)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.aggregate import Aggregate
from domain.backup_copy import BackupCopy
from domain.clock import Reading
from domain.commands.loading import (
    attempting,
    check_time,
    custody_of,
    envelope_of,
    found,
    opening_of,
    public_consultation,
)
from domain.commands.refusing import refuse, refused_before
from domain.commands.unlocking import Table, open_one, planned_envelope, unanswered
from domain.consultation import Consultation
from domain.errors import (
    BadForm,
    DomainError,
    NotAllowed,
    NotFound,
    NotInPlan,
    OpeningNotAllowed,
    OpeningOrder,
    QuorumMissed,
    TooEarlyToOpen,
)
from domain.events.deposit import EnvelopeOpened, EnvelopeUnreadable, MalwareDetected
from domain.opening import OpeningSession, Outcome
from domain.ports import Act, Desk, Recorded

NO_LOT_ASKED = "of no lot"


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
    consultation = public_consultation(desk, command.consultation)
    if command.lot not in consultation.lot_names():
        raise BadForm("lot", f"no lot {command.lot}")
    session = opening_of(desk, command.consultation, command.lot)
    if earlier := desk.earlier(act, command):
        refused_before(act, consultation, session, command.lot)
        if command.deposit is not None and act.command_id in session.missed:
            needed = custody_of(desk, command.consultation).needed()
            raise QuorumMissed(needed, unanswered(desk, session, command.lot, command.deposit))
        return earlier
    _require_buyer_or_stranger(act, consultation)
    now = desk.reading(consultation, session)
    refusal = _refusal(desk, act, command, consultation, session, now)
    if refusal is not None:
        meta = attempting(desk, act, now, consultation)
        raise refuse(desk, act, command, session, meta, refusal, command.deposit)
    if session.state not in {"WITNESSED", "UNLOCKED"}:
        raise OpeningOrder(session.name, "a plan, anchored and not yet completed")
    check_time(desk, command.consultation, now)
    table = Table.laid(desk, act, consultation, session, command.lot)
    if command.deposit is not None:
        recorded = open_one(table, command.deposit, act, command)
        if recorded is None:
            raise OpeningOrder(session.name, "an envelope of the plan that is still closed")
        return recorded
    return _open_all(table, command)


def open_deposit(desk: Desk, act: Act, command: OpenDeposit) -> Recorded:
    """Append OpeningRefused in ``deposit/<id>`` and raise the refusal."""
    envelope = envelope_of(desk, command.deposit)
    facts = envelope.sealed()
    consultation = found(desk, Consultation, facts.consultation)
    if desk.earlier(act, command):
        refused_before(act, consultation, envelope, NO_LOT_ASKED)
    _require_buyer_or_stranger(act, consultation)
    now = desk.reading(consultation, envelope)
    refusal = _by_hour_or_role(desk, act, consultation, envelope, now) or NotInPlan(
        command.deposit, NO_LOT_ASKED
    )
    meta = attempting(desk, act, now, consultation)
    raise refuse(desk, act, command, envelope, meta, refusal, command.deposit)


def _require_buyer_or_stranger(act: Act, consultation: Consultation) -> None:
    """Hide a consultation's opening from the officers of other buyers (N14)."""
    if act.principal.role == "BU" and act.principal.org != consultation.tenant:
        raise NotFound("consultation", consultation.name)


def _by_hour_or_role(
    desk: Desk, act: Act, consultation: Consultation, place: Aggregate, now: Reading
) -> DomainError | None:
    """Return why this caller may not open now: too early for anyone, then the role."""
    if not consultation.verdicts(now, place).opening:
        return TooEarlyToOpen(consultation.opens_at(), now.earliest)
    try:
        desk.law.roles.require(act.principal.role, "open envelopes")
    except NotAllowed:
        return OpeningNotAllowed(act.principal.role)
    return None


def _refusal(  # noqa: PLR0913, PLR0917 - everything that one opening is judged by
    desk: Desk,
    act: Act,
    command: OpenEnvelopes,
    consultation: Consultation,
    session: OpeningSession,
    now: Reading,
) -> DomainError | None:
    """Return the refusal that is recorded, None if the opening may go on."""
    refusal = _by_hour_or_role(desk, act, consultation, session, now)
    if refusal is None and command.deposit is not None:
        planned = session.plans[-1].open if session.plans else []
        if command.deposit not in planned:
            return NotInPlan(command.deposit, command.lot)
    return refusal


def _open_all(table: Table, command: OpenEnvelopes) -> Recorded:
    """Open what the plan names, one save each, then keep the minutes and append their hash."""
    plan = table.session.plan()
    for deposit in plan.open:
        open_one(table, deposit, table.act.part(deposit), command)
    meta = table.meta()
    record = table.session.complete(meta, [_outcome(table, one) for one in plan.open])
    # a crash after this line leaves minutes that no entry names, and nothing else
    table.desk.vault.put(record)
    return table.desk.save(table.act, command, [table.session])


def _outcome(table: Table, deposit: str) -> Outcome:
    """Return what became of one envelope, for the minutes."""
    envelope = planned_envelope(table.desk, deposit)
    if envelope.outcome is None:
        raise OpeningOrder(table.session.name, "the outcome of every envelope")
    told = table.desk.vault.sitting(deposit, table.lot, table.session.plan().plan_no)
    if isinstance(envelope, BackupCopy):
        return Outcome(deposit, envelope.outcome.TOPIC, envelope.detail(), told)
    outcome = envelope.malware or envelope.outcome
    return Outcome(deposit, outcome.TOPIC, detail_of(outcome), told)


def detail_of(outcome: EnvelopeOpened | EnvelopeUnreadable | MalwareDetected) -> str:
    """Return the form of an opened envelope, the malware in it, or why it is unreadable."""
    if isinstance(outcome, EnvelopeOpened):
        return outcome.form.value
    if isinstance(outcome, MalwareDetected):
        return f"{outcome.file} {outcome.signature}"
    return f"{outcome.fault} {outcome.cause}"
