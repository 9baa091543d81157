"""What a projection refuses: a hole in the ledger's positions, another runner on its views."""

from __future__ import annotations


class ProjectionError(Exception):
    """Root of the reasons; ``code`` is stable, the facts are attributes."""

    code = "projection"


class GapFound(ProjectionError):
    """The source skipped a position: an alarm, never a skip (ledger.md §12)."""

    code = "projection.gap"

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"position {expected} was due, the source gave {found}")
        self.expected = expected
        self.found = found


class AnotherRunner(ProjectionError):
    """Somebody else advanced these views since they were read: reload, never force."""

    code = "projection.moved"

    def __init__(self, position: int) -> None:
        super().__init__(f"the views no longer stand at position {position}")
        self.position = position


class NotCaughtUp(ProjectionError):
    """The views did not reach a position within the time a reader could wait."""

    code = "projection.behind"

    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(f"position {wanted} was wanted, the views reached {reached}")
        self.wanted = wanted
        self.reached = reached
