"""The dossier (DCE): uploaded by its buyer, downloaded by everybody, free and anonymous."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.auth import Known
from api.caching import etagged
from api.downloads import disposition
from api.forms import Form, Hex64, IdText, LocalHour, LotText, Short, Text
from api.idempotency import Key
from api.openapi import BYTES, reads, writes
from api.permissions import BUYING
from api.scope import Bound
from api.strict import StrictRoute
from domain.commands import correct, draft
from domain.dossier import check_file_name
from domain.events.consultation import Importance

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

    def rows(self) -> list[tuple[str, str]]:
        """Return names and hashes."""
        return [(file.name, file.sha256) for file in self.files]


class CorrectionForm(DossierForm):
    """The new version, its weight, and the extension or waiver that goes with it."""

    lots: Annotated[list[LotText], Field(default_factory=list)]
    importance: Literal["MINOR", "IMPORTANT"]
    reason: Text
    extension: LocalHour | None = None
    waiver: Text | None = None


@router.get("", responses=reads(304, 401))
def read_dossier(request: Request, scope: Bound, consultation: Id) -> Response:
    """List the files of the dossier version in force."""
    return etagged(request, scope.dossier(consultation))


@router.put("/files/{name:path}", status_code=201, responses=writes(), openapi_extra=BYTES)
async def upload_dossier_file(
    request: Request, who: Known, scope: Bound, consultation: Id, name: FileName
) -> Answer:
    """Store one file of a dossier to come; the same bytes twice are stored once."""
    await run_in_threadpool(scope.drafter, consultation)
    check_file_name(name)
    with scope.incoming() as place:
        async for part in request.stream():
            await run_in_threadpool(place.write, part)
        await run_in_threadpool(scope.screen, place)
        sha256, size = await run_in_threadpool(place.keep)
    await run_in_threadpool(scope.uploaded, consultation, sha256)
    return {"name": name, "sha256": sha256, "size": size}


@router.post("", status_code=201, responses=writes())
def freeze_dossier(
    who: Known, scope: Bound, key: Key, consultation: Id, form: DossierForm
) -> Answer:
    """Freeze the next version of the dossier from uploaded files."""
    command = draft.FreezeDossier(consultation, scope.dossier_rows(consultation, form.rows()))
    who.platform.act(draft.freeze_dossier, who.act(key, consultation), command)
    return scope.dossier(consultation)


@router.post("/corrections", status_code=201, responses=writes())
def correct_dossier(
    who: Known, scope: Bound, key: Key, consultation: Id, form: CorrectionForm
) -> Answer:
    """Put a corrected version in force."""
    command = correct.CorrectDossier(
        consultation,
        files=scope.dossier_rows(consultation, form.rows(), BUYING),
        lots=tuple(form.lots),
        importance=Importance(form.importance),
        reason=form.reason,
        extension=form.extension.legal() if form.extension else None,
        waiver=form.waiver,
    )
    who.platform.act(correct.correct_dossier, who.act(key, consultation), command)
    return scope.dossier(consultation)


@router.get("/files/{name:path}", response_class=StreamingResponse, responses=reads(401))
def download_dossier_file(scope: Bound, consultation: Id, name: FileName) -> StreamingResponse:
    """Download one file as an attachment; nobody has to say who they are."""
    file = scope.dossier_file(consultation, name)
    headers = disposition(name) | {
        "Content-Length": str(file.size),
        "ETag": f'"{file.sha256}"',
    }
    return StreamingResponse(file.parts, media_type="application/octet-stream", headers=headers)
