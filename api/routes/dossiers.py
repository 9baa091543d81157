"""The dossier (DCE): uploaded by its buyer, downloaded by everybody, free and anonymous."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api import views
from api.auth import Anyone, Here, Known
from api.caching import etagged
from api.errors import Absent, NotUploaded
from api.forms import Form, Hex64, IdText, LocalHour, LotText, Short, Text
from api.idempotency import Key
from api.openapi import BYTES, reads, writes
from api.strict import StrictRoute
from domain.commands import correct, download_dossier, draft
from domain.dossier import check_file_name
from domain.errors import NotAllowed
from domain.events.consultation import Importance
from domain.events.dossier import FileRow

router = APIRouter(
    prefix="/api/v1/consultations/{consultation}/dossier",
    tags=["dossiers"],
    route_class=StrictRoute,
)

Id = Annotated[IdText, Path()]
FileName = Annotated[str, Path(min_length=1, max_length=255)]
Answer = dict[str, object]


class FileForm(Form):
    """One uploaded file: its name in the dossier and the hash which the upload answered."""

    name: Short
    sha256: Hex64


class DossierForm(Form):
    """All files of the version, in the order of the dossier."""

    files: list[FileForm]


class CorrectionForm(DossierForm):
    """The new version, its weight, and the extension or waiver that goes with it."""

    lots: Annotated[list[LotText], Field(default_factory=list)]
    importance: Literal["MINOR", "IMPORTANT"]
    reason: Text
    extension: LocalHour | None = None
    waiver: Text | None = None


@router.get("", responses=reads(304, 401))
def read_dossier(request: Request, here: Here, consultation: Id, who: Anyone) -> Response:
    """List the files of the dossier version in force."""
    views.visible(here, consultation, who)
    return etagged(request, views.dossier(here, consultation))


@router.put("/files/{name:path}", status_code=201, responses=writes(), openapi_extra=BYTES)
async def upload_dossier_file(
    request: Request, who: Known, consultation: Id, name: FileName
) -> Answer:
    """Store one file of a dossier to come; the same bytes twice are stored once."""
    await run_in_threadpool(_own, who, consultation)
    check_file_name(name)
    with who.platform.vault.incoming() as place:
        async for part in request.stream():
            await run_in_threadpool(place.write, part)
        sha256, size = await run_in_threadpool(place.keep)
    return {"name": name, "sha256": sha256, "size": size}


@router.post("", status_code=201, responses=writes())
def freeze_dossier(who: Known, key: Key, consultation: Id, form: DossierForm) -> Answer:
    """Freeze the next version of the dossier from uploaded files."""
    command = draft.FreezeDossier(consultation, _rows(who, form))
    who.platform.act(draft.freeze_dossier, who.act(key, consultation), command)
    return views.dossier(who.platform, consultation)


@router.post("/corrections", status_code=201, responses=writes())
def correct_dossier(who: Known, key: Key, consultation: Id, form: CorrectionForm) -> Answer:
    """Put a corrected version in force."""
    command = correct.CorrectDossier(
        consultation,
        files=_rows(who, form),
        lots=tuple(form.lots),
        importance=Importance(form.importance),
        reason=form.reason,
        extension=form.extension.legal() if form.extension else None,
        waiver=form.waiver,
    )
    who.platform.act(correct.correct_dossier, who.act(key, consultation), command)
    return views.dossier(who.platform, consultation)


@router.get("/files/{name:path}", response_class=StreamingResponse, responses=reads(401))
def download_dossier_file(
    here: Here, consultation: Id, name: FileName, who: Anyone
) -> StreamingResponse:
    """Download one file as an attachment; nobody has to say who they are."""
    views.visible(here, consultation, who)
    shown = views.dossier(here, consultation)
    rows = [row for row in _listed(shown) if row["name"] == name]
    if not rows:
        raise Absent
    stored = here.vault.blob(str(rows[0]["sha256"]))
    if stored is None:
        raise Absent
    _record(here, consultation, shown, name, who)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.split('/')[-1])}",
        "Content-Length": str(rows[0]["size"]),
        "ETag": f'"{rows[0]["sha256"]}"',
    }
    return StreamingResponse(stored.parts(), media_type="application/octet-stream", headers=headers)


def _record(here: Here, consultation: str, shown: Answer, name: str, who: Anyone) -> None:
    """Record the download; a caller with a company's token is named by its blinded tag."""
    operator = who.org if who and who.principal.role == "CY" else None
    version = shown["version"]
    command = download_dossier.DownloadDossier(
        consultation, version if isinstance(version, int) else 0, (name,), operator
    )
    act = here.own_act(here.desk.rng.bytes(16).hex(), consultation)
    if who is not None:
        act = here.act_of(act.command_id, who.principal, consultation)
    here.act(download_dossier.download_dossier, act, command)


def _own(who: Known, consultation: str) -> None:
    found = views.found_consultation(who.platform, consultation)
    if found.tenant != who.org:
        raise Absent
    roles = who.platform.desk.law.roles
    if who.principal.role not in roles.acts["draft consultation"]:
        raise NotAllowed(who.principal.role, "draft consultation")


def _rows(who: Known, form: DossierForm) -> tuple[FileRow, ...]:
    rows = []
    for file in form.files:
        stored = who.platform.vault.blob(file.sha256)
        if stored is None:
            raise NotUploaded("a file was not uploaded", name=file.name, sha256=file.sha256)
        rows.append(FileRow(file.name, file.sha256, stored.size))
    return tuple(rows)


def _listed(shown: Answer) -> list[dict[str, object]]:
    rows = shown["files"]
    return rows if isinstance(rows, list) else []
