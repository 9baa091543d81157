"""What an access opens to an auditor, who may open it, and until when (domain.md §4.17, §5).

A buyer's word opens its own files, the platform's word its log: neither opens what the other has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from doubles.bench import BUYER, OTHER_BUYER, SOON, Bench

AT = f"/api/v1/buyers/{BUYER}"
LAST_DAY = "2026-11-20"
LAST_MOMENT = datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC)
"""One second before midnight in Paris."""
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ONE, ALL = "lille-1", "*"


@dataclass
class Audited:
    """A platform with two opened procedures of one buyer, and their deposits."""

    bench: Bench
    deposits: dict[str, str]

    def bid(self, name: str, token: str) -> int:
        """Return what reading an opened bid of a consultation answers."""
        path = f"/api/v1/openings/{name}/0/envelopes/{self.deposits[name]}/documents"
        return self.status(path, token)

    def status(self, path: str, token: str) -> int:
        return int(self.bench.get(path, token).status_code)

    def reads(self, token: str) -> dict[str, int]:
        """Return what each question of an auditor answers."""
        return {
            ONE: self.bid(ONE, token),
            "lille-2": self.bid("lille-2", token),
            "members": self.status(f"{AT}/roles", token),
            "entries": self.status("/tile/entries/000.p/1", token),
        }

    def open(self, to: str, scope: str = ALL, until_on: str = LAST_DAY) -> Any:
        """Say the buyer's word; return the answer."""
        form = {"to": to, "scope": scope, "until_on": until_on, "ground": "contrôle"}
        return self.bench.post(f"{AT}/accesses", self.bench.tokens.buyer, form)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    bench = Bench(tmp_path_factory.mktemp("accesses"))
    bench.clock.width = timedelta(0)
    bench.register()
    names = (ONE, "lille-2")
    found = {name: bench.deposit(bench.seal(bench.publish(name)))["deposit"] for name in names}
    bench.forward(SOON)
    for name in names:
        opening = bench.attend(name)
        bench.done(f"{opening}/plan", bench.tokens.buyer)
        bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    bench.platform.publish()
    yield Audited(bench, found)
    bench.close()


@pytest.fixture(autouse=True)
def same_day(audited: Audited) -> Iterator[None]:
    at = audited.bench.clock.at
    yield
    audited.bench.clock.at = at


def answers(one: int, two: int, members: int, entries: int = 404) -> dict[str, int]:
    return {ONE: one, "lille-2": two, "members": members, "entries": entries}


def test_nothing_is_open_before_somebody_opens_it(audited: Audited) -> None:
    outside = audited.bench.token("audit-none", "AU")
    assert audited.reads(outside) == answers(404, 404, 404)


def test_a_word_on_one_consultation_opens_that_one(audited: Audited) -> None:
    auditor = audited.bench.token("audit-one", "AU")
    assert audited.open("audit-one", ONE).status_code == 201
    assert audited.reads(auditor) == answers(200, 404, 404)
    shown = audited.bench.get(f"/api/v1/openings/{ONE}/0", auditor).json()
    assert shown["plan"]["open"] == [audited.deposits[ONE]], "what there is to read is told"
    assert "plan" not in audited.bench.get("/api/v1/openings/lille-2/0", auditor).json()
    assert audited.bench.get("/api/v1/refusals", auditor).json() == {"refusals": []}
    assert audited.open("audit-one", "roubaix-1").status_code == 404, "no consultation of its own"


def test_a_word_on_everything_opens_bids_members_and_refusals_of_that_buyer(
    audited: Audited,
) -> None:
    bench = audited.bench
    auditor = bench.token("audit-all", "AU")
    bench.post(f"/api/v1/consultations/{ONE}/publication", bench.tokens.other, {})
    assert audited.open("audit-all").status_code == 201
    assert audited.reads(auditor) == answers(200, 200, 200)
    rows = bench.get(f"{AT}/roles", auditor).json()["roles"]
    assert rows
    assert not [row for row in rows if "name" in row], "commitments only"
    assert audited.status(f"/api/v1/buyers/{OTHER_BUYER}/roles", auditor) == 404
    bench.platform.refusals.settle()
    told = bench.get("/api/v1/refusals?limit=100", auditor).json()
    assert "head" not in told
    assert {row["tenant"] for row in told["refusals"]} == {BUYER}
    for role in ("BU", "CO", "OB"):
        other = bench.token("audit-all", role)
        assert audited.reads(other) == answers(404, 404, 404), "opened to auditors"


def test_the_platforms_word_opens_the_log_and_no_bid(audited: Audited) -> None:
    bench = audited.bench
    home = f"/api/v1/buyers/{bench.platform.desk.platform}/accesses"
    for org, bids in (("audit-log", 404), (BUYER, 403)):
        auditor = bench.token(org, "AU")
        assert audited.reads(auditor) == answers(bids, bids, bids), "at home a member of nobody too"
        form = {"to": org, "scope": "platform", "until_on": LAST_DAY, "ground": "contrôle"}
        bench.done(home, bench.tokens.admin, form)
        assert audited.reads(auditor) == answers(bids, bids, 200, 200)
        assert "head" in bench.get("/api/v1/refusals", auditor).json()
    form["scope"] = ALL
    assert bench.post(home, bench.tokens.admin, form).status_code == 422


@pytest.mark.parametrize("scope", [ONE, ALL])
def test_an_access_ends_with_its_last_day_in_paris(audited: Audited, scope: str) -> None:
    clock, org = audited.bench.clock, f"audit-day-{len(scope)}"
    auditor = audited.bench.token(org, "AU")
    assert audited.open(org, scope).status_code == 201
    edges = [(LAST_MOMENT - DAY, 200), (LAST_MOMENT, 200), (LAST_MOMENT + SECOND, 404)]
    for at, status in edges:
        clock.at = at
        assert audited.bid(ONE, auditor) == status, at
        members = status if scope == ALL else 404
        assert audited.status(f"{AT}/roles", auditor) == members, at
    assert audited.open(org, scope).status_code == 422, "a day that is past opens nothing"


def test_a_later_word_on_the_same_scope_ends_an_access(audited: Audited) -> None:
    clock = audited.bench.clock
    auditor = audited.bench.token("audit-end", "AU")
    for scope in (ONE, ALL):
        assert audited.open("audit-end", scope, "2027-11-20").status_code == 201
    clock.at = LAST_MOMENT
    assert audited.open("audit-end", ALL, "2026-11-19").status_code == 201
    assert audited.reads(auditor) == answers(200, 404, 404), "the other word still stands"
    assert audited.open("audit-end", ONE, "2026-11-19").status_code == 201
    assert audited.reads(auditor) == answers(404, 404, 404)
