"""A deposit and its opening, over the real stack: sealed here, received, proven, opened on time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from doubles.bench import SOON, Bench

from api import attestations
from crypto.policies import Policy
from domain import placement
from domain.transmission import TransmissionSession
from ledger.proofs import TlogProof


def test_from_publication_to_opened_documents(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    answer = bench.deposit(envelope)
    assert answer["state"] == "COMPLETED"
    assert answer["on_time"]
    policies = bench.platform.policies
    proven = TlogProof.parse(answer["receipt"].encode()).verify(
        Policy.parse(policies["policy-log.txt"])
    )
    assert b'"kind":"DepositSealed"' in proven.entry
    assert answer["mentions"]["depositor"]["name"] == "Travaux du Nord"
    bench.forward(SOON)
    opening = bench.attend()
    plan = bench.done(f"{opening}/plan", bench.tokens.buyer)
    assert plan["plan"]["open"] == [envelope.made.deposit]
    opened = bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    assert opened["state"] == "COMPLETED"
    assert opened["outcomes"][0]["event"] == "EnvelopeOpened"
    documents = f"{opening}/envelopes/{envelope.made.deposit}/documents"
    rows = bench.get(documents, bench.tokens.buyer).json()["documents"]
    assert [row["name"] for row in rows] == ["offre.pdf"]
    got = bench.get(f"{documents}/1", bench.tokens.buyer)
    assert got.content == b"%PDF-1.7 " + bytes(1_000)
    receipt = bench.get(
        f"/api/v1/deposits/{envelope.made.deposit}/receipt?form=published", bench.tokens.company
    )
    assert TlogProof.parse(receipt.content).verify(Policy.parse(policies["policy.txt"]))


def test_a_lost_note_of_an_end_is_made_again_by_the_next_start(bench: Bench) -> None:
    """It is not waited for, so a power cut may take it; the ledger knows that it ended."""
    at = bench.publish()
    bench.deposit(bench.seal(at))
    running = bench.announce(bench.seal(at, token=bench.tokens.rival), bench.tokens.rival)
    bench.platform.uploads._write("UPDATE uploads SET ended = 0", ())
    bench.close()
    bench.reopen()
    left = [upload.transmission for upload in bench.platform.uploads.running()]
    assert left == [running.json()["transmission"]]


def test_a_page_that_calls_itself_the_command_line_is_not_outside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Level A2 follows what the entry says of the caller, not the name that a client gives itself.

    Custodians of one host never reach A1, so what the rule is asked is looked at.
    """
    deposit = bench.deposit(bench.seal(bench.publish()))["deposit"]
    find = bench.platform.desk.files.find
    asked: list[str] = []
    monkeypatch.setattr(placement, "level", lambda _, **told: asked.append(told["client"]) or "A2")
    for auth, client in (
        ("token", "pli-cli/1"),
        ("token", "pli-web seal-worker"),
        ("passkey", "pli-cli/1"),
        ("oidc", "pli-cli/1"),
    ):
        actor = SimpleNamespace(auth=auth)
        begun = SimpleNamespace(client=client, meta=SimpleNamespace(actor=actor))
        session = SimpleNamespace(started=begun)
        monkeypatch.setattr(
            type(bench.platform.desk.files),
            "find",
            lambda _, kind, stream, session=session, find=find: (
                session if kind is TransmissionSession else find(kind, stream)
            ),
        )
        attestations.deposit_level(bench.platform, "lille-1", deposit)
    assert asked == ["cli", "web", "web", "web"]
