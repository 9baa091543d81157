"""Were these appends and reads one after the other, in an order that their callers could see (H15)?

A log is simple: the order of the appends is told by their positions, so the check is a sort.
`check_history` raises the first violation it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


class NotLinearizable(AssertionError):
    """A history that no log which does one thing after the other could have."""


@dataclass(frozen=True, slots=True)
class Append:
    """An append that was acknowledged: between two readings of one clock, where, and what."""

    invoked: int
    returned: int
    position: int
    payload: str


@dataclass(frozen=True, slots=True)
class HeadRead:
    """A read of the number of entries."""

    invoked: int
    returned: int
    size: int


Op = Append | HeadRead


def check_history(ops: Sequence[Op], log: Mapping[int, str], *, whole: bool = True) -> None:
    """Return quietly if the history is linearizable and the final log is what it says.

    ``log``: the payload at each position at the end. ``whole``: every append was acknowledged, so
    positions have no gap; otherwise those of unknown outcome may stand in between.
    """
    appends = sorted((op for op in ops if isinstance(op, Append)), key=lambda op: op.position)
    _check_positions(appends, log, whole=whole)
    for op in appends:
        if log.get(op.position) != op.payload:
            raise NotLinearizable(f"{op.payload} was told {op.position}, there is {log}"[:200])
    if sorted(log) != list(range(min(log, default=0), min(log, default=0) + len(log))):
        raise NotLinearizable("the final log has a gap")
    if len(set(log.values())) != len(log):
        raise NotLinearizable("the final log holds a payload twice")
    _check_real_time(appends)
    _check_heads(ops, appends)


def _check_positions(appends: Sequence[Append], log: Mapping[int, str], *, whole: bool) -> None:
    for one, following in pairwise(appends):
        if one.position == following.position:
            raise NotLinearizable(
                f"position {one.position} was told for {one.payload} and {following.payload}"
            )
        if whole and following.position != one.position + 1:
            raise NotLinearizable(f"no append was told {one.position + 1}")
    if whole and len(appends) != len(log):
        raise NotLinearizable(f"{len(appends)} appends were told, the log holds {len(log)}")


def _check_real_time(appends: Sequence[Append]) -> None:
    """No append stands behind one that was invoked only after it had returned."""
    latest = -1
    for op in appends:
        if op.returned < latest:
            raise NotLinearizable(
                f"{op.payload} at {op.position} had returned before an earlier one was invoked"
            )
        latest = max(latest, op.invoked)


def _check_heads(ops: Sequence[Op], appends: Sequence[Append]) -> None:
    """A read never shows less than what was told before it, nor than an earlier read."""
    events = [(op.returned, 0, op.position + 1) for op in appends]
    for op in ops:
        if isinstance(op, HeadRead):
            events += [(op.invoked, 1, op.size), (op.returned, 0, op.size)]
    told = 0
    for _, is_read, size in sorted(events):
        if is_read and size < told:
            raise NotLinearizable(f"a head of {size} was read after {told} had been told")
        if not is_read:
            told = max(told, size)
