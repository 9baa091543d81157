"""Backup copies: written down at the desk, decided on by the buyer once their lots have a plan.

A company reads its own electronic ones. For everybody else, before that plan, there is nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api.auth import Known
from api.forms import Form, Hex64, IdText, LocalHour, LotText, Short, Text
from api.idempotency import Key, as_uuid, object_id
from api.openapi import reads, writes
from api.paging import LARGEST, After, cut, link
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import open_backup, register_item
from domain.events.backup_copy import Medium, OutOfBandItem

router = APIRouter(prefix="/api/v1", tags=["backup copies"], route_class=StrictRoute)

Id = Annotated[IdText, Path()]
CopyId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}-?[0-9a-f-]{23,27}$")]
Answer = dict[str, object]


class CopyForm(Form):
    """A copy on paper or on a data carrier, as the desk receives it."""

    lots: Annotated[list[LotText], Field(min_length=1, max_length=500)]
    bidder: IdText
    medium: Literal["PAPER", "USB"]
    label_ok: bool
    received: LocalHour
    desk: Short
    seal_no: Short | None = None


class ItemForm(Form):
    """A sample, a model, or what came on paper."""

    item: Literal["SAMPLE", "MODEL", "PAPER_EXCEPTION", "OFFER_OUTSIDE_PLATFORM"]
    bidder: IdText
    channel: Short
    received: LocalHour
    ground: Text | None = None


class TraceForm(Form):
    """The hash of what a scanner found."""

    trace_hash: Hex64


class WitnessForm(Form):
    """Before whom a copy was destroyed."""

    witness: Short


@router.post(
    "/consultations/{consultation}/desk/backup-copies", status_code=201, responses=writes()
)
def register_backup_copy(
    who: Known, scope: Bound, key: Key, consultation: Id, form: CopyForm
) -> Answer:
    """Write down a copy that came over the desk."""
    scope.own(consultation)
    act = who.act(key, consultation)
    command = register_item.RegisterBackupCopy(
        copy=as_uuid(object_id(act.command_id, "backup")),
        consultation=consultation,
        lots=tuple(form.lots),
        bidder=form.bidder,
        medium=Medium(form.medium),
        label_ok=form.label_ok,
        received=form.received.legal(),
        desk=form.desk,
        seal_no=form.seal_no,
    )
    who.platform.act(register_item.register_backup_copy, act, command)
    return {"backup_copy": command.copy, "consultation": consultation}


@router.get("/consultations/{consultation}/backup-copies", responses=reads(401, 403))
def list_backup_copies(who: Known, scope: Bound, consultation: Id) -> Answer:
    """List the copies whose lots have their plan, each with its ground or the reason against."""
    return scope.copies(consultation)


@router.post("/consultations/{consultation}/desk/items", status_code=201, responses=writes())
def register_item_outside(
    who: Known, scope: Bound, key: Key, consultation: Id, form: ItemForm
) -> Answer:
    """Write down a sample, a model, or what came on paper."""
    scope.own(consultation)
    command = register_item.RegisterItem(
        consultation=consultation,
        item=OutOfBandItem(form.item),
        bidder=form.bidder,
        channel=form.channel,
        received=form.received.legal(),
        ground=form.ground,
    )
    who.platform.act(register_item.register_item, who.act(key, consultation), command)
    return scope.desk_register(consultation)


@router.get("/consultations/{consultation}/desk", responses=reads(401, 403))
def read_desk_register(who: Known, scope: Bound, consultation: Id) -> Answer:
    """Read what the desk of one's own organisation wrote down, copies on paper among it."""
    return scope.desk_register(consultation)


@router.get("/backup-copies", responses=reads(400, 401, 403))
def list_own_backup_copies(
    who: Known,
    scope: Bound,
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List the caller's own electronic copies, each with its receipt."""
    page = cut([(name, name) for name in scope.own_copies()], after, limit)
    response.headers.update(link(f"{router.prefix}/backup-copies", page, limit))
    return {"backup_copies": [scope.own_copy(name) for name in page.rows]}


@router.get("/backup-copies/{copy}", responses=reads(401))
def read_backup_copy(who: Known, scope: Bound, copy: CopyId) -> Answer:
    """Read one own electronic copy with its receipt."""
    return scope.own_copy(copy)


@router.post("/backup-copies/{copy}/authorisation", status_code=201, responses=writes())
def authorise_backup_copy(who: Known, scope: Bound, key: Key, copy: CopyId) -> Answer:
    """Ask for the opening of a copy: the ground is computed, or the refusal recorded."""
    need = scope.decides_on(copy)
    command = open_backup.AuthoriseBackupCopyOpening(copy)
    who.platform.act(open_backup.authorise_backup_copy_opening, who.act(key, need), command)
    return scope.copy(copy)


@router.post("/backup-copies/{copy}/opening", status_code=201, responses=writes())
def open_backup_copy(who: Known, scope: Bound, key: Key, copy: CopyId) -> Answer:
    """Record that an authorised copy on paper or on a data carrier was opened."""
    need = scope.decides_on(copy)
    command = open_backup.OpenBackupCopy(copy)
    who.platform.act(open_backup.open_backup_copy, who.act(key, need), command)
    return scope.copy(copy)


@router.post("/backup-copies/{copy}/setting-aside", status_code=201, responses=writes())
def set_aside_backup_copy(who: Known, scope: Bound, key: Key, copy: CopyId) -> Answer:
    """Keep a copy closed, for the reason that the record gives."""
    need = scope.decides_on(copy)
    command = open_backup.SetAsideBackupCopy(copy)
    who.platform.act(open_backup.set_aside_backup_copy, who.act(key, need), command)
    return scope.copy(copy)


@router.post("/backup-copies/{copy}/malware", status_code=201, responses=writes())
def detect_backup_malware(
    who: Known, scope: Bound, key: Key, copy: CopyId, form: TraceForm
) -> Answer:
    """Record malware in the copy itself; it is set aside."""
    need = scope.decides_on(copy)
    command = open_backup.DetectBackupMalware(copy, form.trace_hash)
    who.platform.act(open_backup.detect_backup_malware, who.act(key, need), command)
    return scope.copy(copy)


@router.post("/backup-copies/{copy}/destruction", status_code=201, responses=writes())
def destroy_backup_copy(
    who: Known, scope: Bound, key: Key, copy: CopyId, form: WitnessForm
) -> Answer:
    """Record that a copy which stayed closed was destroyed before a witness."""
    need = scope.decides_on(copy)
    command = open_backup.DestroyBackupCopy(copy, form.witness)
    who.platform.act(open_backup.destroy_backup_copy, who.act(key, need), command)
    return scope.copy(copy)
