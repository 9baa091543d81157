"""Record that a published checkpoint was stamped by a time-stamping authority (ledger.md §9)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.anchors import MAIN, Anchors
from domain.commands.loading import RUNNING, found_or_blank
from domain.events.opening import AnchorPurpose, CheckpointAnchored
from domain.ports import Act, Desk, Head, Recorded


@dataclass(frozen=True)
class AnchorCheckpoint:
    """A head whose token lies in the vault."""

    purpose: AnchorPurpose
    head: Head


def anchor_checkpoint(desk: Desk, act: Act, command: AnchorCheckpoint) -> Recorded:
    """Append CheckpointAnchored to ``anchors/main``."""
    if earlier := desk.earlier(act, command):
        return earlier
    desk.law.roles.require(act.principal.role, RUNNING)
    anchors = found_or_blank(desk, Anchors, MAIN)
    head = command.head
    anchors.append(
        CheckpointAnchored(
            **anchors.stamp(desk.meta(act, desk.reading(anchors), desk.platform)),
            purpose=command.purpose,
            size=head.size,
            root=head.root,
            witnesses=list(head.witnesses),
            token_hash=head.token_hash,
        )
    )
    return desk.save(act, command, [anchors])
