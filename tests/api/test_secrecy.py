"""Nothing about deposits leaves before the plan; what is foreign looks like what is absent."""

from __future__ import annotations

import pytest
from doubles.bench import BUYER, COMPANY, SOON, Bench, shown

from api.adapters.personal_rows import PersonalRows
from api.facts import facts
from ledger.proofs import TlogProof

NOBODY = "0" * 32


def responses(bench: Bench, at: str) -> list[bytes]:
    """Return every byte that buyer, rival, administrator and public can see."""
    paths = [
        at,
        "/api/v1/consultations",
        f"{at}/dossier",
        f"{at}/keyset",
        "/api/v1/openings/lille-1/0",
        "/checkpoint",
        "/tile/0/000",
        "/tile/0/000.p/16",
        "/tile/entries/000.p/16",
        f"{at}/nothing",
        "/api/v1/deposits",
    ]
    tokens = [None, bench.tokens.buyer, bench.tokens.other, bench.tokens.admin, bench.tokens.rival]
    found = []
    for path in paths:
        for token in tokens:
            answer = bench.get(path, token)
            found.append(b"%d %s %s" % (answer.status_code, path.encode(), answer.content))
            found.append(str(answer.headers.get("etag")).encode())
    return found


def test_no_byte_tells_whether_somebody_deposited(bench: Bench) -> None:
    at = bench.publish()
    empty = responses(bench, at)
    envelope = bench.seal(at)
    bench.deposit(envelope)
    assert responses(bench, at) == empty
    bench.deposit(bench.seal(at, size=400_000, token=bench.tokens.rival), bench.tokens.rival)
    bench.get("/api/v1/deposits", bench.tokens.rival)
    seen = responses(bench, at)
    kept = [row for row in seen if b"/api/v1/deposits" not in row]
    assert [row for row in kept if row.startswith(b"200")] == [
        row for row in empty if row.startswith(b"200") and b"/api/v1/deposits" not in row
    ]


def test_the_closed_register_is_not_counted_before_the_plan(bench: Bench) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at))["deposit"]
    bench.forward(SOON)
    for token in (None, bench.tokens.buyer, bench.tokens.other, bench.tokens.admin):
        for path in (at, "/api/v1/openings/lille-1/0"):
            answer = bench.get(path, token)
            assert deposit not in answer.text
            assert "count" not in answer.text
            assert "outcomes" not in answer.text


@pytest.mark.parametrize("what", ["deposits", "transmissions"])
def test_a_foreign_object_is_absent_byte_for_byte(bench: Bench, what: str) -> None:
    at = bench.publish()
    done = bench.deposit(bench.seal(at))
    real = done["deposit"] if what == "deposits" else done["transmission"]
    absent = NOBODY if what == "deposits" else "00000000-0000-4000-8000-000000000000"
    for token in (bench.tokens.rival, bench.tokens.buyer, bench.tokens.admin):
        theirs = bench.get(f"/api/v1/{what}/{real}", token)
        nobodys = bench.get(f"/api/v1/{what}/{absent}", token)
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
        assert dict(theirs.headers) == dict(nobodys.headers)
    assert bench.get(f"/api/v1/{what}/{real}", bench.tokens.company).status_code == 200


def test_a_foreign_draft_is_absent(bench: Bench) -> None:
    at = bench.draft()
    absent = bench.get("/api/v1/consultations/none", bench.tokens.other)
    for token in (None, bench.tokens.other, bench.tokens.company):
        assert bench.get(at, token).content == absent.content
        assert bench.get(f"{at}/dossier", token).content == absent.content
    assert bench.get(at, bench.tokens.buyer).status_code == 200
    answer = bench.post(f"{at}/publication", bench.tokens.other, {})
    assert (answer.status_code, answer.content) == (404, absent.content)
    named = {"Authorization": f"Bearer {bench.tokens.other}", "If-Match": '"x"'}
    for path in (f"{at}/publication", "/api/v1/consultations/none/publication"):
        answer = bench.http.post(path, json={}, headers=named | {"Idempotency-Key": "key-12345"})
        assert (answer.status_code, answer.content) == (404, absent.content)


def test_nothing_beyond_the_published_checkpoint_is_served(bench: Bench) -> None:
    bench.publish()
    absent = bench.get("/tile/0/999")
    assert absent.status_code == 404
    for path in ("/checkpoint", "/tile/0/000.p/1", "/tile/0/000", "/tile/entries/000.p/1"):
        assert bench.get(path, bench.tokens.buyer).content == absent.content
    made = bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    assert made["size"] % 16 == 0
    assert bench.get("/checkpoint").text == made["note"]
    assert len(bench.get(f"/tile/0/000.p/{made['size']}").content) == 32 * made["size"]
    for path in (f"/tile/0/000.p/{made['size'] + 1}", f"/tile/entries/000.p/{made['size']}"):
        assert bench.get(path, bench.tokens.admin).content == absent.content


def test_no_event_names_the_company_before_the_opening(bench: Bench) -> None:
    at = bench.publish()
    done = bench.deposit(bench.seal(at))
    for stream in (f"deposit/{done['deposit']}", f"transmission/{done['transmission']}"):
        for fact in facts(bench.platform.ledger, stream):
            assert "55208131766522" not in str(fact.data)


def test_persons_of_a_company_differ_from_one_consultation_to_another(bench: Bench) -> None:
    persons = []
    for name in ("lille-1", "lille-2"):
        done = bench.deposit(bench.seal(bench.publish(name)))
        told = facts(bench.platform.ledger, f"deposit/{done['deposit']}")
        persons.append(told[0].data["meta"]["actor"]["person"])
    assert persons[0] != persons[1]


def test_a_buyer_reads_an_opened_bid_and_nobody_else_does(bench: Bench) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at))["deposit"]
    bench.forward(SOON)
    opening = bench.attend()
    path = f"{opening}/envelopes/{deposit}/documents"
    assert bench.get(path, bench.tokens.buyer).status_code == 404
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    assert bench.get(path, bench.tokens.buyer).status_code == 200
    for token in (bench.tokens.other, bench.tokens.rival, bench.tokens.admin):
        assert shown(bench.get(path, token)) == "object.not-found"
    drafter = bench.token(BUYER, "DR")
    assert bench.get(path, drafter).status_code == 403
    assert bench.get(path).status_code == 401


def test_a_kit_proves_its_publication_under_published_checkpoints_only(bench: Bench) -> None:
    """An internal one would tell anybody how much was recorded since the last beat."""
    at = bench.publish()
    before = bench.get(f"{at}/kit").json()["ledger"]
    assert "publication" not in before
    bench.done("/api/v1/ledger/checkpoints", bench.tokens.admin)
    shown = bench.get(f"{at}/kit").json()["ledger"]
    proof = TlogProof.parse(shown["publication"].encode())
    assert proof.note == bench.get("/checkpoint").content
    bench.kit(at)
    bench.deposit(bench.seal(at))
    assert bench.get(f"{at}/kit").json()["ledger"] == shown


def test_the_file_of_a_foreign_draft_enters_no_dossier(bench: Bench) -> None:
    """Who knows the hash of somebody else's file does not get the file by it."""
    bench.draft("lille-1")
    bench.tokens.buyer, kept = bench.tokens.other, bench.tokens.buyer
    at = bench.draft("roubaix-1")
    headers = {"Authorization": f"Bearer {bench.tokens.other}"}
    answer = bench.http.put(f"{at}/dossier/files/plan.pdf", content=b"%PDF-1.7 x", headers=headers)
    row = {"name": "plan.pdf", "sha256": answer.json()["sha256"]}
    mine, absent = "/api/v1/consultations/lille-1/dossier", {"name": "plan.pdf", "sha256": "0" * 64}
    refused = [bench.post(mine, kept, {"files": [one]}) for one in (row, absent)]
    assert refused[0].status_code == 422
    told = [
        answer.text.replace(one["sha256"], "")
        for answer, one in zip(refused, (row, absent), strict=True)
    ]
    assert told[0] == told[1]
    assert bench.post(f"{at}/dossier", bench.tokens.other, {"files": [row]}).status_code == 201
    # a version that is in force may be listed again
    assert bench.post(f"{at}/dossier", bench.tokens.other, {"files": [row]}).status_code == 201


def test_a_late_deposit_is_absent_for_its_buyer_before_the_plan(bench: Bench) -> None:
    at = bench.publish()
    latecomer = bench.seal(at)
    bench.forward(SOON)
    late = bench.deposit(latecomer)["deposit"]
    reasons = {"ground": "PLATFORM", "reasons": "panne", "findings": "sonde"}
    answers = [
        bench.post(f"/api/v1/deposits/{name}/admission", bench.tokens.buyer, reasons)
        for name in (late, NOBODY)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_a_bidder_with_the_siret_of_a_buyer_reads_what_everybody_reads(bench: Bench) -> None:
    """A town that bids itself has one SIRET and two accounts: its bidder is no officer of it."""
    at = bench.publish()
    draft = bench.draft("lille-2")
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    opening = bench.attend()
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bidder = bench.token(BUYER, "CY")
    assert bench.get("/api/v1/me", bidder).json()["role"] == "CY"
    public = bench.get(opening)
    assert "plan" in bench.get(opening, bench.tokens.buyer).json()
    assert bench.get(opening, bidder).content == public.content
    absent = bench.get("/api/v1/consultations/nowhere", bidder)
    assert (absent.status_code, bench.get(draft, bidder).content) == (404, absent.content)


def test_what_an_erased_company_left_is_nobodys(bench: Bench) -> None:
    """Its uploads have no owner any more, and whoever calls for no company owns nothing (N14)."""
    at = bench.publish()
    done = bench.deposit(bench.seal(at))
    bench.forward(SOON)
    opening = bench.attend()
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    PersonalRows("uploads", bench.home.folder / "uploads.db", blank=True).erase(f"siret:{COMPANY}")
    documents = f"{opening}/envelopes/{done['deposit']}/documents"
    paths = [documents, f"{documents}/1", f"/api/v1/deposits/{done['deposit']}"]
    paths += [f"{paths[2]}/receipt", f"/api/v1/transmissions/{done['transmission']}"]
    for token in (bench.tokens.other, bench.tokens.rival, bench.tokens.admin):
        assert [bench.get(path, token).status_code for path in paths] == [404] * 5
    assert bench.get(documents, bench.tokens.buyer).status_code == 200
