"""What the parties see of an opening, and the documents once an envelope is open."""

from __future__ import annotations

from collections.abc import Iterator

from api import copies, views
from api.errors import Absent
from api.facts import Fact, facts, last
from api.journal import say
from api.minutes import scan_of, scanned_copy
from api.platform import Platform
from domain.archives import ArchiveContents
from domain.commands.detect_malware import DetectMalware, detect_malware
from domain.commands.fix_opening_plan import (
    AnchorPlan,
    FixOpeningPlan,
    anchor_plan,
    fix_opening_plan,
)
from domain.commands.open_envelopes import OpenEnvelopes, open_envelopes
from domain.commands.unlocking import unanswered
from domain.consultation import Consultation
from domain.errors import DocumentsQuarantined, DomainError, QuorumMissed
from domain.opening import OpeningSession
from domain.ports import Act

Answer = dict[str, object]
PART = 1024 * 1024


def plan(platform: Platform, act: Act, consultation: str, lot: str) -> None:
    """Fix the plan; a later one is anchored under a checkpoint published for it."""
    platform.act(fix_opening_plan, act.part("plan"), FixOpeningPlan(consultation, lot))
    session = _session(platform, consultation, lot)
    if session is not None and session.state == "PLANNED":
        platform.publish()
        platform.act(anchor_plan, act.part("anchor"), AnchorPlan(consultation, lot))


def open_plan(platform: Platform, act: Act, command: OpenEnvelopes) -> None:
    """Open what a plan names; where too few custodians answer, the operator is told who did not."""
    try:
        platform.act(open_envelopes, act, command)
    except QuorumMissed as missed:
        for custodian in missed.missing:
            say("alarm", about=custodian, code=missed.code)
        raise


def view(platform: Platform, found: Consultation, lot: str, *, own: bool) -> Answer:
    """Return the state of an opening; what it holds, to its buyer and from the plan on."""
    if lot not in found.lot_names():
        raise Absent
    session = _session(platform, found.name, lot)
    shown: Answer = {
        "consultation": found.name,
        "lot": lot,
        "state": session.state if session else "NEW",
    }
    if session is None or not own:
        return shown
    shown["members"] = len(session.members)
    shown["present"] = len(set(session.present))
    if session.plans:
        shown["plan"] = _plan(session)
        outcomes = [_outcome(platform, name) for name in sorted(session.planned())]
        shown["outcomes"] = outcomes
        if session.missed:
            shown["missing"] = _missing(platform, session, lot, outcomes)
    if session.minutes:
        shown["minutes_hash"] = session.minutes[-1]
    shown["refused_attempts"] = len(session.refusals)
    return shown


def documents(platform: Platform, deposit: str) -> Answer:
    """Return the documents of an opened envelope, and how they were scanned."""
    vault = platform.vault
    rows = [
        {"number": n, "name": row.name, "size": row.size, "sha256": row.sha256}
        | _archive(vault.opened_archive(deposit, row))
        for n, row in enumerate(vault.opened(deposit), 1)
    ]
    return {"documents": rows} | _scanned(platform, deposit)


def document(platform: Platform, deposit: str, number: int) -> tuple[str, int, Iterator[bytes]]:
    """Return name, size and bytes of one document of an opened envelope; none in quarantine."""
    if "malware" in _scanned(platform, deposit):
        raise DocumentsQuarantined(deposit)
    rows = platform.vault.opened(deposit)
    if number > len(rows):
        raise Absent
    row = rows[number - 1]
    return row.name.split("/")[-1], row.size, platform.vault.opened_parts(deposit, row)


def scan(platform: Platform, act: Act, deposit: str) -> Answer:
    """Scan the documents of an opened envelope again; return what is known of them now."""
    detect_malware(platform.desk, act, DetectMalware(deposit))
    return documents(platform, deposit)


def _scanned(platform: Platform, deposit: str) -> Answer:
    """Say what malware was found in an opened envelope, or how its documents were scanned."""
    if copies.found(platform, deposit) is not None:
        return scanned_copy(platform, deposit)
    found = last(facts(platform.ledger, f"deposit/{deposit}"), "MalwareDetected")
    if found is None:
        return {"scan": scan_of(platform, deposit)}
    keys = ("file", "engine", "signature", "trace_hash")
    return {"malware": {key: found.data[key] for key in keys} | {"at": found.at}}


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


def _missing(
    platform: Platform, session: OpeningSession, lot: str, outcomes: list[Answer]
) -> list[str]:
    """Return the custodians for whose answer an envelope of the plan still waits."""
    closed = [str(row["deposit"]) for row in outcomes if "event" not in row]
    named = {name for one in closed for name in unanswered(platform.desk, session, lot, one)}
    return sorted(named)


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
    copy = copies.found(platform, deposit)
    told = facts(platform.ledger, f"{'deposit' if copy is None else 'backup'}/{deposit}")
    kinds = {"EnvelopeOpened", "EnvelopeUnreadable", "BackupCopyOpened"}
    ends: list[Fact] = [fact for fact in told if fact.kind in kinds]
    if not ends:
        return {"deposit": deposit}
    keys = ("operator", "form", "documents_count", "documents_match", "fault", "cause")
    shown: Answer = {"deposit": deposit, "event": ends[-1].kind}
    shown |= {key: ends[-1].data[key] for key in keys if key in ends[-1].data}
    if copy is not None:
        shown |= {"backup_copy": True, "operator": copies.operator(platform, copy)}
        shown["ground"] = copy.authorised.ground.value if copy.authorised else ""
    if ends[-1].kind == "EnvelopeUnreadable":
        return shown
    siret = str(shown["operator"]).partition(":")[2]
    company = views.organisation(platform, "operator", siret).get("name")
    named = {"company": company} if company is not None else {}
    return shown | named | _scanned(platform, deposit)
