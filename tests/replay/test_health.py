"""Was the platform able to receive? Known answers of the disputes, the bounds, what stays hidden.

Cases 1 and 5 are those of the disputes (§4 there): CE 449250 (RATP), TA Marseille, CE 461899.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.entries import HandLedger
from hypothesis import given
from hypothesis import strategies as st

from replay.health import (
    SILENCE,
    Ground,
    Incident,
    Seen,
    Trouble,
    Verdict,
    Window,
    judge,
    outages,
    silences,
)
from replay.health_record import Record, around, gather

PLATFORM = ("PA", "20009320100016", "20009320100016")
BUYER = ("BU", "21590350100017", "21590350100017")
COMPANY = ("CY", "ab" * 32, "21590350100017")
MINUTE = timedelta(minutes=1)
US = timedelta(microseconds=1)


def hour(text: str, day: str = "2020-11-13") -> datetime:
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=UTC)


def every(start: str, end: str, probe: str = "DEPOSIT", **more: Any) -> list[Seen]:
    """Return one probe a minute, both ends included."""
    found, at = [], hour(start)
    while at <= hour(end):
        found.append(Seen(at, probe, f"health/S#{len(found) + 1}", **more))
        at += MINUTE
    return found


def window(start: str, end: str) -> Window:
    return Window(hour(start), hour(end))


# -- known answers


def test_case_1a_silence_from_the_trouble_to_the_deadline_proves_nothing() -> None:
    """Late because the platform failed: CE 23 Sep 2021 n° 449250."""
    found = judge(window("10:20", "11:30"), every("08:00", "10:20"))
    assert found.verdict == Verdict.UNPROVEN
    (silence,) = found.silences
    assert (silence.start, silence.end) == (hour("10:22"), hour("11:30"))
    assert (silence.last_good, silence.next_good) == (hour("10:20"), None)


def test_case_1b_probes_up_to_the_deadline_prove_it() -> None:
    seen = every("08:00", "10:20") + every("10:21", "11:30")
    found = judge(window("10:20", "11:30"), seen)
    assert (found.verdict, found.reasons, found.silences) == (Verdict.PROVEN, (), ())


def test_case_5a_and_5b_the_platform_was_up() -> None:
    assert judge(window("15:30", "16:00"), every("15:00", "16:05")).verdict == Verdict.PROVEN
    assert judge(window("09:29", "12:00"), every("09:00", "12:30")).verdict == Verdict.PROVEN


def test_case_5c_a_dead_link_beside_another_that_works_is_no_failure() -> None:
    seen = every("09:00", "12:30") + every("09:00", "12:00", "LINK", path="A", error="404")
    other = every("09:00", "12:00", "LINK", path="B")
    assert judge(window("09:29", "12:00"), seen + other).verdict == Verdict.PROVEN


def test_case_5d_a_dead_link_alone_is_a_failure() -> None:
    found = judge(window("09:29", "12:00"), every("09:00", "12:00", "LINK", path="A", error="404"))
    assert found.verdict == Verdict.FAILED
    assert {reason.ground for reason in found.reasons} == {Ground.LINK}


def test_a_summary_of_a_beat_counts_as_the_probes_that_it_lists() -> None:
    ledger = HandLedger()
    instants = [hour("10:20") + n * MINUTE for n in range(71)]
    add(ledger, "12:00", "ProbeSucceeded", probe="DEPOSIT", latency_ms=9, instants=instants)
    record = gather(ledger)
    assert judge(window("10:20", "11:30"), record.seen).verdict == Verdict.PROVEN
    assert {one.source for one in record.seen} == {"health/main#1"}


# -- bounds


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (SILENCE - US, Verdict.PROVEN),
        (SILENCE, Verdict.PROVEN),
        (SILENCE + US, Verdict.UNPROVEN),
    ],
)
def test_the_gap_is_120_seconds_to_the_microsecond(gap: timedelta, verdict: Verdict) -> None:
    good = [hour("10:00"), hour("10:00") + gap]
    asked = Window(good[0], good[1] + MINUTE)
    assert judge(asked, [Seen(at, "DEPOSIT", "health/S#1") for at in good]).verdict == verdict


@pytest.mark.parametrize(
    ("before", "verdict"),
    [(timedelta(0), "PROVEN"), (SILENCE, "PROVEN"), (SILENCE + US, "UNPROVEN")],
)
def test_an_instant_needs_a_success_at_most_so_long_before_it(
    before: timedelta, verdict: str
) -> None:
    """Was the platform able to receive at 11:46? A window of one instant."""
    at = hour("11:46")
    seen = [Seen(at - before, "DEPOSIT", "health/S#1"), Seen(at + US, "DEPOSIT", "health/S#2")]
    assert judge(Window(at, at), seen).verdict == verdict


def test_before_the_first_probe_nothing_speaks() -> None:
    found = judge(window("10:00", "10:05"), every("10:01", "10:10"))
    assert found.verdict == Verdict.UNPROVEN
    assert [(one.start, one.end) for one in found.silences] == [(hour("10:00"), hour("10:01"))]


def test_without_any_probe_the_whole_window_is_silent() -> None:
    for asked in (window("10:00", "10:05"), window("10:00", "10:00")):
        found = judge(asked, [])
        assert found.verdict == Verdict.UNPROVEN
        assert [(one.start, one.end) for one in found.silences] == [(asked.start, asked.end)]


@pytest.mark.parametrize("probe", ["DEPOSIT", "STORAGE", "LOGIN"])
@pytest.mark.parametrize(
    ("at", "failed"),
    [
        (hour("10:30") - US, False),
        (hour("10:30"), True),
        (hour("11:00"), True),
        (hour("11:00") + US, False),
    ],
)
def test_a_failed_vital_probe_in_the_window_is_a_failure(
    probe: str, at: datetime, failed: bool
) -> None:
    seen = [*every("10:00", "11:30"), Seen(at, probe, "health/S#9", error="chunk 507")]
    found = judge(window("10:30", "11:00"), seen)
    assert (found.verdict == Verdict.FAILED) is failed
    assert [reason.source for reason in found.reasons] == ["health/S#9"] * failed


@pytest.mark.parametrize("probe", ["DOWNLOAD", "CLOCK"])
def test_what_stops_no_deposit_is_no_failure(probe: str) -> None:
    seen = [*every("10:00", "11:30"), Seen(hour("10:40"), probe, "health/S#9", error="x")]
    assert judge(window("10:30", "11:00"), seen).verdict == Verdict.PROVEN


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [
        ("10:00", "10:29", False),
        ("10:00", "10:30", True),
        ("11:00", "11:10", True),
        ("11:01", None, False),
        ("09:00", None, True),
        ("10:40", "10:41", True),
    ],
)
def test_an_incident_that_overlaps_is_a_failure(
    start: str, end: str | None, overlaps: bool
) -> None:
    told = Incident(hour(start), None if end is None else hour(end), "PLATFORM", "panne", "h#1")
    found = judge(window("10:30", "11:00"), every("10:00", "11:30"), [told])
    assert (found.verdict == Verdict.FAILED) is overlaps


def test_a_failure_of_the_platform_in_a_session_is_a_failure() -> None:
    stalled = Trouble(hour("10:40"), "TransmissionStalled", "transmission/T1#3")
    outside = Trouble(hour("11:01"), "TransmissionFailed", "transmission/T2#3", "x")
    seen = every("10:00", "11:30")
    assert judge(window("10:30", "11:00"), seen, [], [stalled]).verdict == Verdict.FAILED
    assert judge(window("10:30", "11:00"), seen, [], [outside]).verdict == Verdict.PROVEN


def test_a_link_success_without_path_stands_for_the_other_pages() -> None:
    seen = every("10:00", "11:30")
    dead = [Seen(hour("10:40"), "LINK", "health/S#8", "A", "404")]
    all_of_them = [Seen(hour("10:41"), "LINK", "health/S#9")]
    same = [Seen(hour("10:41"), "LINK", "health/S#9", "A")]
    asked = window("10:30", "11:00")
    assert judge(asked, seen + dead + all_of_them).verdict == Verdict.PROVEN
    assert judge(asked, seen + dead + same).verdict == Verdict.FAILED, "no other path"


def test_a_window_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        window("10:01", "10:00")


# -- laws

instants = st.lists(st.integers(0, 3_600), max_size=60).map(
    lambda found: [hour("10:00") + timedelta(seconds=n) for n in found]
)


@given(instants, st.integers(0, 3_600), st.integers(0, 3_600))
def test_each_instant_is_covered_or_lies_in_a_silence(
    good: list[datetime], one: int, other: int
) -> None:
    asked = Window(*(hour("10:00") + timedelta(seconds=n) for n in sorted((one, other))))
    quiet = silences(asked, good)
    second = timedelta(seconds=1)
    at = asked.start
    while at <= asked.end:
        spoken = any(at - SILENCE <= success <= at for success in good)
        silent = any(part.start < at < part.end for part in quiet)
        assert not (spoken and silent)
        assert spoken or any(part.start <= at <= part.end for part in quiet)
        at += 7 * second


@given(instants, instants)
def test_what_is_recorded_later_about_later_changes_no_answer(
    before: list[datetime], after: list[datetime]
) -> None:
    asked = window("10:10", "10:40")
    seen = [Seen(at, "DEPOSIT", "h#1") for at in before]
    later = [Seen(at + timedelta(hours=1), "DEPOSIT", "h#2", error="x") for at in after]
    assert judge(asked, seen).verdict == judge(asked, seen + later).verdict


@given(instants)
def test_the_order_of_what_was_read_changes_nothing(good: list[datetime]) -> None:
    seen = [Seen(at, "DEPOSIT", "h#1", error="x" if n % 3 else None) for n, at in enumerate(good)]
    asked = window("10:10", "10:40")
    assert judge(asked, seen) == judge(asked, list(reversed(seen)))


# -- outages


def test_an_outage_lies_between_two_successes() -> None:
    down = every("10:06", "10:10", error="announce 503")
    (found,) = outages([*every("10:00", "10:05"), *down, *every("10:11", "10:20")])
    assert (found.last_good, found.next_good) == (hour("10:05"), hour("10:11"))
    assert (found.first_failed, found.last_failed) == (hour("10:06"), hour("10:10"))


def test_a_silence_is_an_outage_and_one_that_goes_on_has_no_end() -> None:
    quiet, down = outages(
        [*every("10:00", "10:05"), *every("10:08", "10:09"), *every("10:10", "10:11", error="x")]
    )
    assert (quiet.last_good, quiet.next_good) == (hour("10:05"), hour("10:08"))
    assert quiet.first_failed is None
    assert (down.last_good, down.next_good) == (hour("10:09"), None)


def test_two_minutes_are_no_outage() -> None:
    seen = [*every("10:00", "10:05"), *every("10:07", "10:09")]
    assert not outages([*seen, *every("10:07", "10:07", "LOGIN", error="x")])


def test_around_a_window_the_nearest_of_each_kind_is_kept() -> None:
    seen = every("10:00", "10:20") + every("10:00", "10:20", "LOGIN")
    kept = around(seen, window("10:05", "10:06"))
    assert [one.at for one in kept if one.probe == "LOGIN"] == [
        hour(text) for text in ("10:04", "10:05", "10:06", "10:07")
    ]
    assert len(kept) == 8


# -- what may be told


def add(ledger: HandLedger, at: str, kind: str, stream: str = "health/main", **fields: Any) -> int:
    """Append an entry whose hour is this one; return its position."""
    ledger.now = hour(at) - timedelta(milliseconds=250)
    caller = PLATFORM if stream.startswith("health/") else BUYER
    return ledger.add(caller, stream, kind, fields).position


def procedure(ledger: HandLedger, name: str, at: str, *lots: str) -> None:
    for lot in lots:
        add(ledger, at, "LotDefined", f"consultation/{name}", lot=lot, title=lot)
    add(ledger, at, "ConsultationPublished", f"consultation/{name}", notice_ids=[])


def deposited(ledger: HandLedger, name: str, number: int, at: str, lots: Iterable[str]) -> None:
    """Let a session stall by the platform's fault and end in a deposit."""
    session = f"transmission/t-{name}-{number}"
    add(ledger, at, "TransmissionStarted", session, consultation=name, lots=list(lots))
    add(ledger, at, "TransmissionStalled", session, last_chunk=0, cause="SERVER")
    add(ledger, at, "TransmissionStalled", session, last_chunk=0, cause="NETWORK")
    stream = f"deposit/{number:032x}"
    received = {"received_at": hour(at), "consultation": name, "lots": list(lots)}
    add(ledger, at, "DepositSealed" if number % 2 else "LateDepositRecorded", stream, **received)


def planned(ledger: HandLedger, at: str, place: str) -> None:
    add(ledger, at, "OpeningPlanFixed", f"opening/{place}", plan_no=1)


ASKED = window("10:00", "11:00")


def test_nothing_of_a_deposit_is_told_before_every_plan_of_its_lots() -> None:
    ledger = HandLedger()
    procedure(ledger, "c.1", "09:00", "1", "2")
    deposited(ledger, "c.1", 1, "10:10", ["1"])
    deposited(ledger, "c.1", 2, "10:20", ["1", "2"])
    for told in (gather(ledger), gather(ledger, whole=False)):
        assert not told.troubles()
        assert told.deposits(ASKED) == {}
    planned(ledger, "12:00", "c.1.1")
    half = gather(ledger)
    assert [one.source for one in half.troubles()] == ["transmission/t-c.1-1#2"]
    assert half.deposits(ASKED) == {}, "a lot waits: not even its other lots are counted"
    planned(ledger, "12:01", "c.1.2")
    full = gather(ledger)
    assert len(full.troubles()) == 2
    assert full.deposits(ASKED) == {"c.1": 2}
    assert full.deposits(window("10:15", "10:30")) == {"c.1": 1}


def test_whoever_may_read_the_whole_log_is_told_all() -> None:
    ledger = HandLedger()
    procedure(ledger, "c.1", "09:00")
    deposited(ledger, "c.1", 1, "10:10", ["0"])
    told = gather(ledger, whole=True)
    assert len(told.troubles()) == 1
    assert told.deposits(ASKED) == {"c.1": 1}
    assert told.free(len(ledger.rows))


@pytest.mark.parametrize("count", [1, 7])
def test_two_worlds_that_differ_in_deposits_are_told_alike(count: int) -> None:
    """What an answer is made of is the same for 0, 1 and 7 deposits before the plan (S2)."""

    def world(deposits: int) -> Record:
        ledger = HandLedger()
        procedure(ledger, "c.1", "09:00")
        for number in range(deposits):
            deposited(ledger, "c.1", number, "10:10", ["0"])
        add(ledger, "10:59", "ProbeFailed", probe="DEPOSIT", error="x")
        return gather(ledger)

    none, some = world(0), world(count)
    assert none.seen == some.seen
    assert none.troubles() == some.troubles()
    assert none.deposits(ASKED) == some.deposits(ASKED)
    assert judge(ASKED, none.seen, [], none.troubles()) == judge(
        ASKED, some.seen, [], some.troubles()
    )
    place = "health/main#1"
    assert none.places[place] != some.places[place], "the control: a position does tell"
    assert not none.free(none.places[place])
    assert not some.free(some.places[place])


def test_a_place_is_free_before_the_publication_and_after_the_plan() -> None:
    ledger = HandLedger()
    early = add(ledger, "08:00", "ProbeFailed", probe="DEPOSIT", error="x")
    procedure(ledger, "c.1", "09:00")
    late = add(ledger, "10:00", "ProbeFailed", probe="DEPOSIT", error="x")
    told = gather(ledger)
    assert (told.free(early), told.free(late)) == (True, False)
    planned(ledger, "12:00", "c.1.0")
    assert gather(ledger).free(late)


def test_a_failure_is_of_the_instant_at_which_it_was_made() -> None:
    ledger = HandLedger()
    row = ledger.add(PLATFORM, "health/main", "ProbeFailed", {"probe": "DEPOSIT", "error": "x"})
    (one,) = gather(ledger).seen
    assert one.at.isoformat() in row.entry.decode().replace("Z", "+00:00")
    bare = HandLedger()
    add(bare, "10:00", "ProbeSucceeded", probe="DEPOSIT", latency_ms=1)
    assert [one.at for one in gather(bare).seen] == [hour("10:00")]


def test_the_last_word_on_an_incident_counts() -> None:
    ledger = HandLedger()
    start = hour("10:00")
    add(ledger, "10:05", "IncidentDeclared", from_at=start, scope="LOGIN", cause="panne")
    add(ledger, "10:06", "BuyersAlerted", consultations=["c.1"])
    add(
        ledger,
        "10:20",
        "IncidentDeclared",
        from_at=start,
        to_at=hour("10:15"),
        scope="LOGIN",
        cause="panne",
    )
    add(ledger, "10:21", "ClockChecked", offset_ms=-2, uncertainty_ms=250, sources=1)
    record = gather(ledger)
    (incident,) = record.incidents
    assert (incident.end, incident.source) == (hour("10:15"), "health/main#3")
    assert record.alerted == {"c.1": hour("10:06")}
    assert [(one.offset_ms, one.sources) for one in record.clocks] == [(-2, 1)]


def test_a_session_without_its_beginning_is_nobodys() -> None:
    ledger = HandLedger()
    add(ledger, "10:00", "TransmissionFailed", "transmission/x", code="c", cause="SERVER")
    assert not gather(ledger).sessions
