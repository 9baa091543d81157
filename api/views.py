"""What callers see of consultations, dossiers and organisations; nothing here counts deposits.

Read from the events themselves, so a caller reads its own writes. Versions of a consultation's
stream stay inside: after D they would tell how many parts its register has (N11).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.errors import Absent
from api.facts import Fact, facts, first, last
from api.platform import Platform
from domain.clock import instant_text
from domain.consultation import Consultation

LEGAL_ZONE = ZoneInfo("Europe/Paris")
View = dict[str, object]


def local_text(at: datetime) -> str:
    """Return the legal local hour of an instant."""
    return at.astimezone(LEGAL_ZONE).strftime("%Y-%m-%dT%H:%M:%S%z")


def found_consultation(platform: Platform, name: str) -> Consultation:
    """Return a consultation; raise Absent."""
    consultation = platform.desk.files.find(Consultation, f"consultation/{name}")
    if consultation is None or not consultation.version:
        raise Absent
    return consultation


def consultation(platform: Platform, name: str) -> View:
    """Return one consultation from its events."""
    found = found_consultation(platform, name)
    told = facts(platform.ledger, f"consultation/{name}")
    drafted = first(told, "ConsultationDrafted")
    base: dict[str, Any] = dict(drafted.data) if drafted else {}
    base.pop("meta", None)
    shown: View = {
        "id": name,
        "state": found.state,
        **base,
        "buyer": organisation(platform, "buyer", found.tenant),
        "lots": _lots(told),
    }
    shown |= _calendar(found, told)
    if found.limits is not None:
        shown["limits"] = limits_of(found)
    shown["complements"] = str(found.complements)
    shown["backup_electronic"] = found.backup_electronic
    if found.key_fingerprint:
        shown["keyset"] = found.key_fingerprint
    if found.dossier_root:
        shown["dossier_root"] = found.dossier_root
    published = last(told, "ConsultationPublished")
    if published:
        shown["published_at"] = published.at
        shown["notice_ids"] = published.data["notice_ids"]
    return shown


def limits_of(found: Consultation) -> View:
    """Return the limits in force."""
    limits = found.limits
    if limits is None:
        return {}
    return {
        "max_file": limits.max_file,
        "max_total": limits.max_total,
        "max_files": limits.max_files,
        "formats": list(limits.formats),
        "lead_time_min": limits.lead_time_min,
        "reference_rate": limits.reference_rate,
        "padding": str(limits.padding),
    }


def organisation(platform: Platform, kind: str, name: str) -> View:
    """Return SIRET and registered name of a buyer or a company."""
    told = facts(platform.ledger, f"{kind}/{name}")
    registered = first(told, "BuyerRegistered", "OperatorRegistered")
    shown: View = {"siret": name}
    if registered:
        shown["name"] = registered.data["name"]
    return shown


def dossier(platform: Platform, name: str) -> View:
    """Return the last frozen version of a dossier: root and files."""
    told = facts(platform.ledger, f"dossier/{name}")
    frozen = last(told, "DossierVersionFrozen")
    if frozen is None:
        raise Absent
    version = frozen.data["version"]
    rows = [
        row
        for fact in told
        if fact.kind == "DossierFilesListed" and fact.data["version"] == version
        for row in fact.data["files"]
    ]
    return {"consultation": name, "version": version, "root": frozen.data["root"], "files": rows}


def _lots(told: list[Fact]) -> list[View]:
    rows = [fact.data for fact in told if fact.kind == "LotDefined"]
    return [
        {key: row[key] for key in ("lot", "title", "estimated_cents")}
        for row in sorted(rows, key=lambda row: str(row["lot"]))
    ]


def _calendar(found: Consultation, told: list[Fact]) -> View:
    calendar = found.calendar
    if calendar is None:
        return {}
    deadline = found.deadline if found.deadlines else calendar.deadline_at
    shown: View = {
        "deadline_at": instant_text(deadline),
        "deadline_local": local_text(deadline),
        "questions_until_at": instant_text(calendar.questions_until_at),
        "cool_down_s": calendar.cool_down_s,
        "validity_days": calendar.validity_days,
    }
    if found.deadlines:
        shown["opens_at"] = instant_text(found.opens_at().astimezone(UTC))
    written = last(told, "CalendarSet", "DeadlineExtended", "ConsultationResumed")
    if written and "zone" in written.data:
        shown["zone"] = written.data["zone"]
    return shown
