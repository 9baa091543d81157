"""Bad input: a stable code, nothing half-written, nothing lost, and counted where it counts."""

from __future__ import annotations

from datetime import timedelta

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
    bench.done(f"{at}/calendar", bench.tokens.buyer, hours)
    bench.done(f"{at}/ceremony", bench.tokens.buyer)
    bench.done(f"{at}/canary", bench.tokens.buyer)
    answer = bench.post(f"{at}/publication", bench.tokens.buyer, {})
    assert answer.status_code == 422
    assert shown(answer) == "calendar.before-publication"


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
