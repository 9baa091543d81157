"""Openings, lot by lot: convened, attended, planned, opened; each early attempt is recorded.

Whoever may not open is not stopped at the door: the attempt goes through, is refused by the rule
that forbids it, and the refusal is an event (``envelope.md`` §14).
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from api.auth import Known
from api.documents.minutes import table, workbook
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


class PdfResponse(Response):
    """A document for people."""

    media_type = "application/pdf"


class CsvResponse(Response):
    """A table for spreadsheets."""

    media_type = "text/csv; charset=utf-8"


class XlsxResponse(Response):
    """The same table as a workbook."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


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
    scope.open_plan(who.act(key, consultation), command)
    return scope.opening(consultation, lot)


@router.get("/envelopes/{deposit}/documents", responses=reads(401, 403, 409))
def list_opened_documents(
    who: Known, scope: Bound, consultation: Id, lot: Lot, deposit: DepositId
) -> Answer:
    """List the documents of an opened envelope, and how they were scanned."""
    return scope.opened(consultation, lot, deposit)


@router.post("/envelopes/{deposit}/scan", responses=writes())
def scan_opened_documents(  # noqa: PLR0913, PLR0917 - one call of one command
    who: Known, scope: Bound, key: Key, consultation: Id, lot: Lot, deposit: DepositId
) -> Answer:
    """Look for malware again, such as after a time without a scanner."""
    return scope.scan(who.act(key, consultation), consultation, lot, deposit)


@router.get("/minutes", responses=reads(401))
def read_minutes(scope: Bound, consultation: Id, lot: Lot) -> Answer:
    """Read the minutes of a lot as data; names of companies and members are for its buyer."""
    return scope.minutes(consultation, lot)


@router.get("/minutes.csv", response_class=CsvResponse, responses=reads(401))
def export_minutes(scope: Bound, consultation: Id, lot: Lot) -> Response:
    """Download the envelopes of the minutes as a table for spreadsheets."""
    text = table(scope.minutes(consultation, lot))
    return CsvResponse(text, headers=disposition(f"proces-verbal-{consultation}-{lot}.csv"))


@router.get("/minutes.xlsx", response_class=XlsxResponse, responses=reads(401))
def download_minutes_sheet(scope: Bound, consultation: Id, lot: Lot) -> Response:
    """Download the envelopes of the minutes as a workbook; no text in it is a formula."""
    data = workbook(scope.minutes(consultation, lot))
    return XlsxResponse(data, headers=disposition(f"proces-verbal-{consultation}-{lot}.xlsx"))


@router.get("/minutes.pdf", response_class=PdfResponse, responses=reads(401))
def print_minutes(scope: Bound, consultation: Id, lot: Lot) -> Response:
    """Download the minutes of a lot as PDF/A-3a, its facts and its record inside."""
    made = scope.minutes_document(consultation, lot)
    return PdfResponse(made, headers=disposition(f"proces-verbal-{consultation}-{lot}.pdf"))


@router.get(
    "/envelopes/{deposit}/documents/{number}",
    response_class=StreamingResponse,
    responses=reads(401, 403, 409),
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
