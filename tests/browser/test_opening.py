"""The opening in a real browser: refused on screen before its hour, then conducted by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from doubles.bench import BUYER, SOON, Bench
from doubles.ports import free_port
from doubles.reader import PASSWORD, invited, officer
from doubles.serving import RULES, listening, reading
from playwright.sync_api import Browser, Page, expect

from api.facts import facts

pytestmark = pytest.mark.browser

LOT = "/consultations/lille-1/opening/0"


@dataclass
class Office:
    """A platform that listens; its clock moves by hand."""

    bench: Bench
    address: str


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    port = free_port()
    bench = Bench(tmp_path, port=port)
    bench.register()
    bench.deposit(bench.seal(bench.publish()))
    bench.platform.views.catch_up()
    with listening(bench, port):
        yield Office(bench, f"http://localhost:{port}")
    bench.close()


def enter(page: Page, office: Office) -> None:
    host = officer(office.bench)
    page.goto(
        office.address + invited(office.bench, BUYER, "BU", "ada@lille.example", "Ada Martin", host)
    )
    page.locator("#password").fill(PASSWORD)
    page.locator("form:not([data-passkey]) button[type=submit]").click()
    page.wait_for_url("**/account")


def press(page: Page, name: str) -> None:
    """Reach a button by the keyboard alone and press it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent.trim()") == name:
            page.keyboard.press("Enter")
            return
    pytest.fail(f"no Tab leads to {name}")


def reach(page: Page, field: str) -> None:
    """Go to a field by the keyboard alone."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.id") == field:
            return
    pytest.fail(f"no Tab leads to {field}")


def kinds(office: Office) -> list[str]:
    return [fact.kind for fact in facts(office.bench.platform.ledger, "opening/lille-1.0")]


def test_before_the_hour_the_page_refuses_in_plain_words_without_a_script(
    browser: Browser, office: Office, album: Path
) -> None:
    with reading(browser, java_script_enabled=False) as (page, _):
        enter(page, office)
        page.goto(office.address + LOT)
        page.get_by_role("link", name="Conduire l'ouverture (acheteur)").click()
        expect(page.get_by_text("une demande faite plus tôt est refusée")).to_be_visible()
        page.get_by_role("button", name="Ouvrir les plis").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Trop tôt : aucun pli n'a été ouvert")
        expect(alert).to_contain_text(
            "Les plis ne s'ouvrent qu'après jeudi 12 novembre 2026 à 12:01"
        )
        expect(alert).to_contain_text("Votre demande est inscrite au registre")
        page.screenshot(path=album / "opening-too-early.png", full_page=True)
    (refused,) = facts(office.bench.platform.ledger, "opening/lille-1.0")
    assert refused.kind == "OpeningRefused"
    assert (refused.data["code"], refused.data["asked_by"]) == ("opening.too-early", "BU")


def test_a_keyboard_conducts_the_whole_opening(
    browser: Browser, office: Office, album: Path
) -> None:
    with reading(browser) as (page, said):
        office.bench.forward(SOON)
        enter(page, office)
        page.goto(f"{office.address}{LOT}/session")
        reach(page, "members")
        page.keyboard.type("Ada Martin\nBob Durand")
        press(page, "Convoquer")
        expect(page.get_by_role("status")).to_contain_text("La séance est convoquée.")
        for name in ("Ada Martin", "Bob Durand"):
            reach(page, "member")
            page.keyboard.type(name)
            press(page, "Constater")
            expect(page.get_by_role("status")).to_contain_text("La présence est constatée.")
        press(page, "Arrêter le plan")
        expect(page.get_by_role("status")).to_contain_text("Le plan d'ouverture est arrêté.")
        press(page, "Ouvrir les plis")
        expect(page.get_by_role("status")).to_contain_text("Les plis du plan ont été traités.")
        expect(page.get_by_text("Travaux du Nord")).to_be_visible()
        with page.expect_download() as kept:
            press(page, "offre.pdf")
        assert Path(kept.value.path()).read_bytes().startswith(b"%PDF-1.7")
        broken = Axe().run(page, options=RULES)
        assert not broken.violations_count, broken.generate_report()
        for width in (360, 1180):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=album / f"opening-done-{width}.png", full_page=True)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert said == []
    assert kinds(office)[-1] == "OpeningCompleted"
    assert kinds(office).count("PresenceRecorded") == 2


@pytest.mark.parametrize(("language", "scheme"), [("fr", "dark"), ("en", "light")])
def test_the_page_breaks_no_rule_of_accessibility(
    browser: Browser, office: Office, language: str, scheme: str
) -> None:
    with reading(browser, locale=language, color_scheme=scheme) as (page, said):
        enter(page, office)
        page.goto(f"{office.address}{LOT}/session")
        broken = Axe().run(page, options=RULES)
        assert not broken.violations_count, broken.generate_report()
        page.locator("form:has(input[value=open]) button").click()
        expect(page.get_by_role("alert")).to_be_visible()
        broken = Axe().run(page, options=RULES)
        assert not broken.violations_count, broken.generate_report()
        assert [text for text in said if "403" not in text] == []
