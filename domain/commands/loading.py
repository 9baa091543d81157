"""Find what a command speaks of; what is absent and what is foreign look the same (N14)."""

from __future__ import annotations

from typing import TypeVar

from domain.aggregate import Aggregate, Meta
from domain.backup_copy import BackupCopy
from domain.buyer import Buyer
from domain.clock import Reading
from domain.consultation import PUBLIC, Consultation
from domain.custody import Custody
from domain.envelope import SealedEnvelope
from domain.errors import (
    AlreadyExists,
    BuyerGone,
    DepositNotAuthorised,
    NotFound,
    TransmissionWrongState,
)
from domain.opening import OpeningSession
from domain.operator import EconomicOperator
from domain.placement import check_outside_time
from domain.ports import Act, Desk, Tip
from domain.tenure import COMPANY
from domain.transmission import TransmissionSession

A = TypeVar("A", bound=Aggregate)

DEPOSITING = "deposit, replace, withdraw"
REGISTERING = "register organisations"
RUNNING = "run the platform"
BUYING = "publish, correct, extend, end"
ONGOING = frozenset({"STARTED", "RECEIVING", "STALLED"})


def found(desk: Desk, kind: type[A], name: str) -> A:
    """Return the aggregate of this name, else ``object.not-found``."""
    aggregate = desk.files.find(kind, f"{kind.PREFIX}/{name}")
    if aggregate is None:
        raise NotFound(kind.PREFIX, name)
    return aggregate


def found_or_blank(desk: Desk, kind: type[A], name: str) -> A:
    """Return the aggregate of this name, blank if its stream is empty."""
    stream = f"{kind.PREFIX}/{name}"
    return desk.files.find(kind, stream) or kind.blank(stream)


def new(desk: Desk, kind: type[A], name: str) -> A:
    """Return a blank aggregate; a stream of this name must not exist."""
    aggregate = found_or_blank(desk, kind, name)
    if aggregate.version:
        raise AlreadyExists(kind.PREFIX, name)
    return aggregate


def own_buyer(desk: Desk, act: Act, name: str, doing: str) -> Buyer:
    """Return the caller's own organisation, whose role may do this; it has not left.

    What is foreign is absent for every role. The platform's own stream needs no registration: a
    platform need not be a public buyer.
    """
    if act.principal.org != name:
        raise NotFound("buyer", name)
    desk.law.roles.require(act.principal.role, doing)
    return present_buyer(desk, name)


def present_buyer(desk: Desk, name: str) -> Buyer:
    """Return a buyer that has not left; blank for a platform in whose stream nothing stands yet."""
    if name == desk.platform:
        return found_or_blank(desk, Buyer, name)
    check_present(desk, name)
    return found(desk, Buyer, name)


def own_company(desk: Desk, act: Act, name: str, doing: str) -> EconomicOperator:
    """Return a registered company for which the caller acts, or any where its mark is no "own"."""
    company = desk.files.find(EconomicOperator, f"operator/{name}")
    roles, caller = desk.law.roles, act.principal
    foreign = caller.org != name and roles.acts[doing].get(caller.role) != "Y"
    if foreign or company is None or not company.registered:
        raise NotFound("operator", name)
    roles.require(caller.role, doing)
    return company


def check_present(desk: Desk, name: str) -> None:
    """Return quietly unless this buyer has left the platform."""
    buyer = desk.files.find(Buyer, f"buyer/{name}")
    if buyer is not None and buyer.left_at is not None:
        raise BuyerGone(name)


def own_consultation(desk: Desk, act: Act, name: str, doing: str = BUYING) -> Consultation:
    """Return a consultation of the caller's organisation, whose role may do this.

    The object comes first: what is foreign is absent for every role, never forbidden.
    """
    consultation = found(desk, Consultation, name)
    if consultation.tenant != act.principal.org:
        raise NotFound("consultation", name)
    desk.law.roles.require(act.principal.role, doing)
    return consultation


def public_consultation(desk: Desk, name: str) -> Consultation:
    """Return a published consultation."""
    consultation = found(desk, Consultation, name)
    if consultation.state not in PUBLIC:
        raise NotFound("consultation", name)
    return consultation


def custody_of(desk: Desk, consultation: str) -> Custody:
    """Return the custody of a consultation, blank before its keyset is assigned."""
    return found_or_blank(desk, Custody, consultation)


def check_time(desk: Desk, consultation: str, now: Reading) -> None:
    """Return quietly if this reading may open under the keyset of a consultation (12.5)."""
    keyset = custody_of(desk, consultation).keyset
    if keyset is not None:
        check_outside_time(keyset.placement, now)


def opening_of(desk: Desk, consultation: str, lot: str) -> OpeningSession:
    """Return the opening session of a lot, blank before it is convened."""
    return found_or_blank(desk, OpeningSession, f"{consultation}.{lot}")


def operator_name(org: str) -> str:
    """Return the name under which an organisation bids."""
    return f"siret:{org}" if org.isdigit() and len(org) == 14 else f"id:{org}"


def bidder_of(desk: Desk, act: Act, consultation: str) -> str:
    """Return the caller's blinded tag; the company must be registered."""
    operator = desk.files.find(EconomicOperator, f"operator/{act.principal.org}")
    if operator is None or not operator.registered:
        raise DepositNotAuthorised(act.principal.org)
    return desk.subjects.bidder_tag(consultation, operator_name(act.principal.org))


def session_of(desk: Desk, act: Act, name: str) -> TransmissionSession:
    """Return a transmission of the caller, or any for the platform itself."""
    session = found(desk, TransmissionSession, name)
    if act.principal.role == "PA":
        desk.law.roles.require("PA", RUNNING)
        return session
    desk.law.roles.require(act.principal.role, DEPOSITING)
    started = session.start()
    if bidder_of(desk, act, started.consultation) != started.bidder:
        raise NotFound("transmission", name)
    return session


def ongoing(desk: Desk, act: Act, name: str) -> tuple[TransmissionSession, Meta]:
    """Return a session of the caller which has not ended, and the metadata of this act."""
    session = session_of(desk, act, name)
    if session.state not in ONGOING:
        raise TransmissionWrongState("a step of the transmission", session.state)
    now = desk.reading(session)
    return session, blinded(desk, act, now, session.tenant, session.start().bidder)


def blinded(desk: Desk, act: Act, now: Reading, tenant: str, bidder: str) -> Meta:
    """Return metadata in which the organisation of a company is its tag, never its SIRET."""
    org = act.principal.org if act.principal.role == "PA" else bidder
    return desk.meta(act, now, tenant, org=org)


def attempting(desk: Desk, act: Act, now: Reading, consultation: Consultation) -> Meta:
    """Return metadata of an attempt by anybody: a company stands there as its tag.

    It may be a bidder, and whoever reads that it asked to open would know (N11).
    """
    caller, org = act.principal, None
    if caller.role == COMPANY:
        org = desk.subjects.bidder_tag(consultation.name, operator_name(caller.org))
    return desk.meta(act, now, consultation.tenant, org=org)


def envelope_of(desk: Desk, deposit: str) -> SealedEnvelope:
    """Return a deposit which exists: a stream of refusals alone is none."""
    envelope = found(desk, SealedEnvelope, deposit)
    if envelope.facts is None:
        raise NotFound("deposit", deposit)
    return envelope


def envelopes_of(
    desk: Desk, consultation: str, bidder: str | None = None
) -> list[tuple[SealedEnvelope, Tip]]:
    """Return deposits, late ones too, with their place in the ledger."""
    tips = desk.register.deposits(consultation, bidder)
    return [(found(desk, SealedEnvelope, tip.stream.partition("/")[2]), tip) for tip in tips]


def copies_of(desk: Desk, consultation: str) -> list[tuple[BackupCopy, Tip]]:
    """Return the electronic backup copies of a consultation with their place in the ledger."""
    tips = desk.register.copies(consultation)
    found_all = [(found(desk, BackupCopy, tip.stream.partition("/")[2]), tip) for tip in tips]
    return [(copy, tip) for copy, tip in found_all if copy.electronic]
