"""Convene the opening, record who is present, fix the computed plan, anchor it (§4.10)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.backup_copy import BackupCopy
from domain.clock import Reading
from domain.commands.loading import (
    check_time,
    copies_of,
    envelopes_of,
    found,
    opening_of,
    own_consultation,
)
from domain.commands.refusing import refuse, refused_before
from domain.commands.superseding import planned
from domain.consultation import Consultation
from domain.errors import BadForm, OpeningOrder, TooEarlyToOpen
from domain.events.consultation import EnvelopeMode
from domain.events.opening import Capacity, OpeningConvened, PlanKind, PresenceRecorded
from domain.events.transmission import DepositKind
from domain.identifiers import check_text
from domain.opening import OpeningSession
from domain.plan import Plan, compute_plan
from domain.ports import Act, Desk, Head, Recorded

FIRST_STAGE = frozenset({DepositKind.APPLICATION, DepositKind.BOTH})


@dataclass(frozen=True)
class ConveneOpening:
    """Call the members to the opening of one lot."""

    consultation: str
    lot: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class RecordPresence:
    """Record that a person is present."""

    consultation: str
    lot: str
    member: str
    capacity: Capacity = Capacity.TITULAR


@dataclass(frozen=True)
class FixOpeningPlan:
    """Fix which envelopes of the lot open."""

    consultation: str
    lot: str


@dataclass(frozen=True)
class AnchorPlan:
    """Anchor a later plan under the newest published checkpoint that covers it."""

    consultation: str
    lot: str


def convene_opening(desk: Desk, act: Act, command: ConveneOpening) -> Recorded:
    """Append OpeningConvened."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, session, now = _session(desk, act, command.consultation, command.lot)
    _closing_head(desk, consultation, session)
    if not command.members:
        raise BadForm("members", "at least one")
    session.append(
        OpeningConvened(
            **session.stamp(desk.meta(act, now, consultation.tenant)),
            members=[_person(desk, member) for member in command.members],
        )
    )
    return desk.save(act, command, [session])


def record_presence(desk: Desk, act: Act, command: RecordPresence) -> Recorded:
    """Append PresenceRecorded."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, session, now = _session(desk, act, command.consultation, command.lot)
    if session.state == "NEW":
        raise OpeningOrder(session.name, "convening")
    known = (*session.members, *session.present)
    same = [one for one in known if desk.subjects.reveal(one) == command.member]
    session.append(
        PresenceRecorded(
            **session.stamp(desk.meta(act, now, consultation.tenant)),
            member=same[0] if same else _person(desk, command.member),
            capacity=command.capacity,
        )
    )
    return desk.save(act, command, [session])


def fix_opening_plan(desk: Desk, act: Act, command: FixOpeningPlan) -> Recorded:
    """Append OpeningPlanFixed; for the first plan also CheckpointAnchored, in the same save.

    Above level A0 ``clock.distrusted`` on the host's clock alone.
    """
    if earlier := desk.earlier(act, command):
        consultation = found(desk, Consultation, command.consultation)
        session = opening_of(desk, command.consultation, command.lot)
        refused_before(act, consultation, session, command.lot)
        return earlier
    consultation, session, now = _session(desk, act, command.consultation, command.lot)
    meta = desk.meta(act, now, consultation.tenant)
    if not consultation.verdicts(now, session).opening:
        early = TooEarlyToOpen(consultation.opens_at(), now.earliest)
        raise refuse(desk, act, command, session, meta, early)
    check_time(desk, command.consultation, now)
    head = _closing_head(desk, consultation, session)
    session.require_present()
    with desk.turns.hold(command.consultation):
        deposits = envelopes_of(desk, command.consultation)
        placed = planned([(one, tip.positions) for one, tip in deposits])
        plan = compute_plan(command.lot, consultation.complements, placed)
        kinds = {one.deposit: one.kind for one in placed}
        copies = _authorised(desk, session, command) if session.plans else []
        kind, opens = _addition(consultation, session, plan, kinds, [one.name for one in copies])
        session.fix(meta, kind, plan, opens)
        if kind == PlanKind.FIRST:
            session.anchor(meta, head.size, head.root, head.witnesses, head.token_hash)
        # an admission that supersedes one of them at the same moment must lose, or this plan
        seen = {one.id: one.version for one, _ in deposits if one.name in opens}
        seen |= {one.id: one.version for one in copies}
        return desk.save(act, command, [session], {consultation.id: consultation.version, **seen})


def anchor_plan(desk: Desk, act: Act, command: AnchorPlan) -> Recorded:
    """Append CheckpointAnchored for a later plan."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation, session, now = _session(desk, act, command.consultation, command.lot)
    session.plan()
    head = desk.heads.published_covering(session.id, session.plan_version)
    if head is None:
        raise OpeningOrder(session.name, "a published checkpoint that covers the plan")
    meta = desk.meta(act, now, consultation.tenant)
    session.anchor(meta, head.size, head.root, head.witnesses, head.token_hash)
    return desk.save(act, command, [session])


def _session(
    desk: Desk, act: Act, name: str, lot: str
) -> tuple[Consultation, OpeningSession, Reading]:
    """Return the caller's own consultation, the session of one of its lots, and the time."""
    consultation = own_consultation(desk, act, name, "convene, record presence, minutes")
    if lot not in consultation.lot_names():
        raise BadForm("lot", f"no lot {lot}")
    session = opening_of(desk, name, lot)
    return consultation, session, desk.reading(consultation, session)


def _closing_head(desk: Desk, consultation: Consultation, session: OpeningSession) -> Head:
    """Return the witnessed head which covers the closed register (T6)."""
    if not consultation.closed_version:
        raise OpeningOrder(session.name, "the closed register")
    head = desk.heads.published_covering(consultation.id, consultation.closed_version)
    if head is None or not head.witnesses:
        raise OpeningOrder(session.name, "the witnessed closing head")
    return head


def _person(desk: Desk, name: str) -> str:
    """Return the commitment of a person."""
    return desk.subjects.remember("member", check_text("member", name, 400), name)


def _addition(
    consultation: Consultation,
    session: OpeningSession,
    plan: Plan,
    kinds: dict[str, str],
    copies: list[str],
) -> tuple[PlanKind, tuple[str, ...]]:
    """Return what this plan adds: the first stage, then only what no plan has named."""
    double = consultation.mode == EnvelopeMode.DOUBLE_ENVELOPE
    rest = tuple(deposit for deposit in plan.open if deposit not in session.planned())
    if not session.plans:
        first = tuple(deposit for deposit in rest if kinds[deposit] in FIRST_STAGE or not double)
        return PlanKind.FIRST, first
    if not rest and copies:
        return PlanKind.BACKUP_COPY, tuple(sorted(copies))
    if not rest:
        raise OpeningOrder(session.name, "something that no plan has named")
    second = double and any(kinds[deposit] not in FIRST_STAGE for deposit in rest)
    both = tuple(sorted([*rest, *copies]))
    return (PlanKind.SECOND_ENVELOPE if second else PlanKind.ADMITTED), both


def _authorised(desk: Desk, session: OpeningSession, command: FixOpeningPlan) -> list[BackupCopy]:
    """Return the authorised electronic copies of the lot that no plan has named yet."""
    return [
        copy
        for copy, _ in copies_of(desk, command.consultation)
        if copy.state == "AUTHORISED"
        and command.lot in copy.received().lots
        and copy.name not in session.planned()
    ]
