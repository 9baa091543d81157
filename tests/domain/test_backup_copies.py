"""Backup copies and the desk's register: who brings, who decides, what opens (domain.md §4.8)."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.platform import (
    DEADLINE,
    FIRST,
    HOUR,
    MS,
    OTHER_BUYER,
    SECOND,
    Platform,
    copy_id,
    deposit_id,
)

from domain.backup_copy import BackupCopy, OutOfBandRegister
from domain.clock import LegalHour
from domain.commands import decide_late, open_backup, open_envelopes, register_item, transmit
from domain.commands.backup_facts import right_of
from domain.commands.fix_opening_plan import AnchorPlan, anchor_plan
from domain.commands.open_envelopes import OpenEnvelopes
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import (
    AlreadyExists,
    BackupElectronic,
    BackupLate,
    BackupMalware,
    BackupMayOpen,
    BackupNotAuthorised,
    BackupNotOffered,
    BackupUnlabelled,
    BackupWrongState,
    BadForm,
    ConsultationWrongState,
    DepositTaken,
    NoBackupGround,
    NoRule,
    NotAllowed,
    NotFound,
    NotInPlan,
    OpeningOrder,
)
from domain.events.backup_copy import Medium, OutOfBandItem
from domain.events.deposit import LateDepositRecorded, MalwareDetected
from domain.events.transmission import DepositKind, EnvelopeKind, Intent, Purpose, StallCause
from domain.opening import OpeningSession
from domain.ports import StoredEnvelope

TRACE = "ab" * 32


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published(backup_electronic=True)
    return made


def first_plan(platform: Platform) -> None:
    """Close, open what there is, and end the first plan."""
    platform.ready_to_open()
    platform.open()


def ask(platform: Platform, name: str, act: Any = None) -> Any:
    command = open_backup.AuthoriseBackupCopyOpening(name)
    done = open_backup.authorise_backup_copy_opening
    return platform.done(done, act or platform.act(), command)


def late_with_copy(platform: Platform) -> str:
    """Let a deposit begun in time end late, beside an electronic copy in time; close."""
    copy = platform.back_up("copy")
    platform.deposit("late", at=DEADLINE + MS)
    first_plan(platform)
    return copy.name


# --- electronic copies


def test_an_electronic_copy_is_kept_in_its_own_stream_and_in_the_register(
    platform: Platform,
) -> None:
    platform.deposit("bid")
    copy = platform.back_up("copy")
    came = copy.received()
    assert (copy.id, copy.state) == (f"backup/{deposit_id('copy')}", "RECEIVED")
    assert (came.medium, came.label_ok, came.desk) == (Medium.ELECTRONIC, True, None)
    assert None not in {came.commitment, came.header_hash, came.capsule_hash}
    closed = platform.close()
    assert [row.deposit for row in closed.rows] == sorted([copy.name, deposit_id("bid")])
    assert closed.lists(copy.name)
    platform.convene()
    plan = platform.plan().plans[0]
    everything = [*plan.open, *plan.superseded, *plan.withdrawn, *plan.late, *plan.undetermined]
    assert everything == [deposit_id("bid")], "a copy is in no first plan"


@pytest.mark.parametrize(("offset", "listed"), [(timedelta(0), True), (MS, False)])
def test_a_copy_comes_in_time_up_to_the_deadline_itself(
    platform: Platform, offset: timedelta, listed: bool
) -> None:
    copy = platform.back_up("copy", at=DEADLINE + offset)
    assert platform.close().lists(copy.name) is listed


def test_a_copy_after_the_closing_is_in_no_register_and_late(platform: Platform) -> None:
    platform.deposit("late", at=DEADLINE + MS)
    first_plan(platform)
    copy = platform.back_up("copy")
    with pytest.raises(BackupLate):
        ask(platform, copy.name)


def test_without_the_policy_an_electronic_copy_is_refused_before_a_byte() -> None:
    platform = Platform()
    platform.published()
    act, command = platform.company(), platform.announce("copy", kind=EnvelopeKind.BACKUP)
    for _ in range(2):
        with pytest.raises(BackupNotOffered):
            transmit.start_transmission(platform.desk, act, command)
    assert platform.kinds()[-2:] == ["TransmissionStarted", "FeasibilityRefused"]


def test_the_law_takes_electronic_copies_since_23_april_2023() -> None:
    eve = datetime(2023, 4, 22, 21, 59, 59, tzinfo=UTC)
    for at, lawful in ((eve, False), (eve + timedelta(seconds=1), True)):
        platform = Platform()
        platform.clock.at = at
        with nullcontext() if lawful else pytest.raises(NoRule):
            platform.draft(backup_electronic=True)
    platform = Platform()
    platform.clock.at = eve
    platform.draft()


def test_a_copy_replaces_nothing_and_several_may_come(platform: Platform) -> None:
    first = platform.back_up("one")
    platform.back_up("two")
    with pytest.raises(BadForm, match="intent"):
        platform.start("three", kind=EnvelopeKind.BACKUP, intent=Intent.REPLACE, target=first.name)


def test_the_id_of_a_copy_is_used_once(platform: Platform) -> None:
    platform.back_up("copy")
    platform.start("bid")
    with pytest.raises(DepositTaken):
        platform.send("bid", deposit=deposit_id("copy"))


# --- what the desk writes down


def test_the_desk_writes_down_a_copy_with_its_minute_and_its_seal(platform: Platform) -> None:
    act = platform.act("RD")
    minute = platform.clock.at.replace(second=0, microsecond=0)
    command = register_item.RegisterBackupCopy(
        copy_id("a"), "C1", ("0",), FIRST, Medium.USB, False, LegalHour(minute), "accueil", "S-7"
    )
    (event,) = platform.done(register_item.register_backup_copy, act, command)
    assert register_item.register_backup_copy(platform.desk, act, command).repeated
    assert (event.desk, event.seal_no, event.medium) == ("accueil", "S-7", Medium.USB)
    assert event.received_at - timedelta(milliseconds=event.uncertainty_ms) == minute
    assert (event.meta.occurred_at, event.meta.clock.source) == (minute, "DECLARED")
    assert event.meta.clock.earliest == platform.clock.now().earliest, "the floor never goes back"
    assert event.bidder == platform.subjects.bidder_tag("C1", f"siret:{FIRST}")
    assert event.commitment is None
    with pytest.raises(AlreadyExists):
        platform.on_paper("a")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"medium": Medium.ELECTRONIC}, "medium"),
        ({"lots": ("9",)}, "lots"),
        ({"lots": ()}, "lots"),
        ({"seal_no": ""}, "seal_no"),
        ({"desk": ""}, "desk"),
        ({"received": LegalHour(DEADLINE)}, "received"),
        ({"org": "no siret!"}, "bidder"),
    ],
)
def test_what_the_desk_cannot_write_down(
    platform: Platform, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadForm) as refused:
        platform.on_paper("a", **values)
    assert refused.value.field == field


def test_only_the_desk_of_the_buyer_writes_down(platform: Platform) -> None:
    minute = LegalHour(platform.clock.at.replace(second=0, microsecond=0))
    command = register_item.RegisterItem("C1", OutOfBandItem.SAMPLE, FIRST, "coursier", minute)
    for role, org, refusal in (
        ("BU", None, NotAllowed),
        ("PA", None, NotFound),
        ("RD", OTHER_BUYER, NotFound),
    ):
        with pytest.raises(refusal):
            register_item.register_item(platform.desk, platform.act(role, org), command)
    drafted = Platform()
    drafted.draft()
    with pytest.raises(ConsultationWrongState):
        register_item.register_item(drafted.desk, drafted.act("RD"), command)


def test_samples_and_exceptions_stand_in_the_register_of_the_consultation(
    platform: Platform,
) -> None:
    minute = LegalHour(platform.clock.at.replace(second=0, microsecond=0))
    act = platform.act("RD")
    sample = register_item.RegisterItem("C1", OutOfBandItem.SAMPLE, FIRST, "coursier", minute)
    platform.done(register_item.register_item, act, sample)
    assert register_item.register_item(platform.desk, act, sample).repeated
    for item in (OutOfBandItem.PAPER_EXCEPTION, OutOfBandItem.OFFER_OUTSIDE_PLATFORM):
        bare = register_item.RegisterItem("C1", item, FIRST, "poste", minute)
        with pytest.raises(BadForm, match="ground"):
            register_item.register_item(platform.desk, platform.act("RD"), bare)
    paper = register_item.RegisterItem(
        "C1", OutOfBandItem.PAPER_EXCEPTION, FIRST, "poste", minute, "R2132-12 4°"
    )
    platform.done(register_item.register_item, platform.act("RD"), paper)
    items = platform.load(OutOfBandRegister, "C1").items
    assert [(one.item, one.ground) for one in items] == [
        ("SAMPLE", None),
        ("PAPER_EXCEPTION", "R2132-12 4°"),
    ]


# --- the four grounds, from the record


def test_a_late_deposit_begun_in_time_opens_the_copy(platform: Platform) -> None:
    name = late_with_copy(platform)
    act = platform.act()
    (event,) = ask(platform, name, act)
    assert event.ground == "LATE"
    assert event.evidence == [f"deposit/{deposit_id('late')}#1", "transmission/t-late#1"]
    assert open_backup.authorise_backup_copy_opening(
        platform.desk, act, open_backup.AuthoriseBackupCopyOpening(name)
    ).repeated
    with pytest.raises(BackupWrongState):
        ask(platform, name)


@pytest.mark.parametrize("broken", ["fails", "expires"])
def test_a_sending_that_broke_off_opens_the_copy(platform: Platform, broken: str) -> None:
    copy = platform.back_up("copy")
    platform.start("bid")
    stop(platform, "bid", broken)
    first_plan(platform)
    (event,) = ask(platform, copy.name)
    kind = "TransmissionFailed" if broken == "fails" else "TransmissionExpired"
    assert (event.ground, platform.files.stream("transmission/t-bid")[-1].TOPIC) == (
        "INCOMPLETE",
        kind,
    )
    assert event.evidence == ["transmission/t-bid#1", "transmission/t-bid#2"]


def stop(platform: Platform, name: str, how: str) -> None:
    if how == "fails":
        command = transmit.FailTransmission(f"t-{name}", "platform.unavailable", StallCause.SERVER)
        platform.done(transmit.fail_transmission, platform.act("PA"), command)
    else:
        gone = transmit.ExpireTransmission(f"t-{name}")
        platform.done(transmit.expire_transmission, platform.act("PA"), gone)


def test_a_sending_that_was_made_good_is_no_ground(platform: Platform) -> None:
    copy = platform.back_up("copy")
    platform.start("bid")
    stop(platform, "bid", "fails")
    platform.deposit("again")
    first_plan(platform)
    with pytest.raises(NoBackupGround):
        ask(platform, copy.name)


def test_a_deposit_of_another_kind_makes_nothing_good(platform: Platform) -> None:
    copy = platform.back_up("copy")
    platform.deposit("application", kind=DepositKind.APPLICATION)
    platform.start("bid")
    stop(platform, "bid", "fails")
    first_plan(platform)
    assert ask(platform, copy.name)[0].ground == "INCOMPLETE"


def test_a_copy_or_rehearsal_that_broke_off_is_no_ground(platform: Platform) -> None:
    copy = platform.back_up("copy")
    platform.start("other", kind=EnvelopeKind.BACKUP)
    stop(platform, "other", "fails")
    platform.start("try", purpose=Purpose.REHEARSAL)
    stop(platform, "try", "fails")
    first_plan(platform)
    with pytest.raises(NoBackupGround):
        ask(platform, copy.name)


def test_an_unreadable_envelope_opens_the_copy_under_the_next_plan(platform: Platform) -> None:
    platform.deposit("bid")
    copy = platform.back_up("copy")
    platform.unsealing.stored[deposit_id("bid")] = StoredEnvelope("missing", head_ok=False)
    first_plan(platform)
    (event,) = ask(platform, copy.name)
    assert event.ground == "UNREADABLE"
    assert event.evidence == [f"deposit/{deposit_id('bid')}#2", "transmission/t-bid#1"]
    session = platform.plan()
    assert (session.plans[-1].open, session.plans[-1].kind) == ([copy.name], "BACKUP_COPY")
    anchored(platform)
    platform.open()
    opened = platform.load(BackupCopy, copy.name)
    assert opened.state == "OPENED"
    assert opened.detail() == "UNREADABLE"
    assert platform.kinds()[-2:] == ["BackupCopyOpened", "OpeningCompleted"]
    assert session_of(platform).state == "COMPLETED"


def anchored(platform: Platform) -> None:
    platform.done(anchor_plan, platform.act(), AnchorPlan("C1", "0"))


def session_of(platform: Platform) -> OpeningSession:
    return platform.load(OpeningSession, "C1.0")


def test_malware_in_the_opened_bid_opens_the_copy(platform: Platform) -> None:
    envelope = platform.deposit("bid")
    copy = platform.back_up("copy")
    first_plan(platform)
    envelope = platform.load(SealedEnvelope, envelope.name)
    envelope.append(
        MalwareDetected(
            **envelope.stamp(platform.meta()),
            file="piece-0001",
            engine="clamd",
            signature="test",
            trace_hash=TRACE,
        )
    )
    platform.put(envelope)
    (event,) = ask(platform, copy.name)
    assert event.ground == "MALWARE"
    assert f"deposit/{envelope.name}#3" in event.evidence


def test_the_offences_of_another_bidder_or_lot_are_no_ground() -> None:
    platform = Platform()
    platform.published(lots=("1", "2"), backup_electronic=True)
    mine = platform.back_up("copy")
    platform.start("theirs", SECOND)
    platform.start("elsewhere", lots=("2",))
    for name in ("theirs", "elsewhere"):
        stop(platform, name, "fails")
    platform.deposit("bid")
    platform.ready_to_open(lot="1")
    with pytest.raises(NoBackupGround):
        ask(platform, mine.name)


def test_a_late_deposit_without_a_sending_on_record_is_no_ground(platform: Platform) -> None:
    """An import may hold one: nothing says that its sending began in time."""
    copy = platform.on_paper("a", seal_no=None)
    late = platform.deposit("late", SECOND, at=DEADLINE + MS).sealed()
    imported = SealedEnvelope.blank("deposit/" + "0f" * 16)
    facts = {
        name: value
        for name, value in vars(late).items()
        if name not in {"originator_id", "originator_version", "timestamp", "meta"}
    }
    facts |= {"bidder": copy.received().bidder, "transmission": "unknown"}
    imported.append(LateDepositRecorded(**imported.stamp(platform.meta()), **facts))
    platform.put(imported)
    first_plan(platform)
    with pytest.raises(NoBackupGround):
        ask(platform, copy.name)


# --- refusals are events, and nobody decides before the first plan


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"label_ok": False}, BackupUnlabelled),
        ({}, NoBackupGround),
    ],
)
def test_a_refused_authorisation_is_recorded_and_stays_refused(
    platform: Platform, values: dict[str, Any], refusal: type[Exception]
) -> None:
    copy = platform.on_paper("a", **values)
    platform.deposit("bid")
    first_plan(platform)
    act = platform.act()
    for _ in range(2):
        with pytest.raises(refusal):
            ask(platform, copy.name, act)
    told = platform.files.stream(copy.id)
    assert [event.TOPIC for event in told] == ["BackupCopyReceived", "OpeningRefused"]
    assert (told[-1].code, told[-1].asked_by) == (refusal.code, "BU")  # type: ignore[attr-defined]


def test_a_copy_that_came_late_over_the_desk_stays_closed(platform: Platform) -> None:
    platform.deposit("late", at=DEADLINE + MS)
    platform.close()
    platform.clock.at += HOUR
    copy = platform.on_paper("a")
    platform.convene()
    platform.plan()
    act = platform.act()
    for _ in range(2):
        with pytest.raises(BackupLate):
            ask(platform, copy.name, act)


def test_a_minute_of_the_desk_that_holds_the_deadline_is_in_time(platform: Platform) -> None:
    platform.deposit("late", at=DEADLINE + MS)
    platform.clock.at = DEADLINE + timedelta(seconds=59)
    copy = platform.on_paper("a")
    assert copy.earliest() == DEADLINE
    first_plan(platform)
    assert ask(platform, copy.name)[0].ground == "LATE"


def test_nobody_decides_before_the_first_plan_nor_for_another_buyer(platform: Platform) -> None:
    platform.deposit("late", at=DEADLINE + MS)
    copy = platform.on_paper("a") if platform.clock.at <= DEADLINE + HOUR else None
    assert copy is not None
    with pytest.raises(ConsultationWrongState):
        ask(platform, copy.name)
    platform.close()
    with pytest.raises(OpeningOrder, match="first plan"):
        ask(platform, copy.name)
    with pytest.raises(NotFound):
        ask(platform, copy.name, platform.act("BU", OTHER_BUYER))
    with pytest.raises(NotAllowed):
        ask(platform, copy.name, platform.act("RD"))
    with pytest.raises(NotFound):
        ask(platform, "nothing")


def test_an_electronic_copy_opens_under_a_plan_only(platform: Platform) -> None:
    name = late_with_copy(platform)
    opening = OpenEnvelopes("C1", "0", name)
    with pytest.raises(NotInPlan):
        open_envelopes.open_envelopes(platform.desk, platform.act(), opening)
    ask(platform, name)
    act = platform.act()
    for _ in range(2):
        with pytest.raises(NotInPlan):
            by_hand(platform, name, act)
    assert platform.load(BackupCopy, name).state == "AUTHORISED"


def by_hand(platform: Platform, name: str, act: Any = None) -> Any:
    command = open_backup.OpenBackupCopy(name)
    return platform.done(open_backup.open_backup_copy, act or platform.act(), command)


def test_a_copy_on_paper_opens_once_it_is_authorised(platform: Platform) -> None:
    copy = platform.on_paper("a")
    platform.deposit("late", at=DEADLINE + MS)
    first_plan(platform)
    act = platform.act()
    for _ in range(2):
        with pytest.raises(BackupNotAuthorised):
            by_hand(platform, copy.name, act)
    ask(platform, copy.name)
    act = platform.act()
    assert [event.TOPIC for event in by_hand(platform, copy.name, act)] == ["BackupCopyOpened"]
    assert open_backup.open_backup_copy(
        platform.desk, act, open_backup.OpenBackupCopy(copy.name)
    ).repeated
    with pytest.raises(BackupWrongState):
        by_hand(platform, copy.name)
    with pytest.raises(OpeningOrder, match="no plan has named"):
        platform.plan()


def test_what_cannot_be_decrypted_is_said_of_a_copy_too(platform: Platform) -> None:
    name = late_with_copy(platform)
    ask(platform, name)
    platform.plan()
    anchored(platform)
    platform.unsealing.stored[name] = StoredEnvelope("differs", head_ok=False)
    platform.open()
    copy = platform.load(BackupCopy, name)
    assert (copy.state, copy.detail()) == ("UNREADABLE", "STORAGE bytes-differ")


def test_an_admitted_deposit_and_a_copy_stand_in_one_plan(platform: Platform) -> None:
    name = late_with_copy(platform)
    ask(platform, name)
    late = decide_late.AdmitLateDeposit(deposit_id("late"), "PLATFORM", "it failed", "f1")
    platform.done(decide_late.admit_late_deposit, platform.act(), late)
    plan = platform.plan().plans[-1]
    assert (plan.open, plan.kind) == (sorted([name, deposit_id("late")]), "ADMITTED")
    anchored(platform)
    platform.open()
    assert platform.load(BackupCopy, name).state == "OPENED"
    with pytest.raises(OpeningOrder, match="no plan has named"):
        platform.plan()


# --- set aside, malware, destruction


def aside(platform: Platform, name: str, act: Any = None) -> Any:
    command = open_backup.SetAsideBackupCopy(name)
    return platform.done(open_backup.set_aside_backup_copy, act or platform.act(), command)


@pytest.mark.parametrize(
    ("values", "reason"), [({"label_ok": False}, "UNLABELLED"), ({}, "NO_GROUND")]
)
def test_the_reason_to_set_a_copy_aside_is_computed(
    platform: Platform, values: dict[str, Any], reason: str
) -> None:
    copy = platform.on_paper("a", **values)
    platform.deposit("bid")
    first_plan(platform)
    act = platform.act()
    (event,) = aside(platform, copy.name, act)
    assert event.reason == reason
    command = open_backup.SetAsideBackupCopy(copy.name)
    assert open_backup.set_aside_backup_copy(platform.desk, act, command).repeated
    with pytest.raises(BackupWrongState):
        ask(platform, copy.name)


def test_a_copy_that_may_open_is_not_set_aside(platform: Platform) -> None:
    with pytest.raises(BackupMayOpen):
        aside(platform, late_with_copy(platform))


def infect(platform: Platform, name: str, act: Any = None) -> Any:
    command = open_backup.DetectBackupMalware(name, TRACE)
    return platform.done(open_backup.detect_backup_malware, act or platform.act(), command)


def test_malware_in_the_copy_sets_it_aside_opened_or_not(platform: Platform) -> None:
    name = late_with_copy(platform)
    paper = platform.load(BackupCopy, name)
    act = platform.act()
    events = infect(platform, name, act)
    assert [event.TOPIC for event in events] == ["BackupCopyMalwareDetected", "BackupCopySetAside"]
    command = open_backup.DetectBackupMalware(name, TRACE)
    assert open_backup.detect_backup_malware(platform.desk, act, command).repeated
    assert [event.TOPIC for event in infect(platform, name)] == ["BackupCopyMalwareDetected"]
    assert platform.load(BackupCopy, name).aside == "MALWARE"
    with pytest.raises(BackupWrongState):
        ask(platform, paper.name)
    bad = open_backup.DetectBackupMalware(name, "no hash")
    with pytest.raises(BadForm):
        open_backup.detect_backup_malware(platform.desk, platform.act(), bad)


def test_an_infected_copy_has_no_right_any_more(platform: Platform) -> None:
    copy = platform.load(BackupCopy, late_with_copy(platform))
    copy.infected = True
    consultation = platform.load(Consultation, "C1")
    with pytest.raises(BackupMalware):
        right_of(platform.desk, consultation, copy)


def test_an_unopened_copy_on_paper_is_destroyed_before_a_witness(platform: Platform) -> None:
    copy = platform.on_paper("a")
    platform.deposit("bid")
    first_plan(platform)
    command = open_backup.DestroyBackupCopy(copy.name, "Mme Témoin")
    with pytest.raises(BackupWrongState):
        open_backup.destroy_backup_copy(platform.desk, platform.act(), command)
    aside(platform, copy.name)
    act = platform.act()
    (event,) = platform.done(open_backup.destroy_backup_copy, act, command)
    assert platform.subjects.reveal(event.witness) == "Mme Témoin"
    assert open_backup.destroy_backup_copy(platform.desk, act, command).repeated
    assert platform.load(BackupCopy, copy.name).state == "DESTROYED"


def test_an_electronic_copy_is_not_destroyed_by_hand(platform: Platform) -> None:
    name = late_with_copy(platform)
    command = open_backup.DestroyBackupCopy(name, "Mme Témoin")
    with pytest.raises(BackupElectronic):
        open_backup.destroy_backup_copy(platform.desk, platform.act(), command)


def test_a_stream_without_a_reception_is_no_copy() -> None:
    blank = BackupCopy.blank("backup/none")
    assert blank.detail() == ""
    with pytest.raises(NotFound):
        blank.received()
