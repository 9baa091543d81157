"""Which role a person holds now: the ledger's word, asked at each request (domain.md §5).

A token or a session never carries a right, only a claim: a role that is revoked or runs out ends at
once for both. An organisation that nobody registered yet has no roles; its first caller may act
until then, because somebody must register the first one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from api.errors import SeatNotInForce
from domain.buyer import Buyer
from domain.errors import DomainError
from domain.operator import EconomicOperator
from domain.tenure import COMPANY

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.ports import Clock, Files


@dataclass(frozen=True)
class _Held:
    """One organisation's file as of one position of the ledger."""

    moved: int
    file: Buyer | EconomicOperator | None


class SeatsInForce:
    """Reads roles from the ledger; remembers a file until its stream has moved."""

    def __init__(
        self,
        files: Files,
        clock: Clock,
        reveal: Callable[[str], str | None],
        moved: Callable[[str], int],
        host_time: Callable[[], datetime],
    ) -> None:
        self._files = files
        self._clock = clock
        self._reveal = reveal
        self._moved = moved
        self._host_time = host_time
        # guarded by _lock: the last file of each organisation that was asked for
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def require(self, person: str, org: str, role: str) -> None:
        """Return quietly while the ledger gives this person this role, else raise."""
        file = self._file(org, role)
        if file is not None and file.registered and role not in self._roles(file, person):
            raise SeatNotInForce("the ledger does not give this role now", org=org, role=role)

    def roles(self, person: str, org: str) -> frozenset[str]:
        """Return the roles that the ledger gives a person in an organisation now."""
        files = (self._file(org, COMPANY), self._file(org, ""))
        return frozenset(role for file in files if file for role in self._roles(file, person))

    def holders(self, org: str, role: str) -> list[str]:
        """Return the persons to whom the ledger gives this role in an organisation now."""
        file = self._file(org, role)
        held = file.in_force(self._now()) if file is not None else ()
        found = {self._reveal(one.person) for one in held if one.role == role}
        return sorted(one for one in found if one is not None)

    def _roles(self, file: Buyer | EconomicOperator, person: str) -> set[str]:
        held = file.in_force(self._now())
        return {one.role for one in held if self._reveal(one.person) == person}

    def _file(self, org: str, role: str) -> Buyer | EconomicOperator | None:
        company = role == COMPANY
        stream = f"operator/{org}" if company else f"buyer/{org}"
        moved = self._moved(stream)
        with self._lock:
            held = self._held.get(stream)
        if held is None or held.moved != moved:
            file: Buyer | EconomicOperator | None = (
                self._files.find(EconomicOperator, stream)
                if company
                else self._files.find(Buyer, stream)
            )
            # a save between the two reads only makes the file newer than its mark
            held = _Held(moved, file)
            with self._lock:
                self._held[stream] = held
        return held.file

    def _now(self) -> datetime:
        """Return the instant by which all rules judge; the host's while the clock is in doubt."""
        try:
            return self._clock.now().latest
        except DomainError:
            return self._host_time()
