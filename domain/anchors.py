"""The stream ``anchors/main``: which published checkpoints an outside clock has stamped."""

from __future__ import annotations

from domain.aggregate import Aggregate
from domain.events.opening import CheckpointAnchored

MAIN = "main"


class Anchors(Aggregate):
    """Anchors of the whole log: daily, on demand, and of each closing head at once."""

    TOPIC = "Anchors"
    PREFIX = "anchors"
    EVENTS = (CheckpointAnchored,)
