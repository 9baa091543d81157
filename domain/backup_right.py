"""May this backup copy be opened? The four grounds of annexe 6 art. 2 II (domain.md §4.8).

Pure: facts in, a ground with its evidence out, or the first reason against it. A missing or bad
signature, a wrong name, a poor offer are no facts of this list, so they are never grounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from domain.errors import (
    BackupLate,
    BackupMalware,
    BackupNotOffered,
    BackupUnlabelled,
    DomainError,
    NoBackupGround,
)
from domain.events.backup_copy import AsideReason, BackupGround

GROUNDS: Mapping[str, BackupGround] = MappingProxyType(
    {
        "MalwareDetected": BackupGround.MALWARE,
        "IncompletenessFound": BackupGround.INCOMPLETE,
        "TransmissionFailed": BackupGround.INCOMPLETE,
        "TransmissionExpired": BackupGround.INCOMPLETE,
        "LateDepositRecorded": BackupGround.LATE,
        "EnvelopeUnreadable": BackupGround.UNREADABLE,
    }
)
"""The kinds of facts that are grounds."""
WITHOUT_DEPOSIT = frozenset({"TransmissionFailed", "TransmissionExpired"})
"""Grounds only while no deposit of that lot, kind and round came all the same."""
WHATEVER_THE_HOUR = frozenset({BackupGround.MALWARE})
"""Grounds that do not ask when the sending began."""


@dataclass(frozen=True)
class Copy:
    """What is asked of the copy itself.

    ``earliest``: first instant at which it can have come; ``listed``: an electronic one stands in
    the closed register, one on paper needs no row; ``offered``: the deposit policy takes its kind.
    """

    earliest: datetime
    listed: bool
    offered: bool
    label_ok: bool
    malware: bool


@dataclass(frozen=True)
class Incident:
    """One fact about a transmission or deposit of the same bidder, consultation and lot.

    ``reference`` and ``session`` are ``stream#version`` of the fact and of its
    TransmissionStarted; ``started`` is the earliest instant of the latter, None where there is
    none; ``deposited``: a deposit of that lot, kind and round came all the same.
    """

    kind: str
    reference: str
    session: str
    started: datetime | None
    deposited: bool = False


@dataclass(frozen=True)
class Right:
    """The first ground that holds, and the facts on which it rests, sorted."""

    ground: BackupGround
    evidence: tuple[str, ...]


def opening_right(copy: Copy, incidents: Iterable[Incident], deadline: datetime) -> Right:
    """Return why the copy may be opened, else raise the first reason why not.

    1 its kind is offered; 2 it came in time (T1); 3 it is labelled; 4 it is free of malware;
    5 one of the four grounds holds, tried in their order.
    """
    if not copy.offered:
        raise BackupNotOffered
    if not copy.listed or copy.earliest > deadline:
        raise BackupLate(deadline)
    if not copy.label_ok:
        raise BackupUnlabelled
    if copy.malware:
        raise BackupMalware
    found: dict[BackupGround, set[str]] = {}
    for incident in incidents:
        ground = _ground(incident, deadline)
        if ground is not None:
            found.setdefault(ground, set()).update({incident.session, incident.reference})
    for ground in BackupGround:
        if ground in found:
            return Right(ground, tuple(sorted(found[ground])))
    raise NoBackupGround


def _ground(incident: Incident, deadline: datetime) -> BackupGround | None:
    """Return the ground that this fact is, None if it is none."""
    ground = GROUNDS.get(incident.kind)
    if ground is None or ground in WHATEVER_THE_HOUR:
        return ground
    if incident.kind in WITHOUT_DEPOSIT and incident.deposited:
        return None
    begun = incident.started is not None and incident.started <= deadline
    return ground if begun else None


ASIDE: Mapping[type[DomainError], AsideReason] = MappingProxyType(
    {
        BackupNotOffered: AsideReason.NO_GROUND,
        BackupLate: AsideReason.LATE,
        BackupUnlabelled: AsideReason.UNLABELLED,
        BackupMalware: AsideReason.MALWARE,
        NoBackupGround: AsideReason.NO_GROUND,
    }
)
"""What a copy is set aside for, by the reason against its opening."""
