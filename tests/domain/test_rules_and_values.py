"""Clock, legal hours, SIRET, rule book, roles: values that refuse what is not lawful."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import pytest
from doubles.platform import Platform, law
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregate import Aggregate, Event
from domain.clock import (
    ClockSource,
    LegalHour,
    Reading,
    ceil_ms,
    date_after,
    legal_instant,
    months_after,
    quorum_reading,
    rule_verdicts,
    step_check,
)
from domain.errors import (
    BadCalendarForm,
    BadForm,
    BadSiret,
    ClockDistrusted,
    ClockWentBack,
    DomainError,
    NoRule,
    NoSuchHour,
    NotAllowed,
    RoleNotAdministered,
    UnknownMessage,
    WrongState,
)
from domain.events.dossier import DossierDownloaded
from domain.identifiers import LOT, check, check_lots, check_siret, check_text
from domain.operator import EconomicOperator
from domain.plain import plain, plain_object
from domain.procedures import Procedures
from domain.roles import Roles
from domain.rulebook import RuleBook, RuleStatus
from domain.states import check_transition

RULES = law().rules
D = datetime(2026, 12, 1, 16, tzinfo=UTC)
US = timedelta(microseconds=1)


# --- golden cases (docs/spec/golden.md)


@pytest.mark.parametrize(
    ("key", "day", "euros"),
    [
        ("threshold.legality", date(2025, 12, 31), 221_000),
        ("threshold.legality", date(2026, 1, 1), 216_000),
        ("threshold.publicity_exempt.goods", date(2026, 3, 31), 40_000),
        ("threshold.publicity_exempt.goods", date(2026, 4, 1), 60_000),
    ],
)
def test_thresholds_change_on_their_day(key: str, day: date, euros: int) -> None:
    assert RULES.at(key, day).value == euros * 100


@pytest.mark.parametrize(
    ("siret", "good"),
    [
        ("20009320100016", True),
        ("20009320100018", False),
        ("35600000000048", True),
        ("00000000000000", False),
        ("2000932010001", False),
        ("2000932010001６", False),
        ("35600000000042", True),
        ("35600000000049", False),
    ],
)
def test_siret(siret: str, good: bool) -> None:
    if good:
        assert check_siret(siret) == siret
    else:
        with pytest.raises(BadSiret, match=siret):
            check_siret(siret)


def test_the_clock_changes_between_two_noons() -> None:
    before = legal_instant("2026-10-24T12:00", "Europe/Paris")
    after = legal_instant("2026-10-26T12:00", "Europe/Paris")
    assert (before.hour, after.hour) == (10, 11)


@pytest.mark.parametrize(
    ("local", "refusal"),
    [
        ("2026-10-25T02:30", NoSuchHour),
        ("2026-03-29T02:30", NoSuchHour),
        ("2026-03-29T12:00:30", BadCalendarForm),
        ("2026-02-30T12:00", BadCalendarForm),
    ],
)
def test_local_text(local: str, refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        LegalHour.written(local, "Europe/Paris")


@pytest.mark.parametrize("zone", ["Nowhere/Place", "", "../etc", "Europe"])
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(BadCalendarForm):
        legal_instant("2026-12-01T12:00", zone)


def test_the_boundary_of_a_deadline() -> None:
    for late, word in ((timedelta(0), "on-time"), (timedelta(milliseconds=1), "late")):
        verdicts = rule_verdicts(
            deadline=D, opens=D, earliest=D + late, latest=D + late, floor=D, reached=False
        )
        assert verdicts.deposit == word


# --- time


@given(
    st.integers(-3, 3),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(-3, 3),
    st.booleans(),
)
def test_on_time_and_opening_never_hold_together(
    at: int, width: int, cool: int, floor: int, reached: bool
) -> None:
    """T1 and T2, exact at every offset and uncertainty (P5), and doubt on both sides."""
    try:
        verdicts = rule_verdicts(
            deadline=0, opens=cool, earliest=at, latest=at + width, floor=floor, reached=reached
        )
    except ClockWentBack:
        assert at + width < floor
        return
    known = max(at, floor)
    assert (verdicts.deposit == "late") == (reached or known > 0)
    assert verdicts.opening == (reached and known > cool)
    assert not (verdicts.opening and verdicts.deposit != "late")
    assert verdicts.withdrawal == verdicts.extension == (verdicts.deposit != "late")
    assert not (verdicts.reach and verdicts.withdrawal)


@given(
    st.integers(-50, 50),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(-99, 99), st.integers(0, 9)), max_size=4),
)
def test_if_enough_sources_tell_the_truth_the_reading_holds_it(
    true: int, honest: list[tuple[int, int]], liars: list[tuple[int, int]]
) -> None:
    """P9."""
    reads = [(true - before, true + after) for before, after in honest]
    reads += [(low, low + width) for low, width in liars]
    low, high = quorum_reading(reads, len(honest))
    assert low <= true <= high


@given(st.integers(0, 10_000), st.integers(0, 500), st.integers(-9_000, 9_000))
def test_a_step_is_followed_or_refused_never_backwards(elapsed: int, width: int, jump: int) -> None:
    """P3."""
    previous = (1_000, 1_000 + width)
    reading = (1_000 + elapsed + jump, 1_000 + elapsed + jump + width)
    try:
        found = step_check(previous, elapsed, reading)
    except ClockDistrusted:
        assert abs(jump) > 2_000
    else:
        assert found[0] >= previous[0]
        assert abs(jump) <= 2_000 + width + elapsed * 500 // 1_000_000 + width


def test_an_elapsed_time_never_runs_backwards() -> None:
    with pytest.raises(ClockDistrusted):
        step_check((0, 0), -1, (0, 0))


def test_a_reading_says_its_middle_and_never_less_than_its_doubt() -> None:
    reading = Reading(ClockSource.HOST, D, D + timedelta(microseconds=1_001))
    assert reading.middle() == D + timedelta(microseconds=500)
    assert reading.uncertainty_ms() == 1
    assert ceil_ms(US) == 1


def test_deadlines_stand_in_whole_seconds_of_utc() -> None:
    paris = LegalHour.written("2026-12-01T17:00", "Europe/Paris")
    assert paris == LegalHour(D, "2026-12-01T17:00", "Europe/Paris")
    for at, local, zone in (
        (D + US, None, None),
        (D.replace(tzinfo=None), None, None),
        (D, "2026-12-01T17:00", None),
        (D, "2026-12-01T17:01", "Europe/Paris"),
    ):
        with pytest.raises(BadCalendarForm):
            LegalHour(at, local, zone)


def test_delays_end_on_calendar_days() -> None:
    assert date_after(date(2026, 3, 2), 11) == date(2026, 3, 13)
    assert months_after(date(2026, 3, 20), 2) == date(2026, 5, 20)
    assert months_after(date(2026, 12, 31), 2) == date(2027, 2, 28)


# --- the law as data


def test_every_rule_key_resolves_on_each_of_its_dates() -> None:
    for key, rules in RULES.rules.items():
        for rule in rules:
            assert RULES.at(key, rule.valid_from) == rule
            assert rule.article
            assert rule.source
    assert law().version == "2026.1"


def test_nothing_is_computed_where_no_rule_is_known() -> None:
    with pytest.raises(NoRule, match="ecb_bp"):
        RULES.at("interest.ecb_bp", date(2026, 7, 1))
    with pytest.raises(NoRule):
        RULES.at("no.such.rule", date(2026, 7, 1))
    assert RULES.at("interest.ecb_bp", date(2023, 7, 1)).status == RuleStatus.VERIFIED


def rules_text(*values: str, version: str = "1", key: str = "k") -> str:
    rows = "".join(f"{{ {value} }}," for value in values)
    return (
        f'version = "{version}"\n[[rule]]\nkey = "{key}"\nunit = "DAYS"\n'
        f'article = "a"\nsource = "s"\nvalues = [{rows}]\n'
    )


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([rules_text(), rules_text(version="2", key="l")], "several versions"),
        ([rules_text(), rules_text()], "twice"),
        ([rules_text("from = 2020-01-01, value = 1", "from = 2021-01-01, value = 2")], "overlap"),
        (
            [
                rules_text(
                    "from = 2020-01-01, to = 2021-01-01, value = 1",
                    "from = 2021-01-01, value = 2",
                )
            ],
            "overlap",
        ),
    ],
)
def test_a_rule_book_that_contradicts_itself_is_refused(texts: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RuleBook.parse(texts)


def test_procedures_are_rows() -> None:
    assert law().procedures.of("ADAPTED").formal is False
    with pytest.raises(NoRule):
        law().procedures.of("UNHEARD")
    assert isinstance(law().procedures, Procedures)


def test_every_row_of_the_role_table_answers() -> None:
    roles = law().roles
    assert roles.require("BU", "publish, correct, extend, end") == "Y"
    with pytest.raises(NotAllowed):
        roles.require("PA", "open envelopes")
    with pytest.raises(RoleNotAdministered):
        roles.require_administers("PA", "CU")
    with pytest.raises(RoleNotAdministered):
        roles.require_administers("OB", "BU")
    assert roles.incompatible("PA", "CU")
    assert roles.incompatible("CU", "PA")
    assert not roles.incompatible("BU", "CU")
    assert roles.kept_apart("PA") == {"BU", "CO", "CU", "SI"}
    assert roles.kept_apart("SI") == {"PA"}
    assert not roles.kept_apart("DR")


@pytest.mark.parametrize("where", ["administers", "incompatible"])
def test_a_role_table_with_an_unknown_role_is_refused(where: str) -> None:
    tables = {"administers": "", "incompatible": "", where: 'BU = ["XX"]\n'}
    pairs = "".join(f"[{name}]\n{rows}" for name, rows in tables.items())
    text = f'[role]\nBU = {{}}\n[act_type]\n{pairs}[[act]]\nname = "a"\nmay = {{}}\n'
    with pytest.raises(ValueError, match="XX"):
        Roles.parse(text)


def test_messages_are_a_closed_list() -> None:
    assert law().messages.of("deposit.closed").text["fr"]
    with pytest.raises(UnknownMessage):
        law().messages.of("deposit.maybe")


# --- names, plain values, aggregates


@pytest.mark.parametrize("lots", [(), ("2", "1"), ("1", "1"), ("a b",)])
def test_lots_stand_in_order(lots: tuple[str, ...]) -> None:
    with pytest.raises(BadForm):
        check_lots(lots)


def test_texts_and_names_have_forms() -> None:
    assert check(LOT, "lot", "1-a") == "1-a"
    for value in ("", "   ", "x" * 11):
        with pytest.raises(BadForm, match="name"):
            check_text("name", value, 10)
    with pytest.raises(BadForm, match="lot"):
        check(LOT, "lot", "1\n")
    for value in ("a\u202eb", "e\u0301"):  # shown in another order; not in form C
        with pytest.raises(BadForm, match="name"):
            check_text("name", value)


class Word(StrEnum):
    ONE = "ONE"


def test_plain_values() -> None:
    assert plain([1, True, "a"]) == [1, True, "a"]
    assert type(plain(Word.ONE)) is str
    assert plain(D) == "2026-12-01T16:00:00.000000Z"
    assert plain({"when": date(2026, 1, 2), "gone": None}) == {"when": "2026-01-02"}
    with pytest.raises(TypeError, match="no plain form"):
        plain_object(3)


def test_a_refusal_carries_its_facts() -> None:
    refusal = BadForm("name", "too long")
    assert refusal.facts() == {"field": "name", "reason": "too long"}
    assert str(refusal) == "name: too long"


def test_codes_are_unique() -> None:
    def kinds(root: type[DomainError]) -> list[type[DomainError]]:
        return [root, *(each for child in root.__subclasses__() for each in kinds(child))]

    codes = [kind.code for kind in kinds(DomainError)]
    assert len(codes) == len(set(codes))


def test_an_aggregate_takes_only_what_it_lists_and_no_hidden_clock() -> None:
    platform = Platform()
    company = EconomicOperator.blank("operator/x")
    event = DossierDownloaded(**company.stamp(platform.meta()), version=1, files=[])
    with pytest.raises(TypeError, match="lists no DossierDownloaded"):
        company.append(event)
    with pytest.raises(LookupError, match="clock"):
        Event.create_timestamp()


def test_replay_is_lenient_and_decisions_are_strict() -> None:
    with pytest.raises(WrongState, match="SEALED"):
        check_transition("deposit", "SEALED", "DepositSealed")
    check_transition("deposit", "SEALED", "OpeningRefused")
    check_transition("", "NEW", "Anything")
    assert Aggregate.blank("x/y").name == "y"
