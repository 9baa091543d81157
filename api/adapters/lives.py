"""Which custodians of a keyset give no sign of life, while their consultation can still be put off.

Derived from the entries of `custody/…`, like everything in the index that holds it. A share that is
missed days before the deadline is an alarm; more than n - k of them, and D must be postponed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

STALE = timedelta(hours=48)
"""A proof is due each day: after two days without one nobody asked, or nobody recorded it."""


@dataclass(frozen=True, slots=True)
class CustodyAlarm:
    """A consultation with custodians that prove no life; `deadline` is the D in force."""

    consultation: str
    deadline: datetime
    missing: tuple[str, ...]
    k: int
    n: int

    @property
    def in_danger(self) -> bool:
        """Whether fewer than k are left: its envelopes would stay shut for ever."""
        return len(self.missing) > self.n - self.k


@dataclass
class _Keyset:
    k: int
    n: int
    seen: dict[str, datetime]
    missed: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)


class Lives:
    """The last sign of life of each custodian; whoever holds it calls under its own lock."""

    def __init__(self) -> None:
        self._keysets: dict[str, _Keyset] = {}

    def assigned(self, name: str, data: Mapping[str, Any]) -> None:
        """Begin with the hour at which the keyset was assigned."""
        seen = dict.fromkeys(data["custodians"], _when(data))
        self._keysets[name] = _Keyset(data["k"], data["n"], seen)

    def given(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a proof of life; of keysets in the pool nothing is kept."""
        if keyset := self._keysets.get(name):
            keyset.seen[data["custodian"]] = _when(data)
            keyset.missed.discard(data["custodian"])
            keyset.lost.discard(data["custodian"])

    def missed(self, name: str, data: Mapping[str, Any]) -> None:
        """Note that one was asked in vain."""
        if keyset := self._keysets.get(name):
            keyset.missed.add(data["custodian"])

    def lost(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a share that is lost, until it proves its life again."""
        if keyset := self._keysets.get(name):
            keyset.lost.add(data["custodian"])

    def alarm(self, name: str, deadline: datetime, now: datetime) -> CustodyAlarm | None:
        """Return who is missing from a keyset; None if nobody is, or D has passed already."""
        keyset = self._keysets.get(name)
        if keyset is None or now > deadline:
            return None
        stale = {one for one, at in keyset.seen.items() if now - at > STALE}
        missing = tuple(sorted(keyset.missed | keyset.lost | stale))
        return CustodyAlarm(name, deadline, missing, keyset.k, keyset.n) if missing else None


def _when(data: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(data["meta"]["occurred_at"])
