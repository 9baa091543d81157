"""T18: no text of a form of administration becomes an element or an attribute of a page.

Each payload is entered in every text field of every form, refused and shown again, and recorded
where the rules allow it; pages of plain texts must parse to the same elements and attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, Bench
from doubles.hostile_texts import PAYLOADS, Structure
from doubles.in_process import Client
from doubles.reader import Reader, joined, officer

import api.web.rendering
from api.pages import build
from api.sessions import forgery_token
from api.web.pages.administration import FORMS, HOME

FIELD = re.compile(r'<(?:input type="(?:text|email|date)"|textarea) name="([\w-]+)"')
DAY = "2026-11-02"
GROUPS = [" ".join(PAYLOADS[first : first + 4]) for first in range(0, len(PAYLOADS), 4)]


def plain(number: int) -> str:
    return f"Texte ordinaire {number}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("administration"))
    made.register()
    yield made
    made.close()


@pytest.fixture(scope="module")
def readers(bench: Bench) -> list[Reader]:
    """An officer of each of two buyers and somebody of a company; the first has a hostile name."""
    host = officer(bench)
    ada = joined(bench, BUYER, "BU", "ada@lille.example", PAYLOADS[0], host=host)
    carl = joined(bench, COMPANY, "CY", "carl@company.example", PAYLOADS[11])
    return [ada, carl]


def asked(reader: Reader, path: str) -> list[str]:
    page = reader.get(path)
    return FIELD.findall(page.text) if page.status_code == 200 else []


def sent(reader: Reader, path: str, fields: dict[str, str]) -> Structure:
    answer = reader.post(path, {"csrf": forgery_token(str(reader.cookie)), **fields})
    assert answer.status_code in {409, 422}, (path, answer.status_code)
    return Structure(answer.text)


def test_what_is_entered_and_shown_again_is_text(readers: list[Reader], proof: Any) -> None:
    count = 0
    for reader in readers:
        for form in FORMS:
            names = asked(reader, form.path)
            if not names:
                continue  # not an act of this reader
            for first in range(0, len(GROUPS), len(names)):
                rows = list(range(first, first + len(names)))
                texts = [GROUPS[row % len(GROUPS)] for row in rows]
                hostile = sent(reader, form.path, dict(zip(names, texts, strict=True)))
                ordinary = sent(reader, form.path, dict(zip(names, map(plain, rows), strict=True)))
                assert hostile.dangerous == [], (form.name, texts)
                assert tags(hostile) <= tags(ordinary) | {("p", "class id"), ("a", "href")}, texts
                count += 1
    assert count > 30
    proof("T18", f"{len(PAYLOADS)} payloads x {len(FORMS)} forms of administration, 0 elements")


def tags(page: Structure) -> set[tuple[str, str]]:
    """Return the elements of a page with their attributes; a fault may mark a field."""
    marks = {"aria-invalid", "aria-describedby"}
    return {
        (tag, " ".join(sorted(name for name in names if name not in marks)))
        for tag, names in page.elements
    }


def test_what_is_asked_in_an_address_is_text(readers: list[Reader]) -> None:
    ada = readers[0]
    addresses = (
        f"{HOME}?done=TEXT",
        f"{HOME}/powers?act=TEXT&day=TEXT&hour=TEXT",
        f"{HOME}/roles?person=TEXT&valid_from=TEXT&done=TEXT",
        f"{HOME}/accesses?ground=TEXT&scope=TEXT",
    )
    for address in addresses:
        ordinary = Structure(ada.get(address.replace("TEXT", "x")).text)
        for text in GROUPS:
            page = Structure(ada.get(address.replace("TEXT", quote(text, safe=""))).text)
            assert page.elements == ordinary.elements, (address, text)
            assert page.dangerous == [], (address, text)


def record(bench: Bench, texts: list[str]) -> None:
    """Record texts wherever members, committees, delegations and accesses have some."""
    at, token = f"/api/v1/buyers/{BUYER}", bench.tokens.buyer
    for number, text in enumerate(texts):
        role = {"person": text, "role": "SI" if number % 2 else "DR", "valid_from": DAY}
        bench.done(f"{at}/roles", token, role)
    five = {"president": texts[0], "titulars": texts[1:6], "substitutes": texts[6:11]}
    bench.done(f"{at}/committee", token, five | {"deliberation": texts[11]})
    given = {"giver": texts[1], "receiver": texts[2], "act_types": ["CONTRACT"], "ceiling_cents": 1}
    days = {"valid_from": DAY, "valid_to": "2027-01-01", "deliberation": texts[12]}
    bench.done(f"{at}/delegations", token, given | days)
    access = {"to": OTHER_BUYER, "until_on": "2027-01-01", "ground": " ".join(texts)[:3_900]}
    bench.done(f"{at}/accesses", token, access)


def test_what_was_recorded_is_text_and_the_control_without_escaping_is_seen(
    bench: Bench, readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(bench, PAYLOADS)
    known = [HOME, f"{HOME}/roles", f"{HOME}/committee", f"{HOME}/revocations"]
    paths = [*known, f"{HOME}/powers?act=draft+consultation&day=2026-11-03&hour=12:00"]
    shown = ""
    for path in paths:
        page = Structure(readers[0].get(path).text)
        assert page.dangerous == [], path
        assert not {tag for tag, _ in page.elements} & {"img", "svg", "iframe", "object", "style"}
        assert [tag for tag, _ in page.elements].count("script") <= 1
        shown += "".join(page.texts)
    assert not [text for text in PAYLOADS if text not in shown], "a text that no page shows"
    made = api.web.rendering.environment

    def careless(*given: Any) -> Any:
        found = made(*given)
        found.autoescape = False
        found.bytecode_cache = None  # what was compiled with care is no part of the control
        return found

    monkeypatch.setattr(api.web.rendering, "environment", careless)
    pages = build(bench.platform, bench.app.state.entrance)
    reader = Reader(bench)
    reader.http = Client(pages)
    reader.http.cookies.update(readers[0].http.cookies)
    assert len(Structure(reader.get(HOME).text).dangerous) > 10
