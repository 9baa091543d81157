"""How the platform is, and was: its state now for everybody, and evidence over any window.

The state now is what the log holds of the last day with what waits for the next beat; evidence is
made from the log alone (``replay/health.py``), as far as its reader may know.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from domain.clock import instant_text
from domain.errors import BadForm
from domain.health import Probed
from ledger.errors import NotPublished
from projections.facts import Source
from replay.health import (
    DEPOSIT,
    SILENCE,
    VITAL,
    Incident,
    Judged,
    Outage,
    Seen,
    Verdict,
    Window,
    judge,
    outages,
)
from replay.health_record import Record, around, gather

if TYPE_CHECKING:
    from api.platform import Platform

Answer = dict[str, Any]
FORMAT = "pli-health-evidence/1"
LONGEST = timedelta(days=7)
"""One window of evidence."""
DAY = timedelta(hours=24)
RECORDED = timedelta(hours=25)
"""What a probe found stands in the log by then: a success waits for the next beat."""
SLOT = timedelta(minutes=10)
RULE = "CE 449250, 23 sept. 2021"
WAITING = "waiting"
"""The source of a probe that the log does not hold yet."""


@dataclass(frozen=True)
class Slot:
    """Ten minutes of the last day."""

    start: datetime
    verdict: Verdict


@dataclass(frozen=True)
class State:
    """What everybody may know of the platform now."""

    at: datetime
    verdict: Verdict
    last: Mapping[str, Seen]
    """The last probe of each kind; of LINK the last failure of its last round, if there was one."""
    slots: tuple[Slot, ...]
    outages: tuple[Outage, ...]
    incidents: tuple[Incident, ...]
    """Those of the last day, and those that go on."""
    clock_ms: int
    """Half the width of a reading of the clock."""


def seen_lately(platform: Platform) -> Record:
    """Return what the log holds of the last day, with what waits for the next beat."""
    record = platform.index.health()
    waiting = [] if platform.probing is None else platform.probing.waiting()
    record.seen = [*record.seen, *map(_waiting, waiting)]
    return record


def state(platform: Platform) -> State:
    """Return how the platform is now and was in the last 24 hours."""
    record, reading = seen_lately(platform), platform.desk.clock.now()
    now = reading.latest
    day = Window(now - DAY, now)
    seen = sorted(record.seen, key=lambda one: (one.at, not one.good))
    last = {one.probe: one for one in seen}
    slots = _slots(seen, record.incidents, day)
    lately = [one for one in seen if day.holds(one.at)]
    here = judge(Window(now, now), seen, record.incidents)
    broken = any(one.probe in VITAL and not one.good for one in last.values() if _fresh(one, now))
    verdict = Verdict.FAILED if broken else here.verdict
    incidents = tuple(one for one in record.incidents if one.overlaps(day))
    quiet = tuple(outages(lately))
    return State(now, verdict, last, slots, quiet, incidents, reading.uncertainty_ms())


def _slots(seen: Sequence[Seen], incidents: Sequence[Incident], day: Window) -> tuple[Slot, ...]:
    """Return the ten minutes of a day; each is judged by the probes that can speak for it."""
    times = [one.at for one in seen]
    first = day.start.replace(minute=day.start.minute // 10 * 10, second=0, microsecond=0)
    found = []
    for number in range(1, DAY // SLOT + 1):
        over = Window(first + SLOT * number, min(first + SLOT * (number + 1), day.end))
        near = seen[bisect_left(times, over.start - SILENCE) : bisect_right(times, over.end)]
        found.append(Slot(over.start, judge(over, near, incidents).verdict))
    return tuple(found)


def shown(found: State) -> Answer:
    """Return the state as JSON shows it; nothing of it depends on what depositors do."""
    return {
        "at": instant_text(found.at),
        "verdict": found.verdict.value,
        "clock_uncertainty_ms": found.clock_ms,
        "last": [_probe(one) for _, one in sorted(found.last.items())],
        "outages": [_outage(one) for one in found.outages],
        "incidents": [_incident(one) for one in found.incidents],
    }


def deposit_probe_at(platform: Platform, at: datetime) -> Answer:
    """Return the state of the DEPOSIT probe at an instant: what an attestation of attempt names.

    The same however long ago it was: in a dispute an attestation is asked for months later.
    """
    lately = platform.now() - at <= DAY
    index = platform.index
    seen = (
        seen_lately(platform).seen if lately else index.deposit_probes(at - SILENCE, at + RECORDED)
    )
    made = [one for one in seen if one.probe == DEPOSIT and at - SILENCE <= one.at <= at]
    if not made:
        return {"state": Verdict.UNPROVEN.value}
    last = max(made, key=lambda one: one.at)
    shown: Answer = {"state": (Verdict.PROVEN if last.good else Verdict.FAILED).value}
    shown["at"] = instant_text(last.at)
    return shown if last.error is None else shown | {"error": last.error}


def window(start: datetime, end: datetime) -> Window:
    """Return the window of a question; raise BadForm for one that is none, or too long."""
    if end < start:
        raise BadForm("to", "a window ends after it begins")
    if end - start > LONGEST:
        raise BadForm("to", f"a window has at most {LONGEST.days} days")
    return Window(start, end)


@dataclass(frozen=True)
class Log:
    """What evidence is made from: entries, the receipt of each, and the name of the log."""

    source: Source
    receipt: Callable[[int], bytes]
    origin: str


def log_of(platform: Platform) -> Log:
    """Return the log of a running platform."""
    ledger = platform.ledger
    return Log(ledger, lambda place: ledger.receipt(place, published=True), ledger.origin)


def evidence(log: Log, asked: Window, *, whole: bool = False) -> Answer:
    """Return the evidence over a window as one JSON object: the same log, the same bytes.

    ``whole``: for whoever may read the whole log; else nothing tells of a deposit whose plan is not
    fixed, and no proof leaves whose place in the log would.
    """
    record = gather(log.source, whole=whole)
    judged = judge(asked, record.seen, record.incidents, record.troubles())
    near = around(record.seen, asked)
    incidents = [one for one in record.incidents if one.overlaps(asked)]
    clocks = [one for one in record.clocks if asked.start - SILENCE <= one.at <= asked.end + BEAT]
    troubles = [one for one in record.troubles() if asked.holds(one.at)]
    sources = [one.source for part in (near, incidents, clocks) for one in part]
    return {
        "format": FORMAT,
        "origin": log.origin,
        "rule": RULE,
        **_shown_verdict(judged),
        **_recorded(record, asked),
        "outages": [_outage(one) for one in outages(near)],
        "probes": [_probe(one) | {"source": one.source} for one in near],
        "incidents": [_incident(one) | {"source": one.source} for one in incidents],
        "clock": [
            {
                "at": instant_text(one.at),
                "offset_ms": one.offset_ms,
                "uncertainty_ms": one.uncertainty_ms,
                "sources": one.sources,
                "source": one.source,
            }
            for one in clocks
        ],
        "server_failures": [
            _bare({"at": one.at, "event": one.kind, "code": one.code, "source": one.source})
            for one in troubles
        ],
        "deposits_received": dict(record.deposits(asked)),
        "hidden_until_opening": not whole,
        "proofs": _proofs(log, record, sources),
    }


BEAT = timedelta(hours=1)
"""A check of the clock is written at the end of its beat."""


def _proofs(log: Log, record: Record, sources: list[str]) -> Answer:
    """Return the receipt of each entry, under the first published checkpoint that covers it."""
    given: dict[str, str] = {}
    waiting, withheld = [], []
    for source in sorted(set(sources), key=lambda one: record.places[one]):
        place = record.places[source]
        if not record.free(place):
            withheld.append(source)
            continue
        try:
            given[source] = log.receipt(place).decode()
        except NotPublished:
            waiting.append(source)
    return {"receipts": given, "not_published_yet": waiting, "withheld_until_openings": withheld}


def _shown_verdict(judged: Judged) -> Answer:
    return {
        "from": instant_text(judged.window.start),
        "to": instant_text(judged.window.end),
        "verdict": judged.verdict.value,
        "reasons": [
            {
                "ground": one.ground.value,
                "at": instant_text(one.at),
                "what": one.what,
                "source": one.source,
            }
            for one in judged.reasons
        ],
        "silences": [
            _bare(
                {
                    "from": one.start,
                    "to": one.end,
                    "last_good": one.last_good,
                    "next_good": one.next_good,
                }
            )
            for one in judged.silences
        ],
    }


def _recorded(record: Record, asked: Window) -> Answer:
    """Say how far the log tells of probes, where that is not the end of the window."""
    last = max((one.at for one in record.seen), default=None)
    if last is not None and last >= asked.end:
        return {}
    return _bare({"recorded_until": last, "rest_comes_with_the_next_beat": True})


def _outage(one: Outage) -> Answer:
    return _bare(
        {
            "last_good": one.last_good,
            "first_failed": one.first_failed,
            "last_failed": one.last_failed,
            "next_good": one.next_good,
        }
    )


def _probe(one: Seen) -> Answer:
    return _bare(
        {
            "at": one.at,
            "probe": one.probe,
            "path": one.path,
            "ok": one.good,
            "error": one.error,
        }
    )


def _incident(one: Incident) -> Answer:
    return _bare({"from": one.start, "to": one.end, "scope": one.scope, "cause": one.cause})


def _bare(values: Mapping[str, object]) -> Answer:
    """Return values as JSON shows them: absent, never null; instants as the ledger writes them."""
    return {
        name: instant_text(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


def _waiting(one: Probed) -> Seen:
    return Seen(one.at, one.probe.value, WAITING, one.path, one.error)


def _fresh(one: Seen, now: datetime) -> bool:
    return now - one.at <= SILENCE
