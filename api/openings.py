"""What the parties see of an opening, and the documents once an envelope is open."""

from __future__ import annotations

from collections.abc import Iterator

from api import views
from api.auth import Caller
from api.errors import Absent
from api.facts import Fact, facts
from api.platform import Platform
from domain.archives import ArchiveContents
from domain.commands.fix_opening_plan import (
    AnchorPlan,
    FixOpeningPlan,
    anchor_plan,
    fix_opening_plan,
)
from domain.envelope import SealedEnvelope
from domain.errors import DomainError
from domain.opening import OpeningSession
from domain.ports import Act

Answer = dict[str, object]
PART = 1024 * 1024


def plan(who: Caller, act: Act, consultation: str, lot: str) -> Answer:
    """Fix the plan; a later one is anchored under a checkpoint published for it."""
    platform = who.platform
    platform.act(fix_opening_plan, act.part("plan"), FixOpeningPlan(consultation, lot))
    session = _session(platform, consultation, lot)
    if session is not None and session.state == "PLANNED":
        platform.publish()
        platform.act(anchor_plan, act.part("anchor"), AnchorPlan(consultation, lot))
    return view(platform, consultation, lot, who)


def view(platform: Platform, consultation: str, lot: str, who: Caller | None) -> Answer:
    """Return the state of an opening; what it holds, to its buyer and from the plan on."""
    views.visible(platform, consultation, who)
    found = views.found_consultation(platform, consultation)
    if lot not in found.lot_names():
        raise Absent
    session = _session(platform, consultation, lot)
    shown: Answer = {
        "consultation": consultation,
        "lot": lot,
        "state": session.state if session else "NEW",
    }
    own = who is not None and who.org == found.tenant
    if session is None or not own:
        return shown
    shown["members"] = len(session.members)
    shown["present"] = len(set(session.present))
    if session.plans:
        shown["plan"] = _plan(session)
        shown["outcomes"] = [_outcome(platform, name) for name in sorted(session.planned())]
    if session.minutes:
        shown["minutes_hash"] = session.minutes[-1]
    shown["refused_attempts"] = len(session.refusals)
    return shown


def documents(who: Caller, consultation: str, lot: str, deposit: str) -> list[Answer]:
    """Return the list of documents of an opened envelope."""
    _readable(who, consultation, lot, deposit)
    vault = who.platform.vault
    return [
        {"number": n, "name": row.name, "size": row.size, "sha256": row.sha256}
        | _archive(vault.opened_archive(deposit, row))
        for n, row in enumerate(vault.opened(deposit), 1)
    ]


def document(
    who: Caller, consultation: str, lot: str, deposit: str, number: int
) -> tuple[str, int, Iterator[bytes]]:
    """Return name, size and bytes of one document of an opened envelope."""
    _readable(who, consultation, lot, deposit)
    rows = who.platform.vault.opened(deposit)
    if number > len(rows):
        raise Absent
    row = rows[number - 1]
    return row.name.split("/")[-1], row.size, who.platform.vault.opened_parts(deposit, row)


def _readable(who: Caller, consultation: str, lot: str, deposit: str) -> None:
    """Return quietly if the caller may read this opened bid; anything else is absent or 403."""
    found = views.found_consultation(who.platform, consultation)
    session = _session(who.platform, consultation, lot)
    envelope = who.platform.desk.files.find(SealedEnvelope, f"deposit/{deposit}")
    opened = envelope is not None and lot in envelope.opened_lots
    planned = session is not None and deposit in session.planned()
    if found.tenant != who.org or not opened or not planned:
        raise Absent
    who.platform.desk.law.roles.require(who.principal.role, "read an opened bid")


def _archive(found: ArchiveContents | DomainError | None) -> Answer:
    """Say what an archive holds, or why nobody should unpack it."""
    if found is None:
        return {}
    if isinstance(found, DomainError):
        return {"archive": {"refused": found.code}}
    told = {"entries": found.entries, "size": found.size, "unseen": found.unseen}
    return {"archive": told}


def _session(platform: Platform, consultation: str, lot: str) -> OpeningSession | None:
    return platform.desk.files.find(OpeningSession, f"opening/{consultation}.{lot}")


def _plan(session: OpeningSession) -> Answer:
    fixed = session.plan()
    return {
        "plan_no": fixed.plan_no,
        "kind": str(fixed.kind),
        "open": list(fixed.open),
        "superseded": list(fixed.superseded),
        "withdrawn": list(fixed.withdrawn),
        "late": list(fixed.late),
        "undetermined": list(fixed.undetermined),
    }


def _outcome(platform: Platform, deposit: str) -> Answer:
    told = facts(platform.ledger, f"deposit/{deposit}")
    kinds = {"EnvelopeOpened", "EnvelopeUnreadable"}
    ends: list[Fact] = [fact for fact in told if fact.kind in kinds]
    if not ends:
        return {"deposit": deposit}
    keys = ("operator", "form", "documents_count", "documents_match", "fault", "cause")
    shown: Answer = {"deposit": deposit, "event": ends[-1].kind}
    return shown | {key: ends[-1].data[key] for key in keys if key in ends[-1].data}
