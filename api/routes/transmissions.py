"""Transmissions (``envelope.md`` §8): announce, head, chunks in any order; nothing to finish.

Every step can be repeated: PUT and DELETE derive their command from session and content. A foreign
session answers exactly like one that does not exist.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api import uploading
from api.adapters.bodies import Body
from api.auth import Known
from api.errors import Absent, Incomplete
from api.forms import Count, Form, Hex32, IdText, LotText, Short
from api.guards import refusal_of
from api.idempotency import Key, as_uuid, object_id
from api.openapi import BYTES, reads, writes
from api.own_transmissions import OwnTransmission, Told
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import transmit
from domain.errors import DomainError
from domain.events.transmission import EnvelopeKind, Intent, Purpose, Readability, StallCause

router = APIRouter(prefix="/api/v1/transmissions", tags=["transmissions"], route_class=StrictRoute)

Session = Annotated[
    str, Path(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
HexHeader = Annotated[str, Header(pattern=r"^[0-9a-f]{64}$")]
Answer = dict[str, object]


class AnnounceForm(Form):
    """What will be sent; every limit answers before the first byte."""

    consultation: IdText
    kind: Literal["APPLICATION", "OFFER", "BOTH", "FINAL_OFFER", "BACKUP"]
    lots: list[LotText]
    bytes: Count
    documents: Count
    client: Short
    terms: Short
    round: Count = 1
    intent: Literal["INITIAL", "REPLACE", "COMPLEMENT"] = "INITIAL"
    target: Hex32 | None = None
    purpose: Literal["REAL", "REHEARSAL"] = "REAL"
    entry_consultation: IdText | None = None
    dossier_version_seen: Count | None = None
    sibling_downloaded: IdText | None = None
    drawer_acknowledged: bool | None = None
    readability: Literal["OK", "ENCRYPTED_ARCHIVE", "UNREADABLE"] | None = None
    readability_acknowledged: bool = False


@router.post("", status_code=201, responses=writes())
def start_transmission(
    request: Request, who: Known, scope: Bound, key: Key, form: AnnounceForm
) -> Answer:
    """Announce an envelope: sizes, kind, lots, intent."""
    act = who.act(key, form.consultation)
    name = as_uuid(object_id(act.command_id, "transmission"))
    command = transmit.StartTransmission(
        transmission=name,
        consultation=form.consultation,
        kind=EnvelopeKind(form.kind),
        lots=tuple(form.lots),
        declared_bytes=form.bytes,
        declared_files=form.documents,
        client=form.client,
        terms_version=form.terms,
        round=form.round,
        intent=Intent(form.intent),
        target=form.target,
        purpose=Purpose(form.purpose),
        entry_consultation=form.entry_consultation,
        dossier_version_seen=form.dossier_version_seen,
        sibling_downloaded=form.sibling_downloaded,
    )
    refused: DomainError | None = None
    try:
        who.platform.act(transmit.start_transmission, act, command)
    except DomainError as refusal:
        refused = refusal
    if not scope.began(name, form.consultation):
        raise refused or Absent()
    own = scope.transmission(name)
    refused = refused or own.refusal()
    if refused is not None:
        own.end()
        # the session is an event: its attestation can be asked for by this name
        request.state.told = {"transmission": name}
        raise refused
    own.told(_told(form, name))
    return own.started()


@router.put("/{transmission}/head", status_code=201, responses=writes(), openapi_extra=BYTES)
async def announce_envelope(  # noqa: PLR0913, PLR0917 - one call of one protocol
    request: Request,
    response: Response,
    who: Known,
    scope: Bound,
    transmission: Session,
    commitment: Annotated[HexHeader, Header(alias="Pli-Commitment")],
) -> Answer:
    """Announce which bytes come: the head, and the commitment to all of them."""
    own = await run_in_threadpool(scope.transmission, transmission)
    with await _body(request, own) as body:
        new, state = await run_in_threadpool(
            lambda: (own.accept_head(body.read(), commitment), own.state())
        )
    response.status_code = 201 if new else 200
    return state


@router.put(
    "/{transmission}/chunks/{index}",
    status_code=201,
    responses=writes(416),
    openapi_extra=BYTES,
)
async def store_chunk(  # noqa: PLR0913, PLR0917 - one call of one protocol
    request: Request,
    response: Response,
    who: Known,
    scope: Bound,
    transmission: Session,
    index: Annotated[int, Path(ge=0, lt=2**20)],
    leaf: Annotated[HexHeader, Header(alias="Pli-Leaf")],
) -> Answer:
    """Store one chunk; the answer to the last missing one carries the receipt."""
    own = await run_in_threadpool(scope.transmission, transmission)
    with await _body(request, own) as body:
        new, state = await run_in_threadpool(
            lambda: (own.accept_chunk(index, body.read(), leaf), own.state())
        )
    response.status_code = 201 if new else 200
    return state


@router.get("/{transmission}", responses=reads(401, 403))
def read_transmission(who: Known, scope: Bound, transmission: Session) -> Answer:
    """Say what is missing, or how it ended, with its receipt."""
    return scope.transmission(transmission).state()


@router.post("/{transmission}/finish", responses=writes())
def finish_transmission(who: Known, scope: Bound, key: Key, transmission: Session) -> Answer:
    """Give the receipt, or say what is missing; nothing depends on this call."""
    own = scope.transmission(transmission)
    own.seal_if_whole()
    shown = own.state()
    if shown["state"] not in uploading.ENDED:
        raise Incomplete(
            "chunks are missing",
            transmission=transmission,
            state=shown["state"],
            missing=shown.get("missing", []),
        )
    return shown


@router.delete("/{transmission}", responses=writes())
def end_transmission(who: Known, scope: Bound, transmission: Session) -> Answer:
    """Give up: the session ends as an event and gives an attestation of attempt."""
    own = scope.transmission(transmission)
    own.give_up()
    return own.state()


def _told(form: AnnounceForm, transmission: str) -> Told:
    """Return what the depositor's program warned of before it sealed."""
    told: Told = []
    if form.sibling_downloaded is not None and form.drawer_acknowledged is not None:
        sibling, seen = form.sibling_downloaded, form.drawer_acknowledged
        told.append(transmit.WarnDrawer(transmission, sibling, acknowledged=seen))
    if form.readability is not None:
        worst, seen = Readability(form.readability), form.readability_acknowledged
        told.append(transmit.CheckReadability(transmission, worst, acknowledged=seen))
    return told


async def _body(request: Request, own: OwnTransmission) -> Body:
    """Return the body; one that breaks off is a stall of the network, which is an event."""
    body = own.body()
    try:
        async for part in request.stream():
            body.write(part)
    except BaseException as broken:
        body.close()
        if not isinstance(broken, ClientDisconnect):
            raise
        cut = refusal_of(request.scope)
        cause = StallCause.NETWORK if cut is None else StallCause.CLIENT
        await run_in_threadpool(own.stall, cause)
        if cut is not None:
            raise cut from None
        raise
    return body
