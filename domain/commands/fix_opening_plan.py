"""Convene the opening, record who is present, fix the computed plan, anchor it (§4.10)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.events.opening import Capacity
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class ConveneOpening:
    """Call the members to the opening of one lot."""

    consultation: str
    lot: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class RecordPresence:
    """Record that a person is present."""

    consultation: str
    lot: str
    member: str
    capacity: Capacity = Capacity.TITULAR


@dataclass(frozen=True)
class FixOpeningPlan:
    """Fix which envelopes of the lot open."""

    consultation: str
    lot: str


@dataclass(frozen=True)
class AnchorPlan:
    """Anchor a later plan under the newest published checkpoint that covers it."""

    consultation: str
    lot: str


def convene_opening(desk: Desk, act: Act, command: ConveneOpening) -> Recorded:
    """Append OpeningConvened."""
    raise NotImplementedError


def record_presence(desk: Desk, act: Act, command: RecordPresence) -> Recorded:
    """Append PresenceRecorded."""
    raise NotImplementedError


def fix_opening_plan(desk: Desk, act: Act, command: FixOpeningPlan) -> Recorded:
    """Append OpeningPlanFixed; for the first plan also CheckpointAnchored, in the same save."""
    raise NotImplementedError


def anchor_plan(desk: Desk, act: Act, command: AnchorPlan) -> Recorded:
    """Append CheckpointAnchored for a later plan."""
    raise NotImplementedError
