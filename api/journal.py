"""The journal: one JSON line on stderr for each thing that an operator must know (N15, T28).

What may be said is a table: a happening that is no row, or a fact that its row does not name, is a
fault of ours and a red test, so that no personal datum, secret, path of a request or number of
deposits slips into a line (N11). A line is printable ASCII whatever a text holds: line ends,
terminal codes and direction characters stand there escaped. There is no access log.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import structlog

LONGEST = 300
"""Characters of one text."""
HAPPENINGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "alarm": frozenset({"about", "code"}),
        "anchor.failed": frozenset({"size", "code"}),
        "anchors.failed": frozenset({"code"}),
        "chore.failed": frozenset({"chore", "code"}),
        "blob.repaired": frozenset({"copy", "code"}),
        "clock.distrusted": frozenset({"reason"}),
        "clock.silent": frozenset({"source", "code"}),
        "clock.trusted": frozenset(),
        "custodian.restarted": frozenset({"custodian"}),
        "fail-stop": frozenset({"code"}),
        "malware.refused": frozenset({"engine", "signature"}),
        "mail.failed": frozenset({"code"}),
        "refusals.failed": frozenset({"code"}),
        "scrub.found": frozenset({"code"}),
        "server.restarted": frozenset({"signal"}),
        "timestamps.test": frozenset({"text"}),
        "unexpected": frozenset({"kind", "trace"}),
        "views.failed": frozenset({"code"}),
    }
)


class Lines(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object:
        """Take one line with its end."""


def say(happening: str, **facts: object) -> None:
    """Write one line; ``facts`` are those that the table names for this happening."""
    _journal.bind().error(happening, **facts)


def _named(_: object, __: str, row: Any) -> Any:  # noqa: ANN401 - structlog's own type
    """Let pass what the table names, and nothing else."""
    happening = row["event"]
    strange = set(row) - HAPPENINGS[happening] - {"event", "at"}
    if strange:
        raise KeyError(f"{happening} may not tell {sorted(strange)}")
    return row


def _line(_: object, __: str, row: Any) -> str:  # noqa: ANN401 - structlog's own type
    """Return the row as one line of printable ASCII."""
    ordered = {"at": row.pop("at"), "event": row.pop("event")} | dict(sorted(row.items()))
    text = json.dumps(_short(ordered), ensure_ascii=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")


def _short(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value[:20]]
    return value if isinstance(value, bool | int) else str(value)[:LONGEST]


class _Stderr:
    """Writes where stderr is at this moment, one call a line."""

    def error(self, line: str) -> None:
        """Write one line."""
        out: Lines = sys.stderr
        out.write(f"{line}\n")


_journal = structlog.wrap_logger(
    _Stderr(),
    processors=[_named, structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"), _line],
    wrapper_class=structlog.BoundLogger,
    cache_logger_on_first_use=False,
)
