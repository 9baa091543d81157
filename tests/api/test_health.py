"""Was the platform able to receive? The answer by route, page, file and command; its secrets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench, shown
from doubles.probing import Rounds
from doubles.reader import Reader, joined, officer
from pypdf import PdfReader

from api import health, uploading
from api.adapters import http as outgoing
from api.cli import run
from api.entrance import PASSKEY
from api.health_report import COLUMNS, csv_text, told
from domain.events.transmission import StallCause
from replay import verifier

AUDITOR = "cour-regionale"
AT = "/api/v1/health/evidence"
# 09:03 to 09:08 in UTC: between the second and the last probe before the hour
ASKED = "?from=2026-11-02T10:03&to=2026-11-02T10:08"
FIELDS = "?from_day=2026-11-02&from_hour=10:03&to_day=2026-11-02&to_hour=10:08"
INCIDENTS = "/api/v1/health/incidents"


@dataclass
class Case:
    """A closed home: ten minutes of probes, a deposit, a session that the platform failed."""

    bench: Bench
    auditor: str
    failed: str


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Case:
    bench = Bench(tmp_path_factory.mktemp("first"))
    bench.register()
    whole = {"to": AUDITOR, "until_on": "2027-12-31", "ground": "contrôle"}
    platform = bench.platform.desk.platform
    bench.done(
        f"/api/v1/buyers/{platform}/accesses", bench.tokens.admin, whole | {"scope": "platform"}
    )
    at = bench.publish()
    rounds = Rounds(bench)
    rounds.minute(5)
    bench.deposit(bench.seal(at))
    name = bench.announce(bench.seal(at, token=bench.tokens.rival), bench.tokens.rival).json()
    upload = bench.platform.uploads.find(name["transmission"])
    assert upload is not None
    uploading.stall(bench.platform, upload, StallCause.SERVER)
    rounds.minute(5)
    rounds.probing.flush()
    bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    auditor = bench.token(AUDITOR, "AU")
    bench.get("/api/v1/me", auditor)
    bench.close()
    return Case(bench, auditor, name["transmission"])


@pytest.fixture
def bench(first: Case, tmp_path: Path) -> Iterator[Bench]:
    """Return a platform of the test's own."""
    made = first.bench.twin(tmp_path / "twin")
    yield made
    made.close()


@pytest.fixture(scope="module")
def still(first: Case, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a platform for all tests that only ask."""
    made = first.bench.twin(tmp_path_factory.mktemp("still") / "twin")
    yield made
    made.close()


def ask(bench: Bench, token: str, window: str = ASKED) -> dict[str, Any]:
    answer = bench.get(AT + window, token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sources(found: dict[str, Any]) -> set[str]:
    return {one["source"] for one in (*found["probes"], *found["clock"])}


def plan(bench: Bench) -> None:
    bench.forward(SOON)
    bench.done(f"{bench.attend()}/plan", bench.tokens.buyer)


# -- what is told, and to whom


def test_before_the_opening_nothing_of_a_deposit_is_told(first: Case, still: Bench) -> None:
    for token in (still.tokens.buyer, still.tokens.company, still.tokens.admin):
        found = ask(still, token)
        assert found["verdict"] == "PROVEN"
        assert (found["deposits_received"], found["server_failures"]) == ({}, [])
        assert found["hidden_until_opening"] is True
        proofs = found["proofs"]
        assert not proofs["receipts"], "a position would tell how many deposits came before it"
        assert set(proofs["withheld_until_openings"]) == sources(found)
    text = still.get(AT + ASKED, still.tokens.buyer).text
    assert first.failed not in text


def test_an_auditor_of_the_whole_log_is_told_all_with_proofs(
    first: Case, still: Bench, tmp_path: Path
) -> None:
    found = ask(still, first.auditor)
    assert found["verdict"] == "FAILED"
    assert [(one["ground"], one["what"]) for one in found["reasons"]] == [
        ("SERVER", "TransmissionStalled")
    ]
    assert found["deposits_received"] == {"lille-1": 1}
    receipts = found["proofs"]["receipts"]
    assert set(receipts) == sources(found)
    policy = tmp_path / "policy.txt"
    policy.write_text(still.platform.policies["policy.txt"])
    for number, receipt in enumerate(receipts.values()):
        path = tmp_path / f"{number}.tlog-proof"
        path.write_text(receipt)
        assert verifier.main(["receipt", str(path), "--policy", str(policy)]) == 0


def test_after_every_plan_the_buyer_is_told_what_was_hidden(bench: Bench) -> None:
    plan(bench)
    bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    found = ask(bench, bench.tokens.buyer)
    assert found["verdict"] == "FAILED"
    assert [one["event"] for one in found["server_failures"]] == ["TransmissionStalled"]
    assert found["deposits_received"] == {"lille-1": 1}
    assert not found["proofs"]["withheld_until_openings"]
    assert set(found["proofs"]["receipts"]) == sources(found)
    start = {"local": "2026-11-02T10:05"}
    bench.done(INCIDENTS, bench.tokens.admin, {"start": start, "cause": "panne"})
    later = ask(bench, bench.tokens.buyer)
    assert later["proofs"]["not_published_yet"] == [later["incidents"][0]["source"]]


def test_the_same_log_gives_the_same_bytes(still: Bench) -> None:
    one, other = (still.get(AT + ASKED, still.tokens.buyer).content for _ in range(2))
    assert one == other


def test_whoever_neither_sees_nor_declares_is_refused(still: Bench) -> None:
    assert still.get(AT + ASKED).status_code == 401
    assert still.get(AT + ASKED, still.tokens.custodian).status_code == 403


@pytest.mark.parametrize(
    ("window", "code"),
    [
        ("?from=2026-11-02T10:08&to=2026-11-02T10:07", "command.form"),
        ("?from=2026-11-02T10:08&to=2026-11-09T10:09", "command.form"),
        ("?from=2026-10-25T02:30&to=2026-10-25T04:00", "calendar.no-such-hour"),
        ("?from=2026-11-02&to=2026-11-03", "calendar.form"),
        ("?from=2026-11-02T10:08&to=2026-11-02T10:09&zone=Nowhere", "calendar.form"),
        ("?from=2026-11-02T10:08", "request.form"),
    ],
)
def test_a_window_that_is_none_is_refused(still: Bench, window: str, code: str) -> None:
    answer = still.get(AT + window, still.tokens.buyer)
    assert (answer.status_code, shown(answer)) == (422, code)


# -- now


def test_the_state_of_now_is_what_waits_with_what_is_recorded(bench: Bench) -> None:
    assert bench.get("/api/v1/health").json()["verdict"] == "PROVEN"
    bench.clock.forward(timedelta(minutes=3))
    assert bench.get("/api/v1/health").json()["verdict"] == "UNPROVEN"
    rounds = Rounds(bench)
    rounds.minute()
    now = bench.get("/api/v1/health").json()
    assert now["verdict"] == "PROVEN"
    assert {one["probe"] for one in now["last"]} >= {"DEPOSIT", "LINK", "STORAGE"}
    assert "latency_ms" not in json.dumps(now), "the load of deposits moves it"
    (outage,) = now["outages"]
    assert outage["next_good"] == bench.clock.now().latest.isoformat().replace("+00:00", "Z")


def test_a_failed_deposit_is_told_at_once_and_a_day_later_no_more(bench: Bench) -> None:
    rounds = Rounds(bench)
    rounds.door.fault = lambda _method, path: 1 / 0 if path.endswith("/head") else None
    rounds.minute()
    now = bench.get("/api/v1/health").json()
    assert now["verdict"] == "FAILED"
    assert [one["error"] for one in now["last"] if not one["ok"]] == ["ZeroDivisionError"]
    rounds.door.fault = lambda *_: None
    bench.clock.forward(timedelta(hours=26))
    rounds.at += 26 * 3_600_000_000
    rounds.minute()
    rounds.probing.flush()
    now = bench.get("/api/v1/health").json()
    assert (now["verdict"], now["outages"]) == ("PROVEN", [])


def test_the_page_shows_now_and_the_last_day_in_both_languages(still: Bench) -> None:
    text = still.http.get("/health").text
    assert "Santé de la plateforme" in text
    assert "les essais le prouvent" in text
    assert "±5 ms" in text
    assert text.count("<rect ") == 144
    assert (
        text.count('<th scope="row">02/11/2026 ') + text.count('<th scope="row">01/11/2026 ') >= 24
    )
    assert "Health of the platform" in still.http.get("/health?lang=en").text


def test_an_attestation_of_attempt_names_the_probe_of_its_minute(bench: Bench) -> None:
    at = "/api/v1/consultations/lille-1"

    names: list[str] = []

    def given_up() -> Any:
        name = bench.announce(bench.seal(at)).json()["transmission"]
        names.append(name)
        token = {"Authorization": f"Bearer {bench.tokens.company}"}
        return bench.http.delete(f"/api/v1/transmissions/{name}", headers=token).json()["mentions"]

    rounds = Rounds(bench)
    rounds.minute()
    good = given_up()["probe"]
    assert good["state"] == "PROVEN"
    assert good["at"] == bench.clock.now().latest.isoformat().replace("+00:00", "Z")
    rounds.door.fault = lambda _method, path: 1 / 0 if path.endswith("/head") else None
    rounds.minute()
    assert (given_up()["probe"]["state"], given_up()["probe"]["error"]) == (
        "FAILED",
        "ZeroDivisionError",
    )
    bench.clock.forward(timedelta(minutes=3))
    assert given_up()["probe"] == {"state": "UNPROVEN"}
    # in a dispute it is read long after, and says the same of its minute
    paths = [f"/api/v1/transmissions/{name}" for name in names]
    told = [bench.get(path, bench.tokens.company).json()["mentions"] for path in paths]
    rounds.probing.flush()
    bench.clock.forward(timedelta(days=7))
    rounds.minute()
    rounds.probing.flush()
    late = [bench.get(path, bench.tokens.company).json()["mentions"] for path in paths]
    assert [one["probe"]["state"] for one in late] == ["PROVEN", "FAILED", "FAILED", "UNPROVEN"]
    assert late == told


# -- incidents


def test_an_incident_is_declared_ended_and_seen(bench: Bench) -> None:
    start, end = {"local": "2026-11-02T10:01"}, {"local": "2026-11-02T10:06"}
    form = {"start": start, "scope": "DEPOSIT", "cause": "Panne de disque"}
    told = bench.done(INCIDENTS, bench.tokens.admin, form)
    assert told["incidents"][0]["cause"] == "Panne de disque"
    assert "to" not in told["incidents"][0]
    found = ask(bench, bench.tokens.buyer)
    assert [one["ground"] for one in found["reasons"]] == ["INCIDENT"]
    assert "en cours" in bench.http.get("/health").text
    bench.done(INCIDENTS, bench.tokens.admin, form | {"end": end})
    after = ask(bench, bench.tokens.buyer, "?from=2026-11-02T10:07&to=2026-11-02T10:08")
    assert after["verdict"] == "PROVEN"
    assert bench.post(INCIDENTS, bench.tokens.buyer, form).status_code == 403
    later = form | {"start": {"local": "2026-11-02T23:00"}}
    assert shown(bench.post(INCIDENTS, bench.tokens.admin, later)) == "command.form"


def test_a_declaration_is_repeated_after_a_deadline_too(bench: Bench) -> None:
    """Which buyers are told is what the platform finds, no part of what was asked (N3)."""
    form = {"start": {"local": "2026-11-02T10:01"}, "cause": "Panne de disque"}
    told = bench.done(INCIDENTS, bench.tokens.admin, form, key="incident-1")["incidents"]
    bench.forward(SOON)
    size = bench.platform.ledger.head()
    again = bench.post(INCIDENTS, bench.tokens.admin, form, key="incident-1")
    assert (again.status_code, bench.platform.ledger.head()) == (201, size)
    assert told


def test_an_incident_by_the_page_tells_the_buyers_of_open_consultations(bench: Bench) -> None:
    platform = bench.platform.desk.platform
    weak = joined(bench, platform, "PA", "root@pli.example", "Rose Petit")
    entrance = bench.app.state.entrance
    root = Reader(bench)
    root.http.cookies.set(
        "pli", entrance.enter(entrance.visitor(weak.cookie).person.person, PASSKEY)
    )
    ada = joined(bench, BUYER, "BU", "ada@lille.example", host=officer(bench))
    cyr = joined(bench, COMPANY, "CY", "cyr@nord.example")
    assert "Incident de la plateforme" not in ada.get("/administration").text
    page = "/administration/incidents"
    once = root.get(page).text.split('name="once" value="')[1][:32]
    fields = {
        "from_day": "2026-11-02",
        "from_hour": "10:01",
        "scope": "PLATFORM",
        "cause": "Coupure de courant",
    }
    wrong = root.send(
        page, page, once=once, **fields | {"to_day": "2026-11-02", "to_hour": "09:00"}
    )
    assert wrong.status_code == 422
    assert "La fin suit le début" in wrong.text
    early = root.send(page, page, once=once, **fields | {"from_hour": "23:00"})
    assert "une fois commencé" in early.text
    assert root.send(page, page, once=once, **fields).status_code == 303
    assert "Coupure de courant" in ada.get("/administration").text
    assert "Coupure de courant" not in cyr.get("/administration").text
    assert "Coupure de courant" in bench.http.get("/health").text
    assert ada.get(page).status_code == 403


# -- pages and files of evidence


@pytest.fixture(scope="module")
def here(still: Bench) -> Reader:
    return joined(still, BUYER, "BU", "ada@lille.example", host=officer(still))


@pytest.fixture
def ada(bench: Bench) -> Reader:
    return joined(bench, BUYER, "BU", "ada@lille.example", host=officer(bench))


def test_the_page_answers_with_files_of_the_same_evidence(still: Bench, here: Reader) -> None:
    at = "/administration/evidence"
    assert at in here.get("/administration").text
    assert "Réponse" not in here.get(at).text
    page = here.get(at + FIELDS)
    assert "la plateforme pouvait recevoir pendant toute la période" in page.text
    found = here.get(f"{at}.json{FIELDS}")
    assert found.json() == ask(still, still.tokens.buyer)
    assert "no-store" in found.headers["cache-control"]
    text = here.get(f"{at}.csv{FIELDS}").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert tuple(rows[0]) == COLUMNS
    assert sum(row["what"] == "probe" for row in rows) == len(found.json()["probes"])
    pdf = PdfReader(io.BytesIO(here.get(f"{at}.pdf{FIELDS}").content))
    assert json.loads(pdf.attachments["preuve.json"][0]) == found.json()
    assert "PROUVÉ" in pdf.pages[0].extract_text()


def test_a_wrong_window_is_told_beside_its_field(here: Reader) -> None:
    at = "/administration/evidence"
    wrong = FIELDS.replace("10:08", "10:02")
    assert "sept jours au plus" in here.get(at + wrong).text
    assert here.get(at + wrong).status_code == 422
    assert here.get(at + "?from_day=x").status_code == 422
    assert here.get(f"{at}.csv{wrong}").status_code == 422


def test_a_failed_and_a_silent_window_are_shown_with_their_reasons(
    bench: Bench, ada: Reader
) -> None:
    rounds = Rounds(bench)
    rounds.door.fault = lambda _method, path: 1 / 0 if path.endswith("/head") else None
    bench.clock.forward(timedelta(minutes=4))
    rounds.minute()
    page = ada.get("/administration/evidence" + FIELDS.replace("to_hour=10:08", "to_hour=10:20"))
    assert "essai échoué" in page.text
    assert "Sans essai réussi" in page.text
    found = ask(bench, bench.tokens.buyer, "?from=2026-11-02T10:03&to=2026-11-02T10:20")
    assert "recorded_until" not in ask(bench, bench.tokens.buyer)
    for language, word in (("fr", "essai échoué"), ("en", "failed probe")):
        assert word in told(found, language)
    rows = csv_text(found)
    assert "silence;DEPOSIT" in rows
    assert "failed;ZeroDivisionError" in rows


def test_no_cell_is_a_formula(bench: Bench) -> None:
    start = {"local": "2026-11-02T10:05"}
    form = {"start": start, "end": start, "cause": "=1+1"}
    bench.done(INCIDENTS, bench.tokens.admin, form)
    assert ";'=1+1;" in csv_text(ask(bench, bench.tokens.buyer))


# -- the command


def test_one_command_answers(
    still: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(still.home.folder)]
    window = ["--from", "2026-11-02T10:06", "--to", "2026-11-02T10:06"]
    assert run(["health", "evidence", *home, *window]) == 0
    assert capsys.readouterr().out.startswith("PROUVÉ")
    pdf, table = tmp_path / "p.pdf", tmp_path / "p.csv"
    files = ["--pdf", str(pdf), "--csv", str(table)]
    assert run(["health", "evidence", *home, *window, "--whole", "--json", *files]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["proofs"]["receipts"]
    assert pdf.read_bytes().startswith(b"%PDF")
    assert table.read_text("utf-8-sig").startswith("at;what")
    narrow = health.evidence(
        health.log_of(still.platform),
        health.window(
            *(still.clock.now().latest.replace(hour=9, minute=6, second=0, microsecond=0),) * 2
        ),
    )
    assert run(["health", "evidence", *home, *window, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(narrow))
    silent = ["--from", "2026-11-02T11:46", "--to", "2026-11-02T11:46"]
    assert run(["health", "evidence", *home, *silent]) == 1
    said = capsys.readouterr().out
    assert said.startswith("NON PROUVÉ")
    assert "à chaque battement" in said
    assert run(["health", "evidence", *home, "--from", "x", "--to", "y"]) == 1
    assert "[calendar.form]" in capsys.readouterr().err


def test_an_incident_is_declared_by_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = httpx2.ASGITransport(app=bench.app)
    real = outgoing.PlatformClient

    def wired(url: str, token: str | None) -> Any:
        return real(url, token, transport=line)

    monkeypatch.setattr(outgoing, "PlatformClient", wired)
    window = ["--from", "2026-11-02T10:05", "--to", "2026-11-02T10:06"]
    words = ["--cause", "Coupure", "--token", bench.tokens.admin]
    assert run(["health", "declare", *window, *words]) == 0
    assert json.loads(capsys.readouterr().out)["incidents"][0]["cause"] == "Coupure"
    assert run(["health", "declare", *window[:2], *words[:2], "--token", bench.tokens.buyer]) == 1
    assert "[role.not-allowed]" in capsys.readouterr().err
