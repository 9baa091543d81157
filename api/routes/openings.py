"""Openings, lot by lot: convened, attended, planned, opened; each early attempt is recorded.

Whoever may not open is not stopped at the door: the attempt goes through, is refused by the rule
that forbids it, and the refusal is an event (``envelope.md`` §14).
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api.auth import Known
from api.downloads import disposition
from api.forms import Form, Hex32, IdText, LotText, Short
from api.idempotency import Key
from api.openapi import reads, writes
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import fix_opening_plan as plans
from domain.commands import open_envelopes as opening
from domain.events.opening import Capacity

router = APIRouter(
    prefix="/api/v1/openings/{consultation}/{lot}", tags=["openings"], route_class=StrictRoute
)

Id = Annotated[IdText, Path()]
Lot = Annotated[LotText, Path()]
DepositId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Answer = dict[str, object]


class MembersForm(Form):
    """Who is called."""

    members: list[Short]


class PresenceForm(Form):
    """Who is present, in which capacity."""

    member: Short
    capacity: Literal["TITULAR", "SUBSTITUTE", "ADVISORY"] = "TITULAR"


class OpenForm(Form):
    """Nothing opens the whole plan; a deposit asks for that one alone."""

    deposit: Hex32 | None = None


@router.get("", responses=reads(401))
def read_opening(scope: Bound, consultation: Id, lot: Lot) -> Answer:
    """Read how far the opening of a lot is; deposits only from its plan on."""
    return scope.opening(consultation, lot)


@router.post("/convocation", status_code=201, responses=writes())
def convene_opening(  # noqa: PLR0913, PLR0917 - one call of one command
    who: Known, scope: Bound, key: Key, consultation: Id, lot: Lot, form: MembersForm
) -> Answer:
    """Call the members to the opening of one lot."""
    command = plans.ConveneOpening(consultation, lot, tuple(form.members))
    scope.own(consultation)
    who.platform.act(plans.convene_opening, who.act(key, consultation), command)
    return scope.opening(consultation, lot)


@router.post("/presences", status_code=201, responses=writes())
def record_presence(  # noqa: PLR0913, PLR0917 - one call of one command
    who: Known, scope: Bound, key: Key, consultation: Id, lot: Lot, form: PresenceForm
) -> Answer:
    """Record that a person is present; two are needed before the plan."""
    command = plans.RecordPresence(consultation, lot, form.member, Capacity(form.capacity))
    scope.own(consultation)
    who.platform.act(plans.record_presence, who.act(key, consultation), command)
    return scope.opening(consultation, lot)


@router.post("/plan", status_code=201, responses=writes())
def fix_opening_plan(who: Known, scope: Bound, key: Key, consultation: Id, lot: Lot) -> Answer:
    """Fix which envelopes open: computed, never chosen."""
    scope.plan(who.act(key, consultation), consultation, lot)
    return scope.opening(consultation, lot)


@router.post("/envelopes", status_code=201, responses=writes())
def open_envelopes(  # noqa: PLR0913, PLR0917 - one call of one command
    who: Known, scope: Bound, key: Key, consultation: Id, lot: Lot, form: OpenForm
) -> Answer:
    """Open the envelopes of the plan in force, or be refused and recorded."""
    command = opening.OpenEnvelopes(consultation, lot, form.deposit)
    who.platform.act(opening.open_envelopes, who.act(key, consultation), command)
    return scope.opening(consultation, lot)


@router.get("/envelopes/{deposit}/documents", responses=reads(401, 403))
def list_opened_documents(
    who: Known, scope: Bound, consultation: Id, lot: Lot, deposit: DepositId
) -> Answer:
    """List the documents of an opened envelope."""
    return {"documents": scope.opened(consultation, lot, deposit)}


@router.get(
    "/envelopes/{deposit}/documents/{number}",
    response_class=StreamingResponse,
    responses=reads(401, 403),
)
def read_opened_document(  # noqa: PLR0913, PLR0917 - one document at one place
    who: Known,
    scope: Bound,
    consultation: Id,
    lot: Lot,
    deposit: DepositId,
    number: Annotated[int, Path(ge=1, le=65_536)],
) -> StreamingResponse:
    """Download one document of an opened envelope, as deposited."""
    name, size, parts = scope.opened_document(consultation, lot, deposit, number)
    headers = disposition(name) | {"Content-Length": str(size)}
    return StreamingResponse(parts, media_type="application/octet-stream", headers=headers)
