"""Events of the platform's own health, ``health/main`` (domain.md §4.17)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.aggregate import Event


class Probe(StrEnum):
    """What the platform tries on itself once a minute."""

    DEPOSIT = "DEPOSIT"
    DOWNLOAD = "DOWNLOAD"
    LOGIN = "LOGIN"
    LINK = "LINK"
    STORAGE = "STORAGE"
    CLOCK = "CLOCK"


class ProbeSucceeded(Event, kind="ProbeSucceeded"):
    """Probes of one kind and path that succeeded at each of these instants, in order.

    ``latency_ms`` is that of the slowest. Without ``instants``: one probe, at the entry's own time;
    without ``path`` a LINK probe stands for every page that was asked.
    """

    probe: Probe
    latency_ms: int
    path: str | None = None
    instants: list[datetime] | None = None


class ProbeFailed(Event, kind="ProbeFailed"):
    """One probe failed, at the ``occurred_at`` of the metadata."""

    probe: Probe
    error: str
    path: str | None = None


class IncidentDeclared(Event, kind="IncidentDeclared"):
    """The platform says that it failed, from when, until when once it is known."""

    from_at: datetime
    scope: str
    cause: str
    to_at: datetime | None = None


class ClockChecked(Event, kind="ClockChecked"):
    """What the clock said of itself: distance from its sources, half width, number of sources."""

    offset_ms: int
    uncertainty_ms: int
    sources: int


class BuyersAlerted(Event, kind="BuyersAlerted"):
    """The buyers of these consultations, open at that hour, were told of an incident."""

    consultations: list[str]
