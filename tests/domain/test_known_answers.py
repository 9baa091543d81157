"""The published known answers of envelope.md §18 that the domain decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.clock import instant_text, legal_instant, quorum_reading, rule_verdicts, step_check
from domain.errors import DomainError
from domain.events.consultation import Complements
from domain.placement import level, placement
from domain.plan import PlanDeposit, compute_plan
from domain.verdict import Findings, opening_verdict

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "envelope"
OPS = {"quorum", "step", "rule", "local", "plan", "placement", "fault"}


def vectors() -> list[dict[str, Any]]:
    names = ("time", "plan", "opening")
    found = [
        one
        for name in names
        for one in json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    ]
    return [vector for vector in found if vector["op"] in OPS]


def run(op: str, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "quorum": quorum,
        "step": step,
        "rule": rule,
        "local": lambda local, zone: {"utc": instant_text(legal_instant(local, zone))},
        "plan": plan,
        "placement": place,
        "fault": fault,
    }[op](**given)


def quorum(reads: list[tuple[int, int]], quorum: int) -> dict[str, Any]:
    return {"interval": list(quorum_reading([tuple(read) for read in reads], quorum))}


def step(prev: list[int], elapsed: int, reading: list[int], slack: int, ppm: int) -> dict[str, Any]:
    first, last = prev
    found = step_check((first, last), elapsed, (reading[0], reading[1]), slack=slack, ppm=ppm)
    return {"interval": list(found)}


def rule(deadline: int, opens: int, now: list[int], floor: int, reached: bool) -> dict[str, Any]:
    found = rule_verdicts(
        deadline=deadline, opens=opens, earliest=now[0], latest=now[1], floor=floor, reached=reached
    )
    words = {name: "allowed" if value else "refused" for name, value in vars(found).items()}
    return {**words, "deposit": found.deposit}


def plan(lot: str, complements: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    deposits: dict[str, dict[str, Any]] = {}
    for number, event in enumerate(events):
        if event["kind"] in {"DepositSealed", "LateDepositRecorded"}:
            deposits[event["deposit"]] = {
                "deposit": event["deposit"],
                "bidder": event["bidder"],
                "kind": event["label_kind"],
                "lots": tuple(event["lots"]),
                "round": event["round"],
                "intent": event["intent"],
                "target": event.get("target"),
                "sealed_no": number,
                "late": event["kind"] == "LateDepositRecorded",
            }
        elif event["kind"] == "DepositWithdrawn":
            deposits[event["deposit"]]["withdrawn_no"] = number
        else:
            deposits[event["deposit"]]["admitted"] = True
    found = compute_plan(
        lot, Complements(complements), [PlanDeposit(**one) for one in deposits.values()]
    )
    return {name: list(value) for name, value in vars(found).items()}


def place(k: int, holders: dict[str, int], external_tsa: bool, client: str) -> dict[str, Any]:
    placed = placement(k, holders)
    return {"level": level(placed, external_stamp=external_tsa, client=client)}


def fault(**found: Any) -> dict[str, Any]:
    verdict = opening_verdict(Findings(**found))
    words = {name: value for name, value in vars(verdict).items() if value is not None}
    return {name: value.lower() if name == "form" else str(value) for name, value in words.items()}


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_known_answer(vector: dict[str, Any]) -> None:
    try:
        got, out = "ok", run(vector["op"], vector["in"])
    except DomainError as refusal:
        got, out = f"refuse:{refusal.code}", {}
    assert got == vector["expect"]
    assert {name: out.get(name) for name in vector.get("out", {})} == vector.get("out", {})


def test_every_operation_has_answers() -> None:
    assert {vector["op"] for vector in vectors()} == OPS
