"""``/metrics`` for a platform administrator, where the operator asked for it; else absent."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import Known
from api.errors import Absent
from api.metrics import Metrics
from api.openapi import reads
from api.strict import NamedRoute

router = APIRouter(tags=["platform"], route_class=NamedRoute)


@router.get("/metrics", response_class=PlainTextResponse, responses=reads(401, 403))
def read_metrics(request: Request, who: Known) -> PlainTextResponse:
    """Give the figures of this process in Prometheus' text form."""
    if not who.platform.settings.metrics:
        raise Absent
    metrics: Metrics = request.app.state.metrics
    return PlainTextResponse(metrics.text(), media_type=CONTENT_TYPE_LATEST)
