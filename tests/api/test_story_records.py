"""Which contracts a story plays, and why a record is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.story.paperwork import dossier, euros, offer
from api.story.records import Company, DataFileUnreadable, built_in, select, trimmed

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "decp" / "sample"
GOOD = {
    "id": "2018-1",
    "acheteur": {"id": "21590512600011", "nom": "Ville  de Roubaix"},
    "objet": "Menuiseries",
    "codeCPV": "45421000-4",
    "montant": 272782.27,
    "dateNotification": "2018-07-05+02:00",
    "titulaires": [
        {"id": "40304303700031", "denominationSociale": "SAS BOUILLON", "typeIdentifiant": "SIRET"}
    ],
}


def lines(*records: object) -> bytes:
    return "\n".join(json.dumps(record) for record in records).encode()


def test_the_built_in_contracts_are_those_of_the_nord() -> None:
    contracts = built_in()
    assert len(contracts) == 12
    assert len({(one.buyer.siret, one.reference) for one in contracts}) == 12
    assert {one.buyer.name for one in contracts} >= {"Ville de Roubaix", "Mairie de Lille"}
    assert all(one.holders and one.amount_cents > 0 for one in contracts)


def test_a_record_is_read_to_cents_and_its_nature_follows_the_cpv() -> None:
    contract = select(lines(GOOD)).contracts[0]
    assert contract.amount_cents == 27278227
    assert contract.nature == "WORKS"
    assert contract.buyer == Company("21590512600011", "Ville de Roubaix")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acheteur": {"id": "20009320100018"}}, "buyer_siret_invalid"),
        ({"acheteur": None}, "buyer_siret_invalid"),
        ({"id": ""}, "id_missing"),
        ({"objet": " "}, "object_missing"),
        ({"codeCPV": "3451000"}, "cpv_malformed"),
        ({"dateNotification": None}, "date_missing"),
        ({"dateNotification": "0218-01-01"}, "date_invalid"),
        ({"montant": 0}, "amount_invalid"),
        ({"montant": True}, "amount_invalid"),
        ({"montant": "12.345,67"}, "amount_invalid"),
        ({"montant": float("nan")}, "amount_invalid"),
        ({"titulaires": []}, "holder_missing"),
        ({"titulaires": [{"id": "1"}]}, "holder_missing"),
    ],
)
def test_a_record_that_cannot_be_played_is_passed_over_with_its_reason(
    change: dict[str, object], reason: str
) -> None:
    chosen = select(lines(GOOD | change, GOOD | {"id": "other"}))
    assert chosen.passed_over == [(0, (reason,))]
    assert [one.reference for one in chosen.contracts] == ["other"]


def test_a_text_is_read_as_an_entry_can_hold_it() -> None:
    chosen = select(lines(GOOD | {"objet": "re\u0301fection \u202ede\ud800 toiture"}))
    assert [one.object for one in chosen.contracts] == ["r\u00e9fection de toiture"]


def test_lines_that_are_no_json_and_repeated_keys_are_passed_over() -> None:
    chosen = select(lines(GOOD) + b"\n{broken\n42\n" + lines(GOOD))
    assert chosen.passed_over == [
        (1, ("not_json",)),
        (2, ("not_an_object",)),
        (3, ("key_conflict",)),
    ]


def test_envelopes_of_both_versions_are_read() -> None:
    assert len(select(json.dumps({"marches": [GOOD]}).encode()).contracts) == 1
    assert len(select(json.dumps({"marches": {"marche": [GOOD]}}).encode()).contracts) == 1


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b'{"marches": 3}', b"\xff\xfe"])
def test_a_file_that_is_no_decp_is_refused_whole(data: bytes) -> None:
    with pytest.raises(DataFileUnreadable):
        select(data)


def test_the_papers_enact_and_say_so() -> None:
    from datetime import UTC, datetime

    contract = built_in()[0]
    dated = datetime(2026, 11, 24, tzinfo=UTC)
    papers = dossier(contract, dated)
    assert [paper.content[:5] for paper in papers] == [b"%PDF-"] * 3
    made = offer(contract, contract.holders[0], 0, 300_000, dated)
    assert 290_000 <= sum(len(paper.content) for paper in made) <= 310_000
    assert made == offer(contract, contract.holders[0], 0, 300_000, dated)
    assert euros(27278227) == "272\u202f782,27\u00a0€ HT"


@pytest.mark.data
def test_forty_usable_records_of_the_regional_sample() -> None:
    path = DATA / "hauts-de-france.ndjson"
    if not path.is_file():
        pytest.skip("../shared/data/decp/sample/hauts-de-france.ndjson is absent")
    chosen = select(path.read_bytes())
    assert len(chosen.contracts) == 40
    assert chosen.passed_over


def test_quotes_of_windows_published_as_latin_1_are_read_as_quotes() -> None:
    assert trimmed("l\x92école \x96 \x80 10") == "l’école – € 10"
    assert trimmed("a\x81b") == "a b"
