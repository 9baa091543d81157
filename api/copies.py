"""Backup copies and the desk's register, as each reader may know them (domain.md §4.8, N11).

Before the plan of their lots nobody but the desk knows that a copy came: it knows those that it
wrote down itself, and no electronic one. From then on the buyer sees each with its ground.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.platform import Platform
from domain.backup_copy import BackupCopy, OutOfBandRegister
from domain.backup_right import ASIDE
from domain.clock import instant_text
from domain.commands.backup_facts import right_of
from domain.consultation import Consultation
from domain.opening import OpeningSession
from ledger.errors import NoSuchEntry

Answer = dict[str, object]
UNDECIDED = frozenset({"RECEIVED"})


def found(platform: Platform, copy: str) -> BackupCopy | None:
    """Return a copy, None if there is none."""
    one = platform.desk.files.find(BackupCopy, f"backup/{copy}")
    return one if one is not None and one.facts is not None else None


def of(platform: Platform, consultation: str) -> Iterator[BackupCopy]:
    """Yield every copy of a consultation, in the order in which they were recorded."""
    for tip in platform.index.copies(consultation):
        one = found(platform, tip.stream.partition("/")[2])
        if one is not None:
            yield one


def planned(platform: Platform, copy: BackupCopy) -> bool:
    """Say whether all lots of a copy have their first plan: from then on its buyer may know it."""
    came = copy.received()
    sessions = [
        platform.desk.files.find(OpeningSession, f"opening/{came.consultation}.{lot}")
        for lot in came.lots
    ]
    return all(session is not None and bool(session.plans) for session in sessions)


def at_the_desk(platform: Platform, consultation: str) -> dict[str, list[Answer]]:
    """Return what the desk of this consultation's buyer wrote down itself."""
    register = platform.desk.files.find(OutOfBandRegister, f"register/{consultation}")
    return {
        "backup_copies": [
            _came(platform, one) for one in of(platform, consultation) if not one.electronic
        ],
        "items": [
            {
                "item": str(event.item),
                "bidder": operator_of(platform, consultation, event.bidder),
                "channel": event.channel,
                "received_at": instant_text(event.received_at),
                **({} if event.ground is None else {"ground": event.ground}),
            }
            for event in (register.items if register else ())
        ],
    }


def known(platform: Platform, consultation: Consultation) -> list[Answer]:
    """Return the copies whose lots have their plan, each with what the record says for it."""
    return [
        shown(platform, consultation, one)
        for one in of(platform, consultation.name)
        if planned(platform, one)
    ]


def shown(platform: Platform, consultation: Consultation, copy: BackupCopy) -> Answer:
    """Return one copy with its decision, or with what a decision would rest on now."""
    told = _came(platform, copy)
    if copy.authorised is not None:
        told |= {"ground": str(copy.authorised.ground), "evidence": list(copy.authorised.evidence)}
    elif copy.state in UNDECIDED:
        told |= _computed(platform, consultation, copy)
    if copy.aside is not None:
        told["set_aside"] = str(copy.aside)
    return told


def _computed(platform: Platform, consultation: Consultation, copy: BackupCopy) -> Answer:
    """Say what a decision taken now would find: the ground, or the reason against it."""
    try:
        right = right_of(platform.desk, consultation, copy)
    except tuple(ASIDE) as refusal:
        return {"may_open": False, "code": refusal.code}
    return {"may_open": True, "ground": str(right.ground), "evidence": list(right.evidence)}


def _came(platform: Platform, copy: BackupCopy) -> Answer:
    """Return how a copy came and where it stands."""
    came = copy.received()
    told: Answer = {
        "backup_copy": copy.name,
        "state": copy.state,
        "consultation": came.consultation,
        "lots": list(came.lots),
        "bidder": operator_of(platform, came.consultation, came.bidder),
        "medium": str(came.medium),
        "label_ok": came.label_ok,
        "received_at": instant_text(came.received_at),
        "uncertainty_ms": came.uncertainty_ms,
    }
    written = {"desk": came.desk, "seal_no": came.seal_no}
    return told | {name: text for name, text in written.items() if text is not None}


def operator(platform: Platform, copy: BackupCopy) -> str:
    """Return the company whose copy this is."""
    came = copy.received()
    return operator_of(platform, came.consultation, came.bidder)


def operator_of(platform: Platform, consultation: str, tag: str) -> str:
    """Return the company behind a tag, whose name is the caller's to know; "" once erased."""
    try:
        return platform.desk.subjects.operator_of(consultation, tag)
    except NoSuchEntry:
        return ""
