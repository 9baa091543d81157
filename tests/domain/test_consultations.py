"""From the draft to the closed register: what publication needs, how D moves (§4.3, T3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from doubles.clock import NOON
from doubles.platform import (
    BUYER,
    DEADLINE,
    FIRST,
    HOUR,
    MS,
    OTHER_BUYER,
    SECOND,
    THIRD,
    Platform,
    hex_of,
)

from crypto.merkle import leaf_hash, root
from domain.clock import LegalHour
from domain.commands import (
    correct,
    download_dossier,
    draft,
    extend,
    publish,
    reach_deadline,
    suspend,
)
from domain.consultation import Consultation, check_not_stricter
from domain.dossier import Dossier
from domain.errors import (
    BadForm,
    BeforePublication,
    ClockWentBack,
    ConsultationWrongState,
    CorrectionNeedsExtension,
    DeadlineNotLater,
    DeadlineNotPassed,
    DeadlinePassed,
    DomainError,
    LimitsNotLower,
    NoRule,
    NotAllowed,
    NotFound,
    PublicationIncomplete,
)
from domain.events.consultation import Criterion, Importance, Limits, Nature, Padding
from domain.events.dossier import FileRow
from domain.plain import canonical
from domain.procedures import Procedures

LATER = LegalHour(DEADLINE + HOUR)
FILES = (FileRow("RC.pdf", hex_of("RC"), 1000), FileRow("Plan.pdf", hex_of("plan"), 1))


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published()
    return made


def drafted() -> Platform:
    made = Platform()
    made.draft()
    return made


def the(platform: Platform) -> Consultation:
    return platform.load(Consultation, "C1")


# --- draft


def test_a_draft_is_complete_and_its_retries_change_nothing() -> None:
    platform = Platform()
    commands: list[tuple[Any, Any]] = [
        (
            draft.draft_consultation,
            draft.DraftConsultation(
                "C1",
                "ref",
                "Works",
                Nature.WORKS,
                "ADAPTED",
                "45000000",
                "Lille",
                estimated_cents=1,
            ),
        ),
        (draft.define_lot, draft.DefineLot("C1", "1", "One", 10)),
        (draft.set_criteria, draft.SetCriteria("C1", (Criterion("price", 10_000),), "P")),
        (draft.set_calendar, draft.SetCalendar("C1", DEADLINE, LegalHour(DEADLINE))),
        (draft.set_technical_limits, draft.SetTechnicalLimits("C1")),
        (draft.set_deposit_policy, draft.SetDepositPolicy("C1")),
        (draft.freeze_dossier, draft.FreezeDossier("C1", FILES)),
    ]
    for do, command in commands:
        act = platform.act()
        platform.done(do, act, command)
        assert do(platform.desk, act, command).repeated
    assert the(platform).lot_names() == ("1",)
    assert the(platform).reference == "ref"


@pytest.mark.parametrize(
    ("do", "command", "refusal"),
    [
        (draft.define_lot, draft.DefineLot("C1", "0", "Zero", 1), BadForm),
        (draft.define_lot, draft.DefineLot("C1", "1", "One", -1), BadForm),
        (draft.define_lot, draft.DefineLot("C1", "a b", "One", 1), BadForm),
        (draft.set_criteria, draft.SetCriteria("C1", (Criterion("price", 9_999),), "P"), BadForm),
        (
            draft.set_criteria,
            draft.SetCriteria("C1", (Criterion("a", 10_001), Criterion("b", -1)), "P"),
            BadForm,
        ),
        (
            draft.set_calendar,
            draft.SetCalendar("C1", DEADLINE, LegalHour(DEADLINE), cool_down_s=-1),
            BadForm,
        ),
        (draft.set_calendar, draft.SetCalendar("C1", NOON, LegalHour(NOON)), BeforePublication),
        (draft.set_technical_limits, draft.SetTechnicalLimits("C1", Limits(max_total=0)), BadForm),
        (draft.freeze_dossier, draft.FreezeDossier("C1", ()), BadForm),
        (draft.freeze_dossier, draft.FreezeDossier("C1", FILES * 2), BadForm),
        (draft.freeze_dossier, draft.FreezeDossier("C1", (FileRow("a", "no", 1),)), BadForm),
        (
            draft.freeze_dossier,
            draft.FreezeDossier("C1", (FileRow("a", hex_of("a"), -1),)),
            BadForm,
        ),
        (draft.define_lot, draft.DefineLot("C9", "1", "One", 1), NotFound),
    ],
)
def test_a_draft_refuses_bad_forms(do: Any, command: Any, refusal: type[DomainError]) -> None:
    platform = drafted()
    with pytest.raises(refusal):
        do(platform.desk, platform.act(), command)


def test_an_unknown_procedure_has_no_rule() -> None:
    platform = Platform()
    command = draft.DraftConsultation("C1", "r", "o", Nature.WORKS, "ODD", "45000000", "Lille")
    with pytest.raises(NoRule):
        draft.draft_consultation(platform.desk, platform.act(), command)


def test_others_find_nothing_and_the_buyers_own_roles_may_not(platform: Platform) -> None:
    command = extend.ExtendDeadline("C1", LATER, "more time")
    for act in (platform.act("BU", OTHER_BUYER), platform.company(), platform.act("PA")):
        with pytest.raises(NotFound):
            extend.extend(platform.desk, act, command)
    with pytest.raises(NotAllowed):
        extend.extend(platform.desk, platform.act("DR"), command)


def test_a_published_consultation_is_no_draft_any_more(platform: Platform) -> None:
    with pytest.raises(ConsultationWrongState):
        draft.define_lot(platform.desk, platform.act(), draft.DefineLot("C1", "2", "Two", 1))


def test_long_lists_of_files_come_in_parts() -> None:
    platform = drafted()
    files = tuple(FileRow(f"{number}" + "n" * 240, hex_of("x"), 1) for number in range(300))
    events = platform.done(draft.freeze_dossier, platform.act(), draft.FreezeDossier("C1", files))
    *parts, frozen = events
    assert [event.part for event in parts] == [1, 2, 3]
    assert frozen.root == root([leaf_hash(canonical(row)) for row in files]).hex()
    assert all(sum(len(canonical(row)) for row in part.files) < 60_000 for part in parts)
    short = tuple(FileRow(f"{number}", hex_of("x"), 1) for number in range(401))
    events = platform.done(draft.freeze_dossier, platform.act(), draft.FreezeDossier("C1", short))
    assert [len(event.files) for event in events[:-1]] == [200, 200, 1]


# --- publication


def test_publication_fixes_limits_deadline_and_key(platform: Platform) -> None:
    consultation = the(platform)
    assert consultation.state == "PUBLISHED"
    assert consultation.deadline == DEADLINE
    assert consultation.key_fingerprint == hex_of("keyset C1")
    assert consultation.tenant == BUYER
    act = platform.act(command="again")
    with pytest.raises(ConsultationWrongState):
        publish.publish(platform.desk, act, publish.PublishConsultation("C1"))


def test_publication_names_everything_that_is_missing() -> None:
    platform = Platform()
    command = draft.DraftConsultation("C1", "r", "o", Nature.WORKS, "ADAPTED", "45000000", "Lille")
    platform.done(draft.draft_consultation, platform.act(), command)
    with pytest.raises(PublicationIncomplete) as refused:
        publish.publish(platform.desk, platform.act(), publish.PublishConsultation("C1"))
    assert refused.value.missing == (
        "dossier",
        "calendar",
        "criteria",
        "limits",
        "key ceremony",
        "canary",
    )


@pytest.mark.parametrize(
    ("age", "fresh"), [(timedelta(hours=24), True), (timedelta(hours=24) + MS, False)]
)
def test_the_canary_is_at_most_a_day_old(age: timedelta, fresh: bool) -> None:
    platform = Platform()
    platform.draft(deadline=DEADLINE + timedelta(days=9))
    platform.custody()
    platform.clock.at += age
    act = platform.act()
    command = publish.PublishConsultation("C1")
    if fresh:
        assert publish.publish(platform.desk, act, command).count == 1
        assert publish.publish(platform.desk, act, command).repeated
    else:
        with pytest.raises(PublicationIncomplete, match="canary"):
            publish.publish(platform.desk, act, command)


def test_the_deadline_is_after_the_publication() -> None:
    platform = drafted()
    platform.clock.at = DEADLINE - MS
    platform.clock.width = MS
    platform.custody()
    with pytest.raises(BeforePublication):
        publish.publish(platform.desk, platform.act(), publish.PublishConsultation("C1"))


def test_a_procedure_may_demand_days() -> None:
    platform = drafted()
    platform.custody()
    row = replace(
        platform.desk.law.procedures.of("ADAPTED"), min_days={"receipt": "receipt.min_days.open"}
    )
    platform.desk = replace(
        platform.desk, law=replace(platform.desk.law, procedures=Procedures({"ADAPTED": row}))
    )
    with pytest.raises(PublicationIncomplete, match="calendar"):
        publish.publish(platform.desk, platform.act(), publish.PublishConsultation("C1"))


def test_questions_end_before_the_deadline() -> None:
    platform = drafted()
    platform.custody()
    calendar = draft.SetCalendar("C1", DEADLINE + HOUR, LegalHour(DEADLINE))
    platform.done(draft.set_calendar, platform.act(), calendar)
    with pytest.raises(PublicationIncomplete, match="calendar"):
        publish.publish(platform.desk, platform.act(), publish.PublishConsultation("C1"))


# --- D moves only later, only before it is passed


def test_d_moves_later_one_millisecond_before(platform: Platform) -> None:
    platform.clock.at = DEADLINE - MS
    platform.clock.width = 2 * MS
    act = platform.act()
    command = extend.ExtendDeadline("C1", LATER, "more time")
    (event,) = platform.done(extend.extend, act, command)
    assert (event.old_at, event.new_at) == (DEADLINE, LATER.at)
    assert extend.extend(platform.desk, act, command).repeated
    assert the(platform).deadlines == (DEADLINE, LATER.at)


@pytest.mark.parametrize("hour", [DEADLINE, DEADLINE - HOUR])
def test_d_never_moves_earlier(platform: Platform, hour: Any) -> None:
    with pytest.raises(DeadlineNotLater):
        extend.extend(
            platform.desk, platform.act(), extend.ExtendDeadline("C1", LegalHour(hour), "why")
        )


def test_d_does_not_move_once_passed(platform: Platform) -> None:
    platform.clock.at = DEADLINE + MS
    with pytest.raises(DeadlinePassed):
        extend.extend(platform.desk, platform.act(), extend.ExtendDeadline("C1", LATER, "why"))
    with pytest.raises(DeadlinePassed):
        suspend.suspend(platform.desk, platform.act(), suspend.SuspendConsultation("C1", "why"))
    with pytest.raises(DeadlinePassed):
        correct.correct_dossier(platform.desk, platform.act(), correction())


def test_a_refused_extension_is_an_event_of_the_consultation(platform: Platform) -> None:
    act, earlier = platform.act(), extend.ExtendDeadline("C1", LegalHour(DEADLINE - HOUR), "why")
    with pytest.raises(DeadlineNotLater) as first:
        extend.extend(platform.desk, act, earlier)
    extend.extend(platform.desk, platform.act(), extend.ExtendDeadline("C1", LATER, "why"))
    with pytest.raises(DeadlineNotLater) as again:
        extend.extend(platform.desk, act, earlier)
    assert again.value.facts() == first.value.facts(), "the deadline of that moment"
    platform.clock.at = LATER.at + MS
    late = platform.act()
    for _ in range(2):
        with pytest.raises(DeadlinePassed):
            extend.extend(platform.desk, late, extend.ExtendDeadline("C1", LATER, "why"))
    told = [event for event in platform.files.rows if event.TOPIC == "MessageShown"]
    assert [event.code for event in told] == [  # type: ignore[attr-defined]
        "deadline.not-later",
        "deadline.passed",
    ]
    assert {event.originator_id for event in told} == {"consultation/C1"}


def test_once_the_register_is_closed_the_reason_is_still_the_deadline(platform: Platform) -> None:
    platform.close()
    with pytest.raises(DeadlinePassed):
        extend.extend(platform.desk, platform.act(), extend.ExtendDeadline("C1", LATER, "why"))


def test_a_reading_before_what_is_recorded_is_refused(platform: Platform) -> None:
    platform.clock.at -= MS
    with pytest.raises(ClockWentBack):
        extend.extend(platform.desk, platform.act(), extend.ExtendDeadline("C1", LATER, "why"))


def test_while_suspended_nothing_reaches_d(platform: Platform) -> None:
    act = platform.act()
    command = suspend.SuspendConsultation("C1", "a question to answer")
    platform.done(suspend.suspend, act, command)
    assert suspend.suspend(platform.desk, act, command).repeated
    platform.clock.at = DEADLINE + HOUR
    with pytest.raises(ConsultationWrongState):
        reach_deadline.reach_deadline(
            platform.desk, platform.act("PA"), reach_deadline.ReachDeadline("C1")
        )
    with pytest.raises(ConsultationWrongState):
        extend.extend(platform.desk, platform.act(), extend.ExtendDeadline("C1", LATER, "why"))
    deposited = platform.deposit("a")
    assert deposited.state == "SEALED", "D will be later than this deposit"
    with pytest.raises(DeadlineNotLater):
        suspend.resume(platform.desk, platform.act(), suspend.ResumeConsultation("C1", LATER))
    act = platform.act()
    resumed = suspend.ResumeConsultation("C1", LegalHour(DEADLINE + 2 * HOUR))
    platform.done(suspend.resume, act, resumed)
    assert suspend.resume(platform.desk, act, resumed).repeated
    assert the(platform).deadline == DEADLINE + 2 * HOUR


# --- corrections


def correction(**values: Any) -> correct.CorrectDossier:
    command = correct.CorrectDossier("C1", FILES, ("0",), Importance.MINOR, "a typing error")
    return replace(command, **values)


def test_a_minor_correction_needs_no_extension(platform: Platform) -> None:
    act = platform.act()
    events = platform.done(correct.correct_dossier, act, correction())
    assert [event.TOPIC for event in events] == [
        "DossierFilesListed",
        "DossierVersionFrozen",
        "DossierCorrected",
    ]
    assert events[-1].changed_files == ["CCTP.pdf", "Plan.pdf"]
    assert the(platform).dossier_root == events[1].root
    assert correct.correct_dossier(platform.desk, act, correction()).repeated


def test_an_important_correction_is_extended_or_waived(platform: Platform) -> None:
    important = correction(importance=Importance.IMPORTANT)
    with pytest.raises(CorrectionNeedsExtension):
        correct.correct_dossier(platform.desk, platform.act(), important)
    with pytest.raises(CorrectionNeedsExtension):
        correct.correct_dossier(platform.desk, platform.act(), replace(important, waiver=" "))
    events = platform.done(
        correct.correct_dossier, platform.act(), replace(important, extension=LATER)
    )
    assert events[-1].TOPIC == "DeadlineExtended"
    other = replace(important, waiver="nobody is affected", files=FILES[:1])
    events = platform.done(correct.correct_dossier, platform.act(), other)
    assert events[-1].TOPIC == "ExtensionWaived"
    assert events[-1].correction == the(platform).dossier_root


def test_a_correction_speaks_of_lots_that_exist(platform: Platform) -> None:
    with pytest.raises(BadForm, match="lots"):
        correct.correct_dossier(platform.desk, platform.act(), correction(lots=("7",)))


def test_limits_are_only_relaxed(platform: Platform) -> None:
    limits = the(platform).limits
    assert limits
    wider = replace(limits, max_total=limits.max_total + 1, formats=[])
    act = platform.act()
    command = correct.CorrectLimits("C1", wider, "larger plans")
    platform.done(correct.correct_limits, act, command)
    assert correct.correct_limits(platform.desk, act, command).repeated
    assert the(platform).limits == wider
    for stricter in (
        replace(wider, max_files=1),
        replace(wider, padding=Padding.PADME),
        replace(wider, formats=["pdf"]),
    ):
        with pytest.raises(LimitsNotLower):
            correct.correct_limits(
                platform.desk, platform.act(), correct.CorrectLimits("C1", stricter, "why")
            )


def test_formats_once_named_stay(platform: Platform) -> None:
    check_not_stricter(Limits(formats=["pdf"]), Limits(formats=["pdf", "zip"]))
    check_not_stricter(Limits(formats=["pdf"]), Limits(padding=Padding.NONE))
    with pytest.raises(LimitsNotLower):
        check_not_stricter(Limits(formats=["pdf", "zip"]), Limits(formats=["pdf"]))


# --- the dossier is free and anonymous


def test_anybody_downloads_and_the_version_exists(platform: Platform) -> None:
    act = platform.company()
    command = download_dossier.DownloadDossier("C1", 1, ("RC.pdf",))
    (event,) = platform.done(download_dossier.download_dossier, act, command)
    assert event.operator is None
    assert download_dossier.download_dossier(platform.desk, act, command).repeated
    with pytest.raises(NotFound):
        download_dossier.download_dossier(
            platform.desk, platform.act(), replace(command, version=2)
        )


def test_an_unpublished_dossier_is_not_there() -> None:
    platform = drafted()
    command = download_dossier.DownloadDossier("C1", 1, ("RC.pdf",))
    with pytest.raises(NotFound):
        download_dossier.download_dossier(platform.desk, platform.act(), command)
    assert platform.load(Dossier, "C1").roots


# --- the register


def test_the_register_lists_every_deposit_in_parts(platform: Platform) -> None:
    for number in range(201):
        org = (FIRST, SECOND, THIRD)[number % 3]
        platform.deposit(f"d{number}", org, round=number // 3 + 1)
    act = platform.act("PA")
    platform.clock.at = DEADLINE + MS
    command = reach_deadline.ReachDeadline("C1")
    events = platform.done(reach_deadline.reach_deadline, act, command)
    assert [event.TOPIC for event in events] == [
        "DeadlineReached",
        "RegisterListed",
        "RegisterListed",
        "RegisterClosed",
    ]
    rows = [row for event in events[1:3] for row in event.deposits]
    assert [row.deposit for row in rows] == sorted(row.deposit for row in rows)
    assert events[-1].list_root == root([leaf_hash(canonical(row)) for row in rows]).hex()
    assert (events[-1].parts, events[-1].count) == (2, 201)
    assert reach_deadline.reach_deadline(platform.desk, act, command).repeated
    tip = platform.register.deposits("C1")[0]
    row = next(row for row in rows if f"deposit/{row.deposit}" == tip.stream)
    assert (row.version, row.leaf, row.on_time) == (len(tip.positions), tip.leaf, True)


def test_an_empty_register_closes_too(platform: Platform) -> None:
    consultation = platform.close()
    assert consultation.rows == ()
    assert consultation.state == "CLOSED"
    assert platform.kinds()[-2:] == ["DeadlineReached", "RegisterClosed"]


def test_the_register_closes_when_d_is_certainly_past(platform: Platform) -> None:
    platform.clock.at = DEADLINE
    platform.clock.width = HOUR
    with pytest.raises(DeadlineNotPassed):
        reach_deadline.reach_deadline(
            platform.desk, platform.act("PA"), reach_deadline.ReachDeadline("C1")
        )
    with pytest.raises(NotAllowed):
        reach_deadline.reach_deadline(
            platform.desk, platform.act("BU"), reach_deadline.ReachDeadline("C1")
        )
