"""Sealing, lateness, replacement, withdrawal, late decisions (domain.md §4.7)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from doubles.memory import MemoryTurns, VersionConflict
from doubles.platform import (
    DEADLINE,
    FIRST,
    HOUR,
    MS,
    OTHER_BUYER,
    SECOND,
    Platform,
    deposit_id,
    hex_of,
)

from domain.clock import LONGEST_WAIT, Reading
from domain.commands import decide_late, deposit, transmit, withdraw
from domain.envelope import SealedEnvelope
from domain.errors import (
    ClockWentBack,
    CommitmentDiffers,
    ConsultationWrongState,
    DepositFrozen,
    DepositWrongState,
    EnvelopeIncomplete,
    EnvelopeMismatch,
    NotAllowed,
    NotFound,
    OpeningOrder,
)
from domain.events.consultation import Complements
from domain.events.deposit import OpeningRefused
from domain.events.transmission import DepositKind, Intent, StallCause
from domain.ports import Desk
from domain.transmission import TransmissionSession


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published()
    return made


MOMENT = timedelta(seconds=1)
DAY = timedelta(days=1)


def of(platform: Platform, name: str) -> SealedEnvelope:
    return platform.load(SealedEnvelope, deposit_id(name))


def take_back(platform: Platform, name: str, org: str = FIRST) -> Any:
    command = withdraw.WithdrawDeposit(deposit_id(name), "changed my mind")
    return platform.done(withdraw.withdraw, platform.company(org), command)


def decided(platform: Platform, name: str, org: str | None = None, *, admit: bool = True) -> Any:
    act = platform.act("BU", org)
    if admit:
        command = decide_late.AdmitLateDeposit(deposit_id(name), "PLATFORM", "it failed", "f1")
        return platform.done(decide_late.admit_late_deposit, act, command)
    reject = decide_late.RejectLateDeposit(deposit_id(name), "late by an hour")
    return platform.done(decide_late.reject_late_deposit, act, reject)


# --- on time, in doubt, late


@pytest.mark.parametrize(
    ("offset", "width", "kind", "late_by"),
    [
        (-MS, timedelta(0), "DepositSealed", None),
        (timedelta(0), timedelta(0), "DepositSealed", None),
        (timedelta(microseconds=1), timedelta(0), "LateDepositRecorded", 1),
        (MS, timedelta(0), "LateDepositRecorded", 1),
        (timedelta(0), HOUR, "DepositSealed", None),
        (HOUR, timedelta(0), "LateDepositRecorded", 3_600_000),
    ],
)
def test_doubt_favours_the_bidder(
    platform: Platform, offset: timedelta, width: timedelta, kind: str, late_by: int | None
) -> None:
    platform.start("a")
    platform.send("a")
    platform.clock.at, platform.clock.width = DEADLINE + offset, width
    event = platform.seal("a")[-1]
    assert kind == event.TOPIC
    assert getattr(event, "late_by_ms", None) == late_by
    assert event.received_at == DEADLINE + offset + width / 2
    assert event.started_at < event.received_at


def test_after_the_register_closed_every_deposit_is_late(platform: Platform) -> None:
    platform.start("a")
    platform.send("a")
    platform.close()
    assert platform.seal("a")[-1].TOPIC == "LateDepositRecorded"
    assert of(platform, "a").was_late()


@pytest.mark.parametrize(
    ("received", "sealed", "kind", "at"),
    [
        (-MS, 2 * MOMENT, "DepositSealed", -MS),
        (timedelta(0), LONGEST_WAIT, "DepositSealed", timedelta(0)),
        (MS, 2 * MOMENT, "LateDepositRecorded", MS),
        # what waits longer counts as of now, and nothing stands before what was there already
        (timedelta(0), LONGEST_WAIT + MS, "LateDepositRecorded", LONGEST_WAIT + MS),
        (-DAY, -DAY + MOMENT, "DepositSealed", -DAY + MOMENT),
    ],
)
def test_a_deposit_counts_when_its_last_byte_was_durable(
    platform: Platform, received: timedelta, sealed: timedelta, kind: str, at: timedelta
) -> None:
    platform.clock.at = min(platform.clock.at, DEADLINE + sealed)
    platform.start("a")
    if sealed < timedelta(0):
        platform.clock.at = DEADLINE + sealed
    platform.send("a")
    platform.clock.at = DEADLINE + sealed
    then = Reading(platform.clock.source, DEADLINE + received, DEADLINE + received)
    seal = partial(deposit.seal_deposit, received=then)
    event = platform.done(seal, platform.company(), platform.sealing("a"))[-1]
    assert (event.TOPIC, event.received_at) == (kind, DEADLINE + at)


def test_what_was_durable_before_d_and_recorded_after_the_register_is_late(
    platform: Platform,
) -> None:
    platform.start("a")
    platform.send("a")
    then = platform.clock.now()
    platform.close()
    seal = partial(deposit.seal_deposit, received=then)
    event = platform.done(seal, platform.company(), platform.sealing("a"))[-1]
    assert event.TOPIC == "LateDepositRecorded"
    assert event.received_at > DEADLINE, "late by the clock too, as replay demands (T7)"


def test_the_end_of_a_transmission_is_one_save(platform: Platform) -> None:
    platform.start("a")
    platform.send("a")
    stall = transmit.StallTransmission("t-a", 0, StallCause.NETWORK)
    platform.done(transmit.stall_transmission, platform.company(), stall)
    act, command = platform.company(), platform.sealing("a", refused_parts=3)
    events = platform.done(deposit.seal_deposit, act, command)
    assert [event.TOPIC for event in events] == [
        "TransmissionResumed",
        "ChunksStored",
        "TransmissionCompleted",
        "DepositSealed",
    ]
    assert events[2].refused_parts == 3
    assert deposit.seal_deposit(platform.desk, act, command).repeated


def test_chunks_already_recorded_are_not_recorded_twice(platform: Platform) -> None:
    platform.start("a")
    platform.send("a")
    stored = transmit.StoreChunks("t-a", 0, 0, 70_000)
    platform.done(transmit.store_chunks, platform.company(), stored)
    assert [event.TOPIC for event in platform.seal("a")] == [
        "TransmissionCompleted",
        "DepositSealed",
    ]


def test_other_bytes_than_announced_fail_and_stay_failed(platform: Platform) -> None:
    platform.start("a")
    platform.send("a")
    act, command = platform.company(), platform.sealing("a", commitment=hex_of("other"))
    for _ in range(2):
        with pytest.raises(CommitmentDiffers):
            deposit.seal_deposit(platform.desk, act, command)
    assert platform.load(TransmissionSession, "t-a").state == "FAILED"


def test_an_envelope_is_whole_and_the_announced_one(platform: Platform) -> None:
    platform.start("a")
    with pytest.raises(EnvelopeIncomplete, match="its head"):
        platform.seal("a")
    platform.send("a")
    with pytest.raises(EnvelopeIncomplete, match="bytes"):
        platform.seal("a", bytes_total=69_999)
    other = replace(platform.head("a"), header_hash=hex_of("other"))
    with pytest.raises(EnvelopeMismatch):
        platform.seal("a", head=other)


# --- replace, complement, withdraw


def test_a_replacement_supersedes_its_target_at_once(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", target="a")
    assert of(platform, "a").state == "SUPERSEDED"
    assert of(platform, "b").state == "SEALED"
    with pytest.raises(DepositWrongState):
        take_back(platform, "a")


def test_a_replacement_takes_complements_along_and_is_final(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", target="a", intent=Intent.COMPLEMENT)
    platform.deposit("c", target="a")
    assert [of(platform, name).state for name in "abc"] == ["SUPERSEDED", "SUPERSEDED", "SEALED"]
    take_back(platform, "c")
    assert [of(platform, name).state for name in "abc"] == ["SUPERSEDED", "SUPERSEDED", "WITHDRAWN"]


def test_a_deposit_is_superseded_once_all_its_lots_are() -> None:
    platform = Platform()
    platform.published(lots=("1", "2"))
    both = {"kind": DepositKind.APPLICATION}
    platform.deposit("a", lots=("1", "2"), **both)
    platform.deposit("b", target="a", lots=("1",), **both)
    assert of(platform, "a").state == "SEALED"
    assert not of(platform, "a").active_for(("1",))
    platform.deposit("c", target="a", lots=("2",), **both)
    assert of(platform, "a").state == "SUPERSEDED"


def test_a_late_replacement_supersedes_nothing(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", target="a", at=DEADLINE + MS)
    assert of(platform, "a").state == "SEALED"
    assert of(platform, "b").state == "LATE"


def test_a_withdrawal_is_the_depositors_own_and_repeatable(platform: Platform) -> None:
    platform.deposit("a")
    with pytest.raises(NotFound):
        take_back(platform, "a", SECOND)
    with pytest.raises(NotAllowed):
        withdraw.withdraw(
            platform.desk, platform.act("BU"), withdraw.WithdrawDeposit(deposit_id("a"))
        )
    act, command = platform.company(), withdraw.WithdrawDeposit(deposit_id("a"))
    withdraw.withdraw(platform.desk, act, command)
    assert withdraw.withdraw(platform.desk, act, command).repeated
    assert of(platform, "a").state == "WITHDRAWN"


def test_a_withdrawal_ends_with_d(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", SECOND)
    platform.clock.at = DEADLINE
    take_back(platform, "a")
    platform.clock.at = DEADLINE + timedelta(microseconds=1)
    with pytest.raises(DepositFrozen):
        take_back(platform, "b", SECOND)


@pytest.mark.parametrize("closed", [False, True])
def test_a_refused_withdrawal_is_an_event_of_the_deposit(platform: Platform, closed: bool) -> None:
    platform.deposit("a")
    platform.clock.at = DEADLINE + MS
    if closed:
        platform.close()
    act, command = platform.company(), withdraw.WithdrawDeposit(deposit_id("a"))
    for _ in range(2):
        with pytest.raises(DepositFrozen):
            withdraw.withdraw(platform.desk, act, command)
    with pytest.raises(DepositFrozen):
        take_back(platform, "a")
    told = platform.files.stream(f"deposit/{deposit_id('a')}")[1:]
    assert [(event.TOPIC, event.code) for event in told] == [  # type: ignore[attr-defined]
        ("MessageShown", "deposit.frozen")
    ] * 2, "a repeated act is one attempt, another act is another"
    assert told[0].meta.actor.org == of(platform, "a").sealed().bidder, "blinded"
    assert of(platform, "a").state == "SEALED"


def test_a_deposit_with_a_refused_withdrawal_opens(platform: Platform) -> None:
    platform.deposit("a")
    platform.clock.at = DEADLINE + MS
    with pytest.raises(DepositFrozen):
        take_back(platform, "a")
    platform.ready_to_open()
    with pytest.raises(DepositFrozen):
        take_back(platform, "a")
    assert platform.open().state == "COMPLETED"
    assert of(platform, "a").state == "OPENED"


def test_a_deposit_that_does_not_exist(platform: Platform) -> None:
    with pytest.raises(NotFound):
        take_back(platform, "nothing")


def test_a_stream_of_refusals_alone_is_no_deposit(platform: Platform) -> None:
    asked = SealedEnvelope.blank(f"deposit/{deposit_id('a')}")
    asked.append(OpeningRefused(**asked.stamp(platform.meta()), asked_by="PA", code="x"))
    platform.put(asked)
    with pytest.raises(NotFound):
        take_back(platform, "a")
    assert platform.deposit("a").state == "SEALED", "any listed event may be the first"


# --- late deposits are decided with reasons


def late(platform: Platform, **values: Any) -> None:
    platform.deposit("a")
    platform.deposit("late", at=DEADLINE + MS, **values)
    platform.close()


def test_a_late_deposit_is_admitted_with_reasons(platform: Platform) -> None:
    late(platform, round=2)
    (event,) = decided(platform, "late")
    assert event.TOPIC == "LateDepositAdmitted"
    assert of(platform, "late").state == "SEALED"
    with pytest.raises(DepositWrongState):
        decided(platform, "late")


def test_a_late_deposit_is_kept_closed_with_reasons(platform: Platform) -> None:
    late(platform, round=2)
    act = platform.act()
    command = decide_late.RejectLateDeposit(deposit_id("late"), "no ground")
    platform.done(decide_late.reject_late_deposit, act, command)
    assert decide_late.reject_late_deposit(platform.desk, act, command).repeated
    assert of(platform, "late").state == "KEPT_CLOSED"


def test_a_late_replacement_supersedes_from_its_admission_on(platform: Platform) -> None:
    late(platform, target="a")
    act = platform.act()
    command = decide_late.AdmitLateDeposit(deposit_id("late"), "PLATFORM", "it failed", "f1")
    events = platform.done(decide_late.admit_late_deposit, act, command)
    assert [event.TOPIC for event in events] == ["LateDepositAdmitted", "DepositSuperseded"]
    assert decide_late.admit_late_deposit(platform.desk, act, command).repeated
    assert of(platform, "a").state == "SUPERSEDED"


def test_a_replacement_is_not_admitted_while_a_plan_waits(platform: Platform) -> None:
    late(platform, target="a")
    platform.convene()
    platform.plan()
    with pytest.raises(OpeningOrder, match="the end of the plan"):
        decided(platform, "late")
    platform.open()
    decided(platform, "late")
    assert of(platform, "a").state == "OPENED", "what was opened stays opened"
    assert list(platform.plan().plans[-1].open) == [deposit_id("late")]


class Waited(MemoryTurns):
    """Turns for which one waits while somebody else acts."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.meanwhile = meanwhile

    def hold(self, consultation: str) -> AbstractContextManager[None]:
        self.meanwhile()
        return super().hold(consultation)


def test_a_plan_fixed_while_an_admission_waits_is_seen_by_it(platform: Platform) -> None:
    late(platform, target="a")
    platform.convene()
    desk = platform.desk
    platform.desk = replace(desk, turns=Waited(lambda: plan_on(platform, desk)))
    with pytest.raises(OpeningOrder, match="the end of the plan"):
        decided(platform, "late")
    assert of(platform, "a").state == "SEALED", "what the plan says to open is not superseded"


def plan_on(platform: Platform, desk: Desk) -> None:
    platform.desk = desk
    platform.plan()


@pytest.mark.parametrize("first", ["plan", "admission"])
def test_of_a_plan_and_an_admission_from_two_places_one_is_kept(
    platform: Platform, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds turns of its own: then what was read must not have moved."""
    late(platform, target="a")
    platform.convene()
    acts: dict[str, Callable[[], object]] = {
        "plan": platform.plan,
        "admission": lambda: decided(platform, "late"),
    }
    second = acts[next(name for name in acts if name != first)]
    read = platform.register.deposits

    def meanwhile(*asked: Any) -> Any:
        found = [replace(tip) for tip in read(*asked)]
        loaded = {tip.stream: platform.files.live[tip.stream] for tip in found}
        monkeypatch.undo()
        acts[first]()
        monkeypatch.setattr(platform.files, "live", {**platform.files.live, **loaded})
        return found

    monkeypatch.setattr(platform.register, "deposits", meanwhile)
    with pytest.raises(VersionConflict):
        second()


def test_what_a_replacement_supersedes_never_goes_back_in_time(platform: Platform) -> None:
    late(platform, target="a")
    of_a = of(platform, "a")
    platform.clock.at += HOUR
    asked = of_a.stamp(platform.meta())
    of_a.append(OpeningRefused(**asked, asked_by="PA", code="opening.too-early"))
    platform.put(of_a)
    platform.clock.at -= HOUR
    with pytest.raises(ClockWentBack):
        decided(platform, "late")
    assert of(platform, "late").state == "LATE"


def test_who_decides_and_when(platform: Platform) -> None:
    platform.deposit("late", at=DEADLINE + MS)
    with pytest.raises(ConsultationWrongState):
        decided(platform, "late")
    platform.close()
    with pytest.raises(NotFound):
        decided(platform, "late", OTHER_BUYER)
    command = decide_late.RejectLateDeposit(deposit_id("late"), "no")
    with pytest.raises(NotFound):
        decide_late.reject_late_deposit(platform.desk, platform.company(), command)
    with pytest.raises(NotAllowed):
        decide_late.reject_late_deposit(platform.desk, platform.act("SI"), command)


def test_complements_without_a_policy_are_for_people_to_judge() -> None:
    platform = Platform()
    platform.published(complements=Complements.APPLICATION)
    platform.deposit("a", kind=DepositKind.APPLICATION)
    platform.deposit("b", kind=DepositKind.APPLICATION, target="a", intent=Intent.COMPLEMENT)
    assert [of(platform, name).state for name in "ab"] == ["SEALED", "SEALED"]
