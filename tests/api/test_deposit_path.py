"""A deposit and its opening, over the real stack: sealed here, received, proven, opened on time."""

from __future__ import annotations

from doubles.bench import SOON, Bench

from crypto.policies import Policy
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
