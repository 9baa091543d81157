"""The opening, step by step; who may, when, and what a refusal leaves (domain.md §4.10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from doubles.platform import (
    DEADLINE,
    MS,
    OTHER_BUYER,
    SECOND,
    THIRD,
    Platform,
    deposit_id,
)

from crypto.canonical import encode
from crypto.digests import sha256
from domain.clock import ClockSource, LegalHour
from domain.commands import (
    decide_late,
    draft,
    fix_opening_plan,
    hold_ceremony,
    open_envelopes,
    publish,
)
from domain.commands.loading import check_time
from domain.commands.open_envelopes import detail_of
from domain.commands.unlocking import Table, document_of
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import (
    BadForm,
    ClockDistrusted,
    ClockWentBack,
    KeysetNeeded,
    NotAllowed,
    NotFound,
    NotInPlan,
    OpeningNotAllowed,
    OpeningOrder,
    OpeningWrongState,
    QuorumMissed,
    TooEarlyToOpen,
)
from domain.events.consultation import EnvelopeMode
from domain.events.custody import Placement
from domain.events.transmission import DepositKind
from domain.opening import OpeningSession, Outcome
from domain.ports import StoredEnvelope


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published()
    return made


def attempt(platform: Platform, role: str = "BU", org: str | None = None, **values: Any) -> Any:
    command = open_envelopes.OpenEnvelopes("C1", values.pop("lot", "0"), **values)
    return open_envelopes.open_envelopes(platform.desk, platform.act(role, org), command)


def refused(platform: Platform) -> Any:
    event = platform.files.rows[-1]
    assert event.TOPIC == "OpeningRefused"
    return event


# --- too early, for anyone


@pytest.mark.parametrize("role", ["BU", "PA", "CU", "CO", "AU"])
@pytest.mark.parametrize("deposits", [0, 1])
def test_nobody_opens_before_o_and_the_attempt_is_an_event(
    platform: Platform, role: str, deposits: int
) -> None:
    if deposits:
        platform.deposit("a")
    asked = deposit_id("a")
    with pytest.raises(TooEarlyToOpen):
        attempt(platform, role, deposit=asked)
    event = refused(platform)
    assert (event.originator_id, event.asked_by, event.code, event.deposit) == (
        "opening/C1.0",
        role,
        "opening.too-early",
        asked,
    )
    assert event.originator_version == 1, "nothing was convened before"
    assert not platform.custodians.asked


@pytest.mark.parametrize(
    ("offset", "early"),
    [(timedelta(0), True), (timedelta(microseconds=1), False), (timedelta(seconds=-1), True)],
)
def test_o_itself_is_too_early(platform: Platform, offset: timedelta, early: bool) -> None:
    consultation = platform.close()
    platform.clock.at = consultation.opens_at() + offset
    with pytest.raises(TooEarlyToOpen if early else OpeningOrder):
        attempt(platform)


def test_a_repeated_attempt_has_the_same_answer_and_one_event(platform: Platform) -> None:
    act = platform.act()
    command = open_envelopes.OpenEnvelopes("C1", "0")
    for _ in range(3):
        with pytest.raises(TooEarlyToOpen):
            open_envelopes.open_envelopes(platform.desk, act, command)
    assert platform.kinds().count("OpeningRefused") == 1
    attempts = platform.load(OpeningSession, "C1.0").refusals
    assert len(attempts) == 1


def test_a_plan_before_o_is_an_early_opening_too(platform: Platform) -> None:
    platform.close()
    platform.convene()
    act = platform.act()
    command = fix_opening_plan.FixOpeningPlan("C1", "0")
    for _ in range(2):
        with pytest.raises(TooEarlyToOpen):
            fix_opening_plan.fix_opening_plan(platform.desk, act, command)
    assert platform.kinds().count("OpeningRefused") == 1


def test_o_waits_for_the_announced_hour_and_the_cool_down() -> None:
    platform = Platform()
    platform.draft(cool_down_s=60)

    calendar = draft.SetCalendar(
        "C1",
        DEADLINE,
        LegalHour(DEADLINE),
        opening_not_before_at=DEADLINE + timedelta(hours=2),
        cool_down_s=30,
    )
    platform.done(draft.set_calendar, platform.act(), calendar)
    platform.custody()
    platform.done(publish.publish, platform.act(), publish.PublishConsultation("C1"))
    opens = platform.load(Consultation, "C1").opens_at()
    assert opens == DEADLINE + timedelta(hours=2, seconds=30)


# --- never: roles, plans, strangers


def opened_hour(platform: Platform) -> None:
    platform.deposit("a")
    platform.ready_to_open()


@pytest.mark.parametrize("role", ["PA", "AU", "CY"])
def test_some_never_open(platform: Platform, role: str) -> None:
    opened_hour(platform)
    act = platform.act(role)
    command = open_envelopes.OpenEnvelopes("C1", "0")
    for _ in range(2):
        with pytest.raises(OpeningNotAllowed):
            open_envelopes.open_envelopes(platform.desk, act, command)
    assert refused(platform).code == "opening.not-allowed"


def test_another_buyer_finds_nothing(platform: Platform) -> None:
    opened_hour(platform)
    with pytest.raises(NotFound):
        attempt(platform, "BU", OTHER_BUYER)
    with pytest.raises(BadForm):
        attempt(platform, lot="9")
    command = open_envelopes.OpenDeposit(deposit_id("a"))
    with pytest.raises(NotFound):
        open_envelopes.open_deposit(platform.desk, platform.act("BU", OTHER_BUYER), command)


def test_what_is_not_planned_is_not_opened_and_looks_like_nothing(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", SECOND)
    platform.deposit("c", SECOND, target="b")
    platform.deposit("late", THIRD, at=DEADLINE + MS)
    platform.ready_to_open()
    act = platform.act()
    for name in ("b", "late", "never-existed"):
        command = open_envelopes.OpenEnvelopes("C1", "0", deposit_id(name))
        act = platform.act()
        for _ in range(2):
            with pytest.raises(NotInPlan, match="in no plan of lot 0"):
                open_envelopes.open_envelopes(platform.desk, act, command)
        assert refused(platform).code == "opening.not-in-plan"


def test_without_a_plan_nothing_is_planned(platform: Platform) -> None:
    platform.deposit("a")
    platform.close()
    platform.clock.at += timedelta(hours=1)
    with pytest.raises(NotInPlan):
        attempt(platform, deposit=deposit_id("a"))


def test_an_envelope_asked_outside_any_lot_is_refused_in_its_own_stream(
    platform: Platform,
) -> None:
    platform.deposit("a")
    act, command = platform.act(), open_envelopes.OpenDeposit(deposit_id("a"))
    for _ in range(2):
        with pytest.raises(TooEarlyToOpen):
            open_envelopes.open_deposit(platform.desk, act, command)
    assert refused(platform).originator_id == f"deposit/{deposit_id('a')}"
    platform.ready_to_open()
    with pytest.raises(NotInPlan):
        open_envelopes.open_deposit(platform.desk, platform.act(), command)
    with pytest.raises(OpeningNotAllowed):
        open_envelopes.open_deposit(platform.desk, platform.act("PA"), command)
    assert platform.load(SealedEnvelope, deposit_id("a")).state == "SEALED"


# --- the order of steps


def convene(platform: Platform, members: tuple[str, ...] = ("A", "B")) -> Any:
    command = fix_opening_plan.ConveneOpening("C1", "0", members)
    return platform.done(fix_opening_plan.convene_opening, platform.act(), command)


def present(platform: Platform, member: str) -> Any:
    command = fix_opening_plan.RecordPresence("C1", "0", member)
    return platform.done(fix_opening_plan.record_presence, platform.act(), command)


def plan(platform: Platform) -> Any:
    command = fix_opening_plan.FixOpeningPlan("C1", "0")
    return platform.done(fix_opening_plan.fix_opening_plan, platform.act(), command)


def test_each_missing_step_refuses(platform: Platform) -> None:
    platform.deposit("a")
    with pytest.raises(OpeningOrder, match="the closed register"):
        convene(platform)
    platform.close()
    platform.clock.at += timedelta(hours=1)
    platform.heads.published = False
    with pytest.raises(OpeningOrder, match="closing head"):
        convene(platform)
    platform.heads.published, platform.heads.witnesses = True, ()
    with pytest.raises(OpeningOrder, match="witnessed"):
        convene(platform)
    platform.heads.witnesses = ("w",)
    with pytest.raises(OpeningOrder, match="convening"):
        present(platform, "A")
    with pytest.raises(OpeningOrder, match="convening"):
        plan(platform)
    with pytest.raises(BadForm):
        convene(platform, ())
    convene(platform)
    with pytest.raises(OpeningWrongState):
        convene(platform)
    present(platform, "A")
    present(platform, "A")
    with pytest.raises(OpeningOrder, match="two persons"):
        plan(platform)
    with pytest.raises(OpeningOrder, match="a plan"):
        attempt(platform)
    with pytest.raises(OpeningOrder, match="a plan"):
        platform.done(
            fix_opening_plan.anchor_plan,
            platform.act(),
            fix_opening_plan.AnchorPlan("C1", "0"),
        )
    (guest,) = present(platform, "a guest")
    assert platform.subjects.reveal(guest.member) == "a guest"
    events = plan(platform)
    assert [event.TOPIC for event in events] == ["OpeningPlanFixed", "CheckpointAnchored"]
    with pytest.raises(OpeningWrongState):
        plan(platform)
    assert attempt(platform).count
    with pytest.raises(OpeningOrder):
        attempt(platform)


def test_members_are_commitments_and_a_person_has_one(platform: Platform) -> None:
    platform.close()
    (convened,) = convene(platform)
    (seen,) = present(platform, "B")
    assert seen.member == convened.members[1]
    assert "B" not in convened.members


def test_steps_are_repeatable_and_the_buyers_own(platform: Platform) -> None:
    platform.close()
    for do, command in (
        (fix_opening_plan.convene_opening, fix_opening_plan.ConveneOpening("C1", "0", ("A",))),
        (fix_opening_plan.record_presence, fix_opening_plan.RecordPresence("C1", "0", "A")),
        (fix_opening_plan.record_presence, fix_opening_plan.RecordPresence("C1", "0", "B")),
    ):
        act = platform.act()
        do(platform.desk, act, command)  # type: ignore[operator]
        assert do(platform.desk, act, command).repeated  # type: ignore[operator]
    platform.clock.at += timedelta(hours=1)
    act, command = platform.act(), fix_opening_plan.FixOpeningPlan("C1", "0")
    fix_opening_plan.fix_opening_plan(platform.desk, act, command)
    assert fix_opening_plan.fix_opening_plan(platform.desk, act, command).repeated
    with pytest.raises(BadForm):
        platform.plan(lot="9")
    with pytest.raises(NotAllowed):
        fix_opening_plan.fix_opening_plan(platform.desk, platform.act("DR"), command)
    with pytest.raises(NotFound):
        fix_opening_plan.fix_opening_plan(platform.desk, platform.act("PA"), command)


# --- opening


def test_an_opening_leaves_shares_outcomes_and_minutes(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", SECOND)
    platform.ready_to_open()
    act, command = platform.act("CU"), open_envelopes.OpenEnvelopes("C1", "0")
    open_envelopes.open_envelopes(platform.desk, act, command)
    assert open_envelopes.open_envelopes(platform.desk, act, command).repeated
    session = platform.load(OpeningSession, "C1.0")
    completed = platform.files.rows[-1]

    outcomes = []
    for name in session.plan().open:
        found = platform.load(SealedEnvelope, name).outcome
        assert found is not None
        told = platform.vault.sitting(name, "0", 1)
        assert [row["answer"] for row in told] == ["PROVEN", "PROVEN", "NOT_ASKED"]
        outcomes.append(Outcome(name, found.TOPIC, detail_of(found), told))
    record = encode(session.minutes_of(outcomes))
    assert completed.minutes_hash == sha256(record).hex()  # type: ignore[attr-defined]
    assert platform.vault.blobs[sha256(record).hex()] == record, "whoever has the hash has these"
    assert platform.kinds().count("CustodyQuorumReached") == 1


def test_an_empty_plan_goes_straight_to_its_minutes(platform: Platform) -> None:
    platform.ready_to_open()
    assert platform.open().state == "COMPLETED"
    assert not platform.custodians.asked


def test_one_envelope_of_the_plan_may_be_asked_alone(platform: Platform) -> None:
    opened_hour(platform)
    act, command = platform.act(), open_envelopes.OpenEnvelopes("C1", "0", deposit_id("a"))
    open_envelopes.open_envelopes(platform.desk, act, command)
    assert open_envelopes.open_envelopes(platform.desk, act, command).repeated
    with pytest.raises(OpeningOrder, match="still closed"):
        attempt(platform, deposit=deposit_id("a"))
    assert platform.load(OpeningSession, "C1.0").state == "UNLOCKED"
    assert platform.open().state == "COMPLETED"


def test_a_crash_between_two_envelopes_is_made_good_by_the_same_act(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", SECOND)
    platform.ready_to_open()

    class Lost(Exception):
        pass

    def crash() -> None:
        raise Lost

    platform.files.after_commit = crash
    act, command = platform.act(), open_envelopes.OpenEnvelopes("C1", "0")
    for _ in range(2):
        with pytest.raises(Lost):
            open_envelopes.open_envelopes(platform.desk, act, command)
    platform.files.after_commit = lambda: None
    open_envelopes.open_envelopes(platform.desk, act, command)
    assert platform.kinds().count("EnvelopeOpened") == 2
    assert platform.load(OpeningSession, "C1.0").state == "COMPLETED"


def test_a_missed_quorum_of_one_envelope_stays_missed_for_its_act(platform: Platform) -> None:
    opened_hour(platform)
    platform.custodians.moods = {"anna": "silent", "bruno": "false"}
    act, command = platform.act(), open_envelopes.OpenEnvelopes("C1", "0", deposit_id("a"))
    for _ in range(2):
        with pytest.raises(QuorumMissed):
            open_envelopes.open_envelopes(platform.desk, act, command)


def test_an_application_opens_lot_by_lot() -> None:
    platform = Platform()
    platform.published(lots=("1", "2"))
    platform.deposit("a", kind=DepositKind.APPLICATION, lots=("1", "2"))
    platform.close()
    for lot in ("1", "2"):
        platform.convene(lot=lot)
        platform.plan(lot=lot)
        platform.open(lot=lot)
    envelope = platform.load(SealedEnvelope, deposit_id("a"))
    assert (envelope.state, envelope.opened_lots) == ("OPENED", {"1", "2"})


def test_later_plans_only_add(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("late", SECOND, at=DEADLINE + MS)
    platform.ready_to_open()
    platform.open()
    with pytest.raises(OpeningOrder, match="something that no plan has named"):
        plan(platform)
    admit = decide_late.AdmitLateDeposit(deposit_id("late"), "PLATFORM", "it failed", "f1")
    platform.done(decide_late.admit_late_deposit, platform.act(), admit)
    (fixed,) = plan(platform)
    assert (fixed.plan_no, fixed.kind, fixed.open) == (2, "ADMITTED", [deposit_id("late")])
    with pytest.raises(OpeningOrder, match="a plan, anchored"):
        attempt(platform)
    platform.heads.published = False
    act, command = platform.act(), fix_opening_plan.AnchorPlan("C1", "0")
    with pytest.raises(OpeningOrder, match="covers the plan"):
        fix_opening_plan.anchor_plan(platform.desk, act, command)
    platform.heads.published = True
    fix_opening_plan.anchor_plan(platform.desk, act, command)
    assert fix_opening_plan.anchor_plan(platform.desk, act, command).repeated
    assert platform.open().state == "COMPLETED"


def test_offers_wait_for_the_second_envelope() -> None:
    platform = Platform()
    platform.published(mode=EnvelopeMode.DOUBLE_ENVELOPE)
    platform.deposit("application", kind=DepositKind.APPLICATION)
    platform.deposit("offer")
    session = platform.ready_to_open()
    assert session.plan().open == [deposit_id("application")]
    platform.open()
    with pytest.raises(KeysetNeeded):
        hold_ceremony.check_unneeded(platform.desk, platform.load(Consultation, "C1"))
    session = platform.plan()
    assert (session.plan().kind, session.plan().open) == ("SECOND_ENVELOPE", [deposit_id("offer")])


def test_the_keys_of_an_admitted_envelope_are_needed_until_its_plan_ends() -> None:
    platform = Platform()
    platform.published()
    platform.deposit("late", at=DEADLINE + timedelta(milliseconds=1))
    platform.ready_to_open()
    platform.open()
    consultation = platform.load(Consultation, "C1")
    hold_ceremony.check_unneeded(platform.desk, consultation)  # nobody admitted it
    admitted = decide_late.AdmitLateDeposit(deposit_id("late"), "panne", "motifs", "constats")
    platform.done(decide_late.admit_late_deposit, platform.act("CO"), admitted)
    with pytest.raises(KeysetNeeded):
        hold_ceremony.check_unneeded(platform.desk, consultation)


def test_an_unreadable_envelope_is_in_the_minutes(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", SECOND)
    platform.unsealing.stored[deposit_id("b")] = StoredEnvelope("ok", head_ok=False)
    platform.ready_to_open()
    assert platform.open().state == "COMPLETED"
    assert platform.load(SealedEnvelope, deposit_id("b")).state == "UNREADABLE"


def test_a_plan_of_only_unreadable_envelopes_ends_in_its_minutes(platform: Platform) -> None:
    """No share is ever asked, so no quorum comes; what was lost is told, and the lot goes on."""
    platform.deposit("b", SECOND)
    opened_hour(platform)
    for name in ("a", "b"):
        platform.unsealing.stored[deposit_id(name)] = StoredEnvelope("missing", head_ok=False)
    act, command = platform.act(), open_envelopes.OpenEnvelopes("C1", "0")
    open_envelopes.open_envelopes(platform.desk, act, command)
    assert open_envelopes.open_envelopes(platform.desk, act, command).repeated
    assert platform.load(OpeningSession, "C1.0").state == "COMPLETED"
    assert "CustodyQuorumReached" not in platform.kinds()
    assert not platform.custodians.asked
    with pytest.raises(OpeningOrder, match="a plan, anchored"):
        platform.open()


def test_a_plan_with_a_readable_envelope_never_ends_without_a_quorum(platform: Platform) -> None:
    opened_hour(platform)
    session = platform.load(OpeningSession, "C1.0")
    opened = Outcome(deposit_id("a"), "EnvelopeOpened", "PACKAGE")
    lost = Outcome(deposit_id("b"), "EnvelopeUnreadable", "STORAGE bytes-missing")
    with pytest.raises(OpeningOrder, match="a quorum of custodians"):
        session.complete(platform.meta(), [lost, opened])
    session.complete(platform.meta(), [lost])
    assert session.state == "COMPLETED"


def test_minutes_need_every_outcome(platform: Platform) -> None:
    opened_hour(platform)

    session = platform.load(OpeningSession, "C1.0")
    consultation = platform.load(Consultation, "C1")
    table = Table.laid(platform.desk, platform.act(), consultation, session, "0")
    with pytest.raises(OpeningOrder, match="the outcome of every envelope"):
        open_envelopes._outcome(table, deposit_id("a"))


def test_an_opening_needs_a_keyset(platform: Platform) -> None:
    opened_hour(platform)
    del platform.files.live["custody/C1"]
    with pytest.raises(OpeningOrder, match="a keyset"):
        attempt(platform)
    with pytest.raises(NotFound):
        document_of(platform.desk, "00" * 32)


def test_the_floor_holds_for_an_opening_too(platform: Platform) -> None:
    opened_hour(platform)
    platform.clock.at -= timedelta(hours=5)
    with pytest.raises(ClockWentBack):
        attempt(platform)


@pytest.mark.parametrize("placed", Placement)
def test_above_a0_nothing_opens_on_the_hosts_clock_alone(placed: Placement) -> None:
    """envelope.md 12.5: what waits is neither refused for ever nor recorded as an attempt."""
    platform = Platform()
    platform.published(placed=placed)
    platform.deposit("a")
    platform.clock.source = ClockSource.HOST
    platform.close()
    platform.convene()
    platform.clock.at = platform.load(Consultation, "C1").opens_at() + MS
    for step in (platform.plan, platform.open):
        if placed != Placement.A0:
            size = len(platform.files.rows)
            with pytest.raises(ClockDistrusted, match=f"level {placed}"):
                step()
            assert len(platform.files.rows) == size
            platform.clock.source = ClockSource.QUORUM
        step()
        platform.clock.source = ClockSource.HOST
    assert platform.load(SealedEnvelope, deposit_id("a")).state == "OPENED"


def test_without_a_keyset_there_is_no_level_to_ask_for() -> None:
    platform = Platform()
    platform.clock.source = ClockSource.HOST
    check_time(platform.desk, "C9", platform.clock.now())
