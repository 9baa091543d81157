"""Openings: early attempts are refused and recorded for everybody; the order of steps holds."""

from __future__ import annotations

import json

import pytest
from doubles.bench import SOON, Bench, shown

from api.depositor.sealing import Wish
from api.facts import facts

OPENING = "/api/v1/openings/lille-1/0"


@pytest.mark.parametrize("who", ["buyer", "admin", "custodian"])
def test_an_early_attempt_is_refused_and_recorded(bench: Bench, who: str) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    token = getattr(bench.tokens, who)
    answer = bench.post(f"{OPENING}/envelopes", token, {}, key=f"early-{who}")
    assert answer.status_code in {403, 409}
    assert shown(answer) in {"opening.too-early", "opening.not-allowed"}
    again = bench.post(f"{OPENING}/envelopes", token, {}, key=f"early-{who}")
    assert again.content == answer.content
    told = facts(bench.platform.ledger, "opening/lille-1.0")
    assert [fact.kind for fact in told] == ["OpeningRefused"]
    assert told[0].data["code"] == shown(answer)


def test_the_answer_is_the_same_without_any_deposit(bench: Bench) -> None:
    bench.publish("lille-1")
    bench.deposit(bench.seal(bench.publish("lille-2")))
    answers = [
        bench.post(f"/api/v1/openings/{name}/0/envelopes", bench.tokens.buyer, {})
        for name in ("lille-1", "lille-2")
    ]
    assert answers[0].content == answers[1].content


def test_one_envelope_alone_outside_a_plan_is_refused(bench: Bench) -> None:
    at = bench.publish()
    deposit = bench.deposit(bench.seal(at))["deposit"]
    answer = bench.post(f"/api/v1/deposits/{deposit}/opening", bench.tokens.buyer)
    nobodys = bench.post(f"/api/v1/deposits/{'0' * 32}/opening", bench.tokens.buyer)
    assert (answer.status_code, answer.content) == (404, nobodys.content), "not before the plan"
    kinds = [fact.kind for fact in facts(bench.platform.ledger, f"deposit/{deposit}")]
    assert kinds == ["DepositSealed", "OpeningRefused"]


def test_the_steps_come_in_their_order(bench: Bench) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    buyer = bench.tokens.buyer
    assert bench.post(f"{OPENING}/convocation", buyer, {"members": ["a"]}).status_code == 409
    bench.forward(SOON)
    answer = bench.post(f"{OPENING}/plan", buyer)
    assert (answer.status_code, shown(answer)) == (409, "opening.order")
    bench.done(f"{OPENING}/convocation", buyer, {"members": ["ada", "bob"]})
    bench.done(f"{OPENING}/presences", buyer, {"member": "ada"})
    assert shown(bench.post(f"{OPENING}/plan", buyer)) == "opening.order"


def test_late_replaced_complemented_and_withdrawn(bench: Bench) -> None:
    at = bench.publish()
    first = bench.deposit(bench.seal(at))["deposit"]
    second = bench.seal(at)
    answer = bench.announce(second)
    assert (answer.status_code, shown(answer)) == (422, "deposit.intent-required")
    replacing = bench.seal(at, wish=Wish("OFFER", ("0",), "REPLACE", first))
    replaced = bench.deposit(replacing)["deposit"]
    adding = bench.seal(at, wish=Wish("OFFER", ("0",), "COMPLEMENT", replaced))
    complement = bench.deposit(adding)["deposit"]
    rival = bench.tokens.rival
    gone = bench.deposit(bench.seal(at, token=rival), rival)["deposit"]
    withdrawn = bench.done(f"/api/v1/deposits/{gone}/withdrawal", rival, {"reason": "erreur"})
    assert withdrawn["state"] == "WITHDRAWN"
    assert withdrawn["receipt"].startswith("c2sp.org/tlog-proof@v1")
    latecomer = bench.seal(at, token=rival)
    bench.forward(SOON)
    late = bench.deposit(latecomer, rival)
    assert not late["on_time"]
    bench.attend()
    plan = bench.done(f"{OPENING}/plan", bench.tokens.buyer)["plan"]
    assert plan["open"] == sorted([replaced, complement])
    assert plan["superseded"] == [first]
    assert plan["withdrawn"] == [gone]
    assert plan["late"] == [late["deposit"]]
    opened = bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    assert {row["event"] for row in opened["outcomes"]} == {"EnvelopeOpened"}
    kept = bench.post(f"{OPENING}/envelopes", bench.tokens.buyer, {"deposit": late["deposit"]})
    assert shown(kept) == "opening.not-in-plan"


def test_an_admitted_late_deposit_opens_under_a_later_plan(bench: Bench) -> None:
    at = bench.publish()
    envelope = bench.seal(at)
    bench.forward(SOON)
    late = bench.deposit(envelope)["deposit"]
    bench.attend()
    bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    reasons = {"ground": "PLATFORM", "reasons": "panne établie", "findings": "probe 17:00"}
    bench.done(f"/api/v1/deposits/{late}/admission", bench.tokens.buyer, reasons)
    plan = bench.done(f"{OPENING}/plan", bench.tokens.buyer)
    assert plan["plan"]["open"] == [late]
    assert plan["state"] == "WITNESSED"
    done = bench.done(f"{OPENING}/envelopes", bench.tokens.buyer, {})
    assert done["state"] == "COMPLETED"


def test_shares_are_destroyed_at_the_buyers_word_once_nothing_waits(bench: Bench) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    asked, reason = f"{at}/keyset/retirement", {"reason": "délai de recours expiré"}
    early = bench.post(asked, bench.tokens.buyer, reason)
    assert (early.status_code, shown(early)) == (409, "custody.keyset-needed")
    bench.forward(SOON)
    place = bench.attend()
    bench.done(f"{place}/plan", bench.tokens.buyer)
    bench.done(f"{place}/envelopes", bench.tokens.buyer, {})
    boxes = sorted(bench.home.custodians.glob("*/share-*.box"))
    assert bench.post(asked, bench.tokens.other, reason).status_code == 404
    assert bench.post(asked, bench.tokens.admin, reason).status_code == 404
    told = bench.done(asked, bench.tokens.buyer, reason)
    assert told["destroyed"] == ["custodian-1", "custodian-2", "custodian-3"]
    assert told["awaited"] == []
    left = sorted(bench.home.custodians.glob("*/share-*.box"))
    assert len(boxes) - len(left) == 3, "the canary's shares are of another keyset"
    kinds = [fact.kind for fact in facts(bench.platform.ledger, "custody/lille-1")]
    assert kinds[-4:] == ["KeysetRetired", *["ShareDestroyed"] * 3]
    assert bench.done(asked, bench.tokens.buyer, reason) == told, "asked again, nothing is left"
    minutes = bench.get(f"{place}/minutes").json()
    assert minutes["custody"]["destroyed"] == told["destroyed"]


def test_a_missed_quorum_names_who_did_not_answer(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    at = bench.publish()
    bench.deposit(bench.seal(at))
    bench.forward(SOON)
    bench.attend()
    buyer = bench.tokens.buyer
    bench.done(f"{OPENING}/plan", buyer)
    held = bench.platform.desk.custodians._custodians  # type: ignore[attr-defined]
    gone = {name: held.pop(name) for name in ("custodian-1", "custodian-3")}
    capsys.readouterr()
    refused = bench.post(f"{OPENING}/envelopes", buyer, {})
    assert (refused.status_code, shown(refused)) == (503, "custody.quorum-missed")
    assert refused.json()["missing"] == sorted(gone)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    named = [one["about"] for one in told if one.get("code") == "custody.quorum-missed"]
    assert named == sorted(gone)
    assert bench.get(OPENING, buyer).json()["missing"] == sorted(gone)
    stranger = bench.get(OPENING, bench.tokens.company).json()
    assert "missing" not in stranger, "the opening is its buyer's"
    held.update(gone)
    opened = bench.done(f"{OPENING}/envelopes", buyer, {})
    assert [one["event"] for one in opened["outcomes"]] == ["EnvelopeOpened"]
    assert opened["missing"] == [], "the control: everybody has answered since"
