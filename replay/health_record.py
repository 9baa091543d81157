"""What a log holds of the platform's health, as far as its reader may know (trust.md N11).

Read in one pass, by the recording order. Whatever tells of a deposit is left out until the plan of
its lot is fixed: sessions that the platform failed, deposits, and the positions of entries, which
would tell how many deposits lie between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from projections.facts import Fact, LedgerRow, Source
from replay.health import Incident, Seen, Trouble, Window

BATCH = 1_000
SERVER = "SERVER"
NO_LOT = "0"
HEALTH = frozenset(
    {"ProbeSucceeded", "ProbeFailed", "IncidentDeclared", "ClockChecked", "BuyersAlerted"}
)
DEPOSITS = frozenset({"DepositSealed", "LateDepositRecorded"})
TROUBLES = frozenset({"TransmissionStalled", "TransmissionFailed"})
PROCEDURE = frozenset(
    {
        "ConsultationPublished",
        "LotDefined",
        "OpeningPlanFixed",
        "TransmissionStarted",
    }
)
READ = HEALTH | DEPOSITS | TROUBLES | PROCEDURE


@dataclass(frozen=True)
class Clock:
    """What the clock said of itself."""

    at: datetime
    offset_ms: int
    uncertainty_ms: int
    sources: int
    source: str


@dataclass(frozen=True)
class Session:
    """A session of a company: its consultation and lots, and where the platform failed it."""

    consultation: str
    lots: tuple[str, ...]
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Received:
    """A deposit: when its last byte was durable."""

    consultation: str
    lots: tuple[str, ...]
    at: datetime


@dataclass
class Record:
    """All that was read; ``whole``: for whoever may read the whole log."""

    whole: bool = False
    seen: list[Seen] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    declared: dict[tuple[datetime, str], Incident] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """Position of each entry of the platform's health, by stream#version."""
    alerted: dict[str, datetime] = field(default_factory=dict)
    """When the buyer of a consultation was told of an incident last."""
    sessions: dict[str, Session] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)
    lots: dict[str, set[str]] = field(default_factory=dict)
    planned: set[tuple[str, str]] = field(default_factory=set)

    @property
    def incidents(self) -> list[Incident]:
        """The last word on each incident, oldest first."""
        return sorted(self.declared.values(), key=lambda one: (one.start, one.scope))

    def shown(self, consultation: str, lots: Iterable[str]) -> bool:
        """Say whether what happened in these lots may be told: every plan is fixed."""
        return self.whole or all((consultation, lot) in self.planned for lot in lots)

    def troubles(self) -> list[Trouble]:
        """Return the stalls and failures of the platform that may be told, oldest first."""
        found = [
            one
            for session in self.sessions.values()
            if self.shown(session.consultation, session.lots)
            for one in session.troubles
        ]
        return sorted(found, key=lambda one: (one.at, one.source))

    def deposits(self, window: Window) -> Mapping[str, int]:
        """Return how many deposits came in a window, by consultation, where that may be told.

        A consultation of which no lot waits any more is named with 0 where nothing came.
        """
        open_ones = [name for name in self.published if not self.waits(name)]
        counted = dict.fromkeys(sorted(open_ones), 0)
        for one in self.received:
            if window.holds(one.at) and one.consultation in counted:
                counted[one.consultation] += 1
        return counted

    def waits(self, consultation: str) -> bool:
        """Say whether a lot of a consultation still waits for its plan."""
        lots = self.lots.get(consultation) or {NO_LOT}
        return not self.shown(consultation, lots)

    def free(self, position: int) -> bool:
        """Say whether the position of an entry may be told.

        Not while a consultation that was public then waits for a plan: positions around the entry
        would tell how many deposits came.
        """
        return all(
            position <= published or not self.waits(name)
            for name, published in self.published.items()
        )


def gather(log: Source, *, whole: bool = False) -> Record:
    """Return what a log holds of the platform's health."""
    record = Record(whole)
    for row in _rows(log):
        if row.kind in READ:
            take(record, Fact(row))
    return record


def _rows(log: Source) -> Iterator[LedgerRow]:
    after = -1
    while rows := log.read(after, BATCH):
        yield from rows
        after = rows[-1].position


def take(record: Record, fact: Fact) -> None:
    """Add what one entry tells."""
    if fact.kind in HEALTH:
        record.places[_source(fact)] = fact.position
        _health(record, fact)
    elif fact.kind in DEPOSITS:
        at = _instant(fact.text("received_at"))
        lots = tuple(fact.texts("lots"))
        record.received.append(Received(fact.text("consultation"), lots, at))
    elif fact.kind in TROUBLES:
        _trouble(record, fact)
    else:
        _procedure(record, fact)


def _health(record: Record, fact: Fact) -> None:
    source, at = _source(fact), _instant(fact.at)
    if fact.kind == "ProbeSucceeded":
        instants = fact.texts("instants") or [fact.at]
        probe, path = fact.text("probe"), fact.maybe("path")
        record.seen += [Seen(_instant(one), probe, source, path) for one in instants]
    elif fact.kind == "ProbeFailed":
        made = _instant(str(fact.meta.get("occurred_at", fact.at)))
        probe, path = fact.text("probe"), fact.maybe("path")
        record.seen.append(Seen(made, probe, source, path, fact.text("error")))
    elif fact.kind == "ClockChecked":
        offset, half, sources = map(fact.number, ("offset_ms", "uncertainty_ms", "sources"))
        record.clocks.append(Clock(at, offset, half, sources, source))
    elif fact.kind == "BuyersAlerted":
        record.alerted |= dict.fromkeys(fact.texts("consultations"), at)
    else:
        start, end = _instant(fact.text("from_at")), fact.maybe("to_at")
        scope, cause = fact.text("scope"), fact.text("cause")
        until = None if end is None else _instant(end)
        record.declared[start, scope] = Incident(start, until, scope, cause, source)


def _procedure(record: Record, fact: Fact) -> None:
    if fact.kind == "ConsultationPublished":
        record.published[fact.name] = fact.position
    elif fact.kind == "LotDefined":
        record.lots.setdefault(fact.name, set()).add(fact.text("lot"))
    elif fact.kind == "OpeningPlanFixed":
        consultation, _, lot = fact.name.rpartition(".")
        record.planned.add((consultation, lot))
    else:
        lots = tuple(fact.texts("lots"))
        record.sessions[fact.name] = Session(fact.text("consultation"), lots)


def _trouble(record: Record, fact: Fact) -> None:
    session = record.sessions.get(fact.name)
    if session is None or fact.text("cause") != SERVER:
        return
    one = Trouble(_instant(fact.at), fact.kind, _source(fact), fact.maybe("code") or "")
    troubles = (*session.troubles, one)
    record.sessions[fact.name] = Session(session.consultation, session.lots, troubles)


def _source(fact: Fact) -> str:
    return f"{fact.stream}#{fact.version}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def around(seen: Sequence[Seen], window: Window) -> list[Seen]:
    """Return the probes in a window, and those just before and after it of each kind."""
    before: dict[str, Seen] = {}
    after: dict[str, Seen] = {}
    inside = []
    for one in sorted(seen, key=lambda one: (one.at, one.probe)):
        if one.at < window.start:
            before[one.probe] = one
        elif one.at > window.end:
            after.setdefault(one.probe, one)
        else:
            inside.append(one)
    return [*before.values(), *inside, *after.values()]
