"""The minutes of an opening (procès-verbal) as facts: read from the ledger's own entries.

Before the first plan of a lot there are none, whatever was deposited (N11). Names of companies and
of members are for the buyer; everybody reads the same facts without them. What the ledger does not
say is taken from where it is kept, and called so: what each custodian answered when it was asked,
and scans of documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from api import views
from api.documents.minutes import names_of
from api.errors import Absent
from api.facts import Fact, facts, first, last
from domain.consultation import Consultation
from domain.scanning import looked

if TYPE_CHECKING:
    from api.platform import Platform

Row = dict[str, Any]
LISTS = ("open", "superseded", "withdrawn", "late", "undetermined")
RECEIVED = ("DepositSealed", "LateDepositRecorded")
OF_A_DEPOSIT = ("kind", "round", "received_at", "uncertainty_ms", "late_by_ms", "commitment")
ENDS = ("EnvelopeOpened", "EnvelopeUnreadable")
OF_AN_END = (
    *("plan_no", "form", "commitment_matches", "documents_match", "documents_count"),
    *("fault", "cause"),
)


OF_A_COPY: Mapping[str, tuple[str, ...]] = {
    "BackupCopyReceived": ("medium", "received_at", "uncertainty_ms", "commitment"),
    "BackupCopyOpeningAuthorised": ("ground", "evidence"),
    "EnvelopeUnreadable": ("fault", "cause"),
}


def minutes(platform: Platform, found: Consultation, lot: str, *, named: bool) -> Row:
    """Return the minutes of a lot; raise Absent before its first plan."""
    if lot not in found.lot_names():
        raise Absent
    return _Minutes(platform, found, lot, named).rows()


@dataclass(frozen=True)
class _Minutes:
    platform: Platform
    found: Consultation
    lot: str
    named: bool

    @cached_property
    def session(self) -> list[Fact]:
        return facts(self.platform.ledger, f"opening/{self.found.name}.{self.lot}")

    @cached_property
    def custody(self) -> list[Fact]:
        return facts(self.platform.ledger, f"custody/{self.found.name}")

    def rows(self) -> Row:
        plans = [fact for fact in self.session if fact.kind == "OpeningPlanFixed"]
        if not plans:
            raise Absent
        completed = last(self.session, "OpeningCompleted")
        shown: Row = {
            **self._file(),
            "state": "COMPLETED" if self._closed(plans) else "OPEN",
            "custody": self._keys(),
            "members": self._members(),
            "present": self._present(),
            "plans": [self._plan(plan) for plan in plans],
            "envelopes": [row for plan in plans for row in self._envelopes(plan)],
            "refusals": self._refusals(),
            "as_of": self.session[-1].at,
        }
        convened = first(self.session, "OpeningConvened")
        if convened is not None:
            shown["convened_at"] = convened.at
        if completed is not None:
            shown["completed_at"] = completed.at
        closing = first(self.session, "CheckpointAnchored")
        if closing is not None:
            keys = ("size", "root", "witnesses", "token_hash")
            shown["closing_head"] = _of(closing, *keys) | {"recorded_at": closing.at}
        quorum = first(self.session, "CustodyQuorumReached")
        if quorum is not None:
            shown["quorum"] = {"at": quorum.at, "custodians": quorum.data["custodians"]}
        shown["quorum_missed"] = [
            fact.at for fact in self.session if fact.kind == "CustodyQuorumMissed"
        ]
        return shown

    def _closed(self, plans: list[Fact]) -> bool:
        completed = last(self.session, "OpeningCompleted")
        return completed is not None and completed.data["plan_no"] == plans[-1].data["plan_no"]

    def _file(self) -> Row:
        """Return which procedure this is, and its hours."""
        told = views.consultation(self.platform, self.found.name)
        names = (
            "reference",
            "object",
            "buyer",
            "deadline_at",
            "deadline_local",
            "zone",
            "opens_at",
        )
        titles = {str(row["lot"]): row["title"] for row in _lots(told)}
        shown = {name: told[name] for name in names if name in told}
        if self.lot in titles:
            shown["lot_title"] = titles[self.lot]
        return {"consultation": self.found.name, "lot": self.lot} | shown

    def _keys(self) -> Row:
        keyset = last(self.custody, "KeyCeremonyCompleted")
        held = ("k", "n", "custodians", "placement", "digest")
        shown = _of(keyset, *held) if keyset is not None else {}
        lost = [fact.data["custodian"] for fact in self._of_custody("ShareReportedLost")]
        destroyed = [fact.data["custodian"] for fact in self._of_custody("ShareDestroyed")]
        return shown | {"lost": sorted({*lost}), "destroyed": sorted({*destroyed})}

    def _of_custody(self, kind: str) -> list[Fact]:
        return [fact for fact in self.custody if fact.kind == kind]

    def _members(self) -> list[Row]:
        convened = first(self.session, "OpeningConvened")
        return [self._person(one) for one in (convened.data["members"] if convened else ())]

    def _present(self) -> list[Row]:
        return [
            self._person(fact.data["member"])
            | {"capacity": fact.data["capacity"], "recorded_at": fact.at}
            for fact in self.session
            if fact.kind == "PresenceRecorded"
        ]

    def _person(self, commitment: str) -> Row:
        """Return a person: for the buyer by name, while it is known; else as the ledger does."""
        name = self.platform.desk.subjects.reveal(commitment) if self.named else None
        return {"commitment": commitment} | ({"name": name} if name is not None else {})

    def _plan(self, plan: Fact) -> Row:
        number = plan.data["plan_no"]
        ends = [
            fact
            for fact in self.session
            if fact.kind == "OpeningCompleted" and fact.data["plan_no"] == number
        ]
        end = {"completed_at": ends[0].at, "minutes_hash": ends[0].data["minutes_hash"]}
        return _of(plan, "plan_no", "kind", *LISTS) | {"at": plan.at} | (end if ends else {})

    def _envelopes(self, plan: Fact) -> list[Row]:
        """Return the envelopes that a plan speaks of; a later plan only adds those it opens."""
        lists = LISTS if plan.data["plan_no"] == 1 else ("open",)
        later = {one for fact in self.session for one in _opened_later(fact, plan)}
        return [
            self._envelope(deposit, verdict, plan)
            for verdict in lists
            for deposit in plan.data[verdict]
            if deposit not in later
        ]

    def _envelope(self, deposit: str, verdict: str, plan: Fact) -> Row:
        told = facts(self.platform.ledger, f"deposit/{deposit}")
        if not told:
            return self._copy(deposit, plan)
        sealed = first(told, *RECEIVED)
        shown: Row = {"deposit": deposit, "verdict": verdict, "plan_no": plan.data["plan_no"]}
        if sealed is not None:
            shown |= _of(sealed, *OF_A_DEPOSIT)
        end = last([fact for fact in told if self._is_here(fact)], *ENDS)
        if verdict == "open":
            shown["custodians"] = self._asked(deposit, plan.data["plan_no"])
        if end is not None and verdict == "open":
            shown |= _of(end, *OF_AN_END) | {"event": end.kind, "at": end.at}
            shown["proof"] = {"entry": f"deposit/{deposit}#{end.version}", "leaf": end.leaf}
            if self.named and "operator" in end.data:
                shown["operator"] = self._company(str(end.data["operator"]))
        malware = last(told, "MalwareDetected")
        if malware is not None:
            keys = ("file", "engine", "signature", "trace_hash")
            shown["malware"] = _of(malware, *keys) | {"at": malware.at}
        elif end is not None and end.kind == "EnvelopeOpened":
            shown["scan"] = scan_of(self.platform, deposit)
        return shown

    def _copy(self, copy: str, plan: Fact) -> Row:
        """Return an electronic backup copy that a plan opens: its ground, and what came of it."""
        told = facts(self.platform.ledger, f"backup/{copy}")
        number = plan.data["plan_no"]
        shown: Row = {"deposit": copy, "backup_copy": True, "verdict": "open", "plan_no": number}
        for kind, names in OF_A_COPY.items():
            found = first(told, kind)
            shown |= _of(found, *names) if found is not None else {}
        shown["custodians"] = self._asked(copy, number)
        end = last(told, "BackupCopyOpened", "EnvelopeUnreadable")
        if end is not None:
            shown |= {"event": end.kind, "at": end.at}
            shown["proof"] = {"entry": f"backup/{copy}#{end.version}", "leaf": end.leaf}
            if end.kind == "BackupCopyOpened":
                shown |= scanned_copy(self.platform, copy)
        return shown

    def _is_here(self, fact: Fact) -> bool:
        return self.lot in fact.data.get("lots", (self.lot,))

    def _asked(self, deposit: str, plan_no: int) -> list[Row]:
        """Return what each custodian answered: kept beside the envelope, else as far as told."""
        kept = self.platform.vault.sitting(deposit, self.lot, plan_no)
        if kept:
            return [dict(row) for row in kept]
        released = {
            fact.data["custodian"]
            for fact in self._of_custody("OpeningShareReleased")
            if (fact.data["deposit"], fact.data["lot"]) == (deposit, self.lot)
        }
        refused = {
            fact.data["custodian"]: fact.data["code"]
            for fact in self._of_custody("CustodianRefused")
            if fact.data["deposit"] == deposit
        }
        return [{"custodian": name, "answer": "PROVEN"} for name in sorted(released)] + [
            {"custodian": name, "answer": "REFUSED", "code": code}
            for name, code in sorted(refused.items())
            if name not in released
        ]

    def _company(self, operator: str) -> Row:
        siret = operator.partition(":")[2]
        return {"operator": operator} | views.organisation(self.platform, "operator", siret)

    def _refusals(self) -> list[Row]:
        shown = []
        for fact in self.session:
            if fact.kind == "OpeningRefused":
                role = fact.data["meta"]["actor"]["role"]
                shown.append({"at": fact.at, "role": role} | _of(fact, "code", "deposit"))
        planned = {
            deposit
            for fact in self.session
            if fact.kind == "OpeningPlanFixed"
            for name in LISTS
            for deposit in fact.data[name]
        }
        for fact in self._of_custody("CustodianRefused"):
            if fact.data["deposit"] in planned:
                row = _of(fact, "code", "deposit", "custodian")
                shown.append({"at": fact.at, "role": "CU"} | row)
        return sorted(shown, key=lambda row: str(row["at"]))


def records(platform: Platform, told: Row) -> dict[str, str]:
    """Return the canonical record of each completed plan by file name; older ones were not kept."""
    found = {}
    for name, file in names_of(told["plans"]).items():
        if platform.vault.blob(name) is not None:
            found[file] = platform.vault.read(name).decode()
    return found


def scan_of(platform: Platform, deposit: str) -> Row:
    """Return how the documents of an opened envelope were last scanned."""
    traces = platform.vault.scans(deposit)
    if not traces:
        erased = platform.vault.is_gone(deposit)
        return {"verdict": "NOT_SCANNED", "reason": "gone" if erased else "none"}
    told = looked(traces[-1])
    missed = [scan for _, scan in told.scans if scan.verdict == "NOT_SCANNED"]
    engines = sorted({scan.engine for _, scan in told.scans if scan.engine})
    shown: Row = {"at": told.at, "verdict": "CLEAN", "documents": len(told.scans)}
    if engines:
        shown["engine"] = engines[-1]
    if missed:
        shown |= {"verdict": "NOT_SCANNED", "not_scanned": len(missed)}
        shown["reason"] = str(missed[0].reason or "none")
    return shown


def scanned_copy(platform: Platform, copy: str) -> Row:
    """Say what malware is in an opened electronic copy, or how its documents were scanned."""
    event = last(facts(platform.ledger, f"backup/{copy}"), "BackupCopyMalwareDetected")
    if event is None:
        return {"scan": scan_of(platform, copy)}
    shown: Row = {"file": "", "engine": "", "signature": ""}
    shown |= {"trace_hash": event.data["trace_hash"], "at": event.at}
    kept = [looked(trace) for trace in platform.vault.scans(copy)]
    for one in kept:
        if one.trace_hash == event.data["trace_hash"] and one.malware is not None:
            file, scan = one.malware
            shown |= {"file": file, "engine": scan.engine, "signature": scan.signature}
    return {"malware": shown}


def _opened_later(fact: Fact, plan: Fact) -> list[str]:
    later = fact.kind == "OpeningPlanFixed" and fact.data["plan_no"] > plan.data["plan_no"]
    return list(fact.data["open"]) if later else []


def _lots(told: Mapping[str, Any]) -> list[Row]:
    return list(told.get("lots", ()))


def _of(fact: Fact, *names: str) -> Row:
    """Return these fields of an event; what is absent stays absent."""
    return {name: fact.data[name] for name in names if name in fact.data}
