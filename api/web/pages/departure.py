"""The complete export that an officer takes along, as a download beside the form of departure."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from api.downloads import disposition
from api.entrance import Visitor
from api.errors import Absent
from api.scope import Scope
from api.web.administration.seated import HOME, seated
from api.web.pages.forms import Door

PATH = f"{HOME}/departure/export"


def page(made: APIRouter, door: Door) -> None:
    """Add the download."""

    @made.get(PATH)
    def departure_export(
        reader: Visitor = Depends(door.reader),  # noqa: B008
    ) -> StreamingResponse:
        """Give the export of the reader's own organisation as it is made."""
        who = seated(door.entrance, reader)
        if who is None:
            raise Absent
        who.require(PATH)
        found = Scope(who.platform, who.principal).departure_export(who.org)
        headers = disposition(f"export-{who.org}.zip") | {"Cache-Control": "no-store"}
        return StreamingResponse(found.zipped(), media_type="application/zip", headers=headers)
