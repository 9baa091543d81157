"""Correct limits or dossier after publication (domain.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.aggregate import Meta
from domain.clock import LegalHour
from domain.commands.draft import check_limits
from domain.commands.loading import found, own_consultation
from domain.consultation import Consultation
from domain.dossier import Dossier
from domain.errors import BadForm, CorrectionNeedsExtension, DeadlinePassed
from domain.events.consultation import DossierCorrected, ExtensionWaived, Importance, Limits
from domain.events.dossier import FileRow
from domain.identifiers import check_text
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
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    check_text("reason", command.reason)
    meta = desk.meta(act, desk.reading(consultation), consultation.tenant)
    consultation.relax(meta, check_limits(command.limits), command.reason)
    return desk.save(act, command, [consultation])


def correct_dossier(desk: Desk, act: Act, command: CorrectDossier) -> Recorded:
    """Append the new version, DossierCorrected, and DeadlineExtended or ExtensionWaived."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = own_consultation(desk, act, command.consultation)
    consultation.require(DossierCorrected, "PUBLISHED", "SUSPENDED")
    _check(consultation, command)
    now = desk.reading(consultation)
    if not consultation.verdicts(now).extension:
        raise DeadlinePassed(consultation.deadline)
    meta = desk.meta(act, now, consultation.tenant)
    dossier = found(desk, Dossier, command.consultation)
    changed = dossier.changed_files(command.files)
    new_root = dossier.freeze(meta, command.files)
    consultation.append(
        DossierCorrected(
            **consultation.stamp(meta),
            new_root=new_root,
            changed_files=changed,
            lots=list(command.lots),
            importance=command.importance,
            reason=command.reason,
        )
    )
    _extend_or_waive(consultation, meta, command, new_root)
    return desk.save(act, command, [dossier, consultation])


def _check(consultation: Consultation, command: CorrectDossier) -> None:
    """Return quietly if the correction is reasoned and decides on the deadline."""
    check_text("reason", command.reason)
    if set(command.lots) - set(consultation.lot_names()):
        raise BadForm("lots", "lots of this consultation only")
    decided = command.extension is not None or bool((command.waiver or "").strip())
    if command.importance == Importance.IMPORTANT and not decided:
        raise CorrectionNeedsExtension(command.consultation)


def _extend_or_waive(
    consultation: Consultation, meta: Meta, command: CorrectDossier, correction: str
) -> None:
    if command.extension is not None:
        consultation.extend(meta, command.extension, command.reason, "CORRECTION")
    elif command.waiver:
        consultation.append(
            ExtensionWaived(
                **consultation.stamp(meta), correction=correction, reason=command.waiver
            )
        )
