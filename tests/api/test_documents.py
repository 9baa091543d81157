"""Documents are deterministic, tagged, carry their proof, and show texts as texts."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest
from pypdf import PdfReader

from api.documents.render import SHOWN, TEMPLATES, displayable, pdf

DATED = datetime(2026, 11, 24, 16, 0, 5, tzinfo=UTC)
ROWS = [["Acheteur", "Ville de Roubaix #panic() *x* $y$"]]
FACTS = {
    "title": "Document",
    "reference": "2018-1",
    "notice": "Acte de démonstration.",
    "object": "Menuiseries",
    "consultation": ROWS,
    "deposit": ROWS,
    "criteria": [["Prix", "60"]],
    "execution": ROWS,
    "documents": ["Acte d'engagement"],
    "company": ROWS,
    "price": ROWS,
    "course": ROWS,
    "present": [["Ada Martin", "titulaire", "17:00:00"]],
    "opened": [["0f" * 16, "SAS BOUILLON", "3", "17:00:01", "pli identique"]],
    "unreadable": [["1f" * 16, "octets changés (bytes-differ)", "deposit/1f#2"]],
    "closed": [],
    "scans": [["0f" * 16, "rien trouvé"]],
    "level": "A0",
    "answers": [["0f" * 16, "custodian-1", "a répondu"]],
    "refusals": [["17:00:00", "acheteur", "trop tôt"]],
    "proof": ROWS,
    "mentions": ROWS,
    "question": ROWS,
    "verdict": "PROUVÉ",
    "meaning": "Règle",
    "reasons": [["2026-03-02T11:46:00Z", "essai échoué", "DEPOSIT chunk 507", "health/main#7"]],
    "silences": [["2026-03-02T11:46:00Z", "2026-03-02T11:48:00Z"]],
    "probes": ROWS,
    "others": ROWS,
    "pieces": [["offre/BPU.xlsx", "12 o", "ab" * 32]],
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_same_facts_give_the_same_bytes(template: str) -> None:
    first = pdf(template, FACTS, DATED, {"preuve.tlog-proof": "c2sp.org/tlog-proof@v1\n"})
    assert first == pdf(template, FACTS, DATED, {"preuve.tlog-proof": "c2sp.org/tlog-proof@v1\n"})
    reader = PdfReader(BytesIO(first))
    assert b"<pdfaid:part>3</pdfaid:part>" in first
    assert reader.attachments["preuve.tlog-proof"][0].startswith(b"c2sp.org/tlog-proof@v1")
    assert "2018-1" in reader.pages[0].extract_text()


def test_a_text_is_never_run_as_code() -> None:
    text = PdfReader(BytesIO(pdf("rules", FACTS, DATED))).pages[0].extract_text()
    assert "#panic() *x* $y$" in text


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(KeyError):
        pdf("invoice", FACTS, DATED)


def test_every_character_that_is_kept_can_be_shown() -> None:
    kept = "".join(
        chr(code) for low, high in SHOWN for code in range(low, high + 1) if chr(code).isprintable()
    )
    assert displayable(kept.replace("\u212b", "Å")).count("?") < 20, "NFC moves a few, no more"
    pdf("rules", {**FACTS, "object": kept}, DATED)


def test_a_text_that_no_font_can_show_never_fails_a_document() -> None:
    strange = "prix \x92 \u200b \U0001f600 漢字 \u202e abc\ndef \u0000"
    text = PdfReader(BytesIO(pdf("rules", {**FACTS, "notice": strange}, DATED))).pages[0]
    assert "prix ? ? ? ?? ? abc def ?" in text.extract_text().replace("\n", " ")
