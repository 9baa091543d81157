"""The opening conducted from its page: in order, by the buyer alone, and refused in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench
from doubles.clamd import clamd, eicar
from doubles.reader import Reader, joined, officer

from api.adapters.scanner import Clamd
from api.facts import facts

AT = "/api/v1/consultations/lille-1"
PAGE = "/consultations/lille-1/opening/0/session"
ONCE = re.compile(r'name="once" value="([0-9a-f]{32})"')


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, str]]:
    """Return a closed platform that runs one procedure, and the sessions of who is invited."""
    made = Bench(tmp_path_factory.mktemp("first"))
    made.register()
    made.publish()
    host, sessions = officer(made), {}
    for role, org in (("BU", BUYER), ("DR", BUYER), ("CY", COMPANY)):
        own = host if org == BUYER else None
        sessions[role] = joined(made, org, role, f"{role}@lille.example", host=own).cookie or ""
    made.close()
    return made, sessions


@pytest.fixture
def bench(first: tuple[Bench, dict[str, str]], tmp_path: Path) -> Iterator[Bench]:
    made = first[0].twin(tmp_path / "twin")
    yield made
    made.close()


def reader(bench: Bench, secret: str) -> Reader:
    made = Reader(bench)
    made.http.cookies.set("pli", secret)
    return made


@pytest.fixture
def ada(bench: Bench, first: tuple[Bench, dict[str, str]]) -> Reader:
    return reader(bench, first[1]["BU"])


def again(reader: Reader) -> None:
    """Prove again who reads: much time has passed."""
    assert reader.sign_in("BU@lille.example").status_code == 303


def do(reader: Reader, act: str, **fields: str) -> Any:
    page = reader.get(PAGE)
    assert page.status_code == 200, page.text
    once = ONCE.search(page.text)
    assert once is not None
    return reader.send(PAGE, PAGE, act=act, once=once.group(1), **fields)


def done(reader: Reader, act: str, **fields: str) -> str:
    answer = do(reader, act, **fields)
    assert answer.status_code == 303, plain(answer.text)
    assert answer.headers["location"] == f"{PAGE}?done={act}"
    return plain(reader.get(answer.headers["location"]).text)


def plain(text: str) -> str:
    """Return what a page says, without its marks."""
    words = re.sub(r"<[^>]+>", " ", text)
    return " ".join(unescape(words).replace("\u00a0", " ").split())


def kinds(bench: Bench) -> list[str]:
    return [fact.kind for fact in facts(bench.platform.ledger, "opening/lille-1.0")]


@pytest.mark.parametrize("deposits", [0, 2])
def test_too_early_is_said_in_plain_words_and_recorded(
    bench: Bench, ada: Reader, deposits: int
) -> None:
    tokens = [bench.tokens.company, bench.tokens.rival][:deposits]
    for token in tokens:
        bench.deposit(bench.seal(AT, token=token), token)
    answer = do(ada, "open")
    said = plain(answer.text)
    assert answer.status_code == 403
    assert "Trop tôt : aucun pli n'a été ouvert" in said
    assert "Les plis ne s'ouvrent qu'après jeudi 12 novembre 2026 à 12:01" in said
    assert "Votre demande est inscrite au registre" in said
    assert 'role="alert"' in answer.text
    (refused,) = facts(bench.platform.ledger, "opening/lille-1.0")
    assert (refused.kind, refused.data["code"]) == ("OpeningRefused", "opening.too-early")
    assert refused.data["asked_by"] == "BU"
    assert "Demandes refusées 1" in said


def test_the_whole_session_from_the_page(bench: Bench, ada: Reader) -> None:
    name = bench.deposit(bench.seal(AT))["deposit"]
    bench.forward(SOON)
    again(ada)
    done(ada, "convene", members="Ada Martin\n Bob Durand \n\nAda Martin\n")
    for member in ("Ada Martin", "Bob Durand"):
        said = done(ada, "present", member=member, capacity="TITULAR")
    assert "Personnes présentes 2" in said
    assert "Le plan d'ouverture est arrêté." in done(ada, "plan")
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    gone = {one: held.pop(one) for one in ("custodian-2", "custodian-3")}
    assert do(ada, "open").status_code == 503
    missing = "Gardiens sans réponse valable custodian-2, custodian-3"
    assert missing in plain(ada.get(PAGE).text)
    held.update(gone)
    said = done(ada, "open")
    assert missing not in said
    assert "Les plis du plan ont été traités." in said
    assert "Travaux du Nord" in said
    assert "Non analysé aucun antivirus n'est configuré" in said
    link = re.search(rf'href="([^"]*{name}/documents/1)"', ada.get(PAGE).text)
    assert link is not None
    assert ada.get(link.group(1)).content.startswith(b"%PDF-1.7")
    for ending in ("", ".csv", ".xlsx", ".pdf"):
        shown = ada.get(f"/api/v1/openings/lille-1/0/minutes{ending}")
        assert shown.status_code == 200
    assert kinds(bench)[-1] == "OpeningCompleted"
    assert "une étape" in plain(do(ada, "plan").text).lower()
    wrong = do(ada, "retire", reason="recours expirés", sure=COMPANY)
    assert wrong.status_code == 422
    assert "Les parts de clé Détruire les parts de clé" in plain(ada.get(PAGE).text)
    said = done(ada, "retire", reason="recours expirés", sure=BUYER)
    assert "chaque gardien l'a signé : custodian-1, custodian-2, custodian-3." in said
    assert "Recopiez le SIRET" not in said, "nothing is left to destroy"
    custody = [fact.kind for fact in facts(bench.platform.ledger, "custody/lille-1")]
    assert custody[-4:] == ["KeysetRetired", *["ShareDestroyed"] * 3]
    members = facts(bench.platform.ledger, "opening/lille-1.0")[0].data["members"]
    assert len(members) == 2


def test_what_opens_asks_for_a_fresh_proof(bench: Bench, ada: Reader) -> None:
    page = ada.get(PAGE).text
    once = ONCE.search(page)
    assert once is not None
    bench.clock.forward(timedelta(minutes=11))
    for act in ("open", "plan", "retire"):
        answer = ada.send(PAGE, PAGE, act=act, once=once.group(1))
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login/again?next={PAGE}"
    assert kinds(bench) == []


def test_the_same_form_sent_twice_is_one_refusal(bench: Bench, ada: Reader) -> None:
    once = ONCE.search(ada.get(PAGE).text)
    assert once is not None
    for _ in range(2):
        answer = ada.send(PAGE, PAGE, act="open", once=once.group(1))
        assert answer.status_code == 403
    assert kinds(bench) == ["OpeningRefused"]


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "destroy"},
        {"act": "open", "once": "x"},
        {"act": "present", "member": "x", "capacity": "KING"},
        {"act": "convene", "members": "\n".join(map(str, range(51)))},
        {"act": "convene", "members": " \n"},
        {"act": "present", "member": "", "capacity": "TITULAR"},
        {"act": "scan", "deposit": "0" * 32},
        {"act": "retire", "reason": "too soon", "sure": BUYER},
    ],
)
def test_what_no_form_of_ours_sends_changes_nothing(
    bench: Bench, ada: Reader, fields: dict[str, str]
) -> None:
    answer = ada.send(PAGE, PAGE, **{"once": "0" * 32} | fields)
    assert answer.status_code in {404, 409, 422}, answer.status_code
    assert kinds(bench) == []


def test_only_officers_of_the_buyer_conduct_it(
    bench: Bench, first: tuple[Bench, dict[str, str]]
) -> None:
    assert Reader(bench).get(PAGE).headers["location"].startswith("/login")
    found = {who: reader(bench, first[1][who]) for who in ("BU", "DR", "CY")}
    answers = {who: one.get(PAGE).status_code for who, one in found.items()}
    assert answers == {"BU": 200, "DR": 403, "CY": 404}
    absent = found["CY"].get(PAGE.replace("lille-1", "nowhere"))
    foreign = found["CY"].get(PAGE)
    assert absent.content == foreign.content.replace(b"lille-1", b"nowhere")
    assert found["BU"].get(PAGE.replace("/0/", "/7/")).status_code == 404
    bench.draft("lille-2")
    assert found["BU"].get(PAGE.replace("lille-1", "lille-2")).status_code == 404


def test_malware_is_told_and_nothing_of_the_bid_is_linked(
    bench: Bench, first: tuple[Bench, dict[str, str]], tmp_path: Path
) -> None:
    with clamd(tmp_path / "clamd.ctl") as engine:
        engine.mood = "closing"
        bench.close()
        bench.settings = bench.settings.model_copy(update={"clamd": engine.address})
        bench.reopen()
        name = bench.deposit(bench.seal(AT, content=eicar()))["deposit"]
        bench.forward(SOON)
        at = bench.attend()
        bench.done(f"{at}/plan", bench.tokens.buyer)
        bench.done(f"{at}/envelopes", bench.tokens.buyer, {})
        ada = reader(bench, first[1]["BU"])
        again(ada)
        assert "Non analysé l'antivirus n'a pas répondu" in plain(ada.get(PAGE).text)
        engine.mood = "sound"
        scanner = bench.platform.desk.scanner
        assert isinstance(scanner, Clamd)
        scanner._rests_until = 0.0
        said = done(ada, "scan", deposit=name)
    assert "Quarantaine Logiciel malveillant dans piece-0001 : Win.Test.EICAR_HDB-1" in said
    assert f"{name}/documents/" not in ada.get(PAGE).text
    bench.platform.views.catch_up()
    public = Reader(bench).get("/consultations/lille-1/opening/0").text
    assert "logiciel malveillant dans piece-0001" in plain(public)
    assert "En quarantaine" in public
    history = plain(Reader(bench).get("/consultations/lille-1/history").text)
    assert "Logiciel malveillant trouvé dans un pli ouvert" in history
