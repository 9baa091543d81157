"""Every page, light and dark, French and English: accessible, quiet, usable without a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from doubles.pages import Served
from doubles.sizes import sized
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

LOADED = datetime(2026, 3, 21, 9, 0, tzinfo=UTC)
OPENED = "/consultations/roubaix-menuiseries-2026"
OPEN = "/consultations/mel-balayage-2026"
PAGES = {
    "home": "/",
    "search": "/?q=rien+de+tel",
    "consultation": OPEN,
    "deposit": f"{OPEN}/deposit",
    "opened": OPENED,
    "minutes": f"{OPENED}/opening/1",
    "no-minutes": f"{OPENED}/opening/2",
    "history": f"{OPENED}/history",
    "receipt": "/receipt",
    "ledger": "/ledger",
    "accessibility": "/accessibility",
    "problem": "/problems/opening.too-early",
    "absent": "/nothing-here",
}
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "RGAAv4"],
    }
}


@contextmanager
def reading(
    browser: Browser, *, language: str = "fr", scheme: str = "light", script: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """Yield a page and the list of what its console or its policy complained about."""
    context = browser.new_context(
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
        viewport={"width": 1180, "height": 900},
        reduced_motion="reduce",
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    yield page, said
    context.close()


def visit(page: Page, served: Served, path: str) -> None:
    page.goto(served.address + path)
    page.wait_for_selector("html[data-js]", state="attached")


LOOKS = [("light", "fr"), ("dark", "en"), ("dark", "fr"), ("light", "en")]
LOOKS = LOOKS[: sized(push=2, full=4, night=4)]


@pytest.mark.parametrize(("scheme", "language"), LOOKS)
def test_no_page_breaks_a_rule_of_accessibility(
    browser: Browser, served: Served, album: Path, language: str, scheme: str
) -> None:
    found = {}
    with reading(browser, language=language, scheme=scheme) as (page, said):
        for name, path in PAGES.items():
            visit(page, served, path)
            assert page.locator("html").get_attribute("lang") == language
            page.screenshot(path=album / f"{name}-{language}-{scheme}.png", full_page=True)
            broken = Axe().run(page, options=RULES)
            if broken.violations_count:
                found[name] = broken.generate_report()
        expected = [text for text in said if "404" in text]
    assert not found, "\n".join(found.values())
    assert len(expected) == 1
    assert said == expected, "the console, the policy or a request complained"


def test_axe_would_find_a_defect(browser: Browser, served: Served) -> None:
    with reading(browser) as (page, _):
        visit(page, served, "/receipt")
        page.locator("label[for=file]").evaluate("label => label.remove()")
        assert Axe().run(page, options=RULES).violations_count


def test_the_policy_refuses_what_it_should(browser: Browser, served: Served) -> None:
    with reading(browser) as (page, said):
        visit(page, served, "/")
        page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
            " document.body.append(s); }"
        )
        assert page.evaluate("() => window.bad") is None
    assert any("Content Security Policy" in text for text in said)


def test_a_narrow_screen_never_scrolls_sideways(
    browser: Browser, served: Served, album: Path
) -> None:
    with reading(browser) as (page, _):
        page.set_viewport_size({"width": 360, "height": 740})
        for name, path in PAGES.items():
            visit(page, served, path)
            page.screenshot(path=album / f"{name}-narrow.png", full_page=True)
            width = page.evaluate("() => document.documentElement.scrollWidth")
            assert width <= 360, name


def test_every_page_says_the_same_without_a_script(browser: Browser, served: Served) -> None:
    with (
        reading(browser, script=False) as (plain, said),
        reading(browser) as (full, _),
    ):
        for path in PAGES.values():
            plain.goto(served.address + path)
            visit(full, served, path)
            assert plain.inner_text("main") == full.inner_text("main")
            assert plain.locator("[data-js]").count() == 0
    assert all("404" in text for text in said)


def test_a_keyboard_reaches_everything_and_sees_where_it_is(
    browser: Browser, served: Served
) -> None:
    with reading(browser) as (page, _):
        visit(page, served, OPEN)
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        visit(page, served, OPEN)
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if not focused.count():
                break
            style = focused.evaluate("e => getComputedStyle(e).outlineStyle")
            assert style != "none", focused.evaluate("e => e.outerHTML")
            reached.append(focused.evaluate("e => e.getAttribute('href') || e.tagName"))
        assert "/receipt" in reached
        assert f"/api/v1{OPEN}/kit" in reached
        assert any(address.endswith("CCTP.pdf") for address in reached)
        assert "/accessibility" in reached


def test_words_are_searched_by_keyboard_and_the_list_is_refreshed_in_place(
    browser: Browser, served: Served
) -> None:
    with reading(browser) as (page, said):
        visit(page, served, "/")
        page.evaluate("() => { window.kept = true; }")
        page.get_by_label("Mots cherchés").fill("ecole guesde")
        page.keyboard.press("Enter")
        expect(page.locator("#found .cards > li")).to_have_count(1)
        assert "ecole" in page.url
        assert page.evaluate("() => window.kept") is True
        page.get_by_label("État").select_option("OPEN")
        expect(page.locator("#found .cards > li")).to_have_count(0)
    assert said == []


def test_words_are_searched_without_a_script(browser: Browser, served: Served) -> None:
    with reading(browser, script=False) as (page, _):
        page.goto(served.address + "/")
        page.get_by_label("Mots cherchés").fill("balayage")
        page.keyboard.press("Enter")
        expect(page.locator("#found .cards > li")).to_have_count(1)


@pytest.mark.parametrize("script", [True, False])
def test_a_receipt_is_checked_from_a_file_or_a_pasted_text(
    browser: Browser, served: Served, album: Path, script: bool
) -> None:
    receipt = served.facts.receipt_of("DepositSealed")
    with reading(browser, script=script) as (page, said):
        page.goto(served.address + "/receipt")
        file = {"name": "a.tlog-proof", "mimeType": "text/plain", "buffer": receipt}
        page.get_by_label("Fichier .tlog-proof").set_input_files(files=[file])  # type: ignore[list-item]
        page.get_by_role("button", name="Vérifier").click()
        expect(page.locator("#verdict")).to_have_text("Cet accusé de réception est authentique")
        expect(page.locator(".verdict .steps > li")).to_have_count(5)
        expect(page.locator(".badge.proven")).to_have_count(5)
        page.screenshot(path=album / f"receipt-proven-{script}.png", full_page=True)
        page.get_by_label("ou son texte, collé ici").fill(receipt.decode().replace("\n", "\r\n"))
        page.get_by_role("button", name="Vérifier").click()
        expect(page.locator(".badge.proven")).to_have_count(5)
        text = receipt.decode()
        broken = text.replace("index 1", "index 2") if "index 1" in text else text.upper()
        page.get_by_label("ou son texte, collé ici").fill(broken)
        page.get_by_role("button", name="Vérifier").click()
        expect(page.locator("#verdict")).to_contain_text("n'est pas prouvé")
        expect(page.locator(".badge.bad")).to_have_count(1)
        assert not Axe().run(page, options=RULES).violations_count if script else True
        page.screenshot(path=album / f"receipt-refused-{script}.png", full_page=True)
    assert said == []


def test_the_countdown_speaks_politely_and_moves_by_the_minute(
    browser: Browser, served: Served
) -> None:
    with reading(browser) as (page, _):
        page.clock.install(time=LOADED)
        visit(page, served, OPEN)
        page.clock.pause_at(LOADED + timedelta(seconds=40))
        timer = page.get_by_role("timer")
        assert timer.get_attribute("aria-live") == "polite"
        assert timer.inner_text() == "Il reste 22 jours et 1 heure", "at most once a minute"
        page.clock.run_for(40_000)  # its minutes begin when the page was read, not at once
        assert timer.inner_text() == "Il reste 22 jours et 0 heure"
        page.clock.run_for(58 * 60_000)
        assert timer.inner_text() == "Il reste 22 jours et 0 heure"
        page.clock.run_for(2 * 60_000)
        assert timer.inner_text() == "Il reste 21 jours et 23 heures"


def test_the_last_day_is_counted_in_minutes_in_english(browser: Browser, served: Served) -> None:
    with reading(browser, language="en") as (page, _):
        page.clock.install(time=LOADED)
        visit(page, served, OPEN)
        page.clock.pause_at(LOADED + timedelta(seconds=40))
        timer = page.get_by_role("timer")
        assert timer.inner_text() == "22 days and 1 hour left"
        page.clock.fast_forward((528 * 60 + 57) * 60_000)
        page.clock.run_for(60_000)
        assert timer.inner_text() == "0 hours and 1 minute left"
        page.clock.run_for(60_000)
        assert timer.inner_text() == "Less than a minute left"
        page.clock.run_for(2 * 60_000)
        assert timer.inner_text() == "The deadline has passed"


def test_the_language_is_kept_once_chosen(browser: Browser, served: Served) -> None:
    with reading(browser) as (page, _):
        visit(page, served, "/ledger")
        page.get_by_role("link", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        visit(page, served, "/")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.get_by_role("link", name="Français").click()
        expect(page.locator("html")).to_have_attribute("lang", "fr")
