"""The four grounds to open a backup copy, each with its boundary (domain.md §4.8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.backup_right import ASIDE, GROUNDS, Copy, Incident, opening_right
from domain.errors import (
    BackupLate,
    BackupMalware,
    BackupNotOffered,
    BackupUnlabelled,
    DomainError,
    NoBackupGround,
)
from domain.events.backup_copy import BackupGround

D = datetime(2026, 11, 12, 11, 0, tzinfo=UTC)
US = timedelta(microseconds=1)
GOOD = Copy(
    earliest=D - timedelta(hours=1), listed=True, offered=True, label_ok=True, malware=False
)
BEGUN = Incident("LateDepositRecorded", "deposit/d#1", "transmission/t#1", D)


def incident(kind: str, **values: object) -> Incident:
    return replace(BEGUN, kind=kind, **values)


@pytest.mark.parametrize(
    ("kind", "ground"),
    [
        ("MalwareDetected", "MALWARE"),
        ("IncompletenessFound", "INCOMPLETE"),
        ("TransmissionFailed", "INCOMPLETE"),
        ("TransmissionExpired", "INCOMPLETE"),
        ("LateDepositRecorded", "LATE"),
        ("EnvelopeUnreadable", "UNREADABLE"),
    ],
)
def test_each_ground_has_its_facts(kind: str, ground: str) -> None:
    right = opening_right(GOOD, [incident(kind)], D)
    assert right.ground == ground
    assert right.evidence == ("deposit/d#1", "transmission/t#1")


@pytest.mark.parametrize("kind", sorted({*GROUNDS} - {"MalwareDetected"}))
def test_a_sending_begun_at_d_counts_and_a_microsecond_later_does_not(kind: str) -> None:
    assert opening_right(GOOD, [incident(kind, started=D)], D).ground == GROUNDS[kind]
    for started in (D + US, None):
        with pytest.raises(NoBackupGround):
            opening_right(GOOD, [incident(kind, started=started)], D)


@pytest.mark.parametrize("started", [D + US, None])
def test_malware_is_a_ground_whatever_the_hour(started: datetime | None) -> None:
    found = opening_right(GOOD, [incident("MalwareDetected", started=started)], D)
    assert found.ground == BackupGround.MALWARE


@pytest.mark.parametrize("kind", ["TransmissionFailed", "TransmissionExpired"])
def test_a_broken_sending_is_no_ground_once_a_deposit_came(kind: str) -> None:
    with pytest.raises(NoBackupGround):
        opening_right(GOOD, [incident(kind, deposited=True)], D)


@pytest.mark.parametrize(
    "kind", ["SignatureRefused", "OfferDeclared", "EnvelopeOpened", "FeasibilityRefused", "x"]
)
def test_nothing_else_is_ever_a_ground(kind: str) -> None:
    with pytest.raises(NoBackupGround):
        opening_right(GOOD, [incident(kind)], D)
    with pytest.raises(NoBackupGround):
        opening_right(GOOD, [], D)


def test_the_first_ground_of_the_law_is_named_with_all_its_facts() -> None:
    told = [
        incident("EnvelopeUnreadable", reference="deposit/e#2"),
        incident("LateDepositRecorded", reference="deposit/b#1", session="transmission/u#1"),
        incident("LateDepositRecorded", reference="deposit/a#1"),
    ]
    right = opening_right(GOOD, told, D)
    assert right.ground == BackupGround.LATE
    assert right.evidence == ("deposit/a#1", "deposit/b#1", "transmission/t#1", "transmission/u#1")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"earliest": D}, None),
        ({"earliest": D + US}, BackupLate),
        ({"listed": False}, BackupLate),
        ({"label_ok": False}, BackupUnlabelled),
        ({"malware": True}, BackupMalware),
        ({"offered": False}, BackupNotOffered),
        ({"earliest": D + US, "label_ok": False, "malware": True}, BackupLate),
        ({"label_ok": False, "malware": True}, BackupUnlabelled),
    ],
)
def test_the_copy_itself_is_judged_first(
    changed: dict[str, object], refusal: type[DomainError] | None
) -> None:
    copy = replace(GOOD, **changed)  # type: ignore[arg-type]
    if refusal is None:
        assert opening_right(copy, [BEGUN], D).ground == BackupGround.LATE
        return
    with pytest.raises(refusal):
        opening_right(copy, [BEGUN], D)
    assert refusal in ASIDE


incidents = st.builds(
    Incident,
    st.sampled_from([*GROUNDS, "SignatureRefused"]),
    st.sampled_from(["deposit/a#1", "deposit/b#2"]),
    st.just("transmission/t#1"),
    st.sampled_from([None, D - US, D, D + US]),
    st.booleans(),
)
copies = st.builds(Copy, st.sampled_from([D - US, D, D + US]), *[st.booleans()] * 4)


@given(copies, st.lists(incidents, max_size=4))
def test_a_right_always_rests_on_a_fact_that_carries_it(copy: Copy, told: list[Incident]) -> None:
    """Written apart from the rule: whatever is told, a right names a fact of its ground."""
    try:
        right = opening_right(copy, told, D)
    except tuple(ASIDE):
        carried = [one for one in told if carries(one)]
        sound = copy.offered and copy.listed and copy.earliest <= D and copy.label_ok
        assert not (sound and not copy.malware and carried)
        return
    assert (copy.offered, copy.listed, copy.label_ok, copy.malware) == (True, True, True, False)
    assert copy.earliest <= D
    named = [one for one in told if carries(one) and GROUNDS[one.kind] == right.ground]
    assert {*right.evidence} == {ref for one in named for ref in (one.reference, one.session)}
    assert named


def carries(one: Incident) -> bool:
    if one.kind == "MalwareDetected":
        return True
    in_time = one.started in {D - US, D}
    broken = one.kind.startswith("Transmission")
    return one.kind in GROUNDS and in_time and not (broken and one.deposited)
