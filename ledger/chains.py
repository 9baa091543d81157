"""The rules between entries: genesis, the chain of each stream, and time (`ledger.md` §2).

A stream's entry names the leaf of the one before it, and the first one names entry 0, so no stream
moves to another log. `at` never goes back within a stream, and stands never more than 10 s behind
the largest `at` above it: that bounds back-dating by whoever has the log's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ledger.entry import Entry
from ledger.links import Link

FORMAT: Final = "pli-entry/1"
GUARD: Final = timedelta(seconds=10)
NO_ENTRY: Final = "0" * 64


class Tip(NamedTuple):
    """The last entry of a stream."""

    version: int
    leaf: str
    at: str


class Fault(NamedTuple):
    """A broken rule: genesis, chain or time."""

    code: str
    detail: str


class Chains:
    """Follows the entries of one log in order and tells which of them break a rule."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._genesis = NO_ENTRY
        self._tips: dict[str, tuple[int, str, str]] = {}  # as Tip, made for each entry
        self._latest = ""

    @property
    def streams(self) -> int:
        """Number of streams seen."""
        return len(self._tips)

    def begin(self, entry: Entry, leaf: bytes) -> list[Fault]:
        """Take entry 0 and return the rules it breaks."""
        self._genesis = leaf.hex()
        self._latest = entry.at
        self._tips[entry.stream] = entry.version, self._genesis, entry.at
        return _genesis_faults(entry, self._origin)

    def follow(self, link: Link, leaf: bytes) -> Sequence[Fault]:
        """Take the next entry and return the rules it breaks.

        The entry counts as the last of its stream even then: one fault is reported once.
        """
        faults: list[Fault] | None = None
        at, prev, stream, version, _ = link
        before, hashed, earlier = tip = self._tips.get(stream) or (0, self._genesis, "")
        if version != before + 1 or prev != hashed or at < earlier:
            faults = _link_faults(link, Tip(*tip))
        if at >= self._latest:
            self._latest = at
        elif _instant(self._latest) - _instant(at) > GUARD:
            faults = [*(faults or ()), Fault("time", f"{at} is far behind {self._latest}")]
        self._tips[stream] = version, leaf.hex(), at
        return faults or ()


def _genesis_faults(entry: Entry, origin: str) -> list[Fault]:
    found = (entry.stream, entry.version, entry.kind, entry.prev)
    if found != ("log", 1, "LogCreated", NO_ENTRY):
        return [Fault("genesis", f"entry 0 is {entry.kind} {entry.version} of {entry.stream}")]
    named = (entry.data.get("format"), entry.data.get("origin"))
    if named != (FORMAT, origin):
        return [Fault("genesis", f"entry 0 belongs to {named[1]!r} in format {named[0]!r}")]
    return []


def _link_faults(link: Link, tip: Tip) -> list[Fault]:
    faults = []
    if link.version != tip.version + 1:
        faults.append(Fault("chain", f"version {link.version} follows {tip.version}"))
    if link.prev != tip.leaf:
        faults.append(Fault("chain", f"it links to {link.prev}, not to {tip.leaf}"))
    if link.at < tip.at:
        faults.append(Fault("time", f"{link.at} follows {tip.at} in its stream"))
    return faults


def _instant(at: str) -> datetime:
    return datetime.fromisoformat(at)
