"""A company that bids; one account serves all buyers (domain.md §4.2)."""

from __future__ import annotations

from domain.aggregate import Aggregate, folds
from domain.events.parties import OperatorRegistered, RepresentativeAdded


class EconomicOperator(Aggregate):
    """A company's account."""

    TOPIC = "EconomicOperator"
    PREFIX = "operator"
    EVENTS = (OperatorRegistered, RepresentativeAdded)

    def begin(self) -> None:
        """Start without registration."""
        super().begin()
        self.registered = False
        self.representatives: tuple[str, ...] = ()

    @folds(OperatorRegistered)
    def _registered(self, event: OperatorRegistered) -> None:
        self.registered = True

    @folds(RepresentativeAdded)
    def _represented(self, event: RepresentativeAdded) -> None:
        self.representatives = (*self.representatives, event.person)
