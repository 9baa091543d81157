"""Pages of administration: who sees which act, what they record, what they say when refused."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from doubles.bench import BUYER, COMPANY, OTHER_BUYER, RIVAL, Bench
from doubles.reader import HERE, PASSWORD, Reader, joined, officer

from api.entrance import PASSKEY
from api.sessions import forgery_token
from api.spreadsheets import written
from api.web.pages.refused import COLUMNS
from crypto.notes import parse_checkpoint, parse_note
from domain.buyer import Buyer
from domain.operator import EconomicOperator

HOME = "/administration"
JOINING = "21590512000162"
SMALL = "39495278200016"
ADA = "ada.martin@lille.example"
MINUTE = timedelta(minutes=1)
DAY = "2026-11-02"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, str]:
    """Return a closed platform with one buyer, and the session of an officer who was invited."""
    made = Bench(tmp_path_factory.mktemp("first"))
    made.clock.width = timedelta(0)
    form = {"siret": BUYER, "name": "Ville de Lille", "buyer_kind": "COMMUNE"}
    made.done("/api/v1/buyers", made.tokens.admin, form | {"population": 236_000})
    secret = joined(made, BUYER, "BU", ADA, host=officer(made)).cookie
    made.close()
    assert secret is not None
    return made, secret


@pytest.fixture
def bench(first: tuple[Bench, str], tmp_path: Path) -> Iterator[Bench]:
    made = first[0].twin(tmp_path / "twin")
    yield made
    made.close()


@pytest.fixture
def ada(first: tuple[Bench, str], bench: Bench) -> Reader:
    reader = Reader(bench)
    reader.http.cookies.set("pli", first[1])
    return reader


ONCE = re.compile(r'name="once" value="([0-9a-f]{32})"')


def fill(reader: Reader, form: str, /, **fields: str):
    """Fill in a form of administration and send it with all that the page hid in it."""
    at = f"{HOME}/{form}"
    page = reader.get(at)
    assert page.status_code == 200, page.text
    once = ONCE.search(page.text)
    assert once is not None
    return reader.send(at, at, once=once.group(1), **fields)


def done(answer, name: str) -> None:
    """Check that an act was recorded."""
    told = faults(answer.text) or re.findall(r"<code>[a-z.-]+</code>", answer.text)
    assert answer.status_code == 303, told
    assert answer.headers["location"].endswith(f"?done={name}"), answer.headers["location"]


def invited_by(reader: Reader, name: str, email: str, role: str, **fields: str) -> Reader:
    """Return the person whom a reader of the page invited, signed in."""
    shown = fill(reader, "invitations", name=name, email=email, role=role, **fields)
    found = re.search(r"/invitation/[0-9a-f]{64}", shown.text)
    assert (shown.status_code, found is not None) == (201, True), faults(shown.text)
    guest = Reader(reader.bench)
    assert found is not None
    assert guest.send(found.group(), found.group(), password=PASSWORD).status_code == 303
    return guest


def person_of(bench: Bench, email: str) -> str:
    found = bench.platform.accounts.people.by_email(email)
    assert found is not None
    return found.person


def buyer_of(bench: Bench, name: str = BUYER) -> Buyer:
    found = bench.platform.desk.files.find(Buyer, f"buyer/{name}")
    assert found is not None
    return found


def faults(text: str) -> dict[str, str]:
    """Return what a page says beside each field."""
    found = re.findall(r'id="([\w-]+)-fault">([^<]+)<', text)
    return {name: unescape(told).replace("\u00a0", " ") for name, told in found}


def now(bench: Bench):
    return bench.clock.now().latest


def test_an_officer_gives_and_takes_back_a_role(bench: Bench, ada: Reader) -> None:
    invited_by(ada, "Bob Durand", "bob@lille.example", "DR")
    bob = person_of(bench, "bob@lille.example")
    fields = {"person": bob, "role": "SI", "valid_from": DAY, "valid_to": "2026-12-31"}
    done(fill(ada, "roles", **fields), "roles")
    held = buyer_of(bench).roles_of(bob, now(bench), bench.platform.desk.subjects.reveal)
    assert sorted(held) == ["DR", "SI"]
    page = ada.get(f"{HOME}?done=roles").text
    assert "Le rôle est inscrit au registre." in page
    assert "du 02/11/2026 au 31/12/2026" in page
    assert "Ada Martin <small" in page, "who gave it"
    found = re.search(rf'href="({HOME}/revocations\?holding=SI[^"]+)"', page)
    assert found is not None
    address = unescape(found.group(1))
    asked = ada.get(address).text
    chosen = re.search(r'value="(SI [0-9a-f]{64})" selected', asked)
    assert chosen is not None, "the link chose it"
    end = {"holding": chosen.group(1), "reason": "Mutation"}
    done(fill(ada, "revocations", **end), "revocations")
    held = buyer_of(bench).roles_of(bob, now(bench), bench.platform.desk.subjects.reveal)
    assert sorted(held) == ["DR"]


def test_faults_are_told_together_beside_their_fields_and_nothing_is_lost(
    bench: Bench, ada: Reader
) -> None:
    answer = fill(
        ada,
        "delegations",
        giver="nobody",
        receiver="",
        ceiling="beaucoup",
        valid_from="2026-13-01",
        deliberation="Délibération n° 7",
    )
    assert answer.status_code == 422
    assert set(faults(answer.text)) == {
        *("giver", "receiver", "act_types", "ceiling", "valid_from", "valid_to"),
    }
    assert 'value="beaucoup"' in answer.text
    assert 'value="Délibération n° 7"' in answer.text
    assert 'href="#ceiling"' in answer.text, "the summary leads to the field"
    assert answer.text.count('aria-invalid="true"') == 5
    assert "<title>Erreur" in answer.text
    assert not buyer_of(bench).delegations


def test_a_delegation_never_exceeds_and_its_ceiling_is_kept_in_cents(
    bench: Bench, ada: Reader
) -> None:
    invited_by(ada, "Bob Durand", "bob@lille.example", "SI")
    invited_by(ada, "Chloé Petit", "chloe@lille.example", "FI")
    invited_by(ada, "Denis Roy", "denis@lille.example", "FI")
    bob, chloe, denis = (
        person_of(bench, f"{name}@lille.example") for name in ("bob", "chloe", "denis")
    )
    given = {
        "giver": bob,
        "receiver": chloe,
        "act_types-CONTRACT": "1",
        "ceiling": "90 000,50 €",
        "valid_from": DAY,
        "valid_to": "2026-12-31",
        "deliberation": "Arrêté 2026-41",
    }
    done(fill(ada, "delegations", **given), "delegations")
    assert buyer_of(bench).delegated(now(bench))[0].ceiling_cents == 9_000_050
    further = given | {"giver": chloe, "receiver": denis}
    for change, where in (
        ({"ceiling": "90 000,51"}, "ceiling"),
        ({"act_types-AMENDMENT": "1"}, "act_types"),
        ({"valid_to": "2027-01-01"}, "valid_from"),
        ({"receiver": chloe}, "receiver"),
        ({"valid_to": "2026-11-01"}, "valid_to"),
        ({"ceiling": "0"}, "ceiling"),
        ({"ceiling": "12,5"}, "ceiling"),
    ):
        answer = fill(ada, "delegations", **further | change)
        assert (answer.status_code, list(faults(answer.text))) == (422, [where]), change
    done(fill(ada, "delegations", **further), "delegations")
    page = ada.get(HOME).text.replace("\u202f", " ").replace("\xa0", " ")
    assert "90 000,50 €" in page


def test_a_signatory_delegates_their_own_power_only(bench: Bench, ada: Reader) -> None:
    bob = invited_by(ada, "Bob Durand", "bob@lille.example", "SI")
    invited_by(ada, "Chloé Petit", "chloe@lille.example", "SI")
    page = bob.get(f"{HOME}/delegations").text
    offered = re.search(r'name="giver".*?</select>', page, re.DOTALL)
    assert offered is not None
    assert person_of(bench, "bob@lille.example") in offered.group()
    assert person_of(bench, "chloe@lille.example") not in offered.group()
    assert bob.get(f"{HOME}/roles").status_code == 403
    assert f"{HOME}/roles" not in bob.get(HOME).text


def test_the_committee_is_told_before_it_is_refused(bench: Bench, ada: Reader) -> None:
    page = ada.get(HOME).text
    assert "5 titulaires élus" in page
    names = {f"titular-{one}": f"Élu {one}" for one in range(1, 6)}
    fields = {"president": "Ada Martin", "deliberation": "Délibération 2026-12", **names}
    short = fill(ada, "committee", **fields | {"titular-5": ""})
    assert list(faults(short.text)) == ["titular-5"]
    twice = fill(ada, "committee", **fields | {"substitute-1": "Élu 2"})
    assert list(faults(twice.text)) == ["substitute-1"]
    assert 'value="Élu 4"' in twice.text
    done(fill(ada, "committee", **fields | {"substitute-1": "Élu 6"}), "committee")
    found = buyer_of(bench).committee(now(bench))
    assert found is not None
    assert bench.platform.desk.subjects.reveal(found.president) == person_of(bench, ADA)
    assert (len(found.titulars), len(found.substitutes)) == (5, 1)
    page = ada.get(HOME).text
    assert "4 membres présents" in page
    assert "Élu 6" in page


def test_an_access_is_opened_and_ended_by_a_nearer_date(bench: Bench, ada: Reader) -> None:
    given = {"to": "215 903 501 00017", "until_on": "2026-12-31", "ground": "Contrôle annuel"}
    bad = fill(ada, "accesses", **given | {"to": "21590350100018", "scope": "nothing-here"})
    assert list(faults(bad.text)) == ["to"]
    absent = fill(ada, "accesses", **given | {"scope": "nothing-here"})
    assert list(faults(absent.text)) == ["scope"]
    past = fill(ada, "accesses", **given | {"until_on": "2026-11-01"})
    assert list(faults(past.text)) == ["until_on"]
    done(fill(ada, "accesses", **given), "accesses")
    assert buyer_of(bench).access(OTHER_BUYER, now(bench)) is not None
    assert "tous les dossiers" in ada.get(HOME).text
    done(fill(ada, "accesses", **given | {"until_on": "2026-11-01"}), "accesses")
    assert buyer_of(bench).access(OTHER_BUYER, now(bench)) is None
    assert "terminé" in ada.get(HOME).text


def test_who_could_open_is_answered_for_any_hour(bench: Bench, ada: Reader) -> None:
    asked = f"{HOME}/powers?act=open+envelopes&day={DAY}"
    before = ada.get(f"{asked}&hour=09:59")
    assert "Personne de votre organisation ne le pouvait" in before.text
    after = ada.get(f"{asked}&hour=10:00").text
    assert "Ada Martin" in after
    leaves = {row.leaf.hex() for row in bench.platform.ledger.stream(f"buyer/{BUYER}")}
    shown = set(re.findall(r'class="hash">([0-9a-f]{64})<', after))
    assert shown, "each line names its entry"
    assert shown <= leaves
    link = re.search(r'href="(/api/v1/buyers/[^"]+)"', after)
    assert link is not None
    told = ada.get(unescape(link.group(1))).json()
    assert told["at"] == "2026-11-02T09:00:00.000000Z"
    assert person_of(bench, ADA) in {one["name"] for one in told["roles"]}
    for query, where in (
        ("act=open+envelopes&day=2026-03-29&hour=02:30", "hour"),
        ("act=open+envelopes&day=2026-10-25&hour=02:30", "hour"),
        ("act=rule+the+world&day=2026-03-29&hour=12:00", "act"),
        ("act=open+envelopes&day=hier&hour=12:00", "day"),
    ):
        wrong = ada.get(f"{HOME}/powers?{query}")
        assert (wrong.status_code, list(faults(wrong.text))) == (422, [where]), query


def test_no_position_of_the_log_is_told(bench: Bench, ada: Reader) -> None:
    """Between two positions lie the deposits that were made between two acts (N11)."""
    fields = {"to": OTHER_BUYER, "until_on": "2026-12-31", "ground": "Contrôle"}
    pages = []
    for company in ((), (COMPANY, RIVAL)):
        for siret in company:  # entries of others
            form = {"siret": siret, "name": "n"}
            bench.done("/api/v1/operators", bench.tokens.admin, form)
        text = ada.get(f"{HOME}/powers?act=open+envelopes&day={DAY}&hour=10:00").text
        pages.append(re.sub(r"<footer.*</footer>", "", text, flags=re.DOTALL))
    assert pages[0] == pages[1]
    done(fill(ada, "accesses", **fields), "accesses")


def test_refused_accesses_are_listed_and_exported(bench: Bench, ada: Reader) -> None:
    bob = invited_by(ada, "Bob Durand", "bob@lille.example", "DR")
    token = {"idempotency-key": "refused-one"}
    assert ada.get(f"/api/v1/buyers/{OTHER_BUYER}/roles", **token).status_code == 404
    other = Reader(bench)
    headers = {"authorization": f"Bearer {bench.tokens.other}"}
    assert other.get(f"/api/v1/buyers/{BUYER}/roles", **headers).status_code in {403, 404}
    bench.platform.refusals.settle()
    page = ada.get(f"{HOME}/refusals")
    assert "list_roles" in page.text
    sheet = ada.get(f"{HOME}/refusals.csv")
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in sheet.headers["content-disposition"]
    assert sheet.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(sheet.text[1:]), delimiter=";"))
    assert {row["operation"] for row in rows} == {"list_roles"}
    assert {row["tenant"] for row in rows} == {BUYER}
    assert bob.get(f"{HOME}/refusals").status_code == 403


def test_no_cell_is_a_formula() -> None:
    row = dict.fromkeys(COLUMNS, "=1+1") | {"code": "@x", "org": "-2", "caller": "plain"}
    cells = next(csv.reader(io.StringIO(written(COLUMNS, [row]).splitlines()[1]), delimiter=";"))
    assert not [cell for cell in cells if cell[0] in "=+-@"]
    assert "plain" in cells


def test_what_gives_a_right_asks_for_a_fresh_proof_and_keeps_what_was_entered(
    bench: Bench, ada: Reader
) -> None:
    bench.clock.forward(11 * MINUTE)
    page = ada.get(f"{HOME}/accesses")
    assert "confirmer votre identité" in page.text
    given = {"to": OTHER_BUYER, "until_on": "2026-12-31", "ground": "Contrôle « annuel »"}
    first = fill(ada, "accesses", **given)
    assert first.headers["location"] == f"/login/again?next={HOME}/accesses"
    assert buyer_of(bench).access(OTHER_BUYER, now(bench)) is None
    again = ada.send("/login/again", "/login/again", password=PASSWORD, next=f"{HOME}/accesses")
    assert again.headers["location"] == f"{HOME}/accesses"
    kept = ada.get(f"{HOME}/accesses").text
    assert "Contrôle « annuel »" in unescape(kept)
    assert "a été gardée" in kept
    assert "Contrôle « annuel »" not in unescape(ada.get(f"{HOME}/accesses").text), "once"
    once = ONCE.search(kept)
    assert once is not None
    at = f"{HOME}/accesses"
    done(ada.send(at, at, once=once.group(1), **given), "accesses")


def test_the_interface_asks_a_session_for_the_same_proof(bench: Bench, ada: Reader) -> None:
    def grant(key: str):
        headers = {"idempotency-key": key, "origin": HERE, "pli-csrf": forgery_token(ada.cookie)}
        form = {"person": "bob", "role": "DR", "valid_from": DAY}
        return ada.http.post(f"/api/v1/buyers/{BUYER}/roles", json=form, headers=headers)

    assert grant("fresh-one").status_code == 201
    bench.clock.forward(11 * MINUTE)
    assert (grant("fresh-two").status_code, grant("fresh-two").json()["code"]) == (
        401,
        "login.too-old",
    )


def test_the_same_form_sent_twice_is_one_act(bench: Bench, ada: Reader) -> None:
    at = f"{HOME}/accesses"
    once = ONCE.search(ada.get(at).text)
    assert once is not None
    given = {"to": OTHER_BUYER, "until_on": "2026-12-31", "ground": "Contrôle"}
    for _ in range(2):
        done(ada.send(at, at, once=once.group(1), **given), "accesses")
    assert len(buyer_of(bench).accesses) == 1
    assert ada.send(at, at, **given).status_code == 409, "a form without its number"


def test_a_departure_is_confirmed_before_it_is_recorded(bench: Bench, ada: Reader) -> None:
    bench.platform.publish()
    note = parse_checkpoint(parse_note(bench.get("/checkpoint").content).text)
    assert f'href="{HOME}/departure/export"' in ada.get(f"{HOME}/departure").text
    taken = ada.get(f"{HOME}/departure/export")
    assert (taken.status_code, taken.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(taken.content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["size"], manifest["root"]) == (note.size, note.root.hex())
    bad = fill(ada, "departure", size="0x10", root="12")
    assert set(faults(bad.text)) == {"size", "root"}
    given = {"size": str(note.size), "root": note.root.hex()}
    sure = fill(ada, "departure", **given)
    assert sure.status_code == 200
    assert "ne se défait pas" in sure.text
    wrong = fill(ada, "departure", **given, sure=OTHER_BUYER)
    assert (wrong.status_code, list(faults(wrong.text))) == (422, ["sure"])
    assert not buyer_of(bench).gone(now(bench))
    unproven = fill(ada, "departure", **given | {"root": "0" * 64}, sure=BUYER)
    assert list(faults(unproven.text)) == ["root"]
    done(fill(ada, "departure", **given, sure=BUYER), "departure")
    assert buyer_of(bench).gone(now(bench))
    assert ada.get(HOME).status_code == 403


def test_the_platform_registers_and_invites_the_first_officer(bench: Bench) -> None:
    platform = bench.platform.desk.platform
    weak = joined(bench, platform, "PA", "root@pli.example", "Rose Petit")
    assert weak.get(HOME).headers["location"] == "/login/again?next=/account"
    root, entrance = Reader(bench), bench.app.state.entrance
    root.http.cookies.set("pli", entrance.enter(person_of(bench, "root@pli.example"), PASSKEY))
    given = {"siret": "215 905 120 00162", "name": "Ville de Roubaix", "buyer_kind": "COMMUNE"}
    early = fill(root, "invitations", name="Éric Roy", email="e@r.example", role="BU", org=JOINING)
    assert list(faults(early.text)) == ["org"]
    done(fill(root, "buyers", **given, population="98 000"), "buyers")
    assert "premier responsable" in root.get(f"{HOME}/invitations?done=buyers").text
    assert list(faults(fill(root, "buyers", **given).text)) == ["siret"]
    eric = invited_by(root, "Éric Roy", "e@r.example", "BU", org=JOINING)
    assert "Ville de Roubaix" in eric.get(HOME).text
    second = fill(root, "invitations", name="Luc Roy", email="l@r.example", role="BU", org=JOINING)
    assert list(faults(second.text)) == ["org"]
    wide = {"to": JOINING, "until_on": "2026-12-31", "ground": "Juridiction financière"}
    done(fill(root, "accesses", **wide), "accesses")
    assert [one.scope for one in buyer_of(bench, platform).accesses] == ["platform"]
    assert "toute la plateforme" in root.get(HOME).text
    company = {"siret": RIVAL, "name": "Bâtisseurs du Nord", "size_class": "PME"}
    lone = {"name": "Ève Blanc", "email": "eve@nord.example", "role": "CY"}
    for org in ({}, {"org": RIVAL}):
        assert list(faults(fill(root, "invitations", **lone, **org).text)) == ["org"]
    done(fill(root, "companies", **company), "companies")
    assert 'value="CY"' not in root.get(f"{HOME}/roles").text
    brought = [row for row in bench.platform.accounts.pending() if row.org == RIVAL]
    assert not brought, "the token of the tests is its first representative"
    assert list(faults(fill(root, "invitations", **lone, org=RIVAL).text)) == ["org"]
    small = {"siret": SMALL, "name": "Une seule personne", "size_class": "TPE"}
    done(fill(root, "companies", **small), "companies")
    eve = invited_by(root, **lone, org=SMALL)
    assert "administrateur de la plateforme" in eve.get(HOME).text, "who named her"
    again = lone | {"email": "luc@nord.example"}
    assert list(faults(fill(root, "invitations", **again, org=SMALL).text)) == ["org"]
    assert root.get(f"{HOME}/committee").status_code == 403
    assert root.get(f"{HOME}/consortia").status_code == 403


def test_a_company_registers_itself_and_declares_a_consortium(bench: Bench) -> None:
    carl = joined(bench, COMPANY, "CY", "carl@company.example", "Carl Weber")
    assert "pas encore inscrite" in carl.get(HOME).text
    assert carl.get(f"{HOME}/consortia").status_code == 403
    done(fill(carl, "companies", name="Électricité", size_class="GE"), "companies")
    assert carl.get(f"{HOME}/companies").status_code == 403, "it is registered"
    page = carl.get(HOME).text
    assert "Carl Weber" in page
    assert "Un seul compte" in page
    for path in ("roles", "powers", "refusals", "committee", "departure", "buyers"):
        assert carl.get(f"{HOME}/{path}").status_code == 403, path
    lone = fill(carl, "consortia", form="JOINT", members=COMPANY)
    assert list(faults(lone.text)) == ["members"]
    bad = fill(carl, "consortia", form="JOINT", members=f"{RIVAL}\nPas un identifiant !")
    assert list(faults(bad.text)) == ["members"]
    done(fill(carl, "consortia", form="SEVERAL", members="356 000 000 00048\n"), "consortia")
    found = bench.platform.desk.files.find(EconomicOperator, f"operator/{COMPANY}")
    assert found is not None
    assert found.consortia[0].members == tuple(sorted((COMPANY, RIVAL)))
    assert RIVAL in carl.get(HOME).text


def test_a_representative_is_removed_by_another_and_never_the_last(bench: Bench) -> None:
    carl = joined(bench, COMPANY, "CY", "carl@company.example", "Carl Weber")
    assert carl.get(f"{HOME}/representatives").status_code == 403, "not registered yet"
    done(fill(carl, "companies", name="Électricité", size_class="GE"), "companies")
    mine = person_of(bench, "carl@company.example")
    found = bench.platform.desk.files.find(EconomicOperator, f"operator/{COMPANY}")
    assert found is not None
    for one in found.people(now(bench), bench.platform.desk.subjects.reveal).keys() - {mine}:
        end = {"person": one, "reason": "jeton des essais"}
        done(fill(carl, "representatives", **end), "representatives")
    last = fill(carl, "representatives", person=mine, reason="Départ")
    assert list(faults(last.text)) == ["person"]
    dora = invited_by(carl, "Dora Klein", "dora@company.example", "CY")
    page = carl.get(HOME).text
    assert page.count("l'exploitant, sur la machine") == 1, "who brought Carl in"
    assert "Dora Klein" in page
    address = unescape(re.findall(rf'href="({HOME}/representatives\?person=[^"]+)"', page)[-1])
    asked = dora.get(address).text
    assert f'value="{person_of(bench, "dora@company.example")}" selected' in asked
    empty = fill(dora, "representatives", person=mine, reason="")
    assert list(faults(empty.text)) == ["reason"]
    done(fill(dora, "representatives", person=mine, reason="Départ"), "representatives")
    assert carl.get(HOME).status_code == 403, "at once"
    assert "Carl Weber" not in dora.get(HOME).text
    gone = fill(dora, "representatives", person=mine, reason="Départ")
    assert list(faults(gone.text)) == ["person"]


def test_whoever_has_no_seat_or_is_signed_out_sees_nothing(bench: Bench, ada: Reader) -> None:
    stranger = Reader(bench)
    for path in (HOME, f"{HOME}/roles", f"{HOME}/powers", f"{HOME}/refusals.csv"):
        assert stranger.get(path).headers["location"] == f"/login?next={path}"
    bob = invited_by(ada, "Bob Durand", "bob@lille.example", "DR")
    held = buyer_of(bench).in_force(now(bench))
    row = next(one for one in held if one.role == "DR")
    end = {"holding": f"DR {row.person}", "reason": "Départ"}
    done(fill(ada, "revocations", **end), "revocations")
    assert bob.get(HOME).status_code == 403
    assert bob.get(f"{HOME}/powers").status_code == 404


def test_english_pages_hold_no_french_word(ada: Reader) -> None:
    reader = ada
    reader.http.headers["accept-language"] = "en"
    for path in (HOME, f"{HOME}/delegations", f"{HOME}/powers", f"{HOME}/departure"):
        page = reader.get(path).text
        assert not re.search(r"Délég|Plafond|Personne|Heure légale|Élection", page), path
