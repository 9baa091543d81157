"""Decisions on backup copies: refused, opened, set aside, destroyed (domain.md §4.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from doubles.backups import anchored, ask, first_plan, late_with_copy
from doubles.platform import (
    DEADLINE,
    HOUR,
    MS,
    OTHER_BUYER,
    Platform,
    deposit_id,
)

from domain.backup_copy import BackupCopy
from domain.commands import decide_late, open_backup, open_envelopes
from domain.commands.backup_facts import right_of
from domain.commands.open_envelopes import OpenEnvelopes
from domain.consultation import Consultation
from domain.errors import (
    BackupElectronic,
    BackupLate,
    BackupMalware,
    BackupMayOpen,
    BackupNotAuthorised,
    BackupUnlabelled,
    BackupWrongState,
    BadForm,
    ConsultationWrongState,
    NoBackupGround,
    NotAllowed,
    NotFound,
    NotInPlan,
    OpeningOrder,
)
from domain.ports import StoredEnvelope

TRACE = "ab" * 32


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published(backup_electronic=True)
    return made


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
