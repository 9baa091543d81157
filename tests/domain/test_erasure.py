"""Erasures are recorded once, by the platform; what the law keeps needs a ground to be erased."""

from __future__ import annotations

from datetime import date

import pytest
from doubles.platform import Platform, hex_of, law

from domain.commands.erase import MOST_COMMITMENTS, RecordErasure, record_erasure
from domain.erasure import Involvement, check_erasable
from domain.errors import DomainError

TAG = "a1" * 16
TODAY = date(2031, 3, 10)


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (1, 1), (500, 1), (501, 2)])
def test_an_erasure_is_recorded_once_in_parts(count: int, parts: int) -> None:
    platform = Platform()
    commitments = tuple(hex_of(str(number)) for number in range(count))
    command = RecordErasure(TAG, commitments, "asked for")
    act = platform.act("PA")
    events = platform.done(record_erasure, act, command)
    assert [event.originator_id for event in events] == [f"erasure/{TAG}"] * parts
    assert [one for event in events for one in event.commitments] == list(commitments)
    assert max(len(event.commitments) for event in events) <= MOST_COMMITMENTS
    assert record_erasure(platform.desk, act, command).repeated


@pytest.mark.parametrize(
    ("role", "reason", "code"),
    [("BU", "asked for", "role.not-allowed"), ("PA", " ", "command.form")],
)
def test_who_may_not_and_what_says_nothing(role: str, reason: str, code: str) -> None:
    platform = Platform()
    with pytest.raises(DomainError) as refused:
        record_erasure(platform.desk, platform.act(role), RecordErasure(TAG, (), reason))
    assert refused.value.code == code


def involved(**facts: object) -> Involvement:
    return Involvement("C1", **{"bidder": False, **facts})  # type: ignore[arg-type]


DAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("each", "today", "code"),
    [
        (involved(), TODAY, "erasure.retained"),
        (involved(bidder=True), TODAY, "erasure.procedure-runs"),
        (involved(ended_on=DAY), date(2031, 3, 9), "erasure.retained"),
        (involved(ended_on=DAY), date(2031, 3, 10), "erasure.retained"),
        (involved(ended_on=DAY), date(2031, 3, 11), None),
        (involved(signed_on=DAY), date(2050, 1, 1), "erasure.retained"),
        (
            involved(signed_on=DAY, closed_on=date(2027, 1, 31)),
            date(2037, 1, 31),
            "erasure.retained",
        ),
        (involved(signed_on=DAY, closed_on=date(2027, 1, 31)), date(2037, 2, 1), None),
        (involved(bidder=True, ended_on=date(2024, 2, 29)), date(2029, 2, 28), "erasure.retained"),
        (involved(bidder=True, ended_on=date(2024, 2, 29)), date(2029, 3, 1), None),
    ],
)
def test_the_file_of_a_procedure_is_kept(each: Involvement, today: date, code: str | None) -> None:
    rules = law().rules
    check_erasable(rules, [], today, None)
    if code is None:
        check_erasable(rules, [each], today, None)
        return
    with pytest.raises(DomainError) as refused:
        check_erasable(rules, [each], today, None)
    assert refused.value.code == code
    if code == "erasure.retained":
        check_erasable(rules, [each], today, "order of the court")
    else:
        with pytest.raises(DomainError):
            check_erasable(rules, [each], today, "order of the court")
