"""What a custodian decides before it answers for one envelope (envelope 10)."""

from __future__ import annotations

from api.known_answers.book import Book, Case, Out
from replay.custodian import Facts, decide


def custodian(_book: Book, case: Case) -> Out:
    """Decide over facts; no clock in the vector means that it gives no interval."""
    facts = {**case, "clock": tuple(case["clock"]) if "clock" in case else None}
    decide(Facts(**facts))
    return {}
