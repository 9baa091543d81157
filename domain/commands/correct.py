"""Correct limits or dossier after publication (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.clock import LegalHour
from domain.events.consultation import Importance, Limits
from domain.events.dossier import FileRow
from domain.ports import Act, Desk, Recorded


@dataclass(frozen=True)
class CorrectLimits:
    """Relax limits; a stricter one is refused."""

    consultation: str
    limits: Limits
    reason: str


@dataclass(frozen=True)
class CorrectDossier:
    """Put a new version in force; an IMPORTANT one with an extension or a reasoned waiver."""

    consultation: str
    files: tuple[FileRow, ...]
    lots: tuple[str, ...]
    importance: Importance
    reason: str
    extension: LegalHour | None = None
    waiver: str | None = None


def correct_limits(desk: Desk, act: Act, command: CorrectLimits) -> Recorded:
    """Append LimitsCorrected, or refuse with ``limits.not-lower``."""
    raise NotImplementedError


def correct_dossier(desk: Desk, act: Act, command: CorrectDossier) -> Recorded:
    """Append the new version, DossierCorrected, and DeadlineExtended or ExtensionWaived."""
    raise NotImplementedError
