"""Refused accesses: a buyer lists those to its own objects, a granted auditor all of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.auth import Known
from api.openapi import reads
from api.paging import LARGEST, After, cut, link
from api.scope import Bound
from api.strict import NamedRoute

router = APIRouter(prefix="/api/v1/refusals", tags=["refusals"], route_class=NamedRoute)
Answer = dict[str, object]


@router.get("", responses=reads(400, 401, 403))
def list_refusals(
    who: Known,
    scope: Bound,
    response: Response,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
) -> Answer:
    """List refused accesses, oldest first; an auditor also gets the head, to keep as a pin."""
    rows, head = scope.refusals()
    page = cut([(f"{place:012}", row) for place, row in enumerate(rows)], after, limit)
    response.headers.update(link(router.prefix, page, limit))
    shown: Answer = {"refusals": [scope.refusal(row) for row in page.rows]}
    return shown if head is None else shown | {"head": {"size": head.size, "hash": head.hash}}
