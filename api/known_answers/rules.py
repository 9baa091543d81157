"""Time, plans, placement and verdicts: the rules of the profession behind the envelope."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.known_answers.book import Book, Case, Out
from domain import clock, placement, plan, verdict
from domain.events.consultation import Complements


def quorum(_book: Book, case: Case) -> Out:
    """Find the interval in which the sources agree."""
    reads = [(low, high) for low, high in case["reads"]]
    return {"interval": list(clock.quorum_reading(reads, case["quorum"]))}


def step(_book: Book, case: Case) -> Out:
    """Check a reading against the previous one."""
    previous, reading = _interval(case["prev"]), _interval(case["reading"])
    slack, ppm = case["slack"], case["ppm"]
    checked = clock.step_check(previous, case["elapsed"], reading, slack=slack, ppm=ppm)
    return {"interval": list(checked)}


def rule(_book: Book, case: Case) -> Out:
    """Say what is allowed around a deadline."""
    earliest, latest = _interval(case["now"])
    found = clock.rule_verdicts(
        deadline=case["deadline"],
        opens=case["opens"],
        earliest=earliest,
        latest=latest,
        floor=case["floor"],
        reached=case["reached"],
    )
    words = {True: "allowed", False: "refused"}
    return {
        "deposit": found.deposit,
        "extension": words[found.extension],
        "opening": words[found.opening],
        "reach": words[found.reach],
        "withdrawal": words[found.withdrawal],
    }


def local(_book: Book, case: Case) -> Out:
    """Turn a local hour into an instant."""
    instant = clock.legal_instant(case["local"], case["zone"])
    return {"utc": f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"}


def level(_book: Book, case: Case) -> Out:
    """Say how far a keyset protects."""
    placed = placement.placement(case["k"], case["holders"])
    stamped = case["external_tsa"]
    return {"level": placement.level(placed, external_stamp=stamped, client=case["client"])}


def opening_plan(_book: Book, case: Case) -> Out:
    """Compute the plan of a lot from the events of its deposits."""
    complements = Complements(case["complements"])
    found = plan.compute_plan(case["lot"], complements, _deposits(case["events"]))
    return {name: list(deposits) for name, deposits in asdict(found).items()}


def fault(_book: Book, case: Case) -> Out:
    """Say what an attempt to open came to."""
    found = verdict.opening_verdict(verdict.Findings(**case))
    out: Out = {"event": found.event}
    if found.fault is not None:
        out |= {"cause": found.cause, "fault": found.fault.value}
    if found.form is not None:
        out["form"] = found.form.value.lower()
    return out


def _deposits(events: list[dict[str, Any]]) -> list[plan.PlanDeposit]:
    """Return the deposits in the order of the list, each with what happened to it."""
    later = {(each["kind"], each["deposit"]): place for place, each in enumerate(events)}
    return [
        plan.PlanDeposit(
            deposit=each["deposit"],
            bidder=each["bidder"],
            kind=each["label_kind"],
            lots=tuple(each["lots"]),
            round=each["round"],
            intent=each["intent"],
            sealed_no=place,
            target=each.get("target"),
            late=each["kind"] == "LateDepositRecorded",
            admitted=("LateDepositAdmitted", each["deposit"]) in later,
            withdrawn_no=later.get(("DepositWithdrawn", each["deposit"])),
        )
        for place, each in enumerate(events)
        if each["kind"] in {"DepositSealed", "LateDepositRecorded"}
    ]


def _interval(value: list[int]) -> tuple[int, int]:
    earliest, latest = value
    return earliest, latest
