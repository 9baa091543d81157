"""Administration in a real browser: by keyboard, without a script, narrow, dark, accessible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from doubles.bench import BUYER, OTHER_BUYER, Bench
from doubles.ports import free_port
from doubles.reader import PASSWORD, invited, officer
from doubles.serving import RULES, listening, reading
from playwright.sync_api import Browser, Page, expect

from api.adapters.clock import HostClock, host_time

pytestmark = pytest.mark.browser

HOME = "/administration"
HEALTH = "../health"
ADA = "ada@lille.example"


@dataclass
class Office:
    """A platform that listens, with one officer who has an account."""

    bench: Bench
    address: str


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    port = free_port()
    bench = Bench(tmp_path_factory.mktemp("office"), clock=HostClock(250), port=port)
    bench.platform.now = host_time
    form = {"siret": BUYER, "name": "Ville de Lille", "buyer_kind": "COMMUNE"}
    bench.done("/api/v1/buyers", bench.tokens.admin, form)
    with listening(bench, port):
        assert bench.platform.probing is not None
        bench.platform.probing.tick()  # so that the page of health has something to show
        yield Office(bench, f"http://localhost:{port}")
    bench.close()


def take_seat(page: Page, office: Office, email: str, name: str) -> None:
    host = officer(office.bench)
    page.goto(office.address + invited(office.bench, BUYER, "BU", email, name, host))
    page.locator("#password").fill(PASSWORD)
    page.locator("form:not([data-passkey]) button[type=submit]").click()
    page.wait_for_url("**/account")
    page.goto(office.address + HOME)


def test_a_keyboard_elects_delegates_and_asks_without_a_script(
    browser: Browser, office: Office, album: Path
) -> None:
    with reading(browser, java_script_enabled=False) as (page, said):
        take_seat(page, office, ADA, "Ada Martin")
        page.get_by_role("link", name="Inscrire l'élection").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Président").focus()
        seats = ["Ada Martin", *(f"Élu {one}" for one in range(1, 5)), ""]
        for text in seats:
            page.keyboard.insert_text(text)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("2 champs sont à corriger")
        page.screenshot(path=album / "administration-faults.png", full_page=True)
        page.get_by_role("link", name="Titulaire 5").focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{office.address}{HOME}/committee#titular-5")
        page.get_by_label("Titulaire 5").focus()
        page.keyboard.insert_text("Élu 5")
        page.get_by_label("Délibération").focus()
        page.keyboard.insert_text("Délibération 2026-12")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("inscrite au registre")
        expect(page.get_by_text("4 membres présents")).to_be_visible()
        page.get_by_role("link", name="Qui pouvait quoi").click()
        page.get_by_role("button", name="Répondre").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Ouvrir les plis").wait_for()
        page.screenshot(path=album / "administration-powers.png", full_page=True)
    assert [text for text in said if "422" not in text] == []


def fill_in(page: Page, office: Office, name: str) -> None:
    """Bring a page to the state in which it shows most."""
    if name == "departure":
        page.locator("#size").fill("16")
        page.locator("#root").fill("a" * 64)
    if name not in {"", "powers", "refusals", "copies", HEALTH}:
        page.locator("main form button").click()
        page.locator("[role=alert], #sure").first.wait_for()
    if name == "powers":
        page.locator("main form button").click()
        page.locator("#answer").wait_for()


@pytest.mark.parametrize(("language", "scheme"), [("fr", "light"), ("en", "dark")])
def test_no_page_of_administration_breaks_a_rule_of_accessibility(
    browser: Browser, office: Office, album: Path, language: str, scheme: str
) -> None:
    found = {}
    forms = ["committee", "departure", "evidence"]
    if language == "fr":
        forms += ["refusals", "roles", "delegations", "accesses", "invitations"]
        forms += ["copies", "late-deposits"]
    access = {"to": OTHER_BUYER, "until_on": "2099-12-31", "ground": "Contrôle"}
    office.bench.done(f"/api/v1/buyers/{BUYER}/accesses", office.bench.tokens.buyer, access)
    office.bench.get("/api/v1/buyers", office.bench.tokens.other)
    with reading(browser, locale=language, color_scheme=scheme) as (page, said):
        take_seat(page, office, f"{language}@lille.example", "Chloé Petit")
        for name in ("", "powers", HEALTH, *forms):
            page.goto(f"{office.address}{HOME}{'/' * bool(name)}{name}")
            fill_in(page, office, name)
            for width in (360, 1180):
                page.set_viewport_size({"width": width, "height": 800})
                page.screenshot(
                    path=album
                    / f"administration-{Path(name).name}-{language}-{scheme}-{width}.png",
                    full_page=True,
                )
                sideways = page.evaluate("() => document.documentElement.scrollWidth")
                assert sideways <= width, (name, sideways)
            broken = Axe().run(page, options=RULES)
            if broken.violations_count:
                found[name] = broken.generate_report()
        refused = [text for text in said if "422" in text]
    assert not found, "\n".join(found.values())
    assert said == refused, "nothing but the refusals was told"
