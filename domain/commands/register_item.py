"""Write down what came over the desk: backup copies, samples, models, paper (domain.md §4.8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from domain.aggregate import Event, Meta
from domain.backup_copy import BackupCopy, OutOfBandRegister
from domain.clock import ClockSource, LegalHour, Reading
from domain.commands.loading import found_or_blank, new, operator_name, own_consultation
from domain.consultation import Consultation
from domain.errors import BadForm
from domain.events.backup_copy import (
    BackupCopyReceived,
    Medium,
    OutOfBandItem,
    OutOfBandItemRegistered,
)
from domain.identifiers import ID, check, check_lots, check_organisation, check_text
from domain.ports import Act, Desk, Recorded

REGISTERING: Final = "register backup copy or sample"
HALF_A_MINUTE: Final = timedelta(seconds=30)
"""A desk writes minutes: what it calls 17:00 came between 17:00:00 and 17:00:59."""
REASONED: Final = frozenset({OutOfBandItem.PAPER_EXCEPTION, OutOfBandItem.OFFER_OUTSIDE_PLATFORM})
"""What came outside the platform although it should not have: the desk says why."""


@dataclass(frozen=True)
class RegisterBackupCopy:
    """A copy on paper or on a data carrier; ``bidder`` is a SIRET or a foreign id.

    ``received`` is the legal minute which the desk wrote on it.
    """

    copy: str
    consultation: str
    lots: tuple[str, ...]
    bidder: str
    medium: Medium
    label_ok: bool
    received: LegalHour
    desk: str
    seal_no: str | None = None


@dataclass(frozen=True)
class RegisterItem:
    """A sample, a model, or what came on paper; ``channel``: by which way."""

    consultation: str
    item: OutOfBandItem
    bidder: str
    channel: str
    received: LegalHour
    ground: str | None = None


def register_backup_copy(desk: Desk, act: Act, command: RegisterBackupCopy) -> Recorded:
    """Append BackupCopyReceived."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = _public(desk, act, command.consultation, BackupCopyReceived)
    copy = new(desk, BackupCopy, check(ID, "copy", command.copy))
    if command.medium == Medium.ELECTRONIC:
        raise BadForm("medium", "an electronic copy comes by its own upload")
    check_lots(command.lots)
    if set(command.lots) - set(consultation.lot_names()):
        raise BadForm("lots", "lots of this consultation")
    if command.seal_no is not None:
        check_text("seal_no", command.seal_no, 100)
    meta = _declared(desk, act, desk.reading(consultation), consultation.tenant, command.received)
    copy.append(
        BackupCopyReceived(
            **copy.stamp(meta),
            consultation=consultation.name,
            lots=list(command.lots),
            bidder=_tag(desk, consultation.name, command.bidder),
            medium=command.medium,
            label_ok=command.label_ok,
            received_at=command.received.at + HALF_A_MINUTE,
            uncertainty_ms=HALF_A_MINUTE // timedelta(milliseconds=1),
            desk=check_text("desk", command.desk, 200),
            seal_no=command.seal_no,
        )
    )
    return desk.save(act, command, [copy])


def register_item(desk: Desk, act: Act, command: RegisterItem) -> Recorded:
    """Append OutOfBandItemRegistered in ``register/<consultation>``."""
    if earlier := desk.earlier(act, command):
        return earlier
    consultation = _public(desk, act, command.consultation, OutOfBandItemRegistered)
    register = found_or_blank(desk, OutOfBandRegister, consultation.name)
    if command.item in REASONED and command.ground is None:
        raise BadForm("ground", "what came outside the platform needs a ground")
    if command.ground is not None:
        check_text("ground", command.ground, 1_000)
    now = desk.reading(consultation, register)
    meta = _declared(desk, act, now, consultation.tenant, command.received)
    register.append(
        OutOfBandItemRegistered(
            **register.stamp(meta),
            item=command.item,
            bidder=_tag(desk, consultation.name, command.bidder),
            channel=check_text("channel", command.channel, 200),
            received_at=command.received.at,
            ground=command.ground,
        )
    )
    return desk.save(act, command, [register])


def _public(desk: Desk, act: Act, name: str, event: type[Event]) -> Consultation:
    """Return a published consultation of the caller's own organisation."""
    consultation = own_consultation(desk, act, name, REGISTERING)
    consultation.require(event, "PUBLISHED", "SUSPENDED", "CLOSED")
    return consultation


def _tag(desk: Desk, consultation: str, bidder: str) -> str:
    """Return the blinded tag of a company, registered here or not: paper needs no account."""
    return desk.subjects.bidder_tag(
        consultation, operator_name(check_organisation("bidder", bidder))
    )


def _declared(desk: Desk, act: Act, now: Reading, tenant: str, received: LegalHour) -> Meta:
    """Return metadata of a fact from outside: it occurred before it was written down (§3)."""
    if received.at > now.latest:
        raise BadForm("received", "not in the future")
    clock = replace(now, source=ClockSource.DECLARED)
    return replace(desk.meta(act, now, tenant), occurred_at=received.at, clock=clock)
