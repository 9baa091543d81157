"""What the index knows of keysets: those that wait in the pool, and those whose shares must end.

Derived from entries; whoever holds these books calls them under its own lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CONSULTATION = "consultation"


@dataclass
class _Ready:
    """A keyset that is ready: which keys hold it, for what, who was asked in vain."""

    digest: str
    purpose: str
    k: int
    signs: tuple[str, ...]
    missing: set[str] = field(default_factory=set)


class Pool:
    """The keysets that no consultation was given yet (`envelope.md` 2.6)."""

    def __init__(self) -> None:
        self._ready: dict[str, _Ready] = {}
        self._ended: set[str] = set()

    def ready(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a ceremony that made a keyset."""
        self._ended.add(name)
        ceremony = data["document"].get("ceremony")
        if ceremony:
            signs = tuple(one["sign"] for one in ceremony["members"])
            ready = _Ready(data["digest"], ceremony["purpose"], ceremony["k"], signs)
            self._ready[name] = ready

    def failed(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a ceremony that made none."""
        self._ended.add(name)

    def assigned(self, digest: str) -> None:
        """Take out the keyset that a consultation was given."""
        for name in [name for name, one in self._ready.items() if one.digest == digest]:
            del self._ready[name]

    def given(self, name: str, data: Mapping[str, Any]) -> None:
        """Note a proof of life in the pool."""
        if ready := self._ready.get(name):
            ready.missing.discard(data["custodian"])

    def missed(self, name: str, data: Mapping[str, Any]) -> None:
        """Note that one was asked in vain."""
        if ready := self._ready.get(name):
            ready.missing.add(data["custodian"])

    def ended(self, name: str) -> bool:
        """Say whether a ceremony of this name has come to its end."""
        return name in self._ended

    def waiting(self, signs: Sequence[str], k: int) -> list[str]:
        """Return the ceremonies of free keysets that exactly these keys hold, oldest first."""
        wanted = (CONSULTATION, k, tuple(signs))
        return [
            name for name, one in self._ready.items() if (one.purpose, one.k, one.signs) == wanted
        ]

    def alive(self, signs: Sequence[str], k: int) -> list[str]:
        """Return those of them in which nobody is missing."""
        return [name for name in self.waiting(signs, k) if not self._ready[name].missing]


class Retirements:
    """Which keysets have served their time, and who still has to destroy its share."""

    def __init__(self) -> None:
        self._holders: dict[str, set[str]] = {}
        self._deadlines: dict[str, datetime] = {}
        self._cancelled: set[str] = set()
        self._owed: dict[str, set[str]] = {}

    def assigned(self, name: str, data: Mapping[str, Any]) -> None:
        """Note who holds a share for a consultation."""
        self._holders[name] = set(data["custodians"])

    def deadline(self, name: str, at: datetime) -> None:
        """Note the D in force."""
        self._deadlines[name] = at

    def cancelled(self, name: str, data: Mapping[str, Any]) -> None:
        """Note the end of a whole procedure without follow-up; lots that end alone do not count."""
        if not data["lots"]:
            self._cancelled.add(name)

    def retired(self, name: str, data: Mapping[str, Any]) -> None:
        """Note that the shares of a keyset are to be destroyed."""
        self._owed[name] = self._holders.pop(name, set())

    def destroyed(self, name: str, data: Mapping[str, Any]) -> None:
        """Note the statement of one custodian."""
        if owed := self._owed.get(name):
            owed.discard(data["custodian"])

    def due(self, now: datetime, retention: timedelta) -> dict[str, str]:
        """Return by consultation why its keyset is to be retired now."""
        old = {
            name
            for name, at in self._deadlines.items()
            if name in self._holders and at + retention < now
        }
        ended = self._cancelled & {*self._holders}
        return {**dict.fromkeys(old, "retention"), **dict.fromkeys(ended, "no follow-up")}

    def owed(self) -> list[str]:
        """Return the consultations of whose shares somebody has not stated the end."""
        return sorted(name for name, owed in self._owed.items() if owed)
