"""The commission d'appel d'offres: how many are elected, how many are present (CGCT L1411-5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from domain.events.parties import BuyerKind
from domain.rulebook import RuleBook

WHOLE_BP = 10_000


@dataclass(frozen=True)
class Committee:
    """A committee as it was elected."""

    president: str
    titulars: tuple[str, ...]
    substitutes: tuple[str, ...]
    deliberation: str
    elected_at: datetime

    @property
    def voters(self) -> int:
        """The president and the titulars, each of whom a substitute may stand for."""
        return 1 + len(self.titulars)


def elected(rules: RuleBook, kind: BuyerKind | None, population: int | None, on: date) -> int:
    """Return how many titulars are elected beside the president.

    Fewer only in a commune that is recorded as small; without a population the general rule holds.
    """
    small = rules.at("cao.small_commune", on).value
    if kind is BuyerKind.COMMUNE and population is not None and population < small:
        return rules.at("cao.elected.under_3500", on).value
    return rules.at("cao.elected", on).value


def quorum(rules: RuleBook, voters: int, on: date) -> int:
    """Return how many voters must be present: more than the rule's share of them."""
    return voters * rules.at("cao.quorum", on).value // WHOLE_BP + 1
