"""Figures for the operator, in Prometheus' text form, that say nothing of deposits (N11, T15).

What depositors do changes none of them: their operations, everything that a company asks, and the
reading of kits, dossiers, proofs and pages are left out; so are memory, processor, disk and the
size of the log before its publication, since each deposit moves them. Labels are our own names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from api.permissions import OPERATIONS
from crypto.notes import parse_checkpoint, parse_note

if TYPE_CHECKING:
    from api.guards import App, Message, Receive, Scope, Send
    from api.platform import Platform

SILENT_PATHS = ("/api/v1/transmissions", "/api/v1/deposits", "/api/v1/backup-copies")
SILENT = frozenset(
    {
        "read_kit",
        "read_keyset",
        "read_canary_keyset",
        "read_dossier",
        "download_dossier_file",
        "read_who_i_am",
        "read_ledger",
        "read_checkpoint",
        "read_tile",
        "register_backup_copy",
        "register_item_outside",
        "read_desk_register",
    }
)
"""Operations by which somebody prepares a deposit or checks its receipt, token or none; and the
desk's, for each copy on paper that comes is one of them."""
SECONDS = (0.005, 0.025, 0.1, 0.25, 1, 5, 30)
COMPANY = "CY"


class Metrics:
    """The figures of one application, in a registry of its own; counters guard themselves."""

    def __init__(self, platform: Platform) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.answers = Counter(
            "pli_answers",
            "Answers that no depositor asks for",
            ["operation", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "pli_answer_seconds",
            "Time to the first byte of such an answer",
            ["operation"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Published(platform))

    def text(self) -> bytes:
        """Return every figure as Prometheus reads it."""
        return generate_latest(self.registry)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer, unless it could tell of a deposit."""
        route = scope.get("route")
        if route is None or route.name not in OPERATIONS or is_silent(scope, route.name):
            return
        self.answers.labels(route.name, str(status)).inc()
        self.seconds.labels(route.name).observe(seconds)


def is_silent(scope: Scope, operation: str) -> bool:
    """Say whether a request leaves no trace in figures or lists of requests."""
    principal = scope.get("state", {}).get("principal")
    return (
        operation in SILENT
        or str(scope["path"]).startswith(SILENT_PATHS)
        or (principal is not None and principal.role == COMPANY)
    )


class Counted:
    """Counts the answers of one application; nothing is kept of a request."""

    def __init__(self, app: App, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        begun = clock()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.count(scope, message["status"], clock() - begun)
            await send(message)

        await self.app(scope, receive, counted)


class _Published:
    """What the last published checkpoint says: public already, and moved by beats, not by acts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, read at this moment."""
        note = self._platform.ledger.published()
        size = parse_checkpoint(parse_note(note).text).size if note else 0
        yield GaugeMetricFamily("pli_published_size", "Size of the last checkpoint", value=size)
        anchors = self._platform.anchoring.status()
        alarms = self._platform.index.custody_alarms(self._platform.now())
        yield GaugeMetricFamily(
            "pli_custody_missing", "Consultations with a proof of life missing", value=len(alarms)
        )
        yield GaugeMetricFamily(
            "pli_custody_danger",
            "Of these, those that could not open: postpone their deadline",
            value=sum(one.in_danger for one in alarms),
        )
        yield GaugeMetricFamily(
            "pli_anchor_alarm", "1 if a time stamp is due for more than a day", value=anchors.alarm
        )
