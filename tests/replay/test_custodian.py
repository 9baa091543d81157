"""A custodian's decision: the known answers, and the facts that a proven ledger tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles.custodian_case import (
    COOL_DOWN,
    DEADLINE,
    DEPOSIT,
    LATE,
    LOT,
    NAME,
    OPENS,
    Case,
)
from doubles.entries import digest
from doubles.views import ORIGIN

from crypto.merkle import root
from replay.custodian import AnswerRefused, Facts, decide
from replay.custodian_facts import Head, Question, Shown, shown
from replay.custody_view import Known, ViewRefused, check_view

VECTORS = Path(__file__).parents[1] / "vectors" / "envelope" / "opening.json"
KNOWN = [
    vector for vector in json.loads(VECTORS.read_text())["vectors"] if vector["op"] == "custodian"
]


@pytest.mark.parametrize("vector", KNOWN, ids=lambda vector: vector["id"])
def test_known_answers(vector: dict[str, Any]) -> None:
    assert verdict(vector, lambda facts: facts) == vector["expect"]


def tell(case: Case, **changes: Any) -> Shown:
    question = case.question(**changes)
    return told_for(case, question)


def told_for(case: Case, question: Question) -> Shown:
    streams = [name for name in question.streams if name in case.ledger.tips]
    view = check_view(case.ledger.show(streams, 0), Known(case.ledger.policy, ORIGIN))
    return shown(view, question)


def test_a_whole_procedure_tells_that_the_envelope_opens() -> None:
    case = Case().ready()
    assert tell(case) == Shown(
        assigned=case.keyset,
        cancelled=False,
        opens=OPENS,
        listed=True,
        planned=True,
        head=Head(12, root(case.ledger.leaves()[:12]).hex()),
        present=2,
        header_matches=True,
    )


def refuses(case: Case, **changes: Any) -> str:
    with pytest.raises(ViewRefused) as refusal:
        tell(case, **changes)
    return refusal.value.reason


# --- the hour


def test_the_deadline_is_the_latest_that_was_ever_in_force() -> None:
    later = DEADLINE + timedelta(days=1)
    case = Case().published().assigned().sealed().present("a", "b")
    case.ledger.write(
        f"consultation/{NAME}", "DeadlineExtended", old_at=DEADLINE, new_at=later, reason="x"
    )
    assert tell(case).opens == later + timedelta(seconds=COOL_DOWN)
    case.ledger.write(f"consultation/{NAME}", "ConsultationResumed", new_deadline_at=DEADLINE)
    assert tell(case).opens == later + timedelta(seconds=COOL_DOWN)


def test_a_forged_earlier_deadline_changes_nothing() -> None:
    case = Case().ready()
    early = DEADLINE - timedelta(days=9)
    case.ledger.write(f"consultation/{NAME}", "DeadlineExtended", old_at=DEADLINE, new_at=early)
    assert tell(case).opens == OPENS


def test_a_calendar_set_after_publication_counts_for_nothing() -> None:
    case = Case().ready()
    case.ledger.write(f"consultation/{NAME}", "CalendarSet", deadline_at=DEADLINE, cool_down_s=0)
    assert tell(case).opens == OPENS


def test_the_last_calendar_before_publication_counts() -> None:
    case = Case()
    case.ledger.write(f"consultation/{NAME}", "CalendarSet", deadline_at=DEADLINE, cool_down_s=9)
    assert tell(case.ready()).opens == OPENS


def test_an_opening_not_before_moves_the_hour() -> None:
    later = DEADLINE + timedelta(hours=3)
    case = Case().published(opening_not_before_at=later).assigned().sealed().present("a", "b")
    assert tell(case).opens == later + timedelta(seconds=COOL_DOWN)


def test_without_publication_or_calendar_there_is_no_hour() -> None:
    case = Case().assigned().sealed().present("a", "b")
    case.ledger.write(f"consultation/{NAME}", "ConsultationDrafted", reference="x")
    assert "never published" in refuses(case)
    case.ledger.write(f"consultation/{NAME}", "ConsultationPublished", deadline_at=DEADLINE)
    assert "no calendar" in refuses(case)


@pytest.mark.parametrize("hour", [17, "soon", ["x"], "2026-03-02T10:00:00", "9999-12-31T23:59:59Z"])
def test_an_hour_of_another_form_is_no_hour(hour: object) -> None:
    case = Case().assigned().sealed().present("a", "b")
    stream = f"consultation/{NAME}"
    case.ledger.write(stream, "CalendarSet", deadline_at=DEADLINE, cool_down_s=60)
    case.ledger.write(stream, "ConsultationPublished", deadline_at=hour)
    assert "another form" in refuses(case)


@pytest.mark.parametrize("cool_down", ["60", True, None, -1, 10**15])
def test_a_cool_down_of_another_form_is_refused(cool_down: object) -> None:
    case = Case().assigned().sealed().present("a", "b")
    stream = f"consultation/{NAME}"
    case.ledger.write(stream, "CalendarSet", deadline_at=DEADLINE, cool_down_s=cool_down)
    case.ledger.write(stream, "ConsultationPublished", deadline_at=DEADLINE)
    assert "another form" in refuses(case)


# --- cancelled

Write = Callable[[Case], object]
ENDINGS: dict[str, Write] = {
    "suspended": lambda case: case.ledger.write(
        f"consultation/{NAME}", "ConsultationSuspended", reason="x"
    ),
    "ended": lambda case: case.ledger.write(
        f"consultation/{NAME}", "DeclaredWithoutFollowUp", lots=[], ground="FRUITLESS"
    ),
    "lot ended": lambda case: case.ledger.write(
        f"consultation/{NAME}", "DeclaredWithoutFollowUp", lots=[LOT], ground="FRUITLESS"
    ),
    "lot cancelled": lambda case: case.ledger.write(
        f"consultation/{NAME}", "LotCancelled", lot=LOT, reasons="x"
    ),
    "retired": lambda case: case.ledger.write(
        f"custody/{NAME}", "KeysetRetired", digest=case.keyset, reason="x"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ended_is_cancelled(ending: str) -> None:
    case = Case().ready()
    ENDINGS[ending](case)
    assert tell(case).cancelled


def test_what_concerns_another_lot_or_keyset_or_was_resumed_is_not_cancelled() -> None:
    case = Case().ready()
    stream = f"consultation/{NAME}"
    case.ledger.write(stream, "DeclaredWithoutFollowUp", lots=["2"], ground="FRUITLESS")
    case.ledger.write(stream, "LotCancelled", lot="2", reasons="x")
    case.ledger.write(stream, "ConsultationSuspended", reason="x")
    case.ledger.write(stream, "ConsultationResumed", new_deadline_at=DEADLINE)
    case.ledger.write(f"custody/{NAME}", "KeysetRetired", digest=digest("other"), reason="x")
    assert not tell(case).cancelled


# --- custody


def test_no_or_another_keyset_is_assigned() -> None:
    case = Case().published().sealed().present("a", "b")
    case.ledger.write(f"custody/{NAME}", "CustodianAppointed", custodian="x", org="y")
    assert tell(case).assigned == ""
    case.assigned(digest("other"))
    assert tell(case).assigned == digest("other")
    case.assigned()
    assert "two keysets" in refuses(case)


# --- the register


def opened(case: Case) -> Case:
    return case.present("a", "b").planned(DEPOSIT, LATE).anchored()


def test_without_a_closed_register_nothing_is_listed() -> None:
    assert not tell(opened(Case().published().assigned().sealed())).listed


def test_a_deposit_without_its_row_is_not_listed() -> None:
    case = Case().published().assigned().sealed().sealed(LATE)
    case.closed(case.rows((LATE, True)))
    assert not tell(opened(case)).listed


def test_a_register_without_deposits_lists_nothing() -> None:
    assert not tell(opened(Case().published().assigned().sealed().closed([]))).listed


def test_rows_in_several_parts_are_one_register() -> None:
    names = [f"{number:032x}" for number in range(5)]
    case = Case().published().assigned().sealed()
    for name in names:
        case.sealed(name)
    rows = case.rows(*((name, True) for name in names), (DEPOSIT, True))
    assert tell(opened(case.closed(rows))).listed


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"count": 2}, "parts or rows"),
        ({"parts": 2}, "parts or rows"),
        ({"list_root": digest("x")}, "not those that were closed"),
    ],
)
def test_a_register_that_does_not_add_up_is_refused(told: dict[str, Any], why: str) -> None:
    case = Case().published().assigned().sealed().closed(**told)
    assert why in refuses(opened(case))


def test_a_register_closed_twice_or_never_is_refused() -> None:
    case = opened(Case().published().assigned().sealed().closed())
    case.ledger.write(f"consultation/{NAME}", "RegisterClosed", parts=0, count=0, list_root="x")
    assert "parts or rows" in refuses(case)
    case = opened(Case().published().assigned().sealed())
    case.ledger.write(f"consultation/{NAME}", "RegisterListed", part=1, deposits=[])
    assert "never closed" in refuses(case)


def test_a_late_deposit_is_listed_once_it_is_admitted() -> None:
    case = Case().published().assigned().sealed(LATE, "LateDepositRecorded")
    case.closed(case.rows((LATE, False)))
    opened(case)
    asked = {"label": {"deposit": LATE}}
    assert not tell(case, **asked).listed
    case.ledger.write(f"deposit/{LATE}", "LateDepositAdmitted", ground="x", reasons="y")
    assert tell(case, **asked).listed


@pytest.mark.parametrize("kind", ["LateDepositRecorded", "DepositSealed"])
def test_what_came_after_the_closing_is_listed_only_once_it_is_admitted(kind: str) -> None:
    case = Case().published().assigned().closed([]).sealed(LATE, kind)
    opened(case)
    asked = {"label": {"deposit": LATE}}
    assert not tell(case, **asked).listed, "late whatever it says"
    case.ledger.write(f"deposit/{LATE}", "LateDepositAdmitted", ground="x", reasons="y")
    assert tell(case, **asked).listed


def test_a_late_deposit_cannot_be_listed_as_on_time() -> None:
    case = Case().published().assigned().sealed(DEPOSIT, "LateDepositRecorded")
    assert "otherwise than the deposit itself" in refuses(opened(case.closed()))


def test_a_row_of_another_header_is_refused() -> None:
    case = Case().published().assigned().sealed(header_hash=digest("another"))
    assert "otherwise than the deposit itself" in refuses(opened(case.closed()))


@pytest.mark.parametrize("changed", [{"version": 9}, {"version": 0}, {"leaf": digest("x")}])
def test_a_deposit_whose_tail_is_withheld_is_refused(changed: dict[str, Any]) -> None:
    case = Case().published().assigned().sealed()
    rows = [{**case.rows((DEPOSIT, True))[0], **changed}]
    assert "not the one that the register closed" in refuses(opened(case.closed(rows)))


def test_refused_openings_may_stand_before_and_after_the_deposit() -> None:
    case = Case().published().assigned()
    case.ledger.write(f"deposit/{DEPOSIT}", "OpeningRefused", asked_by="x", code="y")
    case.sealed().closed()
    case.ledger.write(f"deposit/{DEPOSIT}", "OpeningRefused", asked_by="x", code="y")
    told = tell(opened(case))
    assert told.listed
    assert told.planned


def test_a_stream_that_holds_no_deposit_is_refused_if_it_is_listed() -> None:
    case = Case().published().assigned()
    case.ledger.write(f"deposit/{DEPOSIT}", "OpeningRefused", asked_by="x", code="y")
    assert not tell(case.present("a", "b")).planned
    assert "otherwise than the deposit itself" in refuses(case.closed())


def test_a_row_of_another_form_is_refused() -> None:
    case = Case().published().assigned().sealed()
    stream = f"consultation/{NAME}"
    case.ledger.write(stream, "RegisterListed", part=1, deposits=["x"])
    case.ledger.write(stream, "RegisterClosed", parts=1, count=1, list_root="x")
    assert "another form" in refuses(case.present("a", "b"))
    case = Case().published().assigned().sealed()
    case.ledger.write(stream, "RegisterListed", part=1, deposits="x")
    case.ledger.write(stream, "RegisterClosed", parts=1, count=1, list_root="x")
    assert "another form" in refuses(case.present("a", "b"))


# --- backup copies


def test_a_backup_copy_is_listed_once_it_is_authorised() -> None:
    case = Case().published().assigned().sealed().closed()
    stream = f"backup/{DEPOSIT}"
    facts = {"consultation": NAME, "header_hash": case.header_hash, "lots": [LOT]}
    case.ledger.write(stream, "BackupCopyReceived", medium="ELECTRONIC", **facts)
    opened(case)
    asked = {"label": {"kind": "BACKUP"}}
    assert not tell(case, **asked).listed
    case.ledger.write(stream, "BackupCopyOpeningAuthorised", ground="UNREADABLE", evidence=[])
    told = tell(case, **asked)
    assert told.listed
    assert told.planned


# --- the plan


def test_an_unplanned_deposit_is_not_planned() -> None:
    case = Case().published().assigned().sealed().closed().present("a", "b").planned(LATE)
    told = tell(case.anchored())
    assert not told.planned
    assert not told.present


def test_another_plan_number_is_not_planned() -> None:
    assert not tell(Case().ready(), plan_no=2).planned


def test_no_plan_at_all_is_not_planned() -> None:
    told = tell(Case().published().assigned().sealed().closed().present("a", "b"))
    assert not told.planned
    assert told.head is None


@pytest.mark.parametrize("kind", ["DepositWithdrawn", "DepositSuperseded"])
def test_a_deposit_that_was_given_up_is_not_planned_whatever_a_plan_says(kind: str) -> None:
    case = Case().published().assigned().sealed()
    case.ledger.write(f"deposit/{DEPOSIT}", kind, by=LATE, lots=[LOT])
    assert not tell(opened(case.closed())).planned


def test_a_deposit_superseded_for_another_lot_stays_planned() -> None:
    case = Case().published().assigned().sealed()
    case.ledger.write(f"deposit/{DEPOSIT}", "DepositSuperseded", by=LATE, lots=["2"])
    assert tell(opened(case.closed())).planned


def test_another_lot_or_consultation_is_not_planned() -> None:
    case = opened(Case().published().assigned().sealed(lots=["2"]).closed())
    assert not tell(case).planned
    case = opened(Case().published().assigned().sealed(consultation="other").closed())
    assert not tell(case).planned


def test_the_anchor_comes_after_the_plan_for_the_closing_and_within_the_head() -> None:
    def planned() -> Case:
        return Case().published().assigned().sealed().closed().present("a", "b")

    assert tell(planned().anchored().planned(DEPOSIT)).head is None
    assert tell(planned().planned(DEPOSIT)).head is None
    assert tell(planned().planned(DEPOSIT).anchored("DAILY")).head is None
    assert tell(planned().planned(DEPOSIT).anchored(size=9999)).head is None


def test_a_head_from_before_the_closed_register_is_no_closing_head() -> None:
    """Whatever size the platform names, it must cover what was closed."""
    case = Case().published().assigned().sealed().closed()
    end = len(case.ledger.rows)
    case.present("a", "b").planned(DEPOSIT)
    for size in (0, 1, end - 1):
        case.anchored(size=size)
        assert tell(case).head is None
    case.anchored(size=end)
    told = tell(case).head
    assert told == Head(end, root(case.ledger.leaves()[:end]).hex())


def test_a_head_never_stands_after_the_entry_that_anchors_it() -> None:
    case = Case().published().assigned().sealed().closed().present("a", "b").planned(DEPOSIT)
    case.anchored(size=len(case.ledger.rows) + 1)
    assert tell(case).head is None
    case.ledger.write(f"opening/{NAME}.{LOT}", "OpeningRefused", asked_by="x", code="y")
    assert tell(case).head is None, "what comes later in the stream moves nothing"


def test_after_the_closing_the_end_of_the_register_is_bounded_by_its_own_checkpoint() -> None:
    case = Case().published().assigned().sealed().closed()
    end = len(case.ledger.rows)
    case.ledger.write(f"consultation/{NAME}", "MessageShown", code="x", text="y", reason_id="z")
    case.present("a", "b").planned(DEPOSIT).anchored(size=end - 1)
    assert tell(case).head is None
    assert tell(case.anchored(size=end)).head


def test_a_later_plan_needs_a_later_head() -> None:
    case = Case().ready()
    first = tell(case).head
    assert first
    case.planned(DEPOSIT, plan_no=2).anchored(size=first.size)
    assert tell(case, plan_no=2).head is None
    assert tell(case, plan_no=1).head == first


@pytest.mark.parametrize(("members", "count"), [((), 0), (("a",), 1), (("a", "a"), 1)])
def test_members_are_counted_once(members: tuple[str, ...], count: int) -> None:
    case = Case().published().assigned().sealed().closed().present(*members)
    assert tell(case.planned(DEPOSIT).anchored()).present == count


def test_who_comes_after_the_plan_is_not_counted() -> None:
    case = Case().published().assigned().sealed().closed().present("a").planned(DEPOSIT)
    case.ledger.write(f"opening/{NAME}.{LOT}", "PresenceRecorded", member="b", capacity="TITULAR")
    assert tell(case.anchored()).present == 1


def test_a_second_plan_has_its_own_anchor() -> None:
    case = Case().ready().planned(DEPOSIT, plan_no=2)
    assert tell(case, plan_no=1).head
    assert tell(case, plan_no=2).head is None
    assert tell(case.anchored(), plan_no=2).head


def test_another_header_does_not_match() -> None:
    told = tell(Case().ready(), header_hash=digest("another"))
    assert told.listed
    assert not told.header_matches


def test_a_missing_field_refuses_the_view() -> None:
    case = Case().published().assigned().sealed().closed()
    case.ledger.write(f"opening/{NAME}.{LOT}", "OpeningPlanFixed", plan_no=1)
    assert "another form" in refuses(case)


# --- every rule of the decision is needed: without it, a known answer comes out wrong

Planted = Callable[[Facts[int]], Facts[int]]
PLANTED: dict[str, Planted] = {
    "clock dropped": lambda facts: replace(facts, clock=facts.clock or (2**60, 2**60)),
    "latest for earliest": lambda facts: replace(
        facts, clock=facts.clock and (facts.clock[1], facts.clock[1])
    ),
    "at the hour itself": lambda facts: replace(
        facts, opens=facts.opens - 1, not_before=facts.not_before - 1
    ),
    "view dropped": lambda facts: replace(facts, view_ok=True),
    "cancelled dropped": lambda facts: replace(facts, cancelled=False),
    "not_before dropped": lambda facts: replace(facts, not_before=facts.opens),
    "deadline dropped": lambda facts: replace(facts, opens=facts.not_before),
    "register dropped": lambda facts: replace(facts, listed=True),
    "plan dropped": lambda facts: replace(facts, planned=True),
    "closing head dropped": lambda facts: replace(facts, anchored=True),
    "presence dropped": lambda facts: replace(facts, present=2),
    "purpose dropped": lambda facts: replace(
        facts, kind="CANARY" if facts.purpose == "canary" else "OFFER"
    ),
    "header dropped": lambda facts: replace(facts, header_matches=True),
    "capsule unchecked": lambda facts: replace(facts, capsule_ok=True),
    "destroyed dropped": lambda facts: replace(facts, destroyed=False),
    "keyset dropped": lambda facts: replace(facts, keyset_known=True),
}


def wrong_answers(planted: Planted) -> int:
    return sum(verdict(vector, planted) != vector["expect"] for vector in KNOWN)


def verdict(vector: dict[str, Any], planted: Planted) -> str:
    given = dict(vector["in"])
    clock = given.pop("clock", None)
    facts: Facts[int] = Facts(clock=None if clock is None else (clock[0], clock[1]), **given)
    try:
        decide(planted(facts))
    except AnswerRefused as refusal:
        return f"refuse:{refusal.code}"
    return "ok"


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_mistake_gives_a_wrong_answer(name: str) -> None:
    assert wrong_answers(PLANTED[name]) > 0


def test_without_a_mistake_no_answer_is_wrong() -> None:
    assert wrong_answers(lambda facts: facts) == 0
