"""Which streams belong together, read from the ledger up to its very last save.

Derived and in memory: it follows the ledger by position before each answer, so it never says less
than the ledger holds. Behind the port Register; nothing of it is shown to anybody.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from api.adapters.keyset_books import Pool, Retirements
from api.adapters.lives import CustodyAlarm, Lives
from domain.ports import Tip
from projections.facts import Fact
from replay.health import DEPOSIT, Seen
from replay.health_record import Record, take

if TYPE_CHECKING:
    from ledger.entry import Row

BATCH = 1_000
HEALTH = "health/"
LATELY = timedelta(hours=25)
"""How much of the platform's health is kept: what the page of the last 24 hours shows."""


class Read(Protocol):
    """A log, as far as it is read here: a running one, or one that is only read."""

    def read(self, after: int, limit: int) -> Sequence[Row]:
        """Return the rows after a position, in order."""

    def grown_beyond(self, position: int) -> bool:
        """Say whether there may be rows after a position."""


@dataclass(frozen=True)
class Awaited:
    """A public consultation whose register is open: D in force, suspended or not."""

    deadline: datetime
    suspended: bool = False


@dataclass
class _Deposit:
    """One deposit's stream as far as it was read."""

    bidder: str
    positions: list[int] = field(default_factory=list)
    leaf: str = ""


class LedgerIndex:
    """Deposits by consultation, keysets by digest, consultations by what they wait for."""

    def __init__(self, ledger: Read) -> None:
        self._ledger = ledger
        # everything below is guarded by _lock; _after is the last position that was read
        self._lock = threading.RLock()
        self._after = -1
        self._deposits: dict[str, dict[str, _Deposit]] = {}
        self._home_of: dict[str, str] = {}
        self._early: dict[str, _Deposit] = {}
        self._copies: dict[str, dict[str, _Deposit]] = {}
        self._home_of_copy: dict[str, str] = {}
        # transmissions that run, by name, and the ends without a deposit by whose they are
        self._running: dict[str, tuple[str, str]] = {}
        self._broken_off: dict[tuple[str, str], list[str]] = {}
        self._assigned: dict[str, str] = {}
        self._tenants: dict[str, str] = {}
        self._published: set[str] = set()
        self._awaited: dict[str, Awaited] = {}
        self._custody_alive: set[str] = set()
        self._ceremonies: dict[str, str] = {}
        self._lives = Lives()
        self._pool = Pool()
        self._retirements = Retirements()
        self._closings: list[int] = []
        self._accesses: dict[str, dict[tuple[str, str], date]] = {}
        self._organisations: set[str] = set()
        self._members: dict[str, int] = {}
        self._health = Record()
        # when each result of a DEPOSIT probe was recorded, and where: in the order of the log
        self._probed: list[tuple[datetime, int]] = []
        self._reads: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {
            "AccessGranted": self._access,
            "RoleGranted": self._member,
            "CommitteeElected": self._member,
            "KeysetReady": self._ready,
            "KeyCeremonyCompleted": self._keyset,
            "KeysetRetired": self._retired,
            "CeremonyFailed": self._pool.failed,
            "ShareDestroyed": self._retirements.destroyed,
            "ProofOfLifeGiven": self._given,
            "ProofOfLifeMissed": self._missed,
            "ShareReportedLost": self._lives.lost,
            "ConsultationDrafted": self._drafted,
            "ConsultationPublished": self._public,
            "DeadlineExtended": self._moved,
            "ConsultationSuspended": self._suspended,
            "ConsultationResumed": self._resumed,
            "RegisterClosed": self._closed,
            "DeclaredWithoutFollowUp": self._ended,
            "TransmissionStarted": self._started,
            "TransmissionCompleted": self._sent,
            "FeasibilityRefused": self._sent,
            "TransmissionFailed": self._broken,
            "TransmissionExpired": self._broken,
        }

    def deposits(self, consultation: str, bidder: str | None = None) -> Sequence[Tip]:
        """Return every deposit of a consultation, late ones too, by their first position."""
        with self._lock:
            self._follow()
            found = self._deposits.get(consultation, {})
            rows = [(s, d) for s, d in found.items() if bidder in {None, d.bidder}]
            rows.sort(key=lambda row: row[1].positions[0])
            return [Tip(stream, tuple(d.positions), d.leaf) for stream, d in rows]

    def copies(self, consultation: str) -> Sequence[Tip]:
        """Return every backup copy of a consultation, on paper too, by position."""
        with self._lock:
            self._follow()
            found = self._copies.get(consultation, {})
            return [Tip(stream, tuple(d.positions), d.leaf) for stream, d in found.items()]

    def broken_off(self, consultation: str, bidder: str) -> Sequence[str]:
        """Return the bidder's transmissions that failed or expired, by position of their end."""
        with self._lock:
            self._follow()
            return list(self._broken_off.get((consultation, bidder), ()))

    def running(self) -> dict[str, tuple[str, str]]:
        """Return (consultation, bidder's tag) of each transmission that has not ended."""
        with self._lock:
            self._follow()
            return dict(self._running)

    def assigned(self, digest: str) -> str | None:
        """Return the consultation to which this keyset was assigned."""
        with self._lock:
            self._follow()
            return self._assigned.get(digest)

    def ceremony(self, digest: str) -> str | None:
        """Return the ceremony which made this keyset."""
        with self._lock:
            self._follow()
            return self._ceremonies.get(digest)

    def closed_at(self) -> int:
        """Return the position of the last closed register, -1 for none."""
        with self._lock:
            self._follow()
            return self._closings[-1] if self._closings else -1

    def closings(self) -> tuple[int, ...]:
        """Return the positions of all closed registers, in order."""
        with self._lock:
            self._follow()
            return tuple(self._closings)

    def published(self) -> list[str]:
        """Return the public consultations by name."""
        with self._lock:
            self._follow()
            return sorted(self._published)

    def published_of(self, buyer: str) -> list[str]:
        """Return the public consultations of one buyer by name."""
        with self._lock:
            self._follow()
            return sorted(name for name in self._published if self._tenants.get(name) == buyer)

    def is_published(self, consultation: str) -> bool:
        """Say whether a consultation is public."""
        with self._lock:
            self._follow()
            return consultation in self._published

    def tenant_of(self, consultation: str) -> str | None:
        """Return the buyer of a consultation, drafts too, None where there is none of that name."""
        with self._lock:
            self._follow()
            return self._tenants.get(consultation)

    def consultation_of(self, deposit: str) -> str | None:
        """Return the consultation of a deposit, or of a backup copy."""
        with self._lock:
            self._follow()
            home = self._home_of.get(f"deposit/{deposit}")
            return home or self._home_of_copy.get(f"backup/{deposit}")

    def buyer_of(self, deposit: str) -> str | None:
        """Return the buyer of the consultation of a deposit."""
        consultation = self.consultation_of(deposit)
        return None if consultation is None else self.tenant_of(consultation)

    def awaited(self) -> dict[str, Awaited]:
        """Return the consultations whose deadline is still to be reached."""
        with self._lock:
            self._follow()
            return dict(self._awaited)

    def accesses(self, org: str, on: date) -> frozenset[tuple[str, str]]:
        """Return (granter, scope) of all that is open to an organisation on this day."""
        with self._lock:
            self._follow()
            told = self._accesses.get(org, {})
            return frozenset(one for one, until_on in told.items() if on <= until_on)

    def organisations(self) -> Sequence[str]:
        """Return the buyers in whose stream somebody was ever given a role."""
        with self._lock:
            self._follow()
            return sorted(self._organisations)

    def acted_since(self, org: str, size: int) -> bool:
        """Say whether an entry from this position on is of this tenant, or by this organisation."""
        after = size - 1
        while rows := self._ledger.read(after, BATCH):
            if any(_concerns(org, row) for row in rows):
                return True
            after = rows[-1].position
        return False

    def members_moved(self, stream: str) -> int:
        """Return the last position in the stream of an organisation, -1 for none."""
        with self._lock:
            self._follow()
            return self._members.get(stream, -1)

    def health(self) -> Record:
        """Return the probes of the last day, and every incident that was declared."""
        with self._lock:
            self._follow()
            held = self._health
            seen, declared = list(held.seen), dict(held.declared)
            return replace(held, seen=seen, declared=declared, alerted=dict(held.alerted))

    def deposit_probes(self, since: datetime, until: datetime) -> list[Seen]:
        """Return what DEPOSIT probes found that were recorded between two instants, however old."""
        with self._lock:
            self._follow()
            first = bisect_left(self._probed, (since, 0))
            places = [place for at, place in self._probed[first:] if at <= until]
        record = Record()
        for place in places:
            for row in self._ledger.read(place - 1, 1):
                take(record, Fact(row))
        return record.seen

    def in_custody(self) -> list[str]:
        """Return the consultations whose keyset is assigned and not retired."""
        with self._lock:
            self._follow()
            return sorted(self._custody_alive)

    def pool(self, signs: Sequence[str], k: int, *, alive: bool = False) -> list[str]:
        """Return the ceremonies whose free keysets these keys hold, oldest first.

        ``alive``: only those in which nobody was asked for a proof of life in vain.
        """
        with self._lock:
            self._follow()
            return self._pool.alive(signs, k) if alive else self._pool.waiting(signs, k)

    def ceremony_ended(self, name: str) -> bool:
        """Say whether a ceremony has made a keyset, or failed."""
        with self._lock:
            self._follow()
            return self._pool.ended(name)

    def retirements(self, now: datetime, retention: timedelta) -> dict[str, str]:
        """Return the consultations whose shares are to be destroyed, and why.

        Their procedure ended without follow-up, or D lies so long behind; or a custodian has
        not stated yet that it did.
        """
        with self._lock:
            self._follow()
            owed = dict.fromkeys(self._retirements.owed(), "owed")
            return {**owed, **self._retirements.due(now, retention)}

    def custody_alarms(self, now: datetime) -> list[CustodyAlarm]:
        """Return where a custodian proves no life before the deadline, the nearest one first."""
        with self._lock:
            self._follow()
            alive = {name: self._awaited[name] for name in self._custody_alive & {*self._awaited}}
            found = [self._lives.alarm(name, one.deadline, now) for name, one in alive.items()]
        alarms = [one for one in found if one is not None]
        return sorted(alarms, key=lambda one: (one.deadline, one.consultation))

    def _follow(self) -> None:
        if not self._ledger.grown_beyond(self._after):
            return
        while rows := self._ledger.read(self._after, BATCH):
            for row in rows:
                self._take(row)
            self._after = rows[-1].position

    def _take(self, row: Row) -> None:
        if row.stream.startswith("deposit/"):
            self._deposit(row)
            return
        if row.stream.startswith(HEALTH):
            self._healthy(row)
            return
        if row.stream.startswith("backup/"):
            self._copy(row)
            return
        if row.stream.startswith(("buyer/", "operator/")):
            self._members[row.stream] = row.position
        if row.kind == "RegisterClosed":
            self._closings.append(row.position)
        reader = self._reads.get(row.kind)
        if reader is not None:
            reader(row.stream.partition("/")[2], orjson.loads(row.entry)["data"])

    def _deposit(self, row: Row) -> None:
        """Note one entry of a deposit; refusals recorded before its seal are kept for then."""
        if row.kind in {"DepositSealed", "LateDepositRecorded"}:
            data = orjson.loads(row.entry)["data"]
            early = self._early.pop(row.stream, None)
            held = _Deposit(data["bidder"], early.positions if early else [])
            self._deposits.setdefault(data["consultation"], {})[row.stream] = held
            self._home_of[row.stream] = data["consultation"]
        home = self._home_of.get(row.stream)
        if home is None:
            held = self._early.setdefault(row.stream, _Deposit(""))
        else:
            held = self._deposits[home][row.stream]
        held.positions.append(row.position)
        held.leaf = row.leaf.hex()

    def _healthy(self, row: Row) -> None:
        """Note one entry of the platform's health, and let go of what is older than a day."""
        fact = Fact(row)
        take(self._health, fact)
        if fact.maybe("probe") == DEPOSIT:
            self._probed.append((_instant(fact.at), row.position))
        since = _instant(fact.at) - LATELY
        self._health.seen = [one for one in self._health.seen if one.at >= since]
        self._health.clocks, self._health.places = [], {}

    def _copy(self, row: Row) -> None:
        """Note one entry of a backup copy; the first one says whose it is."""
        if row.kind == "BackupCopyReceived":
            data = orjson.loads(row.entry)["data"]
            self._home_of_copy[row.stream] = data["consultation"]
            held = _Deposit(data["bidder"])
            self._copies.setdefault(data["consultation"], {})[row.stream] = held
        held = self._copies[self._home_of_copy[row.stream]][row.stream]
        held.positions.append(row.position)
        held.leaf = row.leaf.hex()

    def _started(self, name: str, data: Mapping[str, Any]) -> None:
        self._running[name] = (data["consultation"], data["bidder"])

    def _sent(self, name: str, data: Mapping[str, Any]) -> None:
        self._running.pop(name, None)

    def _broken(self, name: str, data: Mapping[str, Any]) -> None:
        whose = self._running.pop(name, None)
        if whose is not None:
            self._broken_off.setdefault(whose, []).append(name)

    def _access(self, name: str, data: Mapping[str, Any]) -> None:
        told = self._accesses.setdefault(data["to"], {})
        told[name, data["scope"]] = date.fromisoformat(data["until_on"])

    def _member(self, name: str, data: Mapping[str, Any]) -> None:
        self._organisations.add(name)

    def _ready(self, name: str, data: Mapping[str, Any]) -> None:
        self._ceremonies[data["digest"]] = name
        self._pool.ready(name, data)

    def _keyset(self, name: str, data: Mapping[str, Any]) -> None:
        self._assigned[data["digest"]] = name
        self._custody_alive.add(name)
        self._lives.assigned(name, data)
        self._retirements.assigned(name, data)
        self._pool.assigned(data["digest"])

    def _given(self, name: str, data: Mapping[str, Any]) -> None:
        self._lives.given(name, data)
        self._pool.given(name, data)

    def _missed(self, name: str, data: Mapping[str, Any]) -> None:
        self._lives.missed(name, data)
        self._pool.missed(name, data)

    def _retired(self, name: str, data: Mapping[str, Any]) -> None:
        self._custody_alive.discard(name)
        self._retirements.retired(name, data)

    def _drafted(self, name: str, data: Mapping[str, Any]) -> None:
        self._tenants[name] = data["meta"]["tenant"]

    def _public(self, name: str, data: Mapping[str, Any]) -> None:
        self._published.add(name)
        self._awaited[name] = Awaited(_instant(data["deadline_at"]))
        self._retirements.deadline(name, _instant(data["deadline_at"]))

    def _moved(self, name: str, data: Mapping[str, Any]) -> None:
        self._awaited[name] = replace(self._awaited[name], deadline=_instant(data["new_at"]))
        self._retirements.deadline(name, _instant(data["new_at"]))

    def _suspended(self, name: str, data: Mapping[str, Any]) -> None:
        self._awaited[name] = replace(self._awaited[name], suspended=True)

    def _resumed(self, name: str, data: Mapping[str, Any]) -> None:
        self._awaited[name] = Awaited(_instant(data["new_deadline_at"]))
        self._retirements.deadline(name, _instant(data["new_deadline_at"]))

    def _ended(self, name: str, data: Mapping[str, Any]) -> None:
        self._closed(name, data)
        self._retirements.cancelled(name, data)

    def _closed(self, name: str, data: Mapping[str, Any]) -> None:
        self._awaited.pop(name, None)


def _concerns(org: str, row: Row) -> bool:
    meta = orjson.loads(row.entry)["data"].get("meta", {})
    return org in {meta.get("tenant"), meta.get("actor", {}).get("org")}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
