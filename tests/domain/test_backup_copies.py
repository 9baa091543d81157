"""Backup copies and the desk's register: who brings, who decides, what opens (domain.md §4.8)."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.backups import anchored, ask, first_plan, late_with_copy
from doubles.platform import (
    DEADLINE,
    FIRST,
    MS,
    OTHER_BUYER,
    SECOND,
    Platform,
    copy_id,
    deposit_id,
)

from domain.backup_copy import BackupCopy, OutOfBandRegister
from domain.clock import LegalHour
from domain.commands import hold_ceremony, open_backup, register_item, transmit
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import (
    AlreadyExists,
    BackupLate,
    BackupNotOffered,
    BackupWrongState,
    BadForm,
    ConsultationWrongState,
    DepositTaken,
    KeysetNeeded,
    NoBackupGround,
    NoRule,
    NotAllowed,
    NotFound,
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
    consultation = platform.load(Consultation, "C1")
    hold_ceremony.check_unneeded(platform.desk, consultation)
    (event,) = ask(platform, copy.name)
    with pytest.raises(KeysetNeeded):
        hold_ceremony.check_unneeded(platform.desk, consultation)
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
