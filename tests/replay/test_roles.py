"""Who held which role at an instant: the edges to the second, both nights of summer time."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from doubles.bench import BUYER, Bench
from doubles.platform import BUYER as SIRET
from doubles.platform import Platform
from hypothesis import given
from hypothesis import strategies as st

from api.cli import run
from api.wiring import open_reader
from domain.buyer import Buyer
from domain.commands import manage_members
from domain.events.parties import BuyerKind
from replay.roles import in_force, roles_at
from replay.timeline import NothingThere, moment_of

SECOND = timedelta(seconds=1)
STREAM = f"buyer/{BUYER}"
AT = f"/api/v1/buyers/{BUYER}"


def granted(at: datetime, first: date, last: date | None) -> Buyer:
    """Return a buyer in which one role was given at an instant, between two dates."""
    platform = Platform()
    platform.clock.at = at
    form = manage_members.RegisterBuyer(SIRET, "Ville", BuyerKind.COMMUNE)
    platform.done(manage_members.register_buyer, platform.act("PA"), form)
    command = manage_members.GrantRole(SIRET, "Mme A", "CU", first, last)
    platform.done(manage_members.grant_role, platform.act(), command)
    return platform.load(Buyer, SIRET)


EDGES = [
    # first and last legal day, first second of the first, first second after the last
    (date(2026, 3, 3), date(2026, 3, 3), "2026-03-02T23:00:00Z", "2026-03-03T23:00:00Z"),
    (date(2026, 3, 29), date(2026, 3, 29), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
    (date(2026, 3, 28), date(2026, 3, 30), "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z"),
    (date(2026, 10, 25), date(2026, 10, 25), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    (date(2026, 10, 24), date(2026, 10, 26), "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z"),
]


@pytest.mark.parametrize(("first", "last", "begins", "ends"), EDGES)
def test_dates_are_legal_days_also_when_the_hour_changes(
    first: date, last: date, begins: str, ends: str
) -> None:
    buyer = granted(datetime(2026, 1, 5, 9, tzinfo=UTC), first, last)
    start, end = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
    wanted = [(start - SECOND, 0), (start, 1), (start + SECOND, 1)]
    wanted += [(end - SECOND, 1), (end, 0), (end + SECOND, 0)]
    for at, count in wanted:
        assert len(in_force(buyer, at)) == count, at
    naive_start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    assert len(in_force(buyer, naive_start - SECOND)) == 1, "the control: no UTC day"


@given(st.integers(0, 364), st.integers(0, 3 * 86_400))
def test_a_role_is_held_on_the_legal_day_and_on_no_other(day: int, offset: int) -> None:
    first = date(2026, 1, 1) + timedelta(days=day)
    buyer = granted(datetime(2025, 12, 1, tzinfo=UTC), first, first)
    at = datetime(2025, 12, 31, tzinfo=UTC) + timedelta(days=day, seconds=offset)
    legal = at.astimezone(ZoneInfo("Europe/Paris")).date()
    assert bool(in_force(buyer, at)) is (legal == first)


def test_nothing_is_held_before_it_was_recorded() -> None:
    at = datetime(2026, 3, 3, 11, tzinfo=UTC)
    buyer = granted(at, date(2020, 1, 1), None)
    assert [len(in_force(buyer, at + step * SECOND)) for step in (-1, 0, 1)] == [0, 1, 1]


# --- over a real ledger


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory):
    made = Bench(tmp_path_factory.mktemp("roles"))
    made.register()
    yield made
    made.close()


def act(bench: Bench, path: str, **form: Any) -> str:
    """Do an act, an hour after the one before; return when it was recorded."""
    bench.clock.forward(timedelta(hours=1))
    bench.done(f"{AT}/{path}", bench.tokens.buyer, form)
    return bench.platform.ledger.stream(STREAM)[-1].entry[7:34].decode()


def held(bench: Bench, at: datetime, role: str) -> int:
    """Return how many held a role at an instant, as the log of then and of now tell it."""
    with open_reader(bench.home) as log:
        then = moment_of(log, at).position
        early = roles_at(log, STREAM, then, log.event_of, at)
        late = roles_at(log, STREAM, log.head() - 1, log.event_of, at)
    assert early == late, "what is recorded later changes no answer"
    return [row["role"] for row in early].count(role)


def test_grant_and_revocation_to_the_second(bench: Bench) -> None:
    form = {"person": "Mme C", "role": "CU"}
    given_at = act(bench, "roles", **form, valid_from="2026-11-01")
    revoked = act(bench, "revocations", **form, reason="mutation")
    again = act(bench, "roles", **form, valid_from="2026-11-01")
    edges = [(given_at, (0, 1, 1)), (revoked, (1, 0, 0)), (again, (0, 1, 1))]
    for text, counts in edges:
        at = datetime.fromisoformat(text)
        found = tuple(held(bench, at + step * SECOND, "CU") for step in (-1, 0, 1))
        assert found == counts, text


def test_a_position_shows_what_held_right_then(bench: Bench) -> None:
    form = {"person": "Mme D", "role": "DR"}
    act(bench, "roles", **form, valid_from="2026-11-01")
    with open_reader(bench.home) as log:
        last = log.stream(STREAM)[-1].position
        before, after = (
            [row["role"] for row in roles_at(log, STREAM, place, log.event_of)]
            for place in (last - 1, last)
        )
        other = roles_at(log, "operator/55208131766522", log.head() - 1, log.event_of)
        with pytest.raises(NothingThere):
            roles_at(log, "buyer/none", log.head() - 1, log.event_of)
    assert (before.count("DR"), after.count("DR")) == (0, 1)
    assert [row["role"] for row in other] == ["CY"], "who represents the company"


def test_the_command_answers_who_could_open(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = act(bench, "roles", person="Mme E", role="CU", valid_from="2026-11-01")
    at = datetime.fromisoformat(text)

    def asked(*options: str, stream: str = STREAM) -> dict[str, Any]:
        home = ["--home", str(bench.home.folder), "--json"]
        assert run(["replay", stream, *home, *options]) == 0
        return dict(json.loads(capsys.readouterr().out))

    def custodians(step: int) -> int:
        shown = asked("--at", (at + step * SECOND).isoformat())["roles"]
        return [row["role"] for row in shown].count("CU")

    base = custodians(-1)
    assert [custodians(0), custodians(1)] == [base + 1, base + 1]
    assert "Mme E" not in json.dumps(asked()), "commitments, no names"
    assert len(asked()["roles"]) >= base + 1
    assert [row["role"] for row in asked(stream="operator/55208131766522")["roles"]] == ["CY"]
