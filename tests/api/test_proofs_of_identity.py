"""Proof over TLS, changes of a password, and passwords that leaked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

import pytest
from doubles.bench import BUYER, COMPANY, Bench
from doubles.matrix import ROLES
from doubles.reader import PASSWORD, Reader, invited, joined, officer

from api.adapters.breached import BreachedListUnready, BreachedPasswords
from api.entrance import Entrance
from api.people import Person, Seat
from api.settings import Settings
from domain.commands.manage_members import GrantRole, grant_role

ADA = "ada.martin@lille.example"


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


@pytest.mark.parametrize(("secure", "asked"), [(False, "PA"), (True, ",".join(ROLES))])
def test_over_tls_everybody_proves_more_than_a_password(secure: bool, asked: str) -> None:
    settings = Settings(secure=secure)
    found = [role for role in ROLES if settings.asks_strong_login(role)]
    assert found == [role for role in ROLES if role in asked.split(",")]
    for named in ("", "CY", "PA,CY"):
        told = Settings(secure=secure, strong_login=named)
        found = [role for role in ROLES if told.asks_strong_login(role)]
        assert sorted(found) == sorted(filter(None, named.split(",")))


def test_an_officer_over_tls_adds_a_passkey_with_the_password_and_then_acts(bench: Bench) -> None:
    bench.platform.settings = bench.settings.model_copy(update={"secure": True})
    person = Person("person:bob", "bob@lille.example", "Bob")
    bench.platform.accounts.people.add(person, bench.clock.at)
    bench.platform.accounts.people.seat(person.person, Seat(BUYER, "BU"), bench.clock.at)
    act = bench.platform.act_of("bob", officer(bench), BUYER)
    since = bench.clock.at.date()
    bench.platform.act(grant_role, act, GrantRole(BUYER, person.person, "BU", since))
    entrance = bench.app.state.entrance
    for method, strong in (("password", False), ("passkey", True), ("oidc", True)):
        session = entrance.visitor(entrance.enter(person.person, method)).session
        assert (session.role, entrance.strong(session)) == ("BU", strong), method
        assert entrance.fresh(session), "so a passkey can be added at once"


def test_people_change_their_password_and_every_other_session_ends(bench: Bench) -> None:
    ada, new = joined(bench, COMPANY, "CY", ADA), "une phrase toute neuve"
    elsewhere = Reader(bench)
    elsewhere.sign_in(ADA)
    changed = ada.send("/account", "/account/password", current=PASSWORD, password=new)
    assert changed.status_code == 303
    assert ada.get("/api/v1/me").status_code == 200
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert Reader(bench).sign_in(ADA).status_code == 403
    assert Reader(bench).sign_in(ADA, new).status_code == 303


def test_a_change_of_password_asks_for_the_current_one(bench: Bench) -> None:
    ada, new = joined(bench, COMPANY, "CY", ADA), "une phrase toute neuve"
    for current in ({}, {"current": PASSWORD[1:]}, {"current": new}):
        refused = ada.send("/account", "/account/password", password=new, **current)
        assert refused.status_code == 403
        assert "Rien n'a changé" in refused.text
    assert Reader(bench).sign_in(ADA).status_code == 303
    codes = [ada.send("/account", "/account/password", password=new).status_code for _ in range(9)]
    assert codes == [403] * 7 + [429] * 2, "whoever guesses it here waits like anywhere"
    # a stronger proof needs none: it is how a forgotten one is replaced
    entrance = bench.app.state.entrance
    strong = Reader(bench)
    person = bench.platform.accounts.people.by_email(ADA)
    strong.http.cookies.set("pli", entrance.enter(person.person, "passkey"))
    assert strong.send("/account", "/account/password", password=new).status_code == 303
    assert Reader(bench).sign_in(ADA, new).status_code == 303


def test_a_password_that_leaked_elsewhere_is_refused(bench: Bench, tmp_path: Path) -> None:
    leaked = sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
    rows = sorted([leaked, "0" * 40, "F" * 40])
    (tmp_path / "list.txt").write_text("".join(f"{row}:3\n" for row in rows))
    bench.app.state.entrance.breached = BreachedPasswords(tmp_path / "list.txt")
    at = invited(bench, COMPANY, "CY", ADA)
    ada = Reader(bench)
    assert ada.send(at, at, password=PASSWORD).status_code == 422
    assert ada.send(at, at, password=f"{PASSWORD} neuf").status_code == 303
    kept = {"current": f"{PASSWORD} neuf"}
    assert ada.send("/account", "/account/password", password=PASSWORD, **kept).status_code == 422
    unseen = f"{PASSWORD} encore"
    assert ada.send("/account", "/account/password", password=unseen, **kept).status_code == 303


def test_a_list_of_leaked_passwords_that_cannot_serve_is_told_at_the_start(
    bench: Bench, tmp_path: Path
) -> None:
    absent = bench.settings.model_copy(update={"breached_passwords": tmp_path / "absent.txt"})
    bench.platform.settings = absent
    with pytest.raises(BreachedListUnready):
        Entrance(bench.platform)
