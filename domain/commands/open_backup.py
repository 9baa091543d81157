"""Open a backup copy, or keep it closed: computed from the record, never chosen (domain.md §4.8).

An electronic copy that was authorised opens under the next plan of its lot, by its custodians; one
on paper or on a data carrier is opened in a session and recorded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.aggregate import Meta
from domain.backup_copy import BackupCopy
from domain.backup_right import ASIDE
from domain.commands.backup_facts import right_of
from domain.commands.decide_late import DECIDING
from domain.commands.loading import found, opening_of
from domain.commands.refusing import refuse
from domain.consultation import Consultation
from domain.errors import (
    BackupElectronic,
    BackupLate,
    BackupMalware,
    BackupMayOpen,
    BackupNotAuthorised,
    BackupNotOffered,
    BackupUnlabelled,
    DomainError,
    NoBackupGround,
    NotFound,
    NotInPlan,
    OpeningOrder,
)
from domain.events.backup_copy import (
    BackupCopyDestroyed,
    BackupCopyOpeningAuthorised,
    BackupCopySetAside,
)
from domain.identifiers import HEX64, check, check_text
from domain.ports import Act, Desk, Recorded
from domain.states import check_transition

PLAIN: Final[Mapping[str, type[DomainError]]] = {
    kind.code: kind
    for kind in (
        BackupNotOffered,
        BackupUnlabelled,
        BackupMalware,
        NoBackupGround,
        BackupNotAuthorised,
    )
}
"""Refusals without facts, by their code."""


@dataclass(frozen=True)
class AuthoriseBackupCopyOpening:
    """Ask whether a copy may be opened; the ground is found, not given."""

    copy: str


@dataclass(frozen=True)
class OpenBackupCopy:
    """Record that an authorised copy on paper or on a data carrier was opened."""

    copy: str


@dataclass(frozen=True)
class SetAsideBackupCopy:
    """Keep a copy closed; the reason is found, not given."""

    copy: str


@dataclass(frozen=True)
class DetectBackupMalware:
    """Malware was found in the copy itself; the trace is kept under this hash."""

    copy: str
    trace_hash: str


@dataclass(frozen=True)
class DestroyBackupCopy:
    """An unopened copy was destroyed before this witness."""

    copy: str
    witness: str


def authorise_backup_copy_opening(
    desk: Desk, act: Act, command: AuthoriseBackupCopyOpening
) -> Recorded:
    """Append BackupCopyOpeningAuthorised; or OpeningRefused, and raise why."""
    if earlier := desk.earlier(act, command):
        _refused_before(desk, act, command.copy)
        return earlier
    copy, consultation, meta = decided(desk, act, command.copy)
    check_transition(copy.MACHINE, copy.state, BackupCopyOpeningAuthorised.TOPIC)
    try:
        right = right_of(desk, consultation, copy)
    except tuple(ASIDE) as refusal:
        raise refuse(desk, act, command, copy, meta, refusal, copy.name) from None
    copy.append(
        BackupCopyOpeningAuthorised(
            **copy.stamp(meta), ground=right.ground, evidence=list(right.evidence)
        )
    )
    return desk.save(act, command, [copy])


def open_backup_copy(desk: Desk, act: Act, command: OpenBackupCopy) -> Recorded:
    """Append BackupCopyOpened; or OpeningRefused, and raise why."""
    if earlier := desk.earlier(act, command):
        _refused_before(desk, act, command.copy)
        return earlier
    copy, _, meta = decided(desk, act, command.copy)
    refusal: DomainError | None = None
    if copy.electronic:
        refusal = NotInPlan(copy.name, ", ".join(copy.received().lots))
    elif copy.authorised is None:
        refusal = BackupNotAuthorised()
    if refusal is not None:
        raise refuse(desk, act, command, copy, meta, refusal, copy.name)
    copy.open(meta)
    return desk.save(act, command, [copy])


def set_aside_backup_copy(desk: Desk, act: Act, command: SetAsideBackupCopy) -> Recorded:
    """Append BackupCopySetAside; a copy that may be opened is not set aside."""
    if earlier := desk.earlier(act, command):
        return earlier
    copy, consultation, meta = decided(desk, act, command.copy)
    try:
        right_of(desk, consultation, copy)
    except tuple(ASIDE) as refusal:
        reason = ASIDE[type(refusal)]
        copy.append(BackupCopySetAside(**copy.stamp(meta), reason=reason))
        return desk.save(act, command, [copy])
    raise BackupMayOpen


def detect_backup_malware(desk: Desk, act: Act, command: DetectBackupMalware) -> Recorded:
    """Append BackupCopyMalwareDetected, and BackupCopySetAside unless that was done before."""
    if earlier := desk.earlier(act, command):
        return earlier
    copy, _, meta = decided(desk, act, command.copy)
    trace = check(HEX64, "trace_hash", command.trace_hash)
    copy.infect(meta, trace)
    return desk.save(act, command, [copy])


def destroy_backup_copy(desk: Desk, act: Act, command: DestroyBackupCopy) -> Recorded:
    """Append BackupCopyDestroyed for a copy on paper or on a data carrier that was set aside.

    An electronic one ends with its keyset: nobody opens it once the shares are destroyed.
    """
    if earlier := desk.earlier(act, command):
        return earlier
    copy, _, meta = decided(desk, act, command.copy)
    if copy.electronic:
        raise BackupElectronic
    witness = check_text("witness", command.witness, 200)
    copy.append(
        BackupCopyDestroyed(
            **copy.stamp(meta), witness=desk.subjects.remember("person", witness, witness)
        )
    )
    return desk.save(act, command, [copy])


def decided(desk: Desk, act: Act, name: str) -> tuple[BackupCopy, Consultation, Meta]:
    """Return a copy of the caller's own consultation, whose lots have their first plan.

    Before that plan nobody but the desk may know that a copy came, so nobody decides on one.
    """
    copy = found(desk, BackupCopy, name)
    if copy.tenant != act.principal.org:
        raise NotFound(BackupCopy.PREFIX, name)
    desk.law.roles.require(act.principal.role, DECIDING)
    came = copy.received()
    consultation = found(desk, Consultation, came.consultation)
    consultation.require(BackupCopyOpeningAuthorised, "CLOSED")
    for lot in came.lots:
        session = opening_of(desk, consultation.name, lot)
        if not session.plans:
            raise OpeningOrder(session.name, "its first plan")
    return copy, consultation, desk.meta(act, desk.reading(consultation, copy), copy.tenant)


def _refused_before(desk: Desk, act: Act, name: str) -> None:
    """Raise the refusal which the same act met before, if it met one."""
    copy = found(desk, BackupCopy, name)
    for event in copy.refusals:
        if event.meta.command == act.command_id:
            raise _meant(desk, copy, event.code)


def _meant(desk: Desk, copy: BackupCopy, code: str) -> DomainError:
    """Return the refusal which a recorded code means."""
    came = copy.received()
    if code == BackupLate.code:
        return BackupLate(found(desk, Consultation, came.consultation).deadline)
    if code == NotInPlan.code:
        return NotInPlan(copy.name, ", ".join(came.lots))
    return PLAIN[code]()
