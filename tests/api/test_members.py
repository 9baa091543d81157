"""The routes of members: who sees names, who sees commitments, who sees nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, RIVAL, Bench

from domain.buyer import Buyer
from domain.commands import manage_members
from domain.errors import RoleIncompatible
from domain.events.parties import BuyerKind
from domain.ports import Act, Desk, Principal, Recorded

AUDITOR = "13001653800014"
AT = f"/api/v1/buyers/{BUYER}"
TITULARS = [f"titulaire {number}" for number in range(5)]
COMMITTEE = {
    "president": "Mme P",
    "titulars": TITULARS,
    "substitutes": ["suppléant 0"],
    "deliberation": "2026-07",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory):
    made = Bench(tmp_path_factory.mktemp("members"))
    made.register()
    grant(made, "Mme S", "SI")
    made.done(f"{AT}/delegations", made.tokens.buyer, DELEGATION)
    made.done(f"{AT}/committee", made.tokens.buyer, COMMITTEE)
    yield made
    made.close()


DELEGATION = {
    "giver": "Mme S",
    "receiver": "M. D",
    "act_types": ["CONTRACT"],
    "ceiling_cents": 9_000_000,
    "valid_from": "2026-11-02",
    "valid_to": "2027-03-01",
    "deliberation": "arrêté 12",
}


def grant(bench: Bench, person: str, role: str, **values: Any) -> None:
    form = {"person": person, "role": role, "valid_from": "2026-11-02", **values}
    bench.done(f"{AT}/roles", bench.tokens.buyer, form)


def read(bench: Bench, path: str, token: str | None, status: int = 200) -> Any:
    answer = bench.get(path, token)
    assert answer.status_code == status, answer.text
    return answer.json()


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_own_members_are_listed_with_names_page_by_page(bench: Bench) -> None:
    whole = read(bench, f"{AT}/roles", bench.tokens.buyer)["roles"]
    held = {(row["name"], row["role"], row["basis"]) for row in whole}
    assert {("Mme S", "SI", "GRANT"), ("M. D", "SI", "DELEGATION")} <= held
    assert ("Mme P", "CO", "ELECTION") in held
    found, path = [], f"{AT}/roles?limit=3&act=award"
    answer = bench.get(f"{AT}/roles?limit=4", bench.tokens.buyer)
    for _ in range(10):
        found += answer.json()["roles"]
        if "link" not in answer.headers:
            break
        path = answer.headers["link"].split(">")[0].removeprefix("<")
        answer = bench.get(path, bench.tokens.buyer)
    assert found == whole
    wrong = read(bench, f"{AT}/roles?act=nothing", bench.tokens.buyer, 422)
    assert "open envelopes" in str(wrong)


def test_who_could_open_at_an_instant(bench: Bench) -> None:
    before = read(bench, f"{AT}/roles", bench.tokens.buyer)["at"]
    bench.clock.forward(timedelta(hours=1))
    grant(bench, "Mme C", "CU", valid_to="2026-12-24")
    bench.clock.forward(timedelta(hours=1))
    form = {"person": "Mme C", "role": "CU", "reason": "mutation"}
    bench.done(f"{AT}/revocations", bench.tokens.buyer, form)

    def could(at: str) -> list[str]:
        path = f"{AT}/roles?act=open%20envelopes&at={quote(at)}"
        rows = read(bench, path, bench.tokens.buyer)["roles"]
        return [row["role"] for row in rows if not row["name"].startswith("token:")]

    assert could(before) == []
    given = bench.clock.at - timedelta(hours=1) + timedelta(seconds=1)
    assert could(given.isoformat()) == ["CU"]
    now = bench.clock.at + timedelta(seconds=1)
    assert could(now.isoformat()) == []
    grant(bench, "Mme B", "BU", valid_from="2026-11-30")
    edge = "2026-11-29T23:00:00+00:00"  # midnight in Paris
    assert could("2026-11-29T22:59:59Z") == []
    assert could(edge) == ["BU"]


@pytest.mark.parametrize("at", ["2026-11-02T12:00:00", "3 mars", "2026-13-02T12:00:00Z"])
@pytest.mark.parametrize("what", ["roles", "delegations", "committee"])
def test_an_instant_has_a_zone(bench: Bench, at: str, what: str) -> None:
    shown = read(bench, f"{AT}/{what}?at={quote(at)}", bench.tokens.buyer, 422)
    assert shown["code"] == "request.form"


def test_the_committee_is_shown_with_its_quorum(bench: Bench) -> None:
    shown = read(bench, f"{AT}/committee", bench.tokens.buyer)
    assert (shown["voters"], shown["quorum"]) == (6, 4)
    assert shown["president"]["name"] == "Mme P"
    assert names(shown["titulars"]) == TITULARS
    assert read(bench, f"{AT}/committee?at=2026-10-01T00:00:00Z", bench.tokens.buyer, 404)
    short = {**COMMITTEE, "titulars": TITULARS[:3]}
    refused = bench.post(f"{AT}/committee", bench.tokens.buyer, short)
    assert (refused.status_code, refused.json()["code"]) == (422, "committee.composition")


def test_delegations_are_shown_and_never_exceed(bench: Bench) -> None:
    (one,) = read(bench, f"{AT}/delegations", bench.tokens.buyer)["delegations"]
    assert (one["giver"]["name"], one["receiver"]["name"]) == ("Mme S", "M. D")
    assert (one["valid_from"], one["valid_to"]) == ("2026-11-02", "2027-03-01")
    more = {**DELEGATION, "giver": "M. D", "receiver": "M. E", "ceiling_cents": 9_000_001}
    refused = bench.post(f"{AT}/delegations", bench.tokens.buyer, more)
    assert (refused.status_code, refused.json()["code"]) == (409, "delegation.exceeds")


@pytest.mark.parametrize("what", ["roles", "delegations", "committee"])
def test_strangers_read_that_there_is_nothing(bench: Bench, what: str) -> None:
    tokens = bench.tokens
    absent = bench.get(f"/api/v1/buyers/{AUDITOR}/{what}", tokens.buyer)
    for token in (tokens.other, tokens.company, tokens.admin, bench.token(AUDITOR, "AU")):
        answer = bench.get(f"{AT}/{what}", token)
        assert (answer.status_code, answer.content) == (404, absent.content)
    assert bench.get(f"{AT}/{what}").status_code == 401
    bidder = bench.token(BUYER, "CY")
    assert bench.get(f"{AT}/{what}", bidder).content == absent.content, "a town that bids itself"
    evaluator = bench.token(BUYER, "AD")
    assert bench.get(f"{AT}/{what}", evaluator).status_code == 403, "its own, not its right"


def test_a_granted_auditor_reads_commitments_until_the_last_day(bench: Bench) -> None:
    auditor = bench.token("cour-regionale", "AU")
    form = {"to": "cour-regionale", "until_on": "2026-11-10", "ground": "contrôle"}
    bench.done(f"{AT}/accesses", bench.tokens.buyer, form)
    rows = read(bench, f"{AT}/roles", auditor)["roles"]
    assert rows
    assert not any("name" in row for row in rows)
    shown = read(bench, f"{AT}/committee", auditor)
    assert "name" not in shown["president"]
    (one,) = read(bench, f"{AT}/delegations", auditor)["delegations"]
    assert set(one["giver"]) == {"person"}
    assert bench.get(f"/api/v1/buyers/{OTHER_BUYER}/roles", auditor).status_code == 404
    at = bench.clock.at
    bench.clock.forward(timedelta(days=9))
    assert bench.get(f"{AT}/roles", auditor).status_code == 404
    bench.clock.at = at


def test_a_platform_wide_access_reads_entries_and_roles_until_the_last_day(bench: Bench) -> None:
    org = "44306184100047"
    auditor = bench.token(org, "AU")
    platform = bench.platform.desk.platform
    bench.platform.publish()
    assert bench.get("/tile/entries/000.p/1", auditor).status_code == 404
    form = {"to": org, "scope": "platform", "until_on": "2026-11-10", "ground": "contrôle"}
    bench.done(f"/api/v1/buyers/{platform}/accesses", bench.tokens.admin, form)
    assert bench.get("/tile/entries/000.p/1", auditor).status_code == 200
    assert read(bench, f"{AT}/roles", auditor)["roles"]
    refused = bench.post(f"{AT}/accesses", bench.tokens.admin, form)
    assert refused.status_code == 404
    at = bench.clock.at
    bench.clock.forward(timedelta(days=9))
    assert bench.get("/tile/entries/000.p/1", auditor).status_code == 404
    assert bench.get(f"{AT}/roles", auditor).status_code == 404
    bench.clock.at = at


def test_administrators_stand_in_the_platforms_own_stream(bench: Bench) -> None:
    home = f"/api/v1/buyers/{bench.platform.desk.platform}/roles"
    form = {"person": "Mme Z", "role": "PA", "valid_from": "2026-11-02"}
    bench.done(home, bench.tokens.admin, form)
    rows = read(bench, home, bench.tokens.admin)["roles"]
    assert "Mme Z" in [row["name"] for row in rows if row["role"] == "PA"]
    form = {"person": "Mme Z", "role": "CU", "valid_from": "2026-11-02"}
    refused = bench.post(f"{AT}/roles", bench.tokens.buyer, form)
    assert (refused.status_code, refused.json()["code"]) == (409, "role.incompatible")


def test_a_company_names_its_people_and_its_partners(bench: Bench) -> None:
    home = f"/api/v1/operators/{COMPANY}"
    bench.done(f"{home}/representatives", bench.tokens.company, {"person": "Mme R"})
    shown = read(bench, f"{home}/representatives", bench.tokens.company)
    assert "Mme R" in names(shown["representatives"])
    for token in (bench.tokens.rival, bench.tokens.buyer, bench.tokens.admin):
        assert bench.get(f"{home}/representatives", token).status_code == 404
    pair = {"form": "JOINT", "members": sorted((COMPANY, RIVAL))}
    assert bench.done(f"{home}/consortia", bench.tokens.company, pair)["mandatary"] == COMPANY
    for token in (bench.tokens.rival, bench.tokens.buyer):
        assert bench.post(f"{home}/consortia", token, pair).status_code == 404
        person = {"person": "M. X"}
        assert bench.post(f"{home}/representatives", token, person).status_code == 404
    excluded = {"ground": "L2141-7", "until_on": "2027-01-01"}
    bench.done(f"{home}/exclusions", bench.tokens.buyer, excluded)
    assert bench.post(f"{home}/exclusions", bench.tokens.company, excluded).status_code == 403
    for token in (bench.tokens.company, bench.tokens.rival, bench.tokens.buyer):
        who_am_i = read(bench, "/api/v1/me", token)
        assert "exclu" not in str(who_am_i)


def test_a_date_exists(bench: Bench) -> None:
    form = {"person": "X", "role": "DR", "valid_from": "2026-02-30"}
    refused = bench.post(f"{AT}/roles", bench.tokens.buyer, form)
    assert (refused.status_code, refused.json()["code"]) == (422, "request.form")


def test_an_act_repeated_is_one_act(bench: Bench) -> None:
    form = {"person": "Mme D", "role": "DR", "valid_from": "2026-11-02"}
    size = bench.platform.ledger.head()
    for _ in range(3):
        bench.done(f"{AT}/roles", bench.tokens.buyer, form, key="one-and-the-same")
    assert bench.platform.ledger.head() == size + 1


def test_a_buyer_leaves_with_the_published_log(tmp_path: Path) -> None:
    """The size and the root of a published checkpoint, with nothing of the buyer behind it."""
    from crypto.notes import parse_checkpoint, parse_note

    bench = Bench(tmp_path)
    bench.register()
    grant(bench, "Mme S", "SI")
    early = parse_checkpoint(parse_note(bench.platform.publish()).text)
    grant(bench, "M. T", "SI")

    def leave(size: int, root: bytes) -> Any:
        return bench.post(f"{AT}/departure", bench.tokens.buyer, {"size": size, "root": root.hex()})

    answer = leave(early.size, early.root)
    assert (answer.status_code, answer.json()["code"]) == (409, "departure.incomplete")
    answer = leave(early.size + 1, early.root)
    assert (answer.status_code, answer.json()["code"]) == (422, "departure.unproven")
    late = parse_checkpoint(parse_note(bench.platform.publish()).text)
    answer = leave(late.size, early.root)
    assert answer.json()["code"] == "departure.unproven"
    assert leave(late.size, late.root).status_code == 201
    # nobody holds a role there any more, so nobody's token counts
    for answer in (
        bench.get(f"{AT}/roles", bench.tokens.buyer),
        bench.post(f"{AT}/committee", bench.tokens.buyer, COMMITTEE),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "seat.not-in-force")
    bench.close()


def test_two_processes_that_give_apart_roles_see_each_other(tmp_path: Path) -> None:
    """On the real ledger: the platform's stream is looked at, and moves before the save.

    The first decision is overtaken and taken again, on what stands there now.
    """
    bench = Bench(tmp_path)
    platform = bench.platform
    home, itself = platform.desk.platform, platform.itself
    register = manage_members.RegisterBuyer(BUYER, "Ville", BuyerKind.COMMUNE)
    platform.act(manage_members.register_buyer, Act("register", itself, BUYER), register)
    first = date(2026, 11, 2)
    officer = Principal(BUYER, "BU", "Mme B", "test")
    decided = []
    stood = platform.desk.files.find(Buyer, f"buyer/{home}")
    begun = stood.version if stood is not None else 0

    def overtaken(desk: Desk, act: Act, command: manage_members.GrantRole) -> Recorded:
        decided.append(act)
        known = desk.files.find(Buyer, f"buyer/{home}")
        held = known.version if known is not None else 0
        if len(decided) == 1:
            assert held == begun
            kept = replace(desk, files=Overtaking(desk.files, administrate))
            return manage_members.grant_role(kept, act, command)
        assert held == begun + 1
        return manage_members.grant_role(desk, act, command)

    def administrate() -> None:
        command = manage_members.GrantRole(home, "Mme A", "PA", first)
        manage_members.grant_role(platform.desk, Act("pa", itself, home), command)

    with pytest.raises(RoleIncompatible):
        platform.act(
            overtaken,
            Act("cu", officer, BUYER),
            manage_members.GrantRole(BUYER, "Mme A", "CU", first),
        )
    assert len(decided) == 2
    assert platform.index.organisations() == [home]
    platform.act(
        manage_members.grant_role,
        Act("other", officer, BUYER),
        manage_members.GrantRole(BUYER, "M. C", "CU", first),
    )
    assert platform.index.organisations() == sorted([home, BUYER])
    bench.close()


class Overtaking:
    """The ledger of another process: just before a save, somebody else records."""

    def __init__(self, files: Any, meanwhile: Callable[[], None]) -> None:
        self.files = files
        self.meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self.files, name)

    def save(self, *given: Any) -> Recorded:
        self.meanwhile()
        return self.files.save(*given)
