"""The same wish twice is one act with one answer; another body under its key is refused (N3)."""

from __future__ import annotations

import itertools

import pytest
from doubles.bench import COMPANY, Bench, shown

from api.idempotency import as_uuid, command_id, derived_id, object_id


def test_a_repeated_announce_is_the_same_session(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    first, second = bench.announce(envelope), bench.announce(envelope)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()


def test_a_repetition_beside_the_first_call_gets_its_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client lost its line and came again while the first call was being recorded."""
    at = bench.publish()
    envelope = bench.seal(at)
    first = bench.announce(envelope)
    ledger, looks = bench.platform.ledger, itertools.count()
    known = ledger.known

    def unseen_at_first(command: str, digest: bytes) -> object:
        return known(command, digest) if next(looks) else None

    monkeypatch.setattr(ledger, "known", unseen_at_first)
    second = bench.announce(envelope)
    assert (second.status_code, second.json()) == (201, first.json())
    assert next(looks) == 3
    size = ledger.head()
    assert shown(bench.announce(bench.seal(at), consultation="absent")) == "object.not-found"
    assert ledger.head() == size


def test_another_body_under_the_same_key_is_refused(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    bench.announce(envelope)
    answer = bench.announce(envelope, bytes=70_000)
    assert (answer.status_code, shown(answer)) == (422, "command.reused")


def test_a_whole_deposit_repeated_gives_the_same_receipt_and_no_entry(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    first = bench.deposit(envelope)
    size = bench.platform.ledger.head()
    name = bench.announce(envelope).json()["transmission"]
    assert bench.head(name, envelope).status_code == 200
    again = bench.chunk(name, envelope, 0)
    assert again.status_code == 200
    assert again.json()["receipt_id"] == first["receipt_id"]
    assert bench.platform.ledger.head() == size


def test_the_keys_of_two_organisations_never_meet(bench: Bench) -> None:
    form = {"siret": COMPANY, "name": "Travaux du Nord"}
    key = "the-same-key-1"
    bench.post("/api/v1/operators", bench.tokens.admin, form, key=key)
    answer = bench.post("/api/v1/consultations", bench.tokens.buyer, {}, key=key)
    assert shown(answer) == "request.form"
    assert command_id("a", key) != command_id("b", key)


def test_a_publication_repeated_answers_the_same(bench: Bench) -> None:
    at = bench.draft()
    bench.done(f"{at}/ceremony", bench.tokens.buyer, key="ceremony-1")
    bench.done(f"{at}/ceremony", bench.tokens.buyer, key="ceremony-1")
    bench.done(f"{at}/canary", bench.tokens.buyer)
    first = bench.done(f"{at}/publication", bench.tokens.buyer, {}, key="publish-1")
    second = bench.done(f"{at}/publication", bench.tokens.buyer, {}, key="publish-1")
    assert first == second
    third = bench.post(f"{at}/publication", bench.tokens.buyer, {}, key="publish-2")
    assert (third.status_code, shown(third)) == (409, "consultation.wrong-state")


def test_ids_are_functions_of_what_they_are_about() -> None:
    assert derived_id("s", "head", b"x") == derived_id("s", "head", b"x")
    assert derived_id("s", "head", b"x") != derived_id("s", "head", b"y")
    assert derived_id("s", "ab", b"c") != derived_id("s", "a", b"bc")
    made = as_uuid(object_id("c", "transmission"))
    assert made[14] == "4"
    assert made[19] in "89ab"
    assert len(made) == 36
