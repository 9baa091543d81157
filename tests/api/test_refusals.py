"""Bad input: a stable code, nothing half-written, nothing lost, and counted where it counts."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import pytest
from doubles.bench import BUYER, SOON, Bench, shown

from api.facts import facts


def size(bench: Bench) -> int:
    return bench.platform.ledger.head()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"siret": "20009320100018", "name": "x", "buyer_kind": "EPCI"}, 422, "siret.invalid"),
        ({"siret": BUYER, "name": "x", "buyer_kind": "EPCI", "extra": 1}, 422, "request.form"),
        ({"siret": BUYER, "name": 3, "buyer_kind": "EPCI"}, 422, "request.form"),
        ({"siret": BUYER, "name": "x", "buyer_kind": "CITY"}, 422, "request.form"),
        ({"siret": BUYER, "name": "x"}, 422, "request.form"),
        ([], 400, "request.json"),
    ],
)
def test_a_bad_form_changes_nothing(bench: Bench, body, status: int, code: str) -> None:
    before = size(bench)
    answer = bench.post("/api/v1/buyers", bench.tokens.admin, body)
    assert (answer.status_code, shown(answer)) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert size(bench) == before


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b'{"siret": NaN}', b'{"name":"a","name":"b"}', b"nothing"]
)
def test_what_is_no_json_is_refused(bench: Bench, content: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {bench.tokens.admin}",
        "Idempotency-Key": "key-of-no-json",
        "Content-Type": "application/json",
    }
    answer = bench.http.post("/api/v1/buyers", content=content, headers=headers)
    assert (answer.status_code, shown(answer)) == (400, "request.json")


def test_a_post_needs_its_key(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {bench.tokens.admin}"}
    answer = bench.http.post("/api/v1/buyers", json={}, headers=headers)
    assert (answer.status_code, shown(answer)) == (400, "request.key-required")


def test_messages_come_in_both_languages(bench: Bench) -> None:
    form = {"siret": "1", "name": "x", "buyer_kind": "EPCI"}
    titles = set()
    for language in ("fr", "en"):
        headers = {
            "Authorization": f"Bearer {bench.tokens.admin}",
            "Idempotency-Key": "key-of-languages",
            "Accept-Language": language,
        }
        titles.add(bench.http.post("/api/v1/buyers", json=form, headers=headers).json()["title"])
    assert titles == {"SIRET incorrect", "Wrong SIRET"}


def test_nobody_enters_without_a_token_in_force(bench: Bench) -> None:
    short = bench.token(BUYER, "BU", days=1)
    assert shown(bench.post("/api/v1/consultations", None, {})) == "login.required"
    assert shown(bench.post("/api/v1/consultations", "pli_wrong", {})) == "login.required"
    answer = bench.get("/api/v1/me", short)
    assert answer.json()["role"] == "BU"


def test_a_deadline_in_the_past_is_refused(bench: Bench) -> None:
    at = bench.draft()
    hours = {
        "questions_until": {"local": "2020-01-01T12:00"},
        "deadline": {"local": "2020-01-02T12:00"},
    }
    before = size(bench)
    answer = bench.post(f"{at}/calendar", bench.tokens.buyer, hours)
    assert (answer.status_code, shown(answer)) == (422, "calendar.before-publication")
    assert size(bench) == before


def test_a_deadline_that_passed_before_publication_is_refused(bench: Bench) -> None:
    at = bench.draft()
    bench.forward(SOON)
    bench.done(f"{at}/ceremony", bench.tokens.buyer)
    bench.done(f"{at}/canary", bench.tokens.buyer)
    answer = bench.post(f"{at}/publication", bench.tokens.buyer, {})
    assert (answer.status_code, shown(answer)) == (422, "calendar.before-publication")


DRAFT = {
    "id": "lille-9",
    "reference": "REF-9",
    "object": "Toiture",
    "nature": "WORKS",
    "procedure": "ADAPTED",
    "cpv": "45261910",
    "place": "FRE11",
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cpv": "zz"}, "command.form"),
        ({"cpv": "4526191"}, "command.form"),
        ({"object": "re\u0301fection"}, "request.form"),
        ({"object": "toiture \u202egpj.exe"}, "request.form"),
        ({"reference": "R\u2066x\u2069"}, "request.form"),
        ({"place": "\x00"}, "request.form"),
    ],
)
def test_a_text_that_cannot_be_recorded_as_it_reads_is_refused(
    bench: Bench, change: dict[str, str], code: str
) -> None:
    before = size(bench)
    answer = bench.post("/api/v1/consultations", bench.tokens.buyer, DRAFT | change)
    assert (answer.status_code, shown(answer)) == (422, code)
    assert size(bench) == before
    bench.done("/api/v1/consultations", bench.tokens.buyer, DRAFT | {"object": "r\u00e9fection"})


def test_half_a_surrogate_is_refused(bench: Bench) -> None:
    headers = {
        "Authorization": f"Bearer {bench.tokens.buyer}",
        "Idempotency-Key": "key-of-surrogates",
        "Content-Type": "application/json",
    }
    content = json.dumps(DRAFT | {"object": "\ud800"}).encode()
    answer = bench.http.post("/api/v1/consultations", content=content, headers=headers)
    assert (answer.status_code, shown(answer)) == (422, "request.form")


def test_the_client_of_an_announce_is_a_text_too(bench: Bench) -> None:
    envelope = bench.seal(bench.publish())
    before = size(bench)
    answer = bench.announce(envelope, client="cle\u0301")
    assert (answer.status_code, shown(answer)) == (422, "request.form")
    assert size(bench) == before


def test_what_is_too_long_for_an_entry_is_refused_as_such(bench: Bench) -> None:
    at = bench.draft()
    rows = [{"name": f"{number:0300}", "weight_bp": 40} for number in range(250)]
    form = {"criteria": rows, "price_formula": "PROPORTIONAL"}
    before = size(bench)
    answer = bench.post(f"{at}/criteria", bench.tokens.buyer, form)
    assert (answer.status_code, shown(answer)) == (422, "entry.refused")
    assert size(bench) == before


HOSTILE = [
    "../x",
    "a/../b",
    ".",
    "a//b",
    "a\\b",
    "gpj.\u202efdp.exe",
    "re\u0301glement.pdf",
    "a\x00b",
    "x" * 256,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_enters_no_dossier(bench: Bench, name: str) -> None:
    """Neither where the file is uploaded nor where the version is frozen."""
    at = bench.draft()
    headers = {"Authorization": f"Bearer {bench.tokens.buyer}"}
    raw = quote(name, safe="")
    answer = bench.http.put(f"{at}/dossier/files/{raw}", content=b"x", headers=headers)
    assert answer.status_code == 422
    assert shown(answer) in {"name", "command.form", "request.form"}
    sha256 = hashlib.sha256(b"%PDF-1.7 reglement de la consultation").hexdigest()
    before = size(bench)
    form = {"files": [{"name": name, "sha256": sha256}]}
    answer = bench.post(f"{at}/dossier", bench.tokens.buyer, form)
    assert answer.status_code == 422
    assert shown(answer) in {"name", "command.form", "request.form"}
    assert size(bench) == before


@pytest.mark.parametrize(
    ("local", "zone", "code"),
    [
        ("2026-10-25T02:30", "Europe/Paris", "calendar.no-such-hour"),
        ("2026-03-29T02:30", "Europe/Paris", "calendar.no-such-hour"),
        ("2026-03-29T12:00:30", "Europe/Paris", "calendar.form"),
        ("2026-12-29T12:00", "Europe/Nowhere", "calendar.form"),
    ],
)
def test_hours_that_are_none(bench: Bench, local: str, zone: str, code: str) -> None:
    at = bench.draft()
    hour = {"local": local, "zone": zone}
    answer = bench.post(
        f"{at}/calendar", bench.tokens.buyer, {"questions_until": hour, "deadline": hour}
    )
    assert (answer.status_code, shown(answer)) == (422, code)


def test_publication_says_what_it_lacks(bench: Bench) -> None:
    at = bench.draft()
    answer = bench.post(f"{at}/publication", bench.tokens.buyer, {})
    assert shown(answer) == "publication.incomplete"
    assert answer.json()["missing"] == ["key ceremony", "canary"]


def test_a_refused_extension_is_an_event(bench: Bench) -> None:
    at = bench.publish()
    form = {"deadline": {"local": "2020-01-01T12:00"}, "reason": "demande"}
    buyer, key = bench.tokens.buyer, "key-of-refusal"
    first, again = (bench.post(f"{at}/extensions", buyer, form, key=key) for _ in range(2))
    assert (first.status_code, shown(first)) == (again.status_code, shown(again))
    assert shown(first) == "deadline.not-later"
    told = facts(bench.platform.ledger, "consultation/lille-1")
    assert [fact.data["code"] for fact in told if fact.kind == "MessageShown"] == [
        "deadline.not-later"
    ]


def test_too_large_is_refused_at_the_announce_and_attested(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    for field, code in (("bytes", "deposit.too-large"), ("documents", "deposit.too-many-files")):
        form = envelope.announce() | {field: 6_000_000}
        answer = bench.post("/api/v1/transmissions", bench.tokens.company, form, key=f"big-{field}")
        assert (answer.status_code, shown(answer)) == (413, code)
        assert answer.json()["asked"] == 6_000_000
        again = bench.post("/api/v1/transmissions", bench.tokens.company, form, key=f"big-{field}")
        assert again.json() == answer.json()
        name = answer.json()["transmission"]
        state = bench.get(f"/api/v1/transmissions/{name}", bench.tokens.company).json()
        assert state["state"] == "REFUSED"
        assert state["attestation"].startswith("c2sp.org/tlog-proof@v1")
        kinds = [fact.kind for fact in facts(bench.platform.ledger, f"transmission/{name}")]
        assert kinds == ["TransmissionStarted", "FeasibilityRefused"]


def test_refused_heads_and_chunks_are_counted_at_the_end(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    head = envelope.file.header.head
    bad_heads = (b"PLI2" + head[4:], head[:-1], head.replace(b"lille-1", b"lille-2"), b"")
    for bad in bad_heads:
        answer = bench.head(name, envelope, content=bad)
        assert answer.status_code == 422, answer.text
    assert shown(bench.chunk(name, envelope, 0)) == "transmission.head-missing"
    assert bench.head(name, envelope).status_code == 201
    assert bench.head(name, envelope).status_code == 200
    other = bench.seal(at)
    assert shown(bench.head(name, other)) == "transmission.head-conflict"
    chunk = envelope.file.chunk(0)
    flipped = bytes([chunk[0] ^ 1]) + chunk[1:]
    assert shown(bench.chunk(name, envelope, 0, content=flipped)) == "chunk.differs"
    assert shown(bench.chunk(name, envelope, 0, content=chunk[:-1])) == "chunk.size"
    assert (
        bench.http.put(
            f"/api/v1/transmissions/{name}/chunks/9",
            content=chunk,
            headers={
                "Authorization": f"Bearer {bench.tokens.company}",
                "Pli-Leaf": envelope.file.leaves[0].hex(),
            },
        ).status_code
        == 416
    )
    done = bench.chunk(name, envelope, 0).json()
    assert done["state"] == "COMPLETED"
    told = facts(bench.platform.ledger, f"transmission/{name}")
    assert told[-1].data["refused_parts"] == len(bad_heads) + 2


def test_bytes_that_are_not_those_announced_end_the_session(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    assert bench.head(name, envelope, commitment="00" * 32).status_code == 201
    answer = bench.chunk(name, envelope, 0)
    assert (answer.status_code, shown(answer)) == (422, "envelope.commitment")
    state = bench.get(f"/api/v1/transmissions/{name}", bench.tokens.company).json()
    assert state["state"] == "FAILED"
    assert state["mentions"]["code"] == "envelope.commitment"
    assert bench.get("/api/v1/deposits", bench.tokens.company).json()["deposits"] == []


def test_giving_up_is_attested(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    headers = {"Authorization": f"Bearer {bench.tokens.company}"}
    for _ in range(2):
        answer = bench.http.delete(f"/api/v1/transmissions/{name}", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["state"] == "FAILED"
        assert answer.json()["attestation"]
    assert bench.head(name, envelope).status_code == 409


def test_after_giving_up_nothing_is_kept_any_more(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at, size=1_200_000)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    bench.chunk(name, envelope, 0)
    headless = bench.seal(at)
    other = bench.announce(headless).json()["transmission"]
    headers = {"Authorization": f"Bearer {bench.tokens.company}"}
    for ended in (name, other):
        assert bench.http.delete(f"/api/v1/transmissions/{ended}", headers=headers).json()["state"]
    kept = {path for path in bench.home.blobs.rglob("*") if path.is_file()}
    before = size(bench)
    for answer in (bench.chunk(name, envelope, 1), bench.head(other, headless)):
        assert (answer.status_code, shown(answer)) == (409, "transmission.wrong-state")
    assert {path for path in bench.home.blobs.rglob("*") if path.is_file()} == kept
    assert size(bench) == before
    again = bench.chunk(name, envelope, 0)
    assert (again.status_code, again.json()["state"]) == (200, "FAILED"), "repeating is no error"


def test_the_last_chunk_by_two_lines_at_once_is_one_chunk(bench: Bench) -> None:
    """Both see it missing; the second finds it kept, and the deposit sealed, in its turn."""
    at = bench.publish()
    envelope = bench.seal(at)
    name = bench.announce(envelope).json()["transmission"]
    bench.head(name, envelope)
    gate = threading.Barrier(2)
    vault = bench.platform.vault
    put = vault.put

    def together(data: bytes) -> str:
        stored = put(data)
        gate.wait(10)
        return stored

    vault.put = together  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(bench.chunk, name, envelope, 0) for _ in range(2)]
    assert sorted(answer.result().status_code for answer in sent) == [200, 201]
    assert {answer.result().json()["state"] for answer in sent} == {"COMPLETED"}


def test_finish_says_what_is_missing_and_may_be_repeated(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at, size=1_200_000)
    name = bench.announce(envelope).json()["transmission"]
    finish = f"/api/v1/transmissions/{name}/finish"
    bench.head(name, envelope)
    bench.chunk(name, envelope, 1)
    answer = bench.post(finish, bench.tokens.company)
    assert (answer.status_code, shown(answer)) == (409, "transmission.incomplete")
    assert answer.json()["missing"] == [[0, 0]]
    bench.chunk(name, envelope, 0)
    first, second = (bench.done(finish, bench.tokens.company) for _ in range(2))
    assert first["receipt_id"] == second["receipt_id"]
    assert first["state"] == "COMPLETED"


def test_a_full_disk_refuses_before_the_first_byte(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    bench.platform.vault.set_reserve(2**62)
    answer = bench.announce(envelope)
    assert (answer.status_code, shown(answer)) == (507, "platform.unavailable")
    again = bench.announce(envelope)
    assert (again.status_code, shown(again)) == (507, "platform.unavailable")
    bench.platform.vault.set_reserve(0)
    assert bench.announce(bench.seal(at)).status_code == 201


def test_room_that_was_promised_is_kept_over_a_restart(bench: Bench) -> None:
    """Each of two envelopes fits alone; the second is refused as long as the first is on its way.

    Sizes are only declared: nothing of them is ever sent.
    """
    most = shutil.disk_usage(bench.home.folder).free * 6 // 10
    at = bench.publish(max_total=most, max_file=most)
    first, second = bench.seal(at), bench.seal(at, token=bench.tokens.rival)
    name = bench.announce(first, bytes=most).json()["transmission"]
    bench.close()
    bench.reopen()
    answer = bench.announce(second, bench.tokens.rival, bytes=most)
    assert (answer.status_code, shown(answer)) == (507, "platform.unavailable")
    headers = {"Authorization": f"Bearer {bench.tokens.company}"}
    bench.http.delete(f"/api/v1/transmissions/{name}", headers=headers)
    form = second.announce() | {"bytes": most}
    assert bench.post("/api/v1/transmissions", bench.tokens.rival, form).status_code == 201


def test_a_method_that_is_none_and_an_unknown_path(bench: Bench) -> None:
    answer = bench.http.delete("/api/v1/consultations")
    assert (answer.status_code, shown(answer)) == (405, "request.method")
    assert answer.headers["allow"]
    assert shown(bench.get("/api/v1/nothing")) == "object.not-found"


def test_a_withdrawal_after_the_deadline_is_refused(bench: Bench) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at))["deposit"]
    bench.forward(SOON + timedelta(minutes=5))
    answer = bench.post(f"/api/v1/deposits/{deposit}/withdrawal", bench.tokens.company, {})
    assert (answer.status_code, shown(answer)) == (409, "deposit.frozen")
