"""Record what the platform's probes of itself found: a beat of successes, each failure (§4.17)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.commands.loading import RUNNING, found_or_blank
from domain.errors import BadForm
from domain.events.health import ClockChecked, ProbeFailed, ProbeSucceeded
from domain.health import MAIN, ClockCheck, Health, Probed, summaries
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded

MOST_ERROR = 100


@dataclass(frozen=True)
class RecordProbes:
    """What was found since the last record, and what the clock said of itself at the end of it."""

    seen: tuple[Probed, ...]
    clock: ClockCheck | None = None


def record_probes(desk: Desk, act: Act, command: RecordProbes) -> Recorded:
    """Append ProbeFailed for each failure, one ProbeSucceeded per kind and path, ClockChecked.

    Raises BadForm for nothing at all, and for an instant that has not come yet.
    """
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    health = found_or_blank(desk, Health, MAIN)
    now = desk.reading(health)
    if not command.seen and command.clock is None:
        raise BadForm("seen", "nothing was probed")
    if any(one.at > now.latest for one in command.seen):
        raise BadForm("at", "a probe that has not been made yet")
    meta = desk.meta(act, now, desk.platform)
    for one in sorted(command.seen, key=lambda one: (one.at, one.probe, one.path or "")):
        if one.error is not None:
            health.append(
                ProbeFailed(
                    **health.stamp(replace(meta, occurred_at=one.at)),
                    probe=one.probe,
                    path=one.path,
                    error=check_text("error", one.error, MOST_ERROR),
                )
            )
    for each in summaries(command.seen):
        health.append(
            ProbeSucceeded(
                **health.stamp(meta),
                probe=each.probe,
                path=each.path,
                latency_ms=each.latency_ms,
                instants=list(each.instants),
            )
        )
    if command.clock is not None:
        health.append(
            ClockChecked(
                **health.stamp(meta),
                offset_ms=command.clock.offset_ms,
                uncertainty_ms=command.clock.uncertainty_ms,
                sources=command.clock.sources,
            )
        )
    return desk.save(act, command, [health])
