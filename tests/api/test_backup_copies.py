"""Backup copies over the interface: sealed, kept unseen, opened by the custodians on a ground."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench, Envelope, shown

from api.adapters.uploads import Upload
from api.copies import operator_of
from api.depositor.errors import SealRefused
from api.depositor.sealing import Wish
from api.facts import facts
from api.wiring import open_reader
from domain.commands.fix_opening_plan import AnchorPlan, anchor_plan
from domain.commands.transmit import FailTransmission, fail_transmission
from domain.events.opening import PlanKind
from domain.events.transmission import StallCause
from domain.opening import OpeningSession
from domain.plan import Plan
from domain.ports import Act, Principal
from replay import timeline

AT = "/api/v1/consultations/lille-1"
OPENING = "/api/v1/openings/lille-1/0"
COPIES = "/api/v1/backup-copies"
PAPER = {
    "lots": ["0"],
    "bidder": COMPANY,
    "medium": "PAPER",
    "label_ok": True,
    "received": {"local": "2026-11-02T09:59"},
    "desk": "accueil",
    "seal_no": "S-7",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a closed platform with one published consultation."""
    made = Bench(tmp_path_factory.mktemp("published"))
    made.register()
    made.publish()
    made.close()
    return made


@pytest.fixture
def bench(published: Bench, tmp_path: Path) -> Iterator[Bench]:
    made = published.twin(tmp_path / "twin")
    yield made
    made.close()


def backup(bench: Bench, token: str | None = None) -> Envelope:
    """Seal a backup copy as ``pli seal --kind BACKUP`` does."""
    return bench.seal(AT, token=token, wish=Wish("BACKUP", ("0",)))


def open_all(bench: Bench) -> dict[str, Any]:
    bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    return dict(bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {}))


def desk(bench: Bench) -> str:
    return bench.token(BUYER, "RD")


def copies(bench: Bench) -> list[dict[str, Any]]:
    answer = bench.get(f"{AT}/backup-copies", bench.tokens.buyer)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["backup_copies"])


def test_an_electronic_copy_opens_after_its_deposit_came_late(bench: Bench) -> None:
    sealed, offer = backup(bench), bench.seal(AT)
    begun = bench.announce(offer).json()["transmission"]
    received = bench.deposit(sealed)
    name = sealed.made.deposit
    assert (received["backup_copy"], received["on_time"]) == (name, True)
    assert received["receipt"].startswith("c2sp.org/tlog-proof@v1")
    assert received["mentions"]["depositor"]["name"] == "Travaux du Nord"
    bench.forward(SOON)
    bench.head(begun, offer)
    for index in range(len(offer.file.leaves)):
        answer = bench.chunk(begun, offer, index)
    assert not answer.json()["on_time"], "begun in time, ended late"
    bench.attend()
    assert copies(bench) == [], "nothing before the plan of the lot"
    refused = bench.post(f"{COPIES}/{name}/authorisation", bench.tokens.buyer)
    assert refused.status_code == 404
    plan = bench.done(f"{OPENING}/plan", bench.tokens.buyer)["plan"]
    assert (plan["open"], plan["late"]) == ([], [offer.made.deposit])
    bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    (one,) = copies(bench)
    assert (one["state"], one["medium"], one["may_open"]) == ("RECEIVED", "ELECTRONIC", True)
    assert one["bidder"] == f"siret:{COMPANY}"
    told = bench.done(f"{COPIES}/{name}/authorisation", bench.tokens.buyer)
    assert (told["state"], told["ground"]) == ("AUTHORISED", "LATE")
    assert told["evidence"] == [f"deposit/{offer.made.deposit}#1", f"transmission/{begun}#1"]
    by_hand = bench.post(f"{COPIES}/{name}/opening", bench.tokens.buyer)
    assert shown(by_hand) == "opening.not-in-plan"
    plan = bench.done(f"{OPENING}/plan", bench.tokens.buyer)["plan"]
    assert (plan["open"], plan["kind"]) == ([name], "BACKUP_COPY")
    done = bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    (outcome,) = done["outcomes"]
    assert outcome.pop("scan")["verdict"] == "NOT_SCANNED", "there is no scanner here"
    assert outcome == {
        "deposit": name,
        "event": "BackupCopyOpened",
        "backup_copy": True,
        "operator": f"siret:{COMPANY}",
        "company": "Travaux du Nord",
        "ground": "LATE",
    }
    minutes = bench.get(f"{OPENING}/minutes", bench.tokens.buyer).json()
    (row,) = [one for one in minutes["envelopes"] if one["deposit"] == name]
    assert (row["backup_copy"], row["ground"]) == (True, "LATE")
    assert (row["event"], row["scan"]["verdict"]) == ("BackupCopyOpened", "NOT_SCANNED")
    assert row["proof"]["entry"].startswith(f"backup/{name}#")
    assert bench.get(f"{OPENING}/minutes.pdf", bench.tokens.buyer).content.startswith(b"%PDF")
    listed = bench.get(f"{OPENING}/envelopes/{name}/documents", bench.tokens.buyer).json()
    assert [row["name"] for row in listed["documents"]] == ["offre.pdf"]
    read = bench.get(f"{OPENING}/envelopes/{name}/documents/1", bench.tokens.buyer)
    assert read.content.startswith(b"%PDF-1.7")
    shares = facts(bench.platform.ledger, "custody/lille-1")
    released = [fact.data["deposit"] for fact in shares if fact.kind == "OpeningShareReleased"]
    assert released == [name, name], "two custodians answered for this copy, nobody for the deposit"
    bench.platform.views.catch_up()
    page = bench.get("/consultations/lille-1/opening/0").text
    assert "Copies de sauvegarde" in page
    assert "déposé hors délai" in page


def test_without_a_ground_a_copy_stays_closed_and_custodians_refuse_it(bench: Bench) -> None:
    """Not even the plan of a platform that lies moves a custodian (envelope.md §10)."""
    sealed = backup(bench)
    bench.deposit(sealed)
    bench.deposit(bench.seal(AT))
    bench.forward(SOON)
    bench.attend()
    open_all(bench)
    name = sealed.made.deposit
    refused = bench.post(f"{COPIES}/{name}/authorisation", bench.tokens.buyer, key="no-ground-1")
    again = bench.post(f"{COPIES}/{name}/authorisation", bench.tokens.buyer, key="no-ground-1")
    assert (refused.status_code, shown(refused)) == (409, "backup.no-ground")
    assert again.content == refused.content
    told = [fact.kind for fact in facts(bench.platform.ledger, f"backup/{name}")]
    assert told == ["BackupCopyReceived", "OpeningRefused"]
    asked = bench.post(f"{OPENING}/envelopes", bench.tokens.buyer, {"deposit": name})
    assert shown(asked) == "opening.not-in-plan"
    lie(bench, name)
    assert shown(bench.post(f"{OPENING}/envelopes", bench.tokens.buyer, {})) == (
        "custody.quorum-missed"
    )
    custody = facts(bench.platform.ledger, "custody/lille-1")
    refused = [fact.data for fact in custody if fact.kind == "CustodianRefused"]
    assert [(one["deposit"], one["code"]) for one in refused] == [(name, "not-listed")] * 3


def lie(bench: Bench, copy: str) -> None:
    """Write a plan past the rules, naming a copy that nobody authorised, and anchor it."""
    desk = bench.platform.desk
    session = desk.files.find(OpeningSession, "opening/lille-1.0")
    assert session is not None
    officer = Principal(BUYER, "BU", "a liar", "token")
    act = Act("a-forged-plan", officer, "lille-1")
    meta = desk.meta(act, desk.reading(session), BUYER)
    session.fix(meta, PlanKind.BACKUP_COPY, Plan((), (), (), (), ()), (copy,))
    desk.save(act, AnchorPlan("lille-1", "0"), [session])
    bench.platform.publish()
    anchored = Act("its-anchor", officer, "lille-1")
    bench.platform.act(anchor_plan, anchored, AnchorPlan("lille-1", "0"))


def test_the_register_lists_electronic_copies_and_custodians_see_them(bench: Bench) -> None:
    sealed = backup(bench)
    bench.deposit(sealed)
    bench.forward(SOON)
    told = facts(bench.platform.ledger, "consultation/lille-1")
    (part,) = [fact for fact in told if fact.kind == "RegisterListed"]
    (row,) = part.data["deposits"]
    assert (row["deposit"], row["on_time"], row["version"]) == (sealed.made.deposit, True, 1)


def test_a_company_reads_its_own_copies_and_nobody_elses(bench: Bench) -> None:
    sealed = backup(bench)
    bench.deposit(sealed)
    name = sealed.made.deposit
    (own,) = bench.get(COPIES, bench.tokens.company).json()["backup_copies"]
    assert own["backup_copy"] == name
    assert bench.get(f"{COPIES}/{name}", bench.tokens.company).json() == own
    assert bench.get(COPIES, bench.tokens.rival).json() == {"backup_copies": []}
    for token in (bench.tokens.rival, bench.tokens.buyer, bench.tokens.admin):
        assert bench.get(f"{COPIES}/{name}", token).status_code == 404
    assert bench.get("/api/v1/deposits", bench.tokens.company).json() == {"deposits": []}


def test_without_the_policy_neither_sealer_nor_platform_takes_a_copy(bench: Bench) -> None:
    at = bench.draft("lille-2")
    bench.done(f"{at}/deposit-policy", bench.tokens.buyer, {"complements": "ALL"})
    for step, form in (("ceremony", None), ("canary", None), ("publication", {"notice_ids": []})):
        bench.done(f"{at}/{step}", bench.tokens.buyer, form)
    with pytest.raises(SealRefused, match="backup"):
        bench.seal(at, wish=Wish("BACKUP", ("0",)))
    refused = bench.announce(bench.seal(at), kind="BACKUP")
    assert (refused.status_code, shown(refused)) == (422, "backup.not-offered")


def test_the_desk_writes_down_and_only_the_desk_reads_before_the_plan(bench: Bench) -> None:
    bench.deposit(backup(bench))
    token = desk(bench)
    made = bench.done(f"{AT}/desk/backup-copies", token, PAPER)["backup_copy"]
    item = {"item": "SAMPLE", "bidder": COMPANY, "channel": "coursier"}
    item |= {"received": {"local": "2026-11-02T09:30"}}
    written = bench.done(f"{AT}/desk/items", token, item)
    seen = bench.get(f"{AT}/desk", token)
    bench.deposit(backup(bench))
    assert bench.get(f"{AT}/desk", token).content == seen.content, "no electronic one is told"
    (copy,) = written["backup_copies"]
    assert (copy["backup_copy"], copy["seal_no"], copy["state"]) == (made, "S-7", "RECEIVED")
    assert [one["item"] for one in written["items"]] == ["SAMPLE"]
    assert operator_of(bench.platform, "lille-1", "0" * 64) == "", "an erased company has no name"
    assert bench.get(f"{AT}/desk", bench.tokens.buyer).status_code == 403
    assert copies(bench) == [], "the buyer sees neither the paper nor the electronic one"
    assert bench.get(f"{AT}/backup-copies", token).status_code == 403
    bench.forward(SOON)
    bench.attend()
    bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    assert [one["medium"] for one in copies(bench)] == ["ELECTRONIC", "PAPER", "ELECTRONIC"]


def test_a_copy_on_paper_is_authorised_opened_or_destroyed(bench: Bench) -> None:
    token = desk(bench)
    kept, spare = (
        bench.done(f"{AT}/desk/backup-copies", token, PAPER)["backup_copy"] for _ in "ab"
    )
    other = bench.done(f"{AT}/desk/backup-copies", token, PAPER | {"label_ok": False})[
        "backup_copy"
    ]
    begun = bench.announce(bench.seal(AT)).json()["transmission"]
    broken(bench, begun)
    bench.forward(SOON)
    bench.attend()
    open_all(bench)
    buyer = bench.tokens.buyer
    early = bench.post(f"{COPIES}/{kept}/opening", buyer)
    assert shown(early) == "backup.not-authorised"
    assert bench.done(f"{COPIES}/{kept}/authorisation", buyer)["ground"] == "INCOMPLETE"
    assert bench.done(f"{COPIES}/{kept}/opening", buyer)["state"] == "OPENED"
    assert shown(bench.post(f"{COPIES}/{spare}/setting-aside", buyer)) == "backup.may-open"
    infected = bench.done(f"{COPIES}/{spare}/malware", buyer, {"trace_hash": "ab" * 32})
    assert (infected["state"], infected["set_aside"]) == ("SET_ASIDE", "MALWARE")
    assert shown(bench.post(f"{COPIES}/{other}/authorisation", buyer)) == "backup.unlabelled"
    aside = bench.done(f"{COPIES}/{other}/setting-aside", buyer)
    assert aside["set_aside"] == "UNLABELLED"
    gone = bench.done(f"{COPIES}/{other}/destruction", buyer, {"witness": "Mme Témoin"})
    assert gone["state"] == "DESTROYED"
    bench.platform.views.catch_up()
    page = bench.get("/consultations/lille-1/opening/0").text
    assert "S-7" in page
    with open_reader(bench.home) as log:
        places = [row.position for row in log.stream(f"backup/{other}")]
        told = [timeline.state_at(log, f"backup/{other}", place, log.event_of) for place in places]
    states = [moment["state"] for moment in told]
    assert states == ["RECEIVED", "RECEIVED", "SET_ASIDE", "DESTROYED"], "as it was at each moment"


def broken(bench: Bench, transmission: str) -> None:
    """End a sending as the platform's fault, as a lost disk would."""
    upload = bench.platform.uploads.find(transmission)
    assert isinstance(upload, Upload)
    act = bench.platform.own_act("a-lost-disk", "lille-1")
    failed = FailTransmission(transmission, "platform.unavailable", StallCause.SERVER)
    bench.platform.act(fail_transmission, act, failed)
