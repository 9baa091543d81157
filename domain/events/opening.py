"""Events of an opening session (domain.md §4.10)."""

from __future__ import annotations

from enum import StrEnum

from domain.aggregate import Event


class Capacity(StrEnum):
    """In which capacity a person attends."""

    TITULAR = "TITULAR"
    SUBSTITUTE = "SUBSTITUTE"
    ADVISORY = "ADVISORY"


class PlanKind(StrEnum):
    """Why a plan was made; later plans only add."""

    FIRST = "FIRST"
    ADMITTED = "ADMITTED"
    SECOND_ENVELOPE = "SECOND_ENVELOPE"
    BACKUP_COPY = "BACKUP_COPY"


class AnchorPurpose(StrEnum):
    """Why a checkpoint is anchored."""

    CLOSING = "CLOSING"
    DAILY = "DAILY"


class OpeningConvened(Event, kind="OpeningConvened"):
    """The members are called to the opening."""

    members: list[str]


class PresenceRecorded(Event, kind="PresenceRecorded"):
    """A person is present."""

    member: str
    capacity: Capacity


class OpeningPlanFixed(Event, kind="OpeningPlanFixed"):
    """Which envelopes open: computed, never chosen."""

    plan_no: int
    kind: PlanKind
    open: list[str]
    superseded: list[str]
    withdrawn: list[str]
    late: list[str]
    undetermined: list[str]


class CheckpointAnchored(Event, kind="CheckpointAnchored"):
    """A published checkpoint stands behind the plan."""

    purpose: AnchorPurpose
    size: int
    root: str
    witnesses: list[str]
    token_hash: str | None = None


class CustodyQuorumReached(Event, kind="CustodyQuorumReached"):
    """k valid answers came for the first envelope."""

    custodians: list[str]


class CustodyQuorumMissed(Event, kind="CustodyQuorumMissed"):
    """Too few valid answers; it can be tried again."""


class OpeningCompleted(Event, kind="OpeningCompleted"):
    """All envelopes of the plan were handled; the minutes have this hash."""

    plan_no: int
    minutes_hash: str
