"""What the agents of a buyer are told of a procedure of theirs, as far as anybody may know it then.

Before the plan is fixed a notice is the same for 0 and for many deposits (N11): it says what the
clock, the custodians and the rules are, never what came. Each notice has a key, so that one thing
is told once; what changes, such as another custodian that is silent, is another thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from api import openings, views
from domain.consultation import Consultation

if TYPE_CHECKING:
    from api.platform import Platform

LATELY = timedelta(days=30)
"""What lies longer behind is no news: also for a platform that sends letters only since today."""
OPENING, CUSTODY, QUORUM = "opening", "custody", "quorum"


@dataclass(frozen=True)
class Notice:
    """One thing to tell the agents of one buyer; ``facts`` are those that its text names."""

    key: str
    kind: str
    tenant: str
    consultation: str
    path: str
    """The page that says more, to whoever may read it."""
    facts: Mapping[str, str | datetime]


def due(platform: Platform) -> Iterator[Notice]:
    """Yield what is to be told now, told before or not."""
    now = platform.desk.clock.now().earliest
    yield from _custody(platform, now)
    for name in platform.index.in_custody():
        found = views.found_consultation(platform, name)
        if found.reached and timedelta() < now - found.opens_at() < LATELY:
            yield _opening(platform, found)
            for lot in found.lot_names():
                yield from _quorum(platform, found, lot)


def _custody(platform: Platform, now: datetime) -> Iterator[Notice]:
    for alarm in platform.index.custody_alarms(now):
        found = views.found_consultation(platform, alarm.consultation)
        danger = "danger" if alarm.in_danger else "missing"
        key = f"{CUSTODY}/{found.name}/{danger}/{'+'.join(alarm.missing)}"
        facts = _facts(platform, found) | {"custodians": ", ".join(alarm.missing)}
        kind = f"{CUSTODY}-{danger}"
        yield Notice(key, kind, found.tenant, found.name, f"/consultations/{found.name}", facts)


def _opening(platform: Platform, found: Consultation) -> Notice:
    """Return the notice that the register is closed, and that an opening may begin."""
    key = f"{OPENING}/{found.name}/{found.opens_at().isoformat()}"
    path = f"/consultations/{found.name}"
    return Notice(key, OPENING, found.tenant, found.name, path, _facts(platform, found))


def _quorum(platform: Platform, found: Consultation, lot: str) -> Iterator[Notice]:
    missing = openings.view(platform, found, lot, own=True).get("missing")
    if not isinstance(missing, list) or not missing:
        return
    key = f"{QUORUM}/{found.name}/{lot}/{'+'.join(missing)}"
    facts = _facts(platform, found) | {"lot": lot, "custodians": ", ".join(missing)}
    path = f"/consultations/{found.name}/opening/{lot}/session"
    yield Notice(key, QUORUM, found.tenant, found.name, path, facts)


def _facts(platform: Platform, found: Consultation) -> dict[str, str | datetime]:
    shown = views.consultation(platform, found.name)
    return {
        "reference": str(shown.get("reference", found.name)),
        "deadline": found.deadline,
        "opens_at": found.opens_at(),
    }
