"""Goal S5: every operation answers as the published document says, whatever it is asked.

The whole application runs in this process, guards included. Calls come from the OpenAPI document,
right ones and wrong ones, with the tokens of several roles and the names of real objects; every
check of schemathesis judges every answer. The controls are operations that break the contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from doubles.bench import Bench
from doubles.contract import Conversation, World
from doubles.proofs import Proof
from doubles.sizes import sized
from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator

from api.permissions import OPERATIONS

EXAMPLES = sized(push=30, full=300, night=5_000)
EDGES = sized(push=0, full=1, night=1)
CONTROL_EXAMPLES = 100
WALKS = sized(push=2, full=20, night=1_000)
STEPS = 20
# nothing but a token differs between two of their calls, so there are no more calls to make
WITHOUT_PARAMETERS = {
    *(
        "read_checkpoint",
        "read_favicon",
        "read_health",
        "read_ledger",
        "read_metrics",
        "read_who_i_am",
    ),
}


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    bench = Bench(tmp_path, metrics=True)
    yield Conversation(World.of(bench))
    bench.close()


def test_every_operation_answers_as_documented(talk: Conversation, proof: Proof) -> None:
    for name, operation in talk.operations():
        talk.fuzz(name, operation, EXAMPLES)
        if EDGES:
            talk.cover(name, operation)
    assert not talk.broken, "\n".join(f"{key}\n    {call}" for key, call in talk.broken.items())
    assert set(talk.statuses) == set(OPERATIONS)
    few = {name for name, seen in talk.statuses.items() if seen.total() < EXAMPLES}
    assert few <= WITHOUT_PARAMETERS
    assert not ", ".join(sorted(set(OPERATIONS) - talk.reached))
    calls = sum(seen.total() for seen in talk.statuses.values())
    seen = sorted({status for counted in talk.statuses.values() for status in counted})
    assert 500 not in seen
    proof("S5", f"{len(OPERATIONS)} operations, {calls:,} calls, statuses {seen}, 0 failures")


@pytest.mark.night
def test_links_lead_to_documented_answers(talk: Conversation, proof: Proof) -> None:
    talk.walk(WALKS, STEPS)
    assert not talk.broken, "\n".join(f"{key}\n    {call}" for key, call in talk.broken.items())
    calls = sum(seen.total() for seen in talk.statuses.values())
    proof("S5 stateful", f"{WALKS:,} walks, {calls:,} calls, 0 failures")


def even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


def planted() -> APIRouter:
    router = APIRouter(prefix="/planted")

    @router.get("/status")
    def answer_undocumented(at: Annotated[int, Query(ge=0, le=100)] = 0) -> Response:
        return Response(b"{}", 218 if at > 50 else 200, media_type="application/json")

    @router.get("/fault")
    def answer_with_a_fault(at: Annotated[int, Query(ge=0, le=100)] = 0) -> dict[str, int]:
        return {"share": 1 // (at % 10)}

    @router.get("/form")
    def answer_with_a_secret_rule(at: Annotated[int, Query(), AfterValidator(even)] = 0) -> None:
        return None

    return router


def test_planted_faults_are_found(talk: Conversation, proof: Proof) -> None:
    talk.world.bench.app.include_router(planted())
    talk.world.bench.app.openapi_schema = None
    told = Conversation(talk.world)
    faulty = [row for row in told.operations() if row[0].startswith("answer_")]
    for name, operation in faulty:
        told.fuzz(name, operation, CONTROL_EXAMPLES)
    found = {(name, what.partition(":")[0]) for name, what in told.broken}
    assert ("answer_undocumented", "Undocumented status code") in found
    assert ("answer_with_a_fault", "Server error") in found
    assert ("answer_with_a_secret_rule", "a form that the document admits") in found
    proof("S5 control", f"{len(faulty)} planted operations, each found: {len(told.broken)} breaks")
