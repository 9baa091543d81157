"""The erasure of what is held of one person or company contact, ``erasure/<tag>`` (ledger.md §11).

The tag is drawn by lot: the stream names nobody. Before an erasure the law is asked: a procedure
that runs needs its participants, and its file is kept for years after the signature and after the
end of the contract (code de la commande publique, R2184-12 and R2184-13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from domain.aggregate import Aggregate
from domain.buyer import Buyer
from domain.errors import BuyerIsNobody, ErasureRetained, ProcedureRuns, StillRepresented
from domain.events.erasure import DataErased
from domain.operator import EconomicOperator
from domain.rulebook import RuleBook


class Erasure(Aggregate):
    """One erasure, recorded after it was carried out."""

    TOPIC = "Erasure"
    PREFIX = "erasure"
    EVENTS = (DataErased,)


@dataclass(frozen=True)
class Involvement:
    """A procedure in whose file somebody stands, and how far it has come."""

    consultation: str
    bidder: bool
    ended_on: date | None = None
    signed_on: date | None = None
    closed_on: date | None = None

    @property
    def runs(self) -> bool:
        """Whether the procedure has neither ended nor led to a contract."""
        return self.ended_on is None and self.signed_on is None


def check_no_buyer(buyer: Buyer | None) -> None:
    """Return quietly unless the subject is a registered public buyer, which is no person."""
    if buyer is not None and buyer.registered:
        raise BuyerIsNobody(buyer.name)


def check_vacant(
    company: EconomicOperator | None, at: datetime, reveal: Callable[[str], str | None]
) -> None:
    """Return quietly if nobody acts for the company any more (a sole trader is a subject)."""
    if company is not None and company.people(at, reveal):
        raise StillRepresented(company.name)


def check_erasable(
    rules: RuleBook, involved: Iterable[Involvement], today: date, ground: str | None
) -> None:
    """Return quietly if nothing of the law stands against an erasure, or a ground overrides it.

    Nothing overrides the need of a bidder in a procedure that runs: its envelope would not open.
    """
    for each in involved:
        if each.runs and each.bidder:
            raise ProcedureRuns
        until = None if each.runs else _kept_until(rules, each)
        if ground is None and (until is None or today <= until):
            raise ErasureRetained(until)


def _kept_until(rules: RuleBook, each: Involvement) -> date | None:
    """Return the last day on which the file is kept, None while its contract is carried out."""
    if each.signed_on is None:
        assert each.ended_on is not None  # noqa: S101 - it does not run
        return _years_after(each.ended_on, rules, "retention.years.losing")
    if each.closed_on is None:
        return None
    losing = _years_after(each.signed_on, rules, "retention.years.losing")
    return max(losing, _years_after(each.closed_on, rules, "retention.years.contract"))


def _years_after(start: date, rules: RuleBook, key: str) -> date:
    year = start.year + rules.at(key, start).value
    try:
        return start.replace(year=year)
    except ValueError:  # 29 February: months clamp to their last day (T8)
        return start.replace(year=year, day=28)
