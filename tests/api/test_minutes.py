"""The minutes of an opening: what happened, for everybody; with names, for the buyer; as files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from doubles.bench import COMPANY, RIVAL, SOON, Bench, shown
from pypdf import PdfReader

from api.depositor.sealing import Wish
from api.documents.minutes import COLUMNS, document, table, told, workbook
from api.documents.sheets import LONGEST
from api.spreadsheets import FORMULA

AT = "/api/v1/openings/lille-1/0"


class Eventful:
    """A lot with everything: replaced, withdrawn, late, unreadable, opened; attempts refused."""

    def __init__(self, folder: Path) -> None:
        self.bench = bench = Bench(folder)
        bench.register()
        at = bench.publish()
        rival = bench.tokens.rival
        for number, token in enumerate((bench.tokens.buyer, bench.tokens.admin)):
            bench.post(f"{AT}/envelopes", token, {}, key=f"too-early-{number}")
        self.gone = bench.deposit(bench.seal(at, token=rival), rival)["deposit"]
        bench.done(f"/api/v1/deposits/{self.gone}/withdrawal", rival, {"reason": "erreur"})
        self.good = bench.deposit(bench.seal(at))["deposit"]
        wish = Wish("OFFER", ("0",), "COMPLEMENT", self.good)
        self.lost = bench.deposit(bench.seal(at, wish=wish))["deposit"]
        latecomer = bench.seal(at, token=rival)
        bench.forward(SOON)
        self.late = bench.deposit(latecomer, rival)["deposit"]
        self._lose()
        bench.attend()
        bench.done(f"{AT}/plan", bench.tokens.buyer)
        bench.done(f"{AT}/envelopes", bench.tokens.buyer, {})

    def _lose(self) -> None:
        """Lose the bytes of an envelope after the register closed."""
        upload = self.bench.platform.uploads.of_deposit(self.lost)
        assert upload is not None
        for part in self.bench.platform.uploads.parts(upload.transmission):
            self.bench.platform.vault._blobs.path(part.blob).unlink()

    def get(self, token: str | None, ending: str = "") -> Any:
        answer = self.bench.get(f"{AT}/minutes{ending}", token)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eventful]:
    made = Eventful(tmp_path_factory.mktemp("minutes"))
    yield made
    made.bench.close()


def test_the_minutes_say_all_that_happened(case: Eventful) -> None:
    minutes = case.get(case.bench.tokens.buyer).json()
    assert minutes["state"] == "COMPLETED"
    assert minutes["custody"]["placement"] == "A0"
    assert (minutes["custody"]["k"], minutes["custody"]["n"]) == (2, 3)
    assert [one["name"] for one in minutes["present"]] == ["ada", "bob"]
    assert [one["name"] for one in minutes["members"]] == ["ada", "bob"]
    found = {one["deposit"]: one for one in minutes["envelopes"]}
    verdicts = {name: found[name]["verdict"] for name in (case.gone, case.late)}
    assert verdicts == {case.gone: "withdrawn", case.late: "late"}
    assert found[case.late]["late_by_ms"] > 0
    good, lost = found[case.good], found[case.lost]
    assert good["operator"] == {
        "operator": f"siret:{COMPANY}",
        "siret": COMPANY,
        "name": "Travaux du Nord",
    }
    assert [row["answer"] for row in good["custodians"]] == ["PROVEN", "PROVEN", "NOT_ASKED"]
    assert good["scan"] | {"at": ""} == {
        "at": "",
        "verdict": "NOT_SCANNED",
        "reason": "none",
        "documents": 1,
        "not_scanned": 1,
    }
    assert (lost["fault"], lost["cause"]) == ("STORAGE", "bytes-missing")
    assert lost["proof"]["entry"].startswith(f"deposit/{case.lost}#")
    rows = case.bench.platform.ledger.stream(f"deposit/{case.lost}")
    assert lost["proof"]["leaf"] == rows[-1].leaf.hex()
    assert [row["role"] for row in minutes["refusals"]] == ["BU", "PA"]
    assert {row["code"] for row in minutes["refusals"]} == {"opening.too-early"}
    assert minutes["closing_head"]["witnesses"]


def test_everybody_reads_them_without_a_name(case: Eventful) -> None:
    for token in (None, case.bench.tokens.company, case.bench.tokens.other):
        for ending in ("", ".csv", ".xlsx", ".pdf"):
            said = case.get(token, ending).content
            text = said.decode("utf-8", "replace")
            if ending == ".pdf":
                reader = PdfReader(io.BytesIO(said))
                text = "".join(page.extract_text() for page in reader.pages)
                text += str(reader.attachments)
            if ending == ".xlsx":
                text = str(cells_of(said))
            for name in ("Travaux du Nord", COMPANY, RIVAL, '"ada"', "bob\n"):
                assert name not in text, (ending, name)
            assert case.good[:8] in text.replace("\n", "")


def test_before_the_plan_there_are_none_for_anybody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.register()
    bench.publish("lille-1")
    bench.deposit(bench.seal(bench.publish("lille-2")))
    bench.forward(SOON)
    bench.attend("lille-2")
    for ending in ("", ".csv", ".xlsx", ".pdf"):
        answers = [
            bench.get(f"/api/v1/openings/{name}/{lot}/minutes{ending}", bench.tokens.buyer)
            for name, lot in (("lille-1", "0"), ("lille-2", "0"), ("lille-2", "9"), ("none", "0"))
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    bench.close()


def test_the_record_has_the_hash_that_the_ledger_holds(case: Eventful) -> None:
    made = PdfReader(io.BytesIO(case.get(case.bench.tokens.buyer, ".pdf").content))
    minutes = case.get(case.bench.tokens.buyer).json()
    (plan,) = minutes["plans"]
    record = made.attachments["proces-verbal-1.canonique.json"][0]
    assert hashlib.sha256(record).hexdigest() == plan["minutes_hash"]
    outcomes = {one["deposit"]: one["event"] for one in json.loads(record)["outcomes"]}
    assert outcomes == {case.good: "EnvelopeOpened", case.lost: "EnvelopeUnreadable"}
    assert json.loads(made.attachments["proces-verbal.json"][0]) == minutes


def test_the_document_is_in_french_dated_and_the_same_twice(case: Eventful) -> None:
    first = case.get(case.bench.tokens.buyer, ".pdf")
    assert first.content == case.get(case.bench.tokens.buyer, ".pdf").content
    assert first.headers["content-disposition"].startswith("attachment; filename=")
    assert b"<pdfaid:part>3</pdfaid:part>" in first.content
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(first.content)).pages)
    flat = " ".join(text.replace("\u200b", "").replace("’", "'").split())
    for said in (
        "Procès-verbal d'ouverture des plis",
        "Ville de Lille",
        "Travaux du Nord",
        "Retiré par son déposant",
        "Trop tôt",
        "a répondu, réponse prouvée",
        "non analysé",
        "bytes-missing",
    ):
        assert said in flat, said


def test_the_table_is_for_spreadsheets(case: Eventful) -> None:
    text = case.get(case.bench.tokens.buyer, ".csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["verdict"] for row in rows] == ["open", "open", "withdrawn", "late"]
    assert {row["company"] for row in rows if row["deposit"] == case.good} == {"Travaux du Nord"}
    minutes = case.get(case.bench.tokens.buyer).json()
    minutes["envelopes"][0]["operator"] = {"name": "=cmd()", "siret": "@x"}
    (found,) = list(csv.DictReader(io.StringIO(table(minutes)[1:]), delimiter=";"))[:1]
    assert tuple(found) == COLUMNS
    assert (found["company"], found["siret"]) == ("'=cmd()", "'@x")


def test_the_workbook_says_the_same_and_no_text_in_it_is_a_formula(case: Eventful) -> None:
    answer = case.get(case.bench.tokens.buyer, ".xlsx")
    assert answer.content == case.get(case.bench.tokens.buyer, ".xlsx").content, "the same twice"
    minutes = case.get(case.bench.tokens.buyer).json()
    plain = list(csv.DictReader(io.StringIO(table(minutes)[1:]), delimiter=";"))
    heads, *rows = cells_of(answer.content)
    assert tuple(heads.values()) == COLUMNS
    for row, same in zip(rows, plain, strict=True):
        named = {name: str(row[at]) for at, name in enumerate(COLUMNS) if at in row}
        words = {"1": "True", "0": "False"}
        told = {name: text for name, text in same.items() if text}
        for name in ("commitment_matches", "documents_match"):
            if name in named:
                named[name] = words[named[name]]
        assert named == told
    hostile = ('=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "{=1}", "http://x", "12")
    for text in (*hostile, "x" * 40_000, "漢\u202e\x01"):
        minutes["envelopes"][0]["operator"] = {"name": text, "siret": "1"}
        made = workbook(minutes)
        held = parts(made)
        assert b"<f>" not in held["xl/worksheets/sheet1.xml"]
        assert not [name for name in held if name.endswith(".rels") and b"http://x" in held[name]]
        assert (b'quotePrefix="1"' in held["xl/styles.xml"]) == text.startswith(FORMULA)
        found = cells_of(made)[1][COLUMNS.index("company")]
        # a file of this form writes a control character by its number
        assert found == re.sub("\x01", "_x0001_", text)[: LONGEST - 1] + "…" * (len(text) > LONGEST)


def parts(data: bytes) -> dict[str, bytes]:
    """Return the files of a workbook by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def cells_of(data: bytes) -> list[dict[int, str]]:
    """Return the values of the cells by row and column, as they stand in the file."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    held = parts(data)
    read = ElementTree.fromstring  # what we wrote ourselves
    shared = [
        "".join(text.text or "" for text in one.iter(f"{space}t"))
        for one in read(held["xl/sharedStrings.xml"]).iter(f"{space}si")
    ]
    rows = []
    for row in read(held["xl/worksheets/sheet1.xml"]).iter(f"{space}row"):
        cells: dict[int, str] = {}
        for cell in row.iter(f"{space}c"):
            column = cell.attrib["r"].rstrip("0123456789")
            assert len(column) == 1, "no more than 26 columns"
            value = cell.findtext(f"{space}v")
            if value is not None:
                is_text = cell.get("t") == "s"
                cells[ord(column) - ord("A")] = shared[int(value)] if is_text else value
        rows.append(cells)
    return rows


LONG = (
    "Travaux de réhabilitation, d'extension et de mise en accessibilité du groupe scolaire Jean-de-"
    "La-Fontaine et de la salle polyvalente attenante, y compris désamiantage, voirie et réseaux "
    "divers, espaces verts, mobilier, signalétique et maintenance pendant la garantie « parfait "
    "achèvement » ; lots n° 1 à 14 (gros œuvre, charpente, couverture…) "
)


@pytest.mark.parametrize(
    "text",
    [
        LONG * 4,
        "X" * 1_000,
        "a/" * 500,
        "œ́ " * 300,
        "#panic() $x$ *y* \\ " * 50,
        "\u202e漢字\n" * 99,
    ],
    ids=["real", "unbroken", "path", "marks", "code", "strange"],
)
def test_no_text_breaks_the_document(case: Eventful, text: str) -> None:
    minutes = case.get(case.bench.tokens.buyer).json()
    minutes["object"] = minutes["lot_title"] = minutes["reference"] = text
    minutes["lot"] = "1"
    minutes["buyer"] = {"siret": "20009320100016", "name": text}
    for person in minutes["present"]:
        person["name"] = text
    for one in minutes["envelopes"]:
        one["operator"] = {"name": text, "operator": "siret:1"}
        one["malware"] = {"file": "piece-0001", "signature": text[:200], "engine": text[:100]}
    made = PdfReader(io.BytesIO(document(minutes, {})))
    assert 1 < len(made.pages) < 60
    width = float(made.pages[0].mediabox.width)
    places: list[float] = []
    for page in made.pages:
        page.extract_text(
            visitor_text=lambda part, _cm, tm, _f, _s: (
                places.append(tm[4]) if part.strip() else None
            )
        )
    assert max(places) < width - 40, "nothing begins beyond the margin"


def test_every_end_has_its_words(case: Eventful) -> None:
    minutes = case.get(case.bench.tokens.buyer).json()
    good = next(one for one in minutes["envelopes"] if one["deposit"] == case.good)
    good["scan"] = {"verdict": "CLEAN", "at": good["at"], "engine": "ClamAV"}
    good["commitment_matches"] = good["documents_match"] = False
    good["custodians"] = [
        {"custodian": "c1", "answer": "REFUSED", "code": "too-early"},
        {"custodian": "c2", "answer": "BAD"},
        {"custodian": "c3", "answer": "SILENT"},
    ]
    minutes["state"] = "OPEN"
    minutes["quorum_missed"] = [good["at"]]
    minutes["members"].append({"commitment": "ab" * 32})
    minutes["closing_head"]["token_hash"] = "cd" * 32
    said = json.dumps(told(minutes), ensure_ascii=False)
    for words in (
        "état provisoire",
        "DIFFÉRENT",
        "rien trouvé",
        "a refusé : Trop tôt selon l'horloge du gardien",
        "réponse fausse",
        "n'a pas répondu",
        "convoquée, absente",
        "Quorum manqué",
        "horodatage",
    ):
        assert words in said, words


def test_a_home_that_kept_no_answers_tells_what_the_ledger_holds(case: Eventful) -> None:
    vault = case.bench.platform.vault
    folder = vault._opened._folder / "sittings"
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    for path in kept:
        path.unlink()
    found = {one["deposit"]: one for one in case.get(None).json()["envelopes"]}
    answers = [row["answer"] for row in found[case.good]["custodians"]]
    assert answers == ["PROVEN", "PROVEN"]
    for path, data in kept.items():
        path.write_bytes(data)
    assert shown(case.bench.get("/api/v1/openings/none/0/minutes")) == "object.not-found"
