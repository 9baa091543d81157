"""Announce, bytes, end: limits answer before the first byte, every end is a fact (§4.6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from doubles.platform import (
    BUYER,
    DEADLINE,
    FIRST,
    MS,
    OTHER_BUYER,
    SECOND,
    Platform,
    deposit_id,
    hex_of,
)

from domain.commands import correct, transmit
from domain.consultation import Consultation
from domain.envelope import SealedEnvelope
from domain.errors import (
    AlreadyExists,
    BadForm,
    ComplementNotAllowed,
    DepositNotAuthorised,
    DepositTaken,
    DepositTooLarge,
    DomainError,
    EnvelopeIncomplete,
    EnvelopeMismatch,
    IntentRequired,
    MessageNotTrue,
    NotAllowed,
    NotFound,
    PlatformUnavailable,
    TargetSuperseded,
    TooManyFiles,
    TransmissionWrongState,
    UnknownMessage,
)
from domain.events.consultation import Complements, Limits, Padding
from domain.events.transmission import (
    DepositKind,
    Intent,
    Purpose,
    Readability,
    StallCause,
)
from domain.limits import check_padded
from domain.transmission import TransmissionSession


@pytest.fixture
def platform() -> Platform:
    made = Platform()
    made.published(lots=("1", "2"))
    return made


def session(platform: Platform, name: str) -> TransmissionSession:
    return platform.load(TransmissionSession, f"t-{name}")


def test_an_announce_says_who_sends_by_a_tag_only(platform: Platform) -> None:
    platform.start("a")
    started = session(platform, "a").start()
    tag = platform.subjects.bidder_tag("C1", f"siret:{FIRST}")
    assert (started.bidder, started.meta.actor.org) == (tag, tag)
    assert FIRST not in repr(started)
    assert started.entry_consultation == "C1"


LIMITS = [
    ({"declared_bytes": 10_000_001}, DepositTooLarge, ("max_total", 10_000_000, 10_000_001)),
    ({"declared_files": 101}, TooManyFiles, ("max_files", 100, 101)),
    (
        {"intent": Intent.REPLACE, "target": "ab" * 16},
        TargetSuperseded,
        ("target-superseded", 0, 1),
    ),
]


@pytest.mark.parametrize(("values", "refusal", "facts"), LIMITS)
def test_a_published_limit_is_answered_before_the_first_byte_and_again_on_a_retry(
    platform: Platform, values: dict[str, Any], refusal: type[DomainError], facts: Any
) -> None:
    command = platform.announce("a", **values)
    act = platform.company()
    for _ in range(2):
        with pytest.raises(refusal):
            transmit.start_transmission(platform.desk, act, command)
    found = session(platform, "a")
    assert found.state == "REFUSED"
    assert found.refused is not None
    assert (found.refused.limit, found.refused.allowed, found.refused.asked) == facts
    assert platform.kinds()[-2:] == ["TransmissionStarted", "FeasibilityRefused"]


def test_relaxed_limits_are_the_ones_in_force(platform: Platform) -> None:
    limits = platform.load(Consultation, "C1").limits
    assert limits
    wider = replace(limits, max_total=20_000_000)
    platform.done(
        correct.correct_limits, platform.act(), correct.CorrectLimits("C1", wider, "plans")
    )
    assert platform.start("a", declared_bytes=10_000_001).count == 1


def test_no_room_is_the_platforms_fault_never_a_limit(platform: Platform) -> None:
    platform.vault.room = False
    command, act = platform.announce("a"), platform.company()
    for _ in range(2):
        with pytest.raises(PlatformUnavailable, match="no room"):
            transmit.start_transmission(platform.desk, act, command)
    assert session(platform, "a").server_fault()
    assert platform.kinds()[-2:] == ["TransmissionStarted", "TransmissionFailed"]
    shown = transmit.ShowMessage("t-a", "platform.unavailable", "…", "r1")
    assert platform.done(transmit.show_message, platform.company(), shown)


def test_a_good_announce_is_repeatable(platform: Platform) -> None:
    command, act = platform.announce("a"), platform.company()
    transmit.start_transmission(platform.desk, act, command)
    assert transmit.start_transmission(platform.desk, act, command).repeated
    with pytest.raises(AlreadyExists):
        transmit.start_transmission(platform.desk, platform.company(), command)


@pytest.mark.parametrize(
    "values",
    [
        {"lots": ("9",)},
        {"lots": ("1", "2")},
        {"lots": ("2", "1"), "kind": DepositKind.APPLICATION},
        {"round": 0},
        {"round": 100},
        {"declared_bytes": 0},
        {"declared_files": 0},
        {"intent": Intent.UNDECLARED},
        {"intent": Intent.REPLACE},
        {"target": "ab" * 16},
        {"intent": Intent.COMPLEMENT, "target": "no id"},
        {"client": ""},
    ],
)
def test_an_unlawful_form_is_not_recorded(platform: Platform, values: dict[str, Any]) -> None:
    size = len(platform.files.rows)
    with pytest.raises(BadForm):
        platform.start("a", **values)
    assert len(platform.files.rows) == size


def test_an_application_may_be_for_several_lots(platform: Platform) -> None:
    platform.deposit("a", kind=DepositKind.APPLICATION, lots=("1", "2"))
    with pytest.raises(IntentRequired):
        platform.start("b", kind=DepositKind.APPLICATION, lots=("2",))


def test_a_second_deposit_declares_its_intent(platform: Platform) -> None:
    platform.deposit("a")
    act, command = platform.company(), platform.announce("b")
    for _ in range(2):
        with pytest.raises(IntentRequired):
            transmit.start_transmission(platform.desk, act, command)
    assert platform.start("c", lots=("2",)).count == 1
    assert platform.start("d", round=2).count == 1
    assert platform.start("e", SECOND).count == 1


@pytest.mark.parametrize(
    ("complements", "kind", "allowed"),
    [
        (Complements.ALL, DepositKind.OFFER, True),
        (Complements.APPLICATION, DepositKind.OFFER, False),
        (Complements.APPLICATION, DepositKind.APPLICATION, True),
        (Complements.NONE, DepositKind.APPLICATION, False),
    ],
)
def test_the_policy_says_what_may_be_complemented(
    complements: Complements, kind: DepositKind, allowed: bool
) -> None:
    platform = Platform()
    platform.published(complements=complements)
    platform.deposit("a", kind=kind)
    values = {"kind": kind, "intent": Intent.COMPLEMENT, "target": deposit_id("a")}
    if allowed:
        assert platform.start("b", **values).count == 1
        return
    act, command = platform.company(), platform.announce("b", **values)
    for _ in range(2):
        with pytest.raises(ComplementNotAllowed):
            transmit.start_transmission(platform.desk, act, command)


def test_a_target_must_be_active_and_ones_own(platform: Platform) -> None:
    platform.deposit("a")
    platform.deposit("b", target="a")
    for target, org in (("a", FIRST), ("b", SECOND)):
        with pytest.raises(TargetSuperseded):
            platform.start(f"x{target}", org, intent=Intent.REPLACE, target=deposit_id(target))


def test_who_may_deposit_where(platform: Platform) -> None:
    with pytest.raises(NotAllowed):
        transmit.start_transmission(platform.desk, platform.act("BU"), platform.announce("a"))
    with pytest.raises(DepositNotAuthorised):
        platform.start("a", OTHER_BUYER)
    platform.draft("C2")
    with pytest.raises(NotFound):
        platform.start("a", consultation="C2")
    command = replace(platform.announce("a"), consultation="C9")
    with pytest.raises(NotFound):
        transmit.start_transmission(platform.desk, platform.company(), command)


def test_a_foreign_transmission_is_not_there(platform: Platform) -> None:
    platform.start("a")
    command = transmit.StallTransmission("t-a", 0, StallCause.NETWORK)
    with pytest.raises(NotFound):
        transmit.stall_transmission(platform.desk, platform.company(SECOND), command)
    with pytest.raises(NotFound):
        transmit.stall_transmission(
            platform.desk, platform.company(), replace(command, transmission="t-x")
        )


# --- the head


def test_a_head_is_announced_once(platform: Platform) -> None:
    platform.start("a")
    act = platform.company()
    command = transmit.AnnounceEnvelope("t-a", platform.head("a"), hex_of("c"), 70_000, 1, 1000)
    transmit.announce_envelope(platform.desk, act, command)
    assert transmit.announce_envelope(platform.desk, act, command).repeated
    with pytest.raises(AlreadyExists):
        transmit.announce_envelope(platform.desk, platform.company(), command)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consultation", "C9"),
        ("kind", "BACKUP"),
        ("lots", ("2",)),
        ("round", 2),
        ("intent", "REPLACE"),
        ("target", "ab" * 16),
        ("bidder", "ab" * 32),
        ("keyset", "ab" * 32),
        ("documents_count", 4),
        ("dossier", "ab" * 32),
        ("not_before", DEADLINE + MS),
    ],
)
def test_the_sealed_label_is_what_was_started(platform: Platform, field: str, value: Any) -> None:
    platform.start("a")
    with pytest.raises(EnvelopeMismatch, match=field):
        platform.send("a", **{field: value})


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"bytes": 70_001}, EnvelopeMismatch),
        ({"chunks": 0}, EnvelopeMismatch),
        ({"head_bytes": 0}, EnvelopeMismatch),
        ({"head_bytes": 70_000}, EnvelopeMismatch),
        ({"commitment": "x"}, BadForm),
    ],
)
def test_the_announced_bytes_fit(
    platform: Platform, change: dict[str, Any], refusal: type[DomainError]
) -> None:
    platform.start("a")
    command = transmit.AnnounceEnvelope("t-a", platform.head("a"), hex_of("c"), 70_000, 1, 1000)
    with pytest.raises(refusal):
        transmit.announce_envelope(platform.desk, platform.company(), replace(command, **change))


def test_a_deposit_id_is_new_in_the_log(platform: Platform) -> None:
    platform.deposit("a")
    platform.start("b", SECOND)
    with pytest.raises(DepositTaken):
        platform.send("b", SECOND, deposit=deposit_id("a"))


def test_padding_is_checked_without_a_key() -> None:
    check_padded(Limits(), 65_536 + 16, 1)
    check_padded(Limits(padding=Padding.NONE), 1, 1)
    for body in (65_535 + 16, 65_537 + 16):
        with pytest.raises(EnvelopeMismatch, match="padding"):
            check_padded(Limits(), body, 1)


# --- bytes


def chunks(platform: Platform, **values: Any) -> Any:
    wanted = {"first": 0, "last": 0, "bytes_total": 10, **values}
    return platform.done(
        transmit.store_chunks, platform.company(), transmit.StoreChunks("t-a", **wanted)
    )


def test_chunks_come_after_the_head_and_inside_it(platform: Platform) -> None:
    platform.start("a")
    with pytest.raises(EnvelopeIncomplete, match="its head"):
        chunks(platform)
    platform.send("a")
    for wrong in ({"last": 1}, {"first": -1}, {"first": 1}, {"bytes_total": 70_001}):
        with pytest.raises(BadForm):
            chunks(platform, **wrong)
    act, command = platform.company(), transmit.StoreChunks("t-a", 0, 0, 10)
    transmit.store_chunks(platform.desk, act, command)
    assert transmit.store_chunks(platform.desk, act, command).repeated
    with pytest.raises(BadForm):
        chunks(platform, bytes_total=9)
    assert session(platform, "a").state == "RECEIVING"


def test_a_stall_and_its_end(platform: Platform) -> None:
    platform.start("a")
    for do, command, state in (
        (
            transmit.stall_transmission,
            transmit.StallTransmission("t-a", 0, StallCause.NETWORK),
            "STALLED",
        ),
        (transmit.resume_transmission, transmit.ResumeTransmission("t-a", 0), "RECEIVING"),
        (
            transmit.warn_drawer,
            transmit.WarnDrawer("t-a", "C2", acknowledged=True),
            "RECEIVING",
        ),
        (
            transmit.check_readability,
            transmit.CheckReadability("t-a", Readability.OK, acknowledged=False),
            "RECEIVING",
        ),
        (transmit.expire_transmission, transmit.ExpireTransmission("t-a", 2), "EXPIRED"),
    ):
        act = platform.act("PA")
        do(platform.desk, act, command)  # type: ignore[operator]
        assert do(platform.desk, act, command).repeated  # type: ignore[operator]
        assert session(platform, "a").state == state
    with pytest.raises(TransmissionWrongState):
        transmit.fail_transmission(
            platform.desk,
            platform.company(),
            transmit.FailTransmission("t-a", "cancelled", StallCause.CLIENT),
        )
    assert platform.files.rows[-1].meta.actor.org != FIRST


def test_a_company_ends_its_own_session(platform: Platform) -> None:
    platform.start("a")
    act = platform.company()
    command = transmit.FailTransmission("t-a", "cancelled", StallCause.CLIENT, 1)
    (event,) = platform.done(transmit.fail_transmission, act, command)
    assert event.refused_parts == 1
    assert transmit.fail_transmission(platform.desk, act, command).repeated
    assert not session(platform, "a").server_fault()


def test_a_server_stall_is_the_platforms_fault(platform: Platform) -> None:
    platform.start("a")
    command = transmit.StallTransmission("t-a", 0, StallCause.SERVER)
    platform.done(transmit.stall_transmission, platform.company(), command)
    assert session(platform, "a").server_fault()


def test_an_empty_session_was_never_started() -> None:
    blank = TransmissionSession.blank("transmission/x")
    with pytest.raises(EnvelopeIncomplete, match="its announce"):
        blank.start()
    with pytest.raises(LookupError, match="no envelope"):
        SealedEnvelope.blank("deposit/x").sealed()


# --- messages are true or not shown


def show(platform: Platform, code: str, name: str = "a", org: str = FIRST) -> Any:
    command = transmit.ShowMessage(f"t-{name}", code, "…", "r1")
    return platform.done(transmit.show_message, platform.company(org), command)


def test_each_message_is_shown_only_when_it_is_true(platform: Platform) -> None:
    platform.start("a")
    false = {
        "deposit.already-sent",
        "deposit.closed",
        "deposit.too-large",
        "deposit.too-many-files",
        "deposit.not-authorised",
        "upload.interrupted",
        "platform.unavailable",
    }
    for code in false:
        with pytest.raises(MessageNotTrue, match=code):
            show(platform, code)
    with pytest.raises(UnknownMessage):
        show(platform, "deposit.oops")
    stall = transmit.StallTransmission("t-a", 0, StallCause.NETWORK)
    platform.done(transmit.stall_transmission, platform.company(), stall)
    assert show(platform, "upload.interrupted")
    with pytest.raises(DepositTooLarge):
        platform.start("b", declared_bytes=99_999_999)
    with pytest.raises(TooManyFiles):
        platform.start("c", declared_files=101)
    assert show(platform, "deposit.too-large", "b")
    assert show(platform, "deposit.too-many-files", "c")
    platform.deposit("d")
    assert show(platform, "deposit.already-sent")
    platform.clock.at = DEADLINE + MS
    assert show(platform, "deposit.closed")


def test_a_late_deposit_of_other_lots_is_not_already_sent(platform: Platform) -> None:
    platform.start("a")
    platform.deposit("b", lots=("2",))
    with pytest.raises(MessageNotTrue):
        show(platform, "deposit.already-sent")
    platform.deposit("c", at=DEADLINE + timedelta(seconds=1))
    with pytest.raises(MessageNotTrue):
        show(platform, "deposit.already-sent")
    act = platform.company()
    command = transmit.ShowMessage("t-a", "deposit.closed", "…", "r1")
    transmit.show_message(platform.desk, act, command)
    assert transmit.show_message(platform.desk, act, command).repeated


# --- rehearsals


def test_a_rehearsal_runs_the_same_way_without_a_deposit(platform: Platform) -> None:
    platform.deposit("a")
    platform.start("b", purpose=Purpose.REHEARSAL)
    platform.send("b")
    events = platform.seal("b")
    assert [event.TOPIC for event in events] == ["ChunksStored", "TransmissionCompleted"]
    assert platform.files.find(SealedEnvelope, f"deposit/{deposit_id('b')}") is None
    assert session(platform, "b").tenant == BUYER
