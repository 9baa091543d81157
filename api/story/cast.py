"""Who bids where, how big, and which deposits meet trouble: decided before the curtain rises.

The real holders of each contract bid, and with them two companies made up for the exercise: their
SIREN begins with 000, which INSEE gives to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from api.story.records import Company, Contract

EXERCISE = (
    Company("00000000100016", "Entreprise d'exercice A"),
    Company("00000000200014", "Entreprise d'exercice B"),
)
KIB, MIB = 1 << 10, 1 << 20
SIZES = (100 * KIB, 240 * KIB, 700 * KIB, 3 * MIB, 400 * KIB, 6 * MIB, 1_200 * KIB)
LARGEST = 30 * MIB
MOST_BYTES = 250 * MIB
LIMIT = 64 * MIB
FEWEST = 3  # contracts: their holders and two companies each make enough bids for all troubles


class TooFewContracts(Exception):
    """Every trouble needs a deposit of its own to happen to."""

    code = "story.too-few-contracts"

    def __init__(self, found: int) -> None:
        super().__init__(f"{found}, the story needs {FEWEST} or more")
        self.found = found


class Trouble(StrEnum):
    """What happens to a deposit on its way; PLAIN is the rule."""

    PLAIN = "PLAIN"
    INTERRUPTED = "INTERRUPTED"
    REPLACED = "REPLACED"
    COMPLEMENTED = "COMPLEMENTED"
    WITHDRAWN = "WITHDRAWN"
    TOO_LARGE = "TOO_LARGE"
    LATE = "LATE"


@dataclass(frozen=True)
class Bid:
    """One company that answers one contract."""

    contract: int
    company: Company
    rank: int
    size: int
    trouble: Trouble = Trouble.PLAIN

    @property
    def name(self) -> str:
        """A word for the keys of this bid's acts."""
        return f"{self.contract}-{self.company.siret}"


def bids(contracts: Sequence[Contract]) -> list[Bid]:
    """Return every bid of the story; each trouble happens once, spread over the contracts.

    Raises ``TooFewContracts`` where there is not a bid for each trouble.
    """
    if len(contracts) < FEWEST:
        raise TooFewContracts(len(contracts))
    made = list(_plain(contracts))
    scale = min(1.0, (MOST_BYTES - LARGEST) / sum(bid.size for bid in made))
    made = [_sized(bid, max(100 * KIB, int(bid.size * scale))) for bid in made]
    made[0] = _sized(made[0], LARGEST)
    for place, trouble in enumerate(one for one in Trouble if one != Trouble.PLAIN):
        index = _last_of(made, place % len(contracts))
        bid = made[index]
        made[index] = Bid(bid.contract, bid.company, bid.rank, _size(bid, trouble), trouble)
    return made


def complemented(found: Sequence[Bid]) -> int:
    """Return the contract whose consultation must publish ``complements=ALL``."""
    return next(bid.contract for bid in found if bid.trouble is Trouble.COMPLEMENTED)


def _plain(contracts: Sequence[Contract]) -> Iterator[Bid]:
    turn = 0
    for index, contract in enumerate(contracts):
        for rank, company in enumerate((*contract.holders, *EXERCISE)):
            yield Bid(index, company, rank, SIZES[turn % len(SIZES)])
            turn += 1


def _last_of(made: Sequence[Bid], contract: int) -> int:
    """Return the last bid of a contract that has met no trouble yet."""
    return max(
        index
        for index, bid in enumerate(made)
        if bid.contract == contract and bid.trouble is Trouble.PLAIN and bid.size != LARGEST
    )


def _size(bid: Bid, trouble: Trouble) -> int:
    """Return the size this trouble asks for: an interruption breaks inside a second chunk."""
    return max(bid.size, 2 * MIB) if trouble is Trouble.INTERRUPTED else bid.size


def _sized(bid: Bid, size: int) -> Bid:
    return Bid(bid.contract, bid.company, bid.rank, size, bid.trouble)
