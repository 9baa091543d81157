"""Pages of the desk, of late envelopes and of backup copies: who sees what, and when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench
from doubles.reader import Reader, invited, joined, officer

from api.depositor.sealing import Wish

HOME = "/administration"
AT = "/api/v1/consultations/lille-1"
OPENING = "/api/v1/openings/lille-1/0"
ONCE = re.compile(r'name="once" value="([0-9a-f]{32})"')
OPTION = re.compile(r'<option value="([0-9a-f-]{32,36})"')
CAME = {
    "consultation": "lille-1",
    "lots": "0",
    "bidder": COMPANY,
    "medium": "PAPER",
    "label_ok": "YES",
    "day": "2026-11-02",
    "hour": "09:59",
    "desk": "accueil",
    "seal_no": "S-7",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("desk"))
    made.register()
    made.publish()
    yield made
    made.close()


def person(bench: Bench) -> Reader:
    """Return one person with seats at the desk, in the purchasing unit and in the committee."""
    host = officer(bench)
    reader = joined(bench, BUYER, "BU", "ada@lille.example", host=host)
    for role in ("RD", "CO"):
        at = invited(bench, BUYER, role, "ada@lille.example", host=host)
        assert reader.send(at, f"{at}/seat").status_code == 303
    return reader


def sit(reader: Reader, role: str) -> Reader:
    """Let the person take one of their seats, freshly proven."""
    assert reader.send("/account", "/account/seat", seat=f"{BUYER} {role}").status_code == 303
    return reader


def fill(reader: Reader, form: str, **fields: str) -> Any:
    """Send a form of administration with all that its page hid in it."""
    at = f"{HOME}/{form}"
    page = reader.get(at)
    once = ONCE.search(page.text)
    assert (page.status_code, once is not None) == (200, True), page.text
    return reader.send(at, at, once=once.group(1), **fields)  # type: ignore[union-attr]


def offered(reader: Reader, form: str) -> list[str]:
    """Return the deposits or copies among which a form lets its reader choose."""
    return OPTION.findall(reader.get(f"{HOME}/{form}").text)


def test_the_desk_writes_down_and_the_buyer_decides_after_the_plan(bench: Bench) -> None:
    reader = sit(person(bench), "RD")
    home = reader.get(HOME).text
    assert f"{HOME}/backup-copies" in home
    assert f"{HOME}/register" in home
    assert f"{HOME}/late-deposits" not in home
    assert "Le guichet n'a encore rien inscrit." in reader.get(f"{HOME}/register").text
    wrong = fill(reader, "backup-copies", **CAME | {"hour": "23:59", "bidder": "1"})
    assert wrong.status_code == 422
    future = fill(reader, "backup-copies", **CAME | {"day": "2027-01-01"})
    assert (future.status_code, 'id="hour-fault"' in future.text) == (422, True)
    done = fill(reader, "backup-copies", **CAME)
    assert (done.status_code, done.headers["location"]) == (
        303,
        f"{HOME}/register?done=backup-copies",
    )
    item = {"consultation": "lille-1", "item": "SAMPLE", "bidder": COMPANY, "channel": "coursier"}
    item |= {"day": "2026-11-02", "hour": "09:30"}
    bare = fill(reader, "register-items", **item | {"item": "PAPER_EXCEPTION"})
    assert (bare.status_code, 'id="ground-fault"' in bare.text) == (422, True)
    assert fill(reader, "register-items", **item).status_code == 303
    page = reader.get(f"{HOME}/register?done=register-items").text
    for told in ("S-7", "02/11/2026 09:59:00", "Échantillon", "coursier", f"siret:{COMPANY}"):
        assert told in page
    electronic = bench.seal(AT, wish=Wish("BACKUP", ("0",)))
    bench.deposit(electronic)
    assert electronic.made.deposit[:8] not in reader.get(f"{HOME}/register").text
    # before the plan the purchasing unit sees neither the paper nor the electronic one
    late = bench.seal(AT)
    begun = bench.announce(late).json()["transmission"]
    sit(reader, "BU")
    nothing = reader.get(f"{HOME}/copies").text
    assert "Aucune copie de sauvegarde n'est connue à ce jour." in nothing
    bench.forward(SOON)
    finish(bench, begun, late)
    bench.attend()
    assert reader.get(f"{HOME}/register").status_code in {303, 403}
    decide(bench)


def finish(bench: Bench, begun: str, late: Any) -> None:
    """Send what is missing of an envelope: it comes late."""
    bench.head(begun, late)
    answers = [bench.chunk(begun, late, index) for index in range(len(late.file.leaves))]
    assert not answers[-1].json()["on_time"]


def decide(bench: Bench) -> None:
    """Let a member of the committee decide, before and after the plan."""
    host = officer(bench)
    reader = joined(bench, BUYER, "CO", "eve@lille.example", host=host)
    for form in ("late-deposits", "copy-decisions"):
        assert offered(reader, form) == [], "nothing to decide on before the plan"
    bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    page = reader.get(f"{HOME}/copies").text
    assert page.count("pli déposé hors délai, envoi commencé dans les délais") == 2
    paper, electronic = offered(reader, "copy-decisions")
    assert fill(reader, "copy-decisions", copy=paper, decision="AUTHORISE").status_code == 303
    assert fill(reader, "copy-decisions", copy=paper, decision="OPEN").status_code == 303
    refused = fill(reader, "copy-decisions", copy=electronic, decision="SET_ASIDE")
    assert (refused.status_code, "backup.may-open" in refused.text) == (409, True)
    gone = fill(reader, "copy-decisions", copy=electronic, decision="DESTROY")
    assert (gone.status_code, 'id="witness-fault"' in gone.text) == (422, True)
    told = fill(reader, "copy-decisions", copy=electronic, decision="DESTROY", witness="Mme T")
    assert "backup.electronic" in told.text
    assert offered(reader, "copy-decisions") == [electronic], "what is opened is decided"
    (late,) = offered(reader, "late-deposits")
    fields = {"deposit": late, "decision": "ADMIT", "reasons": "panne établie"}
    assert fill(reader, "late-deposits", **fields).status_code == 422
    fields |= {"ground": "panne de la plateforme", "findings": "health/main#7"}
    assert fill(reader, "late-deposits", **fields).status_code == 303
    plan = bench.done(f"{OPENING}/plan", bench.tokens.buyer)["plan"]
    assert plan["open"] == [late]
    assert bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})["state"] == "COMPLETED"


def test_a_company_withdraws_its_own_envelope_by_a_page(bench: Bench) -> None:
    bench.deadline = "2026-12-20T12:00"
    at = bench.publish("lille-9")
    kept = bench.deposit(bench.seal(at, token=bench.tokens.rival), bench.tokens.rival)
    mine = bench.deposit(bench.seal(at))["deposit"]
    reader = joined(bench, COMPANY, "CY", "cyr@nord.example")
    assert kept["deposit"] not in offered(reader, "withdrawals"), "another's is not offered"
    stolen = fill(reader, "withdrawals", deposit=kept["deposit"])
    assert (stolen.status_code, 'id="deposit-fault"' in stolen.text) == (422, True)
    assert fill(reader, "withdrawals", deposit=mine, reason="erreur").status_code == 303
    assert mine not in offered(reader, "withdrawals")
    state = bench.get(f"/api/v1/deposits/{mine}", bench.tokens.company).json()["deposit_state"]
    assert state == "WITHDRAWN"
    rows = bench.platform.ledger.stream(f"deposit/{mine}")
    assert [row.kind for row in rows] == ["DepositSealed", "DepositWithdrawn"]
    assert not any(COMPANY.encode() in row.entry for row in rows), "its entries name nobody (N11)"
    needs = {json.loads(row.entry)["data"]["meta"]["correlation"] for row in rows}
    assert needs == {"lille-9"}


def test_a_late_envelope_is_kept_closed_by_a_page_too(bench: Bench) -> None:
    bench.deadline = "2026-12-20T12:00"
    late = bench.seal(bench.publish("lille-8"))
    bench.forward(SOON + SOON + SOON + SOON + SOON)
    bench.deposit(late)
    opening = bench.attend("lille-8")
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    reader = joined(bench, BUYER, "CO", "max@lille.example", host=officer(bench))
    name = late.made.deposit
    assert name in offered(reader, "late-deposits")
    fields = {"deposit": name, "decision": "REJECT", "reasons": "une heure de retard"}
    assert fill(reader, "late-deposits", **fields).status_code == 303
    assert name not in offered(reader, "late-deposits")
