"""Record that personal data were erased; the erasing itself is done before (ledger.md §11)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.commands.loading import RUNNING, new
from domain.erasure import Erasure
from domain.events.erasure import DataErased
from domain.identifiers import check_text
from domain.ports import Act, Desk, Recorded

MOST_COMMITMENTS = 500
"""In one entry: an entry has at most 65,535 bytes."""


@dataclass(frozen=True)
class RecordErasure:
    """What stood for the person in the ledger, and why nothing is behind it any more."""

    tag: str
    commitments: tuple[str, ...]
    reason: str


def record_erasure(desk: Desk, act: Act, command: RecordErasure) -> Recorded:
    """Append DataErased, in as many parts as it needs."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    reason = check_text("reason", command.reason, 400)
    erasure = new(desk, Erasure, command.tag)
    meta = desk.meta(act, desk.reading(), desk.platform)
    for start in range(0, max(1, len(command.commitments)), MOST_COMMITMENTS):
        part = list(command.commitments[start : start + MOST_COMMITMENTS])
        erasure.append(DataErased(**erasure.stamp(meta), commitments=part, reason=reason))
    return desk.save(act, command, [erasure])
