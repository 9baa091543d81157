"""Representatives over HTTP: a removal ends sessions and tokens at once, and replay remembers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from doubles.bench import COMPANY, Bench
from doubles.reader import PASSWORD, Reader, invited, joined

from api.cli import run
from domain.ports import Principal

AT = f"/api/v1/operators/{COMPANY}"
STREAM = f"operator/{COMPANY}"
ADA, BOB = "ada@nord.example", "bob@nord.example"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a closed platform with its organisations."""
    made = Bench(tmp_path_factory.mktemp("first"))
    made.register()
    made.close()
    return made


@pytest.fixture
def bench(first: Bench, tmp_path: Path) -> Iterator[Bench]:
    made = first.twin(tmp_path / "twin")
    yield made
    made.close()


def person_of(bench: Bench, email: str) -> str:
    found = bench.platform.accounts.people.by_email(email)
    assert found is not None
    return found.person


def names(bench: Bench, at: str = "", token: str | None = None) -> list[str]:
    path = f"{AT}/representatives" + (f"?at={quote(at)}" if at else "")
    answer = bench.get(path, token or bench.tokens.company)
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["representatives"]]


def removed(bench: Bench, person: str, token: str | None = None) -> Any:
    form = {"person": person, "reason": "départ"}
    return bench.post(f"{AT}/revocations", token or bench.tokens.company, form)


def test_a_removed_representative_acts_no_more_by_session_or_token(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    person = person_of(bench, ADA)
    token, _ = bench.platform.accounts.create(
        COMPANY, "CY", 1, bench.platform.now(), bench.platform.desk.rng.bytes, owner=person
    )
    before = bench.clock.now().latest.isoformat()
    assert ada.get("/api/v1/me").json()["role"] == "CY"
    assert bench.get("/api/v1/me", token).status_code == 200
    bench.clock.forward(timedelta(minutes=10))
    assert removed(bench, person).status_code == 201
    for answer in (ada.get("/api/v1/me"), bench.get("/api/v1/me", token)):
        assert (answer.status_code, answer.json()["code"]) == (401, "seat.not-in-force")
    assert "aucun rôle" in ada.get("/account").text
    assert person not in names(bench)
    assert person in names(bench, before)
    again = removed(bench, person)
    assert (again.status_code, again.json()["code"]) == (404, "object.not-found")
    # an invitation brings them back under the same account
    at = invited(bench, COMPANY, "CY", ADA)
    assert ada.send(at, f"{at}/seat").status_code == 303
    assert ada.get("/api/v1/me").status_code == 200


def test_the_last_one_stays_and_strangers_find_nothing(bench: Bench) -> None:
    (only,) = names(bench)
    last = removed(bench, only)
    assert (last.status_code, last.json()["code"]) == (409, "representative.last")
    for token in (bench.tokens.rival, bench.tokens.buyer, bench.tokens.admin):
        assert removed(bench, only, token).status_code == 404
        assert bench.get(f"{AT}/representatives", token).status_code == 404


def test_the_platform_names_a_first_one_and_no_other(bench: Bench) -> None:
    person = {"person": "Mme R"}
    refused = bench.post(f"{AT}/representatives", bench.tokens.admin, person)
    assert (refused.status_code, refused.json()["code"]) == (403, "role.not-administered")
    empty = "21590512000162"
    bench.done("/api/v1/operators", bench.tokens.admin, {"siret": empty, "name": "Neuve"})
    at = f"/api/v1/operators/{empty}/representatives"
    bench.done(at, bench.tokens.admin, person)
    assert bench.post(at, bench.tokens.admin, {"person": "M. S"}).status_code == 403


def test_the_operator_of_the_home_brings_people_back_and_it_is_recorded(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(bench.home.folder), "--json"]
    assert run(["token", "create", "--role", "CY", "--org", COMPANY, *home]) == 0
    token = json.loads(capsys.readouterr().out)["token"]
    bench.clock.forward(timedelta(days=40))  # past the day of this machine: nothing here is future
    made = bench.platform.accounts.authenticate(token, bench.platform.now())
    assert bench.get("/api/v1/me", token).status_code == 200
    assert made.person in names(bench)
    actor = orjson.loads(bench.platform.ledger.stream(STREAM)[-1].entry)["data"]["meta"]["actor"]
    platform = bench.platform.desk.platform
    assert (actor["org"], actor["role"], actor["auth"]) == (platform, "PA", "home")


def test_an_administrator_who_invites_is_no_operator_of_the_home(bench: Bench) -> None:
    host = Principal(bench.platform.desk.platform, "PA", "root", "token")
    account = bench.platform.accounts.authenticate(bench.tokens.admin, bench.platform.now())
    host = Principal(host.org, "PA", account.person, "token")
    at = invited(bench, COMPANY, "CY", BOB, host=host)
    refused = Reader(bench).send(at, at, password=PASSWORD)
    assert refused.status_code == 403
    assert "role.not-administered" in refused.text


def test_replay_tells_who_represented_a_company_at_an_instant(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.done(f"{AT}/representatives", bench.tokens.company, {"person": "Mme R"})
    given = bench.platform.ledger.stream(STREAM)[-1].entry[7:34].decode()
    bench.clock.forward(timedelta(hours=1))
    assert removed(bench, "Mme R").status_code == 201
    ended = bench.platform.ledger.stream(STREAM)[-1].entry[7:34].decode()

    def held(at: str) -> int:
        home = ["--home", str(bench.home.folder), "--json"]
        assert run(["replay", STREAM, "--at", at, *home]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert "Mme R" not in json.dumps(shown), "commitments, no names"
        return len(shown["roles"])

    assert (held(given), held(ended)) == (2, 1)


def test_the_list_is_cut_in_pages_at_one_instant(bench: Bench) -> None:
    for person in ("Mme R", "M. S", "Mme T"):
        bench.clock.forward(timedelta(minutes=1))
        bench.done(f"{AT}/representatives", bench.tokens.company, {"person": person})
    whole = names(bench)
    answer = bench.get(f"{AT}/representatives?limit=1", bench.tokens.company)
    found = []
    for _ in whole:
        found += [row["name"] for row in answer.json()["representatives"]]
        if "link" not in answer.headers:
            break
        path = answer.headers["link"].split(">")[0].removeprefix("<")
        answer = bench.get(path, bench.tokens.company)
    assert found == whole
    assert whole[1:] == ["Mme R", "M. S", "Mme T"]
