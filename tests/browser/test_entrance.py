"""The entrance in a real browser: password, passkey and identity provider; quiet and accessible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from doubles.bench import COMPANY, Bench
from doubles.oidc_provider import ProviderProcess
from doubles.ports import free_port
from doubles.reader import PASSWORD, invited
from doubles.serving import RULES, listening, reading
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from api.adapters.clock import HostClock, host_time

pytestmark = pytest.mark.browser

KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class Entrance:
    """A platform that listens, and where browsers find it."""

    bench: Bench
    address: str
    provider: ProviderProcess

    def invite(self, email: str, name: str = "Ada Martin") -> str:
        return self.address + invited(self.bench, COMPANY, "CY", email, name)


@pytest.fixture(scope="module")
def entrance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    provider = ProviderProcess(free_port(), tmp_path_factory.mktemp("provider")).wait()
    port = free_port()
    folder = tmp_path_factory.mktemp("entrance")
    bench = Bench(folder, clock=HostClock(250), port=port, **provider.settings())
    bench.platform.now = host_time
    with listening(bench, port):
        yield Entrance(bench, f"http://localhost:{port}", provider)
    bench.close()
    provider.end()


def with_key(context: BrowserContext, page: Page, **changed: object) -> tuple[CDPSession, str]:
    """Plug a virtual authenticator into the browser."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY | changed})
    return session, str(made["authenticatorId"])


def sign_in(page: Page, entrance: Entrance, email: str) -> None:
    page.goto(f"{entrance.address}/login")
    page.get_by_label("Adresse électronique").fill(email)
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_password_opens_the_account_with_and_without_a_script(
    browser: Browser, entrance: Entrance, script: bool
) -> None:
    email = f"password-{script}@lille.example"
    with reading(browser, java_script_enabled=script) as (page, said):
        page.goto(entrance.invite(email))
        page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
        page.get_by_role("button", name="Ouvrir mon compte").click()
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
        expect(page.get_by_role("navigation")).to_contain_text(f"Ada Martin entreprise · {COMPANY}")
        page.get_by_role("button", name="Me déconnecter").click()
        expect(page.get_by_role("heading", name="Se connecter")).to_be_visible()
        sign_in(page, entrance, email)
    assert said == []


def test_a_passkey_is_made_and_opens_the_account(
    browser: Browser, entrance: Entrance, album: Path
) -> None:
    with reading(browser) as (page, said):
        with_key(page.context, page)
        page.goto(entrance.invite("passkey@lille.example", "Bob Durand"))
        page.get_by_role("button", name="Créer une clé d'accès").click()
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
        page.get_by_role("button", name="Me déconnecter").click()
        page.get_by_role("button", name="Utiliser une clé d'accès").click()
        expect(page.get_by_role("navigation")).to_contain_text("Bob Durand")
        page.get_by_label("Nom de cette clé").fill("Deuxième clé")
        page.screenshot(path=album / "account-passkey.png", full_page=True)
        people = entrance.bench.platform.accounts.people
        person = people.by_email("passkey@lille.example")
        assert person is not None
        first = people.passkeys(person.person)[0].sign_count
        page.goto(f"{entrance.address}/login/again?next=/ledger")
        page.get_by_role("button", name="Utiliser une clé d'accès").click()
        expect(page).to_have_url(f"{entrance.address}/ledger")
        assert people.passkeys(person.person)[0].sign_count > first
        # nobody shuts themselves out
        page.goto(f"{entrance.address}/account")
        page.get_by_role("button", name="Supprimer la clé d'accès").click()
        expect(page.get_by_text("account.last-proof")).to_be_visible()
        # a copy of the key whose counter is behind is refused
        people.used_passkey(people.passkeys(person.person)[0].key_id, 10_000, host_time())
        page.goto(f"{entrance.address}/login/again")
        page.get_by_role("button", name="Utiliser une clé d'accès").click()
        expect(page.get_by_text("n'a pas répondu comme attendu")).to_be_visible()
    refused = [text for text in said if "403" in text or "409" in text]
    assert said == refused
    assert len(refused) == 2


def test_a_second_passkey_is_added_to_the_account(browser: Browser, entrance: Entrance) -> None:
    with reading(browser) as (page, said):
        page.goto(entrance.invite("second@lille.example"))
        page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
        page.get_by_role("button", name="Ouvrir mon compte").click()
        with_key(page.context, page)
        page.get_by_label("Nom de cette clé").fill("Clé du bureau")
        page.get_by_role("button", name="Créer une clé d'accès").click()
        expect(page.get_by_text("Clé d'accès « Clé du bureau »")).to_be_visible()
        page.get_by_role("button", name="Supprimer la clé d'accès Clé du bureau").click()
        expect(page.get_by_text("Clé du bureau")).to_have_count(0)
    assert said == []


def test_a_key_that_does_not_verify_its_person_opens_nothing(
    browser: Browser, entrance: Entrance
) -> None:
    with reading(browser) as (page, _):
        with_key(page.context, page, isUserVerified=False)
        page.goto(entrance.invite("unverified@lille.example"))
        page.get_by_role("button", name="Créer une clé d'accès").click()
        expect(page.get_by_text("n'a pas répondu comme attendu")).to_be_visible()
    assert entrance.bench.platform.accounts.people.by_email("unverified@lille.example") is None


def test_an_answer_given_to_another_origin_is_refused(browser: Browser, tmp_path: Path) -> None:
    """The page is at one port, the platform is known at another: one domain, two origins."""
    port = free_port()
    bench = Bench(tmp_path, clock=HostClock(250), port=port + 1)
    bench.platform.now = host_time
    with listening(bench, port), reading(browser) as (page, said):
        with_key(page.context, page)
        page.goto(f"http://localhost:{port}{invited(bench, COMPANY, 'CY', 'a@b.example')}")
        page.get_by_role("button", name="Créer une clé d'accès").click()
        expect(page.get_by_text("n'a pas répondu comme attendu")).to_be_visible()
        assert any("403" in text for text in said), "the platform refused it, not the browser"
        assert bench.platform.accounts.people.by_email("a@b.example") is None
    bench.close()


def test_the_identity_provider_opens_and_closes(browser: Browser, entrance: Entrance) -> None:
    with reading(browser) as (page, said):
        page.goto(entrance.invite("oidc@lille.example", "Chloé Petit"))
        page.get_by_role("button", name="Continuer avec le service d'identité").click()
        expect(page.get_by_role("navigation")).to_contain_text("Chloé Petit")
        page.get_by_role("button", name="Me déconnecter").click()
        expect(page).to_have_url(re.compile(f"^{re.escape(entrance.provider.issuer)}/session/end"))
        page.goto(f"{entrance.address}/login")
        page.get_by_role("button", name="Continuer avec le service d'identité").click()
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
    assert said == []


@pytest.mark.parametrize(("language", "scheme"), [("fr", "light"), ("en", "dark")])
def test_the_entrance_breaks_no_rule_of_accessibility(
    browser: Browser, entrance: Entrance, album: Path, language: str, scheme: str
) -> None:
    email = f"{language}-{scheme}@lille.example"
    found = {}
    with reading(browser, locale=language, color_scheme=scheme) as (page, said):
        for name, address in (
            ("invitation", entrance.invite(email)),
            ("login", f"{entrance.address}/login"),
            ("account", entrance.invite(email)),
            ("again", f"{entrance.address}/login/again"),
        ):
            page.goto(address)
            if name == "account":
                page.locator("#password").fill(PASSWORD)
                page.locator("form:not([data-passkey]) button[type=submit]").click()
                page.locator("input[name=scope-read]").wait_for()
                page.locator("form[action='/account/tokens'] button").click()
                page.locator("#shown").wait_for()
            for width in (360, 1180):
                page.set_viewport_size({"width": width, "height": 800})
                page.screenshot(
                    path=album / f"{name}-{language}-{scheme}-{width}.png", full_page=True
                )
                sideways = page.evaluate("() => document.documentElement.scrollWidth")
                assert sideways <= width, (name, sideways)
            broken = Axe().run(page, options=RULES)
            if broken.violations_count:
                found[name] = broken.generate_report()
    assert not found, "\n".join(found.values())
    assert said == []


def test_a_keyboard_signs_in(browser: Browser, entrance: Entrance) -> None:
    with reading(browser) as (page, _):
        page.goto(entrance.invite("keyboard@lille.example"))
        page.get_by_label("Nouveau mot de passe").focus()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
        page.get_by_role("button", name="Me déconnecter").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Adresse électronique").focus()
        page.keyboard.type("keyboard@lille.example")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
