"""Anchors of the whole log: by the platform alone, repeatable, in one stream."""

from __future__ import annotations

import pytest
from doubles.platform import Platform

from domain.commands.anchor_checkpoint import AnchorCheckpoint, anchor_checkpoint
from domain.errors import DomainError
from domain.events.opening import AnchorPurpose
from domain.ports import Head

HEAD = Head(256, "ab" * 32, ("w1", "w2"), "cd" * 32)
DAILY = AnchorCheckpoint(AnchorPurpose.DAILY, HEAD)


def test_an_anchor_is_recorded_once() -> None:
    platform = Platform()
    act = platform.act("PA")
    [event] = platform.done(anchor_checkpoint, act, DAILY)
    assert (event.originator_id, event.originator_version) == ("anchors/main", 1)
    assert (event.purpose, event.size, event.root) == (AnchorPurpose.DAILY, 256, "ab" * 32)
    assert (event.witnesses, event.token_hash) == (["w1", "w2"], "cd" * 32)
    assert anchor_checkpoint(platform.desk, act, DAILY).repeated
    closing = AnchorCheckpoint(AnchorPurpose.CLOSING, HEAD)
    [second] = platform.done(anchor_checkpoint, platform.act("PA"), closing)
    assert second.originator_version == 2


@pytest.mark.parametrize("role", ["BU", "CY", "AU", "CU"])
def test_nobody_else_anchors(role: str) -> None:
    platform = Platform()
    with pytest.raises(DomainError) as refused:
        anchor_checkpoint(platform.desk, platform.act(role), DAILY)
    assert refused.value.code == "role.not-allowed"
