"""Probes by beats, incidents, what the message ``platform.unavailable`` asserts (§4.17, §4.6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from doubles.clock import NOON
from doubles.platform import PLATFORM, Platform
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import ClockSource, Reading
from domain.commands.declare_incident import DeclareIncident, declare_incident
from domain.commands.probe import RecordProbes, record_probes
from domain.commands.transmit import ShowMessage, show_message
from domain.errors import BadForm, MessageNotTrue, NotAllowed
from domain.events.health import Probe
from domain.health import MAIN, MOST_INSTANTS, SILENCE, ClockCheck, Health, Probed, summaries

MINUTE = timedelta(minutes=1)
MS = timedelta(milliseconds=1)


@pytest.fixture
def platform() -> Platform:
    return Platform()


def at(minute: int) -> datetime:
    return NOON + minute * MINUTE


def probed(minute: int, probe: Probe = Probe.DEPOSIT, **more: Any) -> Probed:
    return Probed(probe, at(minute), **more)


def record(platform: Platform, *seen: Probed, clock: ClockCheck | None = None) -> list[Any]:
    platform.clock.at = max([platform.clock.at, *(one.at for one in seen)])
    return platform.done(record_probes, platform.act("PA"), RecordProbes(seen, clock))


def declare(
    platform: Platform, role: str = "PA", alerted: tuple[str, ...] = (), **values: Any
) -> list[Any]:
    given = {"from_at": NOON, "scope": "PLATFORM", "cause": "panne"} | values
    use_case = partial(declare_incident, alerted=alerted)
    return platform.done(use_case, platform.act(role), DeclareIncident(**given))


def health(platform: Platform) -> Health:
    return platform.load(Health, MAIN)


def reading(when: datetime, width: timedelta = timedelta(0)) -> Reading:
    return Reading(ClockSource.HOST, when, when + width)


# -- beats


def test_a_beat_is_one_entry_per_kind_with_every_instant(platform: Platform) -> None:
    seen = [probed(n, latency_ms=n) for n in range(3)]
    seen += [probed(n, Probe.LOGIN) for n in range(3)]
    events = record(platform, *seen, clock=ClockCheck(-3, 250, 1))
    assert [event.TOPIC for event in events] == ["ProbeSucceeded", "ProbeSucceeded", "ClockChecked"]
    assert events[0].instants == [at(0), at(1), at(2)]
    assert events[0].latency_ms == 2, "of the slowest"
    assert {event.probe for event in events[:2]} == {Probe.DEPOSIT, Probe.LOGIN}
    assert (events[2].offset_ms, events[2].uncertainty_ms, events[2].sources) == (-3, 250, 1)
    assert {event.originator_id for event in events} == {"health/main"}
    assert {event.meta.tenant for event in events} == {PLATFORM}


def test_each_failure_is_an_entry_with_its_own_instant(platform: Platform) -> None:
    seen = [probed(2, error="chunk 507"), probed(1, error="announce 503"), probed(0)]
    events = record(platform, *seen)
    assert [(event.TOPIC, event.meta.occurred_at) for event in events] == [
        ("ProbeFailed", at(1)),
        ("ProbeFailed", at(2)),
        ("ProbeSucceeded", at(2)),
    ]
    assert [event.error for event in events[:2]] == ["announce 503", "chunk 507"]


def test_paths_are_told_apart(platform: Platform) -> None:
    dead = probed(0, Probe.LINK, path="lille-1", error="page 404")
    alive = probed(0, Probe.LINK, path="lille-2")
    failed, succeeded = record(platform, dead, alive)
    assert (failed.path, succeeded.path) == ("lille-1", "lille-2")


@given(st.lists(st.tuples(st.sampled_from(Probe), st.integers(0, 500), st.booleans()), max_size=40))
def test_summaries_hold_each_success_once_in_order(found: list[tuple[Probe, int, bool]]) -> None:
    seen = [Probed(p, at(n), error=None if good else "x") for p, n, good in found]
    made = summaries(seen)
    told = [(one.probe, instant) for one in made for instant in one.instants]
    assert sorted(told) == sorted((one.probe, one.at) for one in seen if one.error is None)
    assert all(list(one.instants) == sorted(one.instants) for one in made)
    assert len({one.probe for one in made}) == len(made)


def test_a_long_beat_comes_in_parts_that_fit_an_entry() -> None:
    seen = [Probed(Probe.DEPOSIT, NOON + n * MS) for n in range(MOST_INSTANTS + 1)]
    assert [len(one.instants) for one in summaries(seen)] == [MOST_INSTANTS, 1]


def test_a_repeated_record_is_written_once(platform: Platform) -> None:
    act, command = platform.act("PA"), RecordProbes((probed(0),))
    record_probes(platform.desk, act, command)
    assert record_probes(platform.desk, act, command).repeated
    assert health(platform).version == 1


def test_what_is_no_probe_is_refused(platform: Platform) -> None:
    with pytest.raises(BadForm, match="nothing was probed"):
        record(platform)
    late = RecordProbes((probed(1),))
    with pytest.raises(BadForm, match="not been made yet"):
        record_probes(platform.desk, platform.act("PA"), late)
    with pytest.raises(BadForm, match="error"):
        record(platform, probed(0, error="x" * 101))
    with pytest.raises(NotAllowed):
        record_probes(platform.desk, platform.act("BU"), RecordProbes((probed(0),)))


# -- incidents


def test_an_incident_tells_the_buyers_of_open_consultations(platform: Platform) -> None:
    events = declare(platform, alerted=("C2", "C1"))
    assert [event.TOPIC for event in events] == ["IncidentDeclared", "BuyersAlerted"]
    assert events[1].consultations == ["C1", "C2"]
    assert [event.TOPIC for event in declare(platform, scope="LOGIN")] == ["IncidentDeclared"]


def test_many_open_consultations_come_in_parts(platform: Platform) -> None:
    events = declare(platform, alerted=tuple(f"C{n}" for n in range(1_001)))
    assert [len(event.consultations) for event in events[1:]] == [1_000, 1]


def test_only_the_administrator_declares(platform: Platform) -> None:
    for role in ("BU", "CY", "AU", "CU"):
        with pytest.raises(NotAllowed):
            declare(platform, role)


@pytest.mark.parametrize(
    "values",
    [
        {"from_at": NOON + MS},
        {"to_at": NOON - MS},
        {"to_at": NOON + MS},
        {"cause": ""},
        {"cause": "x" * 401},
        {"scope": ""},
    ],
)
def test_an_incident_that_cannot_be_is_refused(platform: Platform, values: dict[str, Any]) -> None:
    with pytest.raises(BadForm):
        declare(platform, **values)


def test_a_repeated_declaration_is_written_once(platform: Platform) -> None:
    act, command = platform.act("PA"), DeclareIncident(NOON, "PLATFORM", "panne")
    declare_incident(platform.desk, act, command)
    assert declare_incident(platform.desk, act, command).repeated


# -- platform.unavailable


def test_nothing_recorded_is_no_ground(platform: Platform) -> None:
    assert not Health.blank("health/main").unavailable(reading(NOON))


@pytest.mark.parametrize(
    ("after", "width", "true"),
    [
        (-MS, timedelta(0), False),
        (timedelta(0), timedelta(0), True),
        (SILENCE, timedelta(0), True),
        (SILENCE + MS, timedelta(0), False),
        (-MS, MS, True),
    ],
)
def test_a_failed_probe_speaks_for_two_minutes(
    platform: Platform, after: timedelta, width: timedelta, true: bool
) -> None:
    record(platform, probed(0, error="announce 503"))
    assert health(platform).unavailable(reading(NOON + after, width)) is true


def test_a_later_success_ends_it_and_an_earlier_one_does_not(platform: Platform) -> None:
    record(platform, probed(1, error="x"), probed(0))
    assert health(platform).unavailable(reading(at(1)))
    record(platform, probed(2))
    assert not health(platform).unavailable(reading(at(2)))


def test_a_failure_told_late_does_not_move_the_last_one_back(platform: Platform) -> None:
    record(platform, probed(3, error="x"))
    record(platform, probed(0, error="x"))
    assert health(platform).unavailable(reading(at(4)))


@pytest.mark.parametrize("probe", [Probe.LINK, Probe.DOWNLOAD, Probe.CLOCK])
def test_what_stops_no_deposit_is_no_ground(platform: Platform, probe: Probe) -> None:
    record(platform, probed(0, probe, error="x"))
    assert not health(platform).unavailable(reading(NOON))


def test_an_incident_speaks_until_its_end(platform: Platform) -> None:
    platform.clock.at = at(10)
    declare(platform, from_at=at(1))
    assert [health(platform).unavailable(reading(at(n))) for n in (0, 1, 10, 90)] == [
        False,
        True,
        True,
        True,
    ]
    declare(platform, from_at=at(1), to_at=at(5))
    assert [health(platform).unavailable(reading(at(n))) for n in (0, 1, 5, 6)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_entry_without_instants_is_one_probe_at_its_own_time(platform: Platform) -> None:
    record(platform, probed(0, error="x"))
    made = health(platform)
    event = record(platform, probed(1))[0]
    bare = type(event)(**{**vars(event), "instants": None})
    assert made.unavailable(reading(at(1)))
    bare.mutate(made)
    assert not made.unavailable(reading(at(1)))


def test_the_message_may_be_shown_only_then(platform: Platform) -> None:
    platform.published()
    platform.start("a")
    shown = ShowMessage("t-a", "platform.unavailable", "La plateforme est indisponible.", "r-1")
    with pytest.raises(MessageNotTrue):
        show_message(platform.desk, platform.company(), shown)
    record(platform, probed(0, error="chunk 507"))
    assert platform.done(show_message, platform.company(), shown)
