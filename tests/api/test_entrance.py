"""Passwords and sessions: one answer for every wrong login, secrets that change, edges of time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, Bench
from doubles.reader import HERE, PASSWORD, Reader, invited, joined, officer

from api.adapters.clock import host_time
from api.cli import run
from api.errors import LoginLimited, LoginRefused, PasswordRefused
from api.passwords import check_new, check_password, hash_password
from api.people import Person
from api.sessions import forgery_token
from domain.commands.manage_members import RevokeRole, revoke_role

ADA = "ada.martin@lille.example"
SECOND = timedelta(seconds=1)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.clock.width = timedelta(0)
    for siret, name in ((BUYER, "Ville de Lille"), (OTHER_BUYER, "Ville de Roubaix")):
        form = {"siret": siret, "name": name, "buyer_kind": "COMMUNE"}
        made.done("/api/v1/buyers", made.tokens.admin, form)
    yield made
    made.close()


def test_a_person_comes_in_by_invitation_and_again_by_password(bench: Bench) -> None:
    at = invited(bench, COMPANY, "CY", ADA)
    ada = Reader(bench)
    weak = ada.send(at, at, password="a" * 20)
    assert weak.status_code == 422
    assert ada.cookie is None
    assert ada.send(at, at, password=PASSWORD).status_code == 303
    first = ada.cookie
    page = ada.get("/account")
    assert (page.status_code, page.headers["cache-control"]) == (200, "private, no-store")
    assert "Ada Martin" in page.text
    assert COMPANY in page.text
    assert Reader(bench).get(at).status_code == 404, "an invitation serves once"

    other = Reader(bench)
    answer = other.sign_in(ADA.upper(), next="/ledger")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ledger")
    assert other.cookie not in {None, first}
    assert other.get("/api/v1/me").json()["role"] == "CY"


def test_a_new_account_ends_the_session_that_the_browser_still_had(bench: Bench) -> None:
    at = invited(bench, COMPANY, "CY", "bob@else.example")
    held, shared = Reader(bench), joined(bench, COMPANY, "CY", ADA)
    login = forgery_token("of this browser")
    shared.http.cookies.set("pli-login", "of this browser")
    before = shared.cookie
    assert shared.post(at, {"csrf": login, "password": PASSWORD}).status_code == 303
    assert shared.cookie != before
    held.http.cookies.set("pli", str(before))
    assert held.get("/api/v1/me").status_code == 401


def test_whoever_is_unknown_gets_the_same_bytes_and_the_same_work(bench: Bench) -> None:
    joined(bench, COMPANY, "CY", ADA)
    reader = Reader(bench)
    wrong = reader.sign_in(ADA, "une autre phrase entière")
    unknown = reader.sign_in("personne@lille.example", "une autre phrase entière")
    unreadable = reader.sign_in("nobody", "une autre phrase entière")
    assert wrong.status_code == unknown.status_code == unreadable.status_code == 403
    assert wrong.content == unknown.content == unreadable.content
    assert "set-cookie" in wrong.headers
    assert "pli=" not in wrong.headers["set-cookie"]


def test_too_many_attempts_wait_known_or_not_and_a_good_one_forgives(bench: Bench) -> None:
    joined(bench, COMPANY, "CY", ADA)
    for email in (ADA, "personne@lille.example"):
        reader = Reader(bench)
        page = reader.token("/login", "/login")
        fields = {"csrf": page, "email": email, "password": "une autre phrase entière"}
        codes = [reader.post("/login", fields).status_code for _ in range(11)]
        assert codes == [403] * 10 + [429], email
        refused = reader.post("/login", fields)
        assert 0 < int(refused.headers["retry-after"]) <= 900
    fields["password"] = PASSWORD
    assert Reader(bench).sign_in(ADA).status_code == 429, "the right one waits as well"
    limits = bench.app.state.entrance.limits
    limits.forgive("password of an account from an address", f"{ADA} testclient")
    assert Reader(bench).sign_in(ADA).status_code == 303


def test_a_stranger_who_tries_an_account_shuts_out_their_own_place_alone(bench: Bench) -> None:
    """Who knows a depositor's address must not keep them out when the deadline comes."""
    ada = joined(bench, COMPANY, "CY", ADA)
    entrance = bench.app.state.entrance
    for _ in range(10):
        with pytest.raises(LoginRefused):
            entrance.checked_password(ADA, "une autre phrase entière", "192.0.2.66")
    with pytest.raises(LoginLimited):
        entrance.checked_password(ADA, PASSWORD, "192.0.2.66")
    assert entrance.checked_password(ADA, PASSWORD, "192.0.2.7")
    for _ in range(100):  # from ten places and more
        entrance.limits.count("password of an account", ADA)
    with pytest.raises(LoginLimited):
        entrance.checked_password(ADA, PASSWORD, "192.0.2.99")
    wrong = {"password": "une autre phrase entière"}
    assert ada.send("/login/again", "/login/again", password=PASSWORD).status_code == 303
    codes = [ada.send("/login/again", "/login/again", **wrong).status_code for _ in range(10)]
    assert codes == [403] * 9 + [429]


def test_a_planted_session_is_worth_nothing_after_the_login(bench: Bench) -> None:
    joined(bench, COMPANY, "CY", ADA)
    victim = Reader(bench)
    victim.http.cookies.set("pli", "ab" * 32)
    victim.http.cookies.set("pli-login", "cd" * 32)
    assert victim.sign_in(ADA).status_code == 303
    assert len([one for one in victim.http.cookies.jar if one.name == "pli"]) >= 1
    thief = Reader(bench)
    thief.http.cookies.set("pli", "ab" * 32)
    assert thief.get("/account").status_code == 303
    assert thief.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("bound", "gone"),
    [(timedelta(seconds=1800), "idle"), (timedelta(seconds=43_200), "absolute")],
)
def test_a_session_ends_at_its_bounds_and_not_a_second_before(
    bench: Bench, bound: timedelta, gone: str
) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    begun = bench.clock.at
    if gone == "absolute":
        while bench.clock.at + timedelta(seconds=1_700) < begun + bound - SECOND:
            bench.clock.forward(timedelta(seconds=1_700))
            assert ada.get("/api/v1/me").status_code == 200
        bench.clock.at = begun + bound - SECOND
        assert ada.get("/api/v1/me").status_code == 200
        bench.clock.forward(SECOND)
        assert ada.get("/api/v1/me").status_code == 200
    else:
        bench.clock.forward(bound - SECOND)
        assert ada.get("/api/v1/me").status_code == 200
        bench.clock.forward(bound)
        assert ada.get("/api/v1/me").status_code == 200
        bench.clock.forward(bound)
    bench.clock.forward(SECOND)
    assert ada.get("/api/v1/me").status_code == 401
    assert ada.get("/account").headers["location"] == "/login?next=/account"


def test_secrets_change_with_each_proof_and_each_seat(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    at = invited(bench, BUYER, "BU", ADA, host=officer(bench))
    assert ada.send(at, f"{at}/seat").status_code == 303
    seen = [ada.cookie]
    answer = ada.send("/account", "/account/seat", seat=f"{BUYER} BU")
    assert answer.status_code == 303
    seen.append(ada.cookie)
    assert ada.get("/api/v1/me").json()["org"] == BUYER
    again = ada.send("/login/again", "/login/again", password=PASSWORD, next="/account")
    assert again.status_code == 303
    seen.append(ada.cookie)
    assert len(set(seen)) == 3
    for old in seen[:-1]:
        thief = Reader(bench)
        thief.http.cookies.set("pli", old)
        assert thief.get("/api/v1/me").status_code == 401
    refused = ada.send("/account", "/account/seat", seat=f"{OTHER_BUYER} BU")
    assert refused.status_code == 401
    wrong = ada.send("/login/again", "/login/again", password=PASSWORD[1:], next="/account")
    assert wrong.status_code == 403


def test_a_revoked_role_ends_at_once_for_sessions_and_tokens(bench: Bench) -> None:
    at = invited(bench, BUYER, "DR", ADA)
    refused = Reader(bench).send(at, at, password=PASSWORD)
    assert refused.status_code == 403, "only an officer of the buyer gives this role"
    ada = joined(bench, BUYER, "DR", ADA, host=officer(bench))
    platform = bench.platform
    person = platform.accounts.people.by_email(ADA)
    assert ada.get("/api/v1/me").json()["role"] == "DR"
    made = ada.send("/account", "/account/tokens", days="30", **{"scope-read": "1"})
    assert made.status_code == 201
    token = made.text.partition("pli_")[2][:64]
    assert bench.get("/api/v1/me", f"pli_{token}").json()["role"] == "DR"
    writes = bench.post("/api/v1/consultations", f"pli_{token}", {})
    assert (writes.status_code, writes.json()["code"]) == (403, "token.scope")

    act = platform.act_of("revoke-1", officer(bench), BUYER)
    platform.act(revoke_role, act, RevokeRole(BUYER, person.person, "DR", "départ"))
    for answer in (ada.get("/api/v1/me"), bench.get("/api/v1/me", f"pli_{token}")):
        assert (answer.status_code, answer.json()["code"]) == (401, "seat.not-in-force")
    assert "aucun rôle" in ada.get("/account").text
    assert ada.get("/").status_code == 200


def test_opening_asks_a_session_for_a_fresh_proof_and_a_token_for_its_scope(bench: Bench) -> None:
    ada = joined(bench, BUYER, "BU", ADA, host=officer(bench))
    person = bench.platform.accounts.people.by_email(ADA)
    at = "/api/v1/openings/nothing-here/0/plan"
    fresh = timedelta(seconds=600)
    codes = []
    for step in (fresh - SECOND, SECOND, SECOND):
        bench.clock.forward(step)
        headers = {
            "origin": HERE,
            "pli-csrf": forgery_token(ada.cookie),
            "idempotency-key": f"plan-{bench.clock.at.timestamp():.0f}",
        }
        codes.append(ada.http.post(at, headers=headers).json()["code"])
    assert codes == ["object.not-found", "object.not-found", "login.too-old"]
    weak, _ = bench.platform.accounts.create(
        BUYER,
        "BU",
        1,
        bench.platform.now(),
        bench.platform.desk.rng.bytes,
        owner=person.person,
        scopes=["read", "write"],
    )
    refused = bench.post(at, weak)
    assert (refused.status_code, refused.json()["code"]) == (403, "token.scope")


def test_a_new_login_of_a_browser_ends_its_old_session(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    old = ada.cookie
    assert ada.sign_in(ADA).status_code == 303
    thief = Reader(bench)
    thief.http.cookies.set("pli", old)
    assert thief.get("/api/v1/me").status_code == 401


def test_one_leaves_here_or_everywhere(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    elsewhere = Reader(bench)
    elsewhere.sign_in(ADA)
    third = Reader(bench)
    third.sign_in(ADA)
    assert ada.send("/account", "/account/sessions/end", session="").status_code == 303
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert ada.get("/api/v1/me").status_code == 200
    old = ada.cookie
    assert ada.send("/account", "/logout").headers["location"] == "/login"
    thief = Reader(bench)
    thief.http.cookies.set("pli", old)
    assert thief.get("/api/v1/me").status_code == 401


def test_no_secret_and_no_password_is_kept(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    held = b"".join(path.read_bytes() for path in bench.home.folder.glob("accounts.db*"))
    assert ada.cookie is not None
    assert ada.cookie.encode() not in held
    assert PASSWORD.encode() not in held
    assert ADA.encode() in held, "control: the search finds what is there"


def test_a_person_who_is_erased_is_nobody_and_no_event_named_them(bench: Bench) -> None:
    ada = joined(bench, COMPANY, "CY", ADA)
    file = bench.platform.accounts.file
    tables = [str(row[0]) for row in file.rows("SELECT name FROM sqlite_schema WHERE type='table'")]
    named = {
        table
        for table in tables
        if "person" in {row[1] for row in file.rows(f"PRAGMA table_info({table})")}
    }
    assert set(tables) - named == {"ceremonies"}, "an erasure finds rows by their column"
    rows = bench.platform.ledger.read(-1, 10_000)
    assert not any(ADA.encode() in row.entry or b"Martin" in row.entry for row in rows)
    person = bench.platform.accounts.people.by_email(ADA)
    for table in named:
        file.do(f"DELETE FROM {table} WHERE person = ?", person.person)  # noqa: S608 - of the schema
    assert ada.get("/api/v1/me").status_code == 401
    assert ada.get("/account").status_code == 303


def test_an_officer_invites_from_the_account_and_others_may_not(bench: Bench) -> None:
    bob = joined(bench, BUYER, "BU", "bob@lille.example", host=officer(bench))
    fields = {"name": "Ada Martin", "email": ADA}
    page = bob.send("/account", "/account/invitations", role="CO", **fields)
    assert page.status_code == 201
    link = page.text.partition("http://localhost:8400")[2][:76]
    assert link.startswith("/invitation/")
    ada = Reader(bench)
    assert ada.send(link, link, password=PASSWORD).status_code == 303
    assert ada.get("/api/v1/me").json()["role"] == "CO"
    elsewhere = bob.send("/account", "/account/invitations", role="CO", org=OTHER_BUYER, **fields)
    assert elsewhere.status_code == 404
    administrator = bob.send("/account", "/account/invitations", role="PA", **fields)
    assert administrator.status_code == 422
    assert "role.not-administered" in administrator.text
    token = forgery_token(ada.cookie)
    refused = ada.post("/account/invitations", {"csrf": token, "role": "CO", **fields})
    assert refused.status_code == 422
    bench.clock.forward(timedelta(seconds=601))
    stale = bob.send("/account", "/account/invitations", role="CO", **fields)
    assert stale.headers["location"] == "/login/again?next=/account"


def test_an_invitation_lasts_to_its_last_second_or_until_its_host_may_invite_no_more(
    bench: Bench,
) -> None:
    at = invited(bench, COMPANY, "CY", ADA)
    reader, days = Reader(bench), timedelta(days=7)
    codes = []
    for step in (days - SECOND, SECOND, SECOND):
        bench.clock.forward(step)
        codes.append(reader.get(at).status_code)
    assert codes == [200, 200, 404]
    host = officer(bench)
    at = invited(bench, BUYER, "DR", ADA, host=host)
    act = bench.platform.act_of("revoke-2", host, BUYER)
    bench.platform.act(revoke_role, act, RevokeRole(BUYER, host.person, "BU", "départ"))
    refused = reader.send(at, at, password=PASSWORD)
    assert "seat.not-in-force" in refused.text
    assert reader.get(at).status_code == 200, "it is not used up"


def test_the_operator_makes_the_first_invitation_by_command(bench: Bench, capsys) -> None:
    words = ["token", "invite", "--home", str(bench.home.folder), "--email", ADA, "--name", "Ada"]
    assert run([*words, "--role", "PA", "--org", "platform"]) == 0
    link = capsys.readouterr().out.strip()
    at = link.removeprefix("http://localhost:8400")
    bench.clock.at = host_time()
    ada = Reader(bench)
    assert ada.send(at, at, password=PASSWORD).status_code == 303
    weak = ada.get("/api/v1/me")
    assert (weak.status_code, weak.json()["code"]) == (401, "login.too-weak")
    assert run([*words, "--role", "BU", "--org", "12345678901234"]) == 1
    assert run([*words, "--role", "XX", "--org", "platform"]) == 2


def test_who_administers_proves_more_than_a_password(bench: Bench) -> None:
    home = bench.platform.desk.platform
    root = joined(bench, home, "PA", ADA)
    entrance = bench.app.state.entrance
    account = root.get("/account")
    assert "un mot de passe seul ne suffit pas" in account.text
    fields = {"csrf": forgery_token(root.cookie), "role": "PA", "email": "x@y.example", "name": "X"}
    for path in ("/account/invitations", "/account/invitations/withdraw", "/account/tokens"):
        answer = root.post(path, fields)
        assert answer.status_code == 303, path
        assert answer.headers["location"] == "/login/again?next=/account", path
    assert root.get("/api/v1/me").json()["code"] == "login.too-weak"
    assert root.get("/api/v1/consultations").status_code == 200, "what everybody reads"
    person = entrance.visitor(root.cookie)
    for method, status in (("passkey", 200), ("oidc", 200), ("password", 401)):
        strong = Reader(bench)
        strong.http.cookies.set("pli", entrance.enter(person.person.person, method))
        assert strong.get("/api/v1/me").status_code == status, method
    assert joined(bench, COMPANY, "CY", "cy@nord.example").get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(("roles", "status"), [("BU,CU,CO,SI,PA", 401), ("PA", 200), ("", 200)])
def test_the_operator_names_the_roles_that_prove_more(tmp_path, roles: str, status: int) -> None:
    bench = Bench(tmp_path, strong_login=roles)
    bench.register()
    bob = joined(bench, BUYER, "BU", "bob@lille.example", host=officer(bench))
    assert bob.get("/api/v1/me").status_code == status
    bench.close()


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("quinze signes !", True),
        ("quatorze sign!", False),
        ("x" * 40, False),
        ("abcdefghijklmnopqrstu", False),
        ("Ada.Martin.lille", False),
        ("é" * 3 + " bateau ivre 1871", True),
        ("bateau ivre " * 30, False),
    ],
)
def test_a_password_is_long_and_says_more_than_the_address(password: str, good: bool) -> None:
    person = Person("person:1", ADA, "Ada Martin")
    if good:
        assert check_new(password, person) == password
        kept = hash_password(password)
        assert check_password(kept, password) is None
        weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(password)
        renewed = check_password(weak, password)
        assert renewed is not None
        assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        with pytest.raises(LoginRefused):
            check_password(kept, password + "x")
    else:
        with pytest.raises(PasswordRefused):
            check_new(password, person)


def test_where_to_go_on_never_leads_elsewhere(bench: Bench) -> None:
    joined(bench, COMPANY, "CY", ADA)
    for following in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"):
        assert Reader(bench).sign_in(ADA, next=following).headers["location"] == "/account"
