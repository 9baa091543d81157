"""How a transmission ended, with its proof: the receipt of a deposit, or an attestation of attempt.

Receipts leave only after the commit, under a checkpoint that covers them (N1). The five mentions
are those of ``domain.md`` §7; the fifth, the list of documents, stays with the depositor.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from api import views
from api.auth import BY_TOKEN
from api.facts import Fact, facts
from api.health import deposit_probe_at
from api.platform import Platform
from domain import placement
from domain.backup_copy import BackupCopy
from domain.clock import instant_text
from domain.consultation import Consultation
from domain.custody import Custody
from domain.envelope import SealedEnvelope
from domain.errors import DomainError, PlatformUnavailable
from domain.events.transmission import TransmissionStarted
from domain.limits import limit_refusal
from domain.transmission import TransmissionSession

if TYPE_CHECKING:
    from api.adapters.uploads import Upload

Answer = dict[str, object]
DAMAGED = "damaged"
"""How an own deposit is shown whose bytes the platform has lost or holds altered."""
COMMAND_LINE = "pli-cli/"
"""How a client that does not come from the platform begins its name."""


def started(platform: Platform, transmission: str) -> Answer:
    """Return the answer to an announce: the session and the time at which it began."""
    session = platform.desk.files.find(TransmissionSession, f"transmission/{transmission}")
    begun = session.started if session else None
    clock = {}
    if begun is not None:
        read = begun.meta.clock
        clock = {"earliest": instant_text(read.earliest), "latest": instant_text(read.latest)}
    return {"transmission": transmission, "state": "STARTED", "clock": clock}


def refusal_of_session(platform: Platform, transmission: str) -> DomainError | None:
    """Return the refusal which a repeated announce was answered with before."""
    session = platform.desk.files.find(TransmissionSession, f"transmission/{transmission}")
    refused = session.refused if session else None
    if refused is not None:
        return limit_refusal(refused.limit, refused.allowed, refused.asked)
    failed = session.failed if session else None
    if failed is not None and failed.code == PlatformUnavailable.code:
        return PlatformUnavailable("no room")
    return None


def ended(platform: Platform, upload: Upload, session: TransmissionSession) -> Answer:
    """Return how a session ended, with receipt or attestation."""
    deposit = (
        platform.desk.files.find(SealedEnvelope, f"deposit/{upload.deposit}")
        if upload.deposit and session.state == "COMPLETED"
        else None
    )
    if deposit is not None and deposit.facts is not None:
        return deposit_receipt(platform, deposit)
    copy = (
        platform.desk.files.find(BackupCopy, f"backup/{upload.deposit}")
        if upload.deposit and session.state == "COMPLETED"
        else None
    )
    if copy is not None:
        return copy_receipt(platform, copy)
    told = facts(platform.ledger, f"transmission/{upload.transmission}")
    return {
        "attestation": platform.ledger.receipt(told[-1].position).decode(),
        "mentions": _attempt(platform, upload, told),
    }


def deposit_receipt(platform: Platform, deposit: SealedEnvelope) -> Answer:
    """Return the receipt of a deposit with its mentions 1 to 4."""
    sealed = deposit.sealed()
    told = facts(platform.ledger, f"deposit/{deposit.name}")
    position = told[0].position
    shown: Answer = {
        "deposit": deposit.name,
        "deposit_state": deposit.state,
        "on_time": not deposit.was_late(),
        "received_at": instant_text(sealed.received_at),
        "received_local": views.local_text(sealed.received_at),
        "uncertainty_ms": sealed.uncertainty_ms,
        "commitment": sealed.commitment,
        "receipt_id": sealed.receipt_id,
        "level": deposit_level(platform, sealed.consultation, deposit.name),
        "receipt": platform.ledger.receipt(position).decode(),
    }
    owner = platform.uploads.of_deposit(deposit.name)
    shown["mentions"] = mentions(
        platform,
        owner.owner if owner else "",
        sealed.consultation,
        shown["received_at"],
        shown["received_local"],
    )
    return shown | damage(platform, deposit.name, sealed.consultation)


def damage(platform: Platform, deposit: str, consultation: str) -> Answer:
    """Return what the depositor must know of bytes that were lost here, nothing where all is well.

    Until the deadline it can deposit again; only the depositor is ever told (T10, N11).
    """
    if not platform.uploads.is_damaged(deposit):
        return {}
    found = platform.desk.files.find(Consultation, f"consultation/{consultation}")
    if found is None or found.reached or platform.desk.clock.now().earliest > found.deadline:
        return {"stored": DAMAGED}
    return {"stored": DAMAGED, "deposit_again_until": instant_text(found.deadline)}


def damaged(platform: Platform, company: str, consultation: str) -> list[Answer]:
    """Return the company's own deposits of one consultation whose bytes were lost here."""
    found = []
    for upload in platform.uploads.of_owner(company):
        if upload.consultation != consultation or upload.deposit is None:
            continue
        held = platform.desk.files.find(SealedEnvelope, f"deposit/{upload.deposit}")
        told = damage(platform, upload.deposit, consultation)
        if told and held is not None and held.facts is not None and held.state == "SEALED":
            found.append({"deposit": upload.deposit} | told)
    return found


def copy_receipt(platform: Platform, copy: BackupCopy) -> Answer:
    """Return the receipt of an electronic backup copy with its mentions 1 to 4."""
    came = copy.received()
    consultation = views.found_consultation(platform, came.consultation)
    at, local = instant_text(came.received_at), views.local_text(came.received_at)
    position = facts(platform.ledger, f"backup/{copy.name}")[0].position
    owner = platform.uploads.of_deposit(copy.name)
    in_time = copy.earliest() <= consultation.deadline
    return {
        "backup_copy": copy.name,
        "deposit": copy.name,
        "deposit_state": copy.state,
        "on_time": in_time and (not consultation.reached or consultation.lists(copy.name)),
        "received_at": at,
        "received_local": local,
        "uncertainty_ms": came.uncertainty_ms,
        "commitment": copy.commitment,
        "level": level(platform, came.consultation),
        "receipt": platform.ledger.receipt(position).decode(),
        "mentions": mentions(platform, owner.owner if owner else "", came.consultation, at, local),
        **damage(platform, copy.name, came.consultation),
    }


def mentions(
    platform: Platform, operator: str, consultation: str, at: object, local: object
) -> Answer:
    """Return mentions 1 to 4: depositor, buyer, title and object, hour."""
    shown = views.consultation(platform, consultation)
    return {
        "depositor": views.organisation(platform, "operator", operator),
        "buyer": shown["buyer"],
        "consultation": {"id": consultation, "title": shown.get("reference", "")},
        "object": shown.get("object", ""),
        "received_at": at,
        "received_local": local,
    }


def level(platform: Platform, consultation: str) -> str:
    """Return the assurance level: the placement of the keyset (``envelope.md`` §11)."""
    custody = platform.desk.files.find(Custody, f"custody/{consultation}")
    return str(custody.keyset.placement) if custody and custody.keyset else "A0"


def deposit_level(platform: Platform, consultation: str, deposit: str) -> str:
    """Return the level of one deposit: A2 where also the stamp and the client are from outside."""
    custody = platform.desk.files.find(Custody, f"custody/{consultation}")
    if custody is None or custody.keyset is None:
        return "A0"
    upload = platform.uploads.of_deposit(deposit)
    stream = f"transmission/{upload.transmission}" if upload else ""
    session = platform.desk.files.find(TransmissionSession, stream) if upload else None
    begun = session.started if session else None
    outside = begun is not None and _outside(begun)
    return placement.level(
        custody.keyset.placement,
        external_stamp=platform.settings.tsa_url is not None,
        client="cli" if outside else "web",
    )


def _outside(begun: TransmissionStarted) -> bool:
    """Say whether the transmission was begun by the command line.

    The name of the software is declared by the caller; how the caller came is what the platform
    saw, and the entry holds both. A page that the platform serves has a session: it may call itself
    anything, and what it sealed was sealed inside the platform.
    """
    by_token = begun.meta.actor.auth == BY_TOKEN
    return by_token and begun.client.startswith(COMMAND_LINE)


def _attempt(platform: Platform, upload: Upload, told: list[Fact]) -> Answer:
    end = told[-1]
    shown = mentions(platform, upload.owner, upload.consultation, end.at, "")
    shown.pop("received_local")
    shown.pop("received_at")
    shown["ended_at"] = end.at
    shown["end"] = end.kind
    keys = ("code", "cause", "limit", "allowed", "asked", "refused_parts")
    shown |= {key: end.data[key] for key in keys if key in end.data}
    # what the platform's own deposit of that minute came to (domain.md §7)
    shown["probe"] = deposit_probe_at(platform, datetime.fromisoformat(end.at))
    return shown
