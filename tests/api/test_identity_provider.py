"""A real OpenID provider: who it vouches for comes in, and each of its lies is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from doubles.bench import COMPANY, Bench
from doubles.oidc_provider import MODES, SECRET, ProviderProcess
from doubles.ports import free_port
from doubles.reader import Reader, invited, joined

from api.adapters.clock import HostClock, host_time
from api.adapters.oidc import Client, Provider, ProviderUnready
from api.settings import Settings

ADA = "ada.martin@lille.example"
AGAIN_ONLY = "old-auth-time"
OTHER_SECRET = SECRET[::-1]


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    made = ProviderProcess(free_port(), tmp_path_factory.mktemp("provider")).wait()
    yield made
    made.end()


@pytest.fixture(scope="module")
def bench(tmp_path_factory, provider):
    made = Bench(tmp_path_factory.mktemp("bench"), clock=HostClock(250), **provider.settings())
    made.platform.now = host_time
    at = invited(made, COMPANY, "CY", ADA)
    ada = Reader(made)
    back = provider.authorize(ada.get(the_link(ada, at)).headers["location"])
    assert ada.get(back).headers["location"] == "/account"
    yield made
    made.close()


@pytest.fixture(autouse=True)
def honest(provider):
    provider.be()
    yield
    provider.be()


def the_link(reader: Reader, at: str) -> str:
    """Return the link of an invitation's page to the provider."""
    link = re.search(rf'href="({re.escape(at)}/oidc[^"]*)"', reader.get(at).text)
    assert link is not None
    return link[1]


def test_another_site_sends_nobody_to_be_bound(bench: Bench) -> None:
    at = invited(bench, COMPANY, "CY", "fourth@else.example")
    reader = Reader(bench)
    link = the_link(reader, at)
    assert reader.get(link).status_code == 303
    for stranger in (Reader(bench), reader):
        for wrong in (f"{at}/oidc", f"{at}/oidc?csrf={'0' * 64}"):
            assert stranger.get(wrong).status_code == 403
    assert Reader(bench).get(link).status_code == 403, "the link of another browser"


def came_back(bench: Bench, provider: ProviderProcess) -> tuple[Reader, str]:
    reader = Reader(bench)
    sent = reader.get("/login/oidc?next=/ledger")
    assert sent.status_code == 303, sent.text
    return reader, provider.authorize(sent.headers["location"])


def test_a_bound_identity_comes_in_and_leaves_both_sessions(bench: Bench, provider) -> None:
    reader, back = came_back(bench, provider)
    answer = reader.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ledger")
    assert reader.get("/api/v1/me").json()["org"] == COMPANY
    out = reader.send("/account", "/logout")
    away = urlsplit(out.headers["refresh"].removeprefix("0;url="))
    asked = parse_qs(away.query)
    assert asked["id_token_hint"][0].count(".") == 2
    assert asked["post_logout_redirect_uri"] == ["http://localhost:8400/login"]
    assert reader.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != AGAIN_ONLY])
def test_each_lie_of_a_provider_is_refused(bench: Bench, provider, mode: str) -> None:
    provider.be(mode)
    reader, back = came_back(bench, provider)
    answer = reader.get(back)
    assert answer.status_code == 403, answer.text
    assert "login.provider-refused" in answer.text
    assert reader.cookie is None
    # control: the same browser, with the truth, comes in
    provider.be()
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 303


def test_an_answer_serves_once_and_only_the_browser_that_asked(bench: Bench, provider) -> None:
    reader, back = came_back(bench, provider)
    stranger = Reader(bench)
    assert stranger.get(back).status_code == 403
    kept = reader.http.cookies.get("pli-login")
    assert reader.get(back).status_code == 303
    replayed = Reader(bench)
    replayed.http.cookies.set("pli-login", kept)
    assert replayed.get(back).status_code == 403
    # the code itself is worth nothing the second time
    other = Reader(bench)
    sent = other.get("/login/oidc").headers["location"]
    state = parse_qs(urlsplit(sent).query)["state"][0]
    code = parse_qs(urlsplit(back).query)["code"][0]
    spent = other.get(f"/login/oidc/return?code={code}&state={state}")
    assert (spent.status_code, "login.provider-refused" in spent.text) == (403, True)


def test_the_same_address_binds_nobody(bench: Bench, provider) -> None:
    """The provider's person has an e-mail address too; an account under it stays closed to them."""
    joined(bench, COMPANY, "CY", "someone@else.example")
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 303
    assert "ada.martin" in reader.get("/account").text
    # the identity is bound already: a second invitation cannot take it over
    at = invited(bench, COMPANY, "CY", "third@else.example")
    taker = Reader(bench)
    taken = taker.get(provider.authorize(taker.get(the_link(taker, at)).headers["location"]))
    assert taken.status_code == 409
    assert Reader(bench).get(at).status_code == 200, "the invitation is not used up"


def test_a_new_proof_asks_the_provider_to_ask_again(bench: Bench, provider) -> None:
    reader, back = came_back(bench, provider)
    reader.get(back)
    sent = reader.get("/login/again/oidc?next=/account").headers["location"]
    assert parse_qs(urlsplit(sent).query)["prompt"] == ["login"]
    old = reader.cookie
    assert reader.get(provider.authorize(sent)).status_code == 303
    assert reader.cookie != old
    provider.be(AGAIN_ONLY)
    sent = reader.get("/login/again/oidc").headers["location"]
    assert reader.get(provider.authorize(sent)).status_code == 403
    # another person's proof is none
    bob = joined(bench, COMPANY, "CY", "bob@else.example")
    provider.be()
    sent = bob.get("/login/again/oidc").headers["location"]
    assert bob.get(provider.authorize(sent)).status_code == 403


def test_keys_and_secret_of_the_provider_rotate(bench: Bench, provider) -> None:
    late = host_time()
    entrance = bench.app.state.entrance
    entrance.provider = Provider(entrance.provider.client, lambda: late)
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 303
    provider.be(rotate=True)
    late += timedelta(minutes=2)
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 303, "an unknown key is asked for"
    provider.be(rotate=True)
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 403, "once a minute at most"
    late += timedelta(minutes=2)
    provider.be(secret=OTHER_SECRET)
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 403
    provider.keep_secret(OTHER_SECRET)
    reader, back = came_back(bench, provider)
    assert reader.get(back).status_code == 303, "the file is read at each login"


def test_settings_that_lack_something_say_what(tmp_path, provider) -> None:
    good = provider.settings()
    assert Client.of(Settings(**good)).issuer == provider.issuer
    for change, word in (
        ({"oidc_issuer": "http://id.example"}, "PLI_OIDC_ISSUER"),
        ({"oidc_client_id": None}, "PLI_OIDC_CLIENT_ID"),
        ({"oidc_client_secret_file": None}, "PLI_OIDC_CLIENT_SECRET_FILE"),
    ):
        with pytest.raises(ProviderUnready, match=word):
            Client.of(Settings(**good | change))
