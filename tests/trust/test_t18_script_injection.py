"""T18: no text that people fill in becomes an element or an attribute of any page.

Two consultations of one shape, one whose every text is hostile: their pages must parse to the same
elements with the same attributes. The control renders the same pages without escaping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from doubles.bench import BUYER, SOON, Bench
from doubles.hostile_texts import PAYLOADS, Structure
from doubles.in_process import Client
from doubles.pages import page_routes
from doubles.proofs import Proof
from starlette.routing import Route

import api.web.rendering
from api.pages import build

REFUSED = ["<img \x00src=x onerror=alert(1)>", "\u202e<script>"]
NAMES = [text.replace("/", "⁄").replace("\\", "⧵") for text in PAYLOADS]


FORM_HEAD = "--x\r\nContent-Disposition: form-data; name=text\r\n\r\n"


@dataclass
class Two:
    """One hostile and one plain consultation of the same shape, and the pages over them."""

    bench: Bench
    pages: Client


def plain(number: int) -> str:
    return f"Texte ordinaire {number}"


def texts(*, hostile: bool) -> list[str]:
    return PAYLOADS if hostile else [plain(number) for number in range(len(PAYLOADS))]


def joined(rows: list[str]) -> str:
    return " ".join(rows)[:3_900]


def consultation(bench: Bench, name: str, *, hostile: bool) -> None:
    """Fill every text of a consultation, from its draft to its opening."""
    rows = texts(hostile=hostile)
    at, buyer = f"/api/v1/consultations/{name}", bench.tokens.buyer
    form = {
        "id": name,
        "reference": rows[0],
        "object": joined(rows),
        "nature": "WORKS",
        "procedure": "ADAPTED",
        "cpv": "45261910",
        "place": "FRE11",
        "estimated_cents": 9_000_000,
    }
    bench.done("/api/v1/consultations", buyer, form)
    for number, title in enumerate(rows, 1):
        lot = {"lot": f"{number:03}", "title": title, "estimated_cents": 1_000}
        bench.done(f"{at}/lots", buyer, lot)
    weights = [10_000 - 100 * (len(rows) - 1), *[100] * (len(rows) - 1)]
    criteria = [{"name": text, "weight_bp": bp} for text, bp in zip(rows, weights, strict=True)]
    form = {"criteria": criteria, "price_formula": "PROPORTIONAL"}
    bench.done(f"{at}/criteria", buyer, form)
    bench.done(f"{at}/limits", buyer, {"max_file": 5_000_000, "formats": rows})
    bench.done(f"{at}/deposit-policy", buyer, {"complements": "ALL", "paper_exceptions": rows})
    hours = {"questions_until": {"local": bench.deadline}, "deadline": {"local": bench.deadline}}
    bench.done(f"{at}/calendar", buyer, hours)
    named = NAMES if hostile else [f"piece {number}.pdf" for number in range(len(rows))]
    put = bench.http.put(
        f"{at}/dossier/files/{quote(named[0], safe='')}",
        content=b"%PDF",
        headers={"Authorization": f"Bearer {buyer}"},
    )
    files = [{"name": each, "sha256": put.json()["sha256"]} for each in named]
    bench.done(f"{at}/dossier", buyer, {"files": files})
    bench.done(f"{at}/ceremony", buyer)
    bench.done(f"{at}/canary", buyer)
    bench.done(f"{at}/publication", buyer, {"notice_ids": rows})
    reason = {"reason": joined(rows)}
    later = {"deadline": {"local": "2026-11-12T13:00"}, "triggered_by": rows[0]}
    bench.done(f"{at}/extensions", buyer, later | reason)
    bench.done(f"{at}/corrections/limits", buyer, {"max_file": 6_000_000} | reason)
    correction = {"files": files, "importance": "MINOR"}
    bench.done(f"{at}/dossier/corrections", buyer, correction | reason)
    bench.done(f"{at}/suspensions", buyer, reason)
    bench.done(f"{at}/resumptions", buyer, {"deadline": {"local": "2026-11-12T14:00"}})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    bench = Bench(tmp_path_factory.mktemp("script"))
    for siret, name in ((BUYER, joined(PAYLOADS)[:290]),):
        form = {"siret": siret, "name": name, "buyer_kind": "COMMUNE"}
        bench.done("/api/v1/buyers", bench.tokens.admin, form)
    consultation(bench, "hostile", hostile=True)
    consultation(bench, "plain", hostile=False)
    bench.forward(SOON)
    for name in ("hostile", "plain"):
        at = f"/api/v1/openings/{name}/001"
        members = PAYLOADS if name == "hostile" else [plain(n) for n in range(len(PAYLOADS))]
        bench.done(f"{at}/convocation", bench.tokens.buyer, {"members": members})
        for member in members[:2]:
            bench.done(f"{at}/presences", bench.tokens.buyer, {"member": member})
    bench.platform.views.catch_up()
    yield Two(
        bench,
        Client(build(bench.platform, bench.app.state.entrance)),
    )
    bench.close()


def addresses(two: Two) -> list[str]:
    """Return the address of each page about a consultation, with NAME in its place."""
    pages = page_routes(build(two.bench.platform, two.bench.app.state.entrance))
    paths = [page.path for page in pages if isinstance(page, Route)]
    found = [path for path in paths if path.startswith(("/consultations/", "/openings/"))]
    named = [path.replace("{consultation}", "{name}").replace("{lot}", "001") for path in found]
    return [path.replace("{name}", "NAME") for path in named]


def structures(pages: Client, path: str, **headers: str) -> tuple[Structure, Structure]:
    found = []
    for name in ("hostile", "plain"):
        answer = pages.get(path.replace("NAME", name), headers=headers)
        assert answer.status_code == 200, (path, answer.status_code)
        found.append(Structure(answer.text))
    return found[0], found[1]


def test_no_text_becomes_an_element_or_an_attribute(two: Two, proof: Proof) -> None:
    assert len(PAYLOADS) >= 50
    pages = addresses(two)
    assert len(pages) >= 3, pages
    shown = ""
    for path in pages:
        for language in ("fr", "en"):
            hostile, ordinary = structures(two.pages, path, **{"Accept-Language": language})
            assert hostile.elements == ordinary.elements, path
            assert hostile.dangerous == ordinary.dangerous == [], path
            shown += "".join(hostile.texts)
    assert not [text for text in PAYLOADS if text not in shown], "a text that no page shows"
    proof("T18", f"{len(PAYLOADS)} payloads x every text field, {2 * len(pages)} pages, 0 elements")


def test_pages_about_nothing_show_nothing_of_what_was_asked(two: Two) -> None:
    for path in ("/", "/ledger", "/receipt", "/accessibility"):
        assert Structure(two.pages.get(path).text).dangerous == []
    lists = Structure(two.pages.get("/").text)
    known = {tag for tag, _ in Structure(two.pages.get("/consultations/plain").text).elements}
    assert {tag for tag, _ in lists.elements} <= known | {
        "article",
        "button",
        "form",
        "input",
        "label",
        "option",
        "select",
    }
    absent = Structure(two.pages.get("/nothing").text).elements
    for text in PAYLOADS:
        asked = quote(text, safe="")
        for path in (f"/consultations/{asked}", f"/problems/{asked}", f"/nothing?lang={asked}"):
            answer = two.pages.get(path)
            assert Structure(answer.text).elements == absent, path
        sent = two.pages.post(
            "/receipt",
            content=f"{FORM_HEAD}{text}\r\n--x--".encode(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert Structure(sent.text).dangerous == [], text


def test_data_that_holds_them_is_never_taken_for_a_page(two: Two) -> None:
    for path in ("", "/dossier", "/kit", "/dossier/files/nothing"):
        answer = two.bench.get(f"/api/v1/consultations/hostile{path}")
        assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
    for text in PAYLOADS[:3]:
        answer = two.bench.post("/api/v1/buyers", two.bench.tokens.admin, {text: text})
        assert answer.status_code == 422
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("text", REFUSED)
def test_signs_that_hide_or_turn_are_refused_before(two: Two, text: str) -> None:
    form = {"siret": "21590350100017", "name": text, "buyer_kind": "COMMUNE"}
    assert two.bench.post("/api/v1/buyers", two.bench.tokens.admin, form).status_code == 422


def test_the_control_without_escaping_is_seen(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    made = api.web.rendering.environment

    def careless(*given: Any) -> Any:
        found = made(*given)
        found.autoescape = False
        found.bytecode_cache = None  # what was compiled with care is no part of the control
        return found

    monkeypatch.setattr(api.web.rendering, "environment", careless)
    pages = Client(build(two.bench.platform, two.bench.app.state.entrance))
    hostile, ordinary = structures(pages, "/consultations/NAME")
    assert hostile.elements != ordinary.elements
    assert len(hostile.dangerous) > 10
