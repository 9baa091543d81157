"""What is held of a person or company contact, told or erased (ledger.md §11, T31).

An erasure is written down before anything is destroyed, and forgotten after its entry is recorded:
whatever stops it, the next start or the next erasure does the same steps again, and each of them
may be done twice. Order: accounts (nobody acts under them any more), key, rows, entry.

There is no route: what is held of a bidder, and even a refusal, would tell an administrator who
bids before the opening (N11). Who may read the keys on the host may do this, and nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from api.standing import Log, Standing, find
from crypto.digests import H
from domain.buyer import Buyer
from domain.clock import local_date
from domain.commands.erase import RecordErasure, record_erasure
from domain.erasure import check_erasable, check_no_buyer, check_vacant
from domain.identifiers import check_text
from domain.operator import EconomicOperator

if TYPE_CHECKING:
    from api.platform import Platform
    from crypto.blinding import PersonalValue
    from ledger.subject_keys import Erasure
    from ledger.subjects import Held, Subjects

ACCOUNT = re.compile(r"(person|token):[0-9a-f]+")
"""An account of a person; a company's has one name more in each need (``api/auth.py``)."""
ORGANISATIONS = frozenset({"siret", "id"})
"""How the name begins under which a company bids (``domain/commands/loading.py``)."""
TAG_BYTES = 16
REASON_LENGTH = 400
BUYER_LENGTH = 100
DOCUMENTS_OF = "opened documents of buyer"


class PrivacyError(Exception):
    """Root of what an export or erasure refuses."""

    code = "privacy"


class NothingHeld(PrivacyError):
    """Nothing is held of this subject: never was, or it is erased."""

    code = "privacy.nothing-held"


class BuyerPresent(PrivacyError):
    """The buyer has not left with its export: the documents are its archive."""

    code = "privacy.buyer-present"


class PersonalStore(Protocol):
    """Another store that holds personal data: the accounts, and whatever comes."""

    @property
    def name(self) -> str:
        """What an export calls it."""

    def held(self, subject: str) -> Sequence[dict[str, object]]:
        """Return every row about a subject, secrets left out."""

    def erase(self, subject: str) -> None:
        """Delete every row about a subject, overwritten; a second call finds none."""


@dataclass(frozen=True)
class Extract:
    """Everything that is held of a subject, and where it stands in the ledger."""

    subject: str
    rows: Sequence[Held]
    stores: dict[str, Sequence[dict[str, object]]]
    standing: Standing

    @property
    def tags(self) -> frozenset[str]:
        """The blinded tags under which the subject bids."""
        return frozenset(row.tag for row in self.rows if row.tag is not None)

    def check(self) -> None:
        """Return quietly if there is anything, else raise NothingHeld."""
        if not self.rows and not any(self.stores.values()):
            raise NothingHeld(self.subject)

    def shown(self) -> dict[str, object]:
        """Return it as one JSON object."""
        held = [
            {name: value for name, value in row._asdict().items() if value is not None}
            for row in self.rows
        ]
        return {
            "subject": self.subject,
            "held": held,
            **{name: list(rows) for name, rows in self.stores.items()},
            "ledger": [place.shown() for place in self.standing.places],
        }


@dataclass(frozen=True)
class Erased:
    """An erasure that is finished, and where it is recorded."""

    stream: str
    commitments: int
    position: int


def extract(subject: str, subjects: Subjects, stores: Sequence[PersonalStore], log: Log) -> Extract:
    """Return everything that is held of a subject; it only reads."""
    rows = subjects.held(subject, apart(subject))
    wanted = {row.commitment for row in rows} | {row.tag for row in rows if row.tag is not None}
    return Extract(
        subject,
        rows,
        {store.name: store.held(subject) for store in stores},
        find(log, wanted),
    )


def apart(subject: str) -> str | None:
    """Return how the names begin under which an account acts in single needs (N11)."""
    return f"{subject} " if ACCOUNT.fullmatch(subject) else None


def organisation_of(subject: str) -> str | None:
    """Return the organisation that a subject is, None for a person."""
    kind, separator, name = subject.partition(":")
    return name if separator and kind in ORGANISATIONS else None


class Privacy:
    """Erases on one open platform."""

    def __init__(
        self, platform: Platform, subjects: Subjects, stores: Sequence[PersonalStore]
    ) -> None:
        self._platform = platform
        self._subjects = subjects
        self._stores = stores

    def personal(self, commitment: str) -> PersonalValue | None:
        """Return what proves a commitment, None where it was erased or is no personal value."""
        return self._subjects.personal(commitment)

    def erase(self, subject: str, reason: str, ground: str | None = None) -> Erased:
        """Erase everything of a subject; ``ground``: why the law's retention does not bind."""
        stated = check_text("reason", reason if ground is None else f"{reason} ({ground})")
        check_text("reason", stated, REASON_LENGTH)
        for done in self.resume():
            if done[0] == subject:
                return done[1]
        desk = self._platform.desk
        organisation = organisation_of(subject)
        if organisation is not None:
            check_no_buyer(desk.files.find(Buyer, f"buyer/{organisation}"))
        found = extract(subject, self._subjects, self._stores, self._platform.ledger)
        found.check()
        now = desk.clock.now().latest
        involved = found.standing.involved(found.tags)
        check_erasable(desk.law.rules, involved, local_date(now), ground)
        if organisation is not None:
            company = desk.files.find(EconomicOperator, f"operator/{organisation}")
            check_vacant(company, now, desk.subjects.reveal)
        tag = desk.rng.bytes(TAG_BYTES).hex()
        begun = self._subjects.begin_erasure(tag, subject, stated, apart(subject))
        return self._carry_out(begun)

    def erase_buyer(self, buyer: str, reason: str) -> Erased:
        """Destroy the key of all that was opened for a buyer which has left with its export."""
        check_text("reason", reason, REASON_LENGTH - BUYER_LENGTH)
        found = self._platform.desk.files.find(Buyer, f"buyer/{buyer}")
        if found is None or found.left_at is None:
            raise BuyerPresent(buyer)
        return self._end_documents(buyer, reason)

    def _end_documents(self, buyer: str, reason: str) -> Erased:
        """Destroy, then record; both may be done twice: the buyer names the erasure."""
        self._platform.vault.destroy_key(buyer, reason)
        tag = H("pli/v1/erased-buyer", buyer.encode()).hex()[: 2 * TAG_BYTES]
        act = self._platform.own_act(f"erasure/{tag}", tag)
        command = RecordErasure(tag, (), f"{DOCUMENTS_OF} {buyer}: {reason}")
        recorded = self._platform.act(record_erasure, act, command)
        return Erased(f"erasure/{tag}", 0, recorded.first)

    def resume(self) -> list[tuple[str, Erased]]:
        """Finish what a crash cut short, and sweep what an older backup brought back."""
        for buyer, reason in self._platform.vault.gone():
            self._end_documents(buyer, reason)
        self._subjects.sweep()
        return [(each.subject, self._carry_out(each)) for each in self._subjects.pending()]

    def _carry_out(self, erasure: Erasure) -> Erased:
        for store in self._stores:
            store.erase(erasure.subject)
        self._subjects.erase(erasure)
        act = self._platform.own_act(f"erasure/{erasure.tag}", erasure.tag)
        command = RecordErasure(erasure.tag, erasure.commitments, erasure.reason)
        recorded = self._platform.act(record_erasure, act, command)
        # after this line the ledger says it; before, the next start comes here again
        self._subjects.settled(erasure)
        return Erased(f"erasure/{erasure.tag}", len(erasure.commitments), recorded.first)
