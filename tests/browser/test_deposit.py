"""Deposits in a real browser: broken lines, a closed tab, rehearsal, a late bid; no name leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from doubles.bench import COMPANY, SOON, Bench
from doubles.line import Line, written
from doubles.ports import free_port
from doubles.reader import PASSWORD, invited
from doubles.serving import RULES, listening
from doubles.sizes import sized
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
MIB = 1_048_576
LIMITS = {"max_file": 400_000_000, "max_total": 500_000_000}
WORD = "zetalambda"
NAMES = [f"mémoire {WORD} technique.pdf", f"{WORD}-prix.xlsx", f"plan/{WORD}.bin"]
SENT = "[data-part=receipt] [data-fact=commitment]"


@dataclass
class Place:
    """A platform behind a line that hears what is sent, and the company's person at a browser."""

    bench: Bench
    line: Line
    address: str

    def enter(self, page: Page, name: str) -> None:
        path = invited(self.bench, COMPANY, "CY", f"{name}@nord.example", "Ada Martin")
        page.goto(self.address + path)
        page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("a[href='/account']").wait_for()

    def begin(self, page: Page, consultation: str) -> None:
        self.bench.platform.views.catch_up()
        page.goto(f"{self.address}/consultations/{consultation}/deposit")
        page.locator("[data-part=begin]:enabled").wait_for()

    def policy(self, folder: Path) -> Path:
        path = folder / "policy-log.txt"
        path.write_text(self.bench.platform.policies["policy-log.txt"])
        return path


@contextmanager
def placed(folder: Path) -> Iterator[Place]:
    near, far = free_port(), free_port()
    bench = Bench(folder, port=near)
    bench.register()
    bench.publish("lille-tard", **LIMITS)
    line = Line(near, far, {WORD})
    with listening(bench, far):
        yield Place(bench, line, f"http://localhost:{near}")
    line.close()
    bench.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(tmp_path_factory.mktemp("deposit")) as made:
        yield made


@pytest.fixture(autouse=True)
def mended(place: Place) -> Iterator[None]:
    """Let no test find the line that another one left cut."""
    yield
    place.line.mend()


@contextmanager
def reading(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    chosen = {"locale": "fr", "viewport": {"width": 1180, "height": 900}} | options
    context = browser.new_context(reduced_motion="reduce", accept_downloads=True, **chosen)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page, said
    context.close()


def documents(folder: Path, size: int) -> list[Path]:
    """Write documents whose names say something that must not leave; one is large."""
    draw = Random(7)
    made = []
    for name, content in zip(
        NAMES,
        (b"%PDF-1.7 memoire\n%%EOF\n", b"no archive", draw.randbytes(size)),
        strict=True,
    ):
        path = folder / Path(name).name
        path.write_bytes(content)
        made.append(path)
    return made


def downloaded(page: Page, which: str, folder: Path) -> Path:
    with page.expect_download() as coming:
        page.locator(f"a[data-file={which}]").click()
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def verdict(receipt: Path, policy: Path, *beside: str | Path) -> dict[str, Any]:
    """Judge a receipt as anybody may: one file, no network."""
    verifier = ROOT / "replay" / "verifier.py"
    command = [sys.executable, "-I", "-S", verifier, "receipt", receipt, "--policy", policy]
    done = subprocess.run(
        [*command, *beside, "--json"], capture_output=True, text=True, check=False
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def kept(page: Page) -> list[dict[str, Any]]:
    """Return the keys of every record that the browser keeps."""
    found: list[dict[str, Any]] = page.evaluate(
        """() => new Promise((resolve) => {
          const opening = indexedDB.open("pli", 1);
          opening.onsuccess = () => {
            const all = opening.result.transaction("deposits").objectStore("deposits").getAll();
            all.onsuccess = () => resolve(all.result.map((one) =>
              ({ keys: Object.keys(one), sending: Object.keys(one.sending ?? {}) })));
          };
        })"""
    )
    return found


def test_every_way_to_write_a_word_is_heard() -> None:
    marks = written(WORD)
    assert len(marks) == 7
    for before in ("", "a", "bc"):
        text = base64.b64encode(f"{before}{WORD}-tail".encode())
        assert any(mark in text for mark in marks), before


def chosen(page: Page, folder: Path, name: str = "offre.pdf", content: bytes = b"") -> Path:
    path = folder / name
    path.write_bytes(content or b"%PDF-1.7 offre\n%%EOF\n")
    page.set_input_files("input[name=files]", path)
    return path


def test_a_rehearsal_goes_the_same_way_and_is_never_a_bid(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    place.bench.publish("lille-essai", **LIMITS)
    with reading(browser) as (page, said):
        place.enter(page, "essai")
        place.begin(page, "lille-essai")
        page.get_by_label("une répétition").check()
        chosen(page, tmp_path)
        page.get_by_role("button", name="Sceller et envoyer").click()
        expect(page.locator("[data-part=outcome]")).to_have_text(
            "Répétition réussie, accusé de réception vérifié"
        )
        expect(page.locator("[data-when=rehearsal]")).to_be_visible()
        expect(page.locator("[data-when=late]")).to_be_hidden()
        receipt = downloaded(page, "receipt", tmp_path)
        deposit = page.locator("[data-fact=deposit]").inner_text()
        page.reload()
        page.get_by_role("button", name="Voir l'accusé").click()
        expect(page.locator("[data-fact=deposit]")).to_have_text(deposit)
        assert said == []
    said_of = verdict(receipt, place.policy(tmp_path))
    assert (said_of["verdict"], said_of["kind"]) == ("proven", "TransmissionCompleted")


def test_a_backup_copy_goes_the_same_way_and_is_no_deposit(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    place.bench.publish("lille-copie", **LIMITS)
    with reading(browser) as (page, said):
        place.enter(page, "copie")
        place.begin(page, "lille-copie")
        page.get_by_label("une copie de sauvegarde").check()
        chosen(page, tmp_path)
        page.get_by_role("button", name="Sceller et envoyer").click()
        expect(page.locator("[data-part=outcome]")).to_have_text(
            "Copie de sauvegarde reçue, accusé de réception vérifié"
        )
        expect(page.locator("[data-when=backup]")).to_be_visible()
        receipt = downloaded(page, "receipt", tmp_path)
        assert said == []
    said_of = verdict(receipt, place.policy(tmp_path))
    assert (said_of["verdict"], said_of["kind"]) == ("proven", "BackupCopyReceived")
    assert not place.bench.platform.index.deposits("lille-copie")


def test_a_document_that_changed_never_leaves(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    place.bench.publish("lille-change", **LIMITS)
    with reading(browser) as (page, _):
        place.enter(page, "change")
        place.begin(page, "lille-change")
        content = Random(8).randbytes(6 * MIB)
        path = chosen(page, tmp_path, "offre.bin", content)
        place.line.cut_after(2 * MIB)
        page.get_by_role("button", name="Sceller et envoyer").click()
        page.locator("[data-part=waiting]").wait_for(state="visible")
        # the first page is gone before the line is whole: it would send on by itself
        page.goto("about:blank")
        place.line.mend()
        page.goto(f"{place.address}/consultations/lille-change/deposit")
        before = place.line.sent
        page.get_by_role("button", name="Reprendre l'envoi").click()
        chosen(page, tmp_path, path.name, bytes(5 * MIB) + content[5 * MIB :])
        page.get_by_role("button", name="Reprendre l'envoi", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("rien n'en est parti")
        assert place.line.sent - before < MIB, "no chunk of the changed document left"
        page.set_input_files("input[name=files]", [])
        chosen(page, tmp_path, path.name, content)
        page.get_by_role("button", name="Reprendre l'envoi", exact=True).click()
        expect(page.locator("[data-part=outcome]")).to_contain_text("Pli reçu")


def test_what_looks_wrong_is_said_before_anything_is_sealed(
    browser: Browser, place: Place, tmp_path: Path, album: Path
) -> None:
    place.bench.publish("lille-lots", lots=2, **LIMITS)
    place.bench.publish("lille-voisine", **LIMITS)
    with reading(browser) as (page, said):
        place.enter(page, "lots")
        place.begin(page, "lille-lots")
        expect(page.locator("[data-part=sibling]")).to_be_hidden()
        page.goto(f"{place.address}/consultations/lille-voisine")
        with page.expect_download():
            page.locator("[data-dossier] a").first.click()
        place.begin(page, "lille-lots")
        expect(page.locator("[data-part=sibling]")).to_contain_text("celui de REF-lille-voisine")
        page.get_by_role("button", name="Sceller et envoyer").click()
        expect(page.get_by_role("alert")).to_have_text("Choisissez un lot.")
        for name, content, told in (
            ("prix.zip", b"no archive", "Cette archive paraît abîmée"),
            ("plan.pdf", b"%PDF-1.7 cut short", "Ce PDF paraît abîmé"),
            ("vide.txt", b"", "Ce fichier est vide"),
            ("DC1 signé.pdf", b"%PDF-1.7\n%%EOF", "pièce de candidature"),
        ):
            path = tmp_path / name
            path.write_bytes(content)
            page.set_input_files("input[name=files]", path)
            row = page.locator("[data-part=documents] > li", has_text=name)
            expect(row.locator(".note")).to_contain_text(told)
        page.get_by_label("Contenu du pli").select_option("APPLICATION")
        assert page.locator("input[name=lot][type=checkbox]").count() == 2
        row = page.locator("[data-part=documents] > li", has_text="DC1")
        expect(row.locator(".note")).to_have_count(0)
        page.get_by_role("button", name="Retirer : vide.txt").click()
        expect(page.locator("[data-part=documents] > li")).to_have_count(3)
        page.screenshot(path=album / "deposit-findings.png", full_page=True)
        page.get_by_label("Lot 1", exact=False).check()
        page.get_by_role("button", name="Sceller et envoyer").click()
        expect(page.locator("[data-part=outcome]")).to_contain_text("Pli reçu")
        assert said == []
    kinds = {row.kind: row for row in place.bench.platform.ledger.read(0, 10_000)}
    assert b'"downloaded":"lille-voisine"' in kinds["DrawerMismatchWarned"].entry
    assert b'"worst":"UNREADABLE"' in kinds["ReadabilityChecked"].entry


@pytest.mark.parametrize(("language", "scheme"), [("fr", "light"), ("en", "dark")])
def test_by_keyboard_alone_and_with_no_rule_of_accessibility_broken(
    browser: Browser, place: Place, tmp_path: Path, album: Path, language: str, scheme: str
) -> None:
    name = f"lille-{language}"
    place.bench.publish(name, **LIMITS)
    start, again = {
        "fr": ("Sceller et envoyer", "Faire un autre dépôt"),
        "en": ("Seal and send", "Make another deposit"),
    }[language]
    with reading(browser, color_scheme=scheme) as (page, said):
        place.enter(page, f"clavier-{language}")
        place.begin(page, f"{name}")
        page.goto(f"{page.url}?lang={language}")
        page.locator("[data-part=begin]:enabled").wait_for()
        chosen(page, tmp_path, "offre à moi.pdf")
        broken = [Axe().run(page, options=RULES)]
        photographed(page, album / f"deposit-form-{language}-{scheme}")
        page.locator("input[name=purpose]").first.focus()
        reached = []
        while (at := page.locator(":focus")).inner_text() != start:
            reached.append(at.get_attribute("name"))
            page.keyboard.press("Tab")
        assert {"purpose", "kind", "intent", "lot", "files", "folder"} <= set(reached)
        page.keyboard.press("Enter")
        page.get_by_role("button", name=again).wait_for()
        expect(page.locator("[data-part=receipt-title]")).to_be_focused()
        broken.append(Axe().run(page, options=RULES))
        photographed(page, album / f"deposit-receipt-{language}-{scheme}")
        assert said == []
    found = [one.generate_report() for one in broken if one.violations_count]
    assert not found, "\n".join(found)


def photographed(page: Page, path: Path) -> None:
    for width in (360, 1180):
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=f"{path}-{width}.png", full_page=True)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_without_a_script_the_page_says_how_to_seal(browser: Browser, place: Place) -> None:
    place.bench.publish("lille-sans", **LIMITS)
    place.bench.platform.views.catch_up()
    with reading(browser, java_script_enabled=False) as (page, _):
        page.goto(f"{place.address}/consultations/lille-sans/deposit")
        expect(page.get_by_text("pli seal --kit")).to_be_visible()
        expect(page.locator("form")).to_have_count(0)
        place.enter(page, "sans")
        page.goto(f"{place.address}/consultations/lille-sans/deposit")
        expect(page.get_by_text("Sceller demande un script")).to_be_visible()
        expect(page.get_by_text("pli seal --kit")).to_be_visible()
        expect(page.locator("[data-part=deposit]")).to_be_hidden()


def test_only_the_worker_may_compile(place: Place) -> None:
    static = ROOT / "api" / "web" / "static"
    with_word = {
        path.name
        for path in static.glob("*.js")
        if "wasm-unsafe-eval"
        in place.bench.get(f"/static/{path.name}").headers["content-security-policy"]
    }
    assert len(with_word) == 1
    assert next(iter(with_word)).startswith("seal-worker-")


# The deadline of all consultations passes from here on.
def test_a_large_deposit_over_a_line_cut_twice_and_a_tab_closed_once(
    browser: Browser, place: Place, tmp_path: Path
) -> None:
    size = sized(push=24, full=200, night=200) * MIB
    bench, line = place.bench, place.line
    bench.publish("lille-grand", **LIMITS)
    files = documents(tmp_path, size)
    with reading(browser) as (page, said):
        place.enter(page, "grand")
        place.begin(page, "lille-grand")
        page.set_input_files("input[name=files]", files)
        expect(page.locator("[data-part=documents] > li")).to_have_count(3)
        start = line.sent
        line.cut_after(size // 4)
        page.get_by_role("button", name="Sceller et envoyer").click()
        for again in (True, False):
            assert line.cut.wait(120), "enough was sent for the line to be cut"
            page.locator("[data-part=waiting]").wait_for(state="visible")
            assert kept(page)[0]["sending"], "K and the leaves wait for the receipt"
            if again:
                line.cut_after(size // 4)
            line.mend()
        page.reload()
        page.get_by_role("button", name="Reprendre l'envoi").click()
        page.set_input_files("input[name=files]", files)
        page.get_by_role("button", name="Reprendre l'envoi", exact=True).click()
        expect(page.locator("[data-part=outcome]")).to_have_text(
            "Pli reçu, accusé de réception vérifié", timeout=120_000
        )
        assert line.sent - start < size * 1.4, "what had arrived was not sent again"
        assert [one["sending"] for one in kept(page)] == [[]], "no key stays behind"
        receipt = downloaded(page, "receipt", tmp_path)
        pieces = downloaded(page, "pieces", tmp_path)
        shown = page.locator("[data-part=receipt]").inner_text()
        deposit = page.locator("[data-fact=deposit]").inner_text()
        assert line.heard == set(), "the name of a document was sent"
        assert [text for text in said if "ERR_" not in text] == []
        page.evaluate(f"fetch('/receipt', {{ method: 'POST', body: btoa('x{WORD}') }})")
        page.evaluate("fetch('/receipt')")
        assert line.heard == {WORD}, "a planted leak is heard"
    line.heard.clear()
    assert verdict(receipt, place.policy(tmp_path), "--pieces", pieces)["verdict"] == "proven"
    changed = tmp_path / "changed.json"
    changed.write_bytes(pieces.read_bytes().replace(b"prix", b"pris"))
    assert verdict(receipt, place.policy(tmp_path), "--pieces", changed)["verdict"] == "refused"
    for word in ("Travaux du Nord", "Ville de Lille", "REF-lille-grand", *(f.name for f in files)):
        assert word in shown
    opened(bench, "lille-grand", deposit, files)


def opened(bench: Bench, consultation: str, deposit: str, files: list[Path]) -> None:
    """What a browser sealed, the custodians open, document by document."""
    bench.forward(SOON)
    opening = bench.attend(consultation)
    assert bench.done(f"{opening}/plan", bench.tokens.buyer)["plan"]["open"] == [deposit]
    found = bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    assert found["outcomes"][0]["event"] == "EnvelopeOpened"
    at = f"{opening}/envelopes/{deposit}/documents"
    rows = bench.get(at, bench.tokens.buyer).json()["documents"]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert {row["name"]: row["sha256"] for row in rows} == digests


def test_a_deposit_after_the_deadline_is_received_and_told_so(
    browser: Browser, place: Place, tmp_path: Path, album: Path
) -> None:
    place.bench.forward(SOON)
    with reading(browser) as (page, said):
        place.enter(page, "tard")
        place.begin(page, "lille-tard")
        expect(page.get_by_text("La date limite est passée")).to_be_visible()
        chosen(page, tmp_path)
        page.get_by_role("button", name="Sceller et envoyer").click()
        expect(page.locator("[data-part=outcome]")).to_contain_text("hors délai")
        expect(page.locator("[data-when=late]")).to_be_visible()
        page.screenshot(path=album / "deposit-late.png", full_page=True)
        receipt, pieces = (downloaded(page, one, tmp_path) for one in ("receipt", "pieces"))
        assert said == []
    assert verdict(receipt, place.policy(tmp_path), "--pieces", pieces)["verdict"] == "proven"
