"""What an attempt to open one envelope came to, and whose part failed (envelope.md §13)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.events.deposit import Fault, Form

STORED = {"missing": "bytes-missing", "differs": "bytes-differ"}


@dataclass(frozen=True)
class Findings:
    """What was found; a later finding means nothing where an earlier one is bad."""

    stored: str
    head_ok: bool
    partials: int
    k: int
    n: int
    lost: int
    key_ok: bool
    chunks_ok: bool
    package_ok: bool


@dataclass(frozen=True)
class OpeningVerdict:
    """The event that follows, with fault and cause, or form."""

    event: str
    fault: Fault | None = None
    cause: str | None = None
    form: Form | None = None


def opening_verdict(found: Findings) -> OpeningVerdict:
    """Return the first verdict of the table that applies."""
    if found.stored != "ok":
        return _unreadable(Fault.STORAGE, STORED[found.stored])
    if not found.head_ok:
        return _unreadable(Fault.STORAGE, "head")
    if found.partials < found.k:
        gone = found.n - found.lost < found.k
        missed = OpeningVerdict("CustodyQuorumMissed")
        return _unreadable(Fault.CUSTODY, "shares-lost") if gone else missed
    if not found.key_ok or not found.chunks_ok:
        return _unreadable(Fault.DEPOSITOR, "chunk" if found.key_ok else "key")
    return OpeningVerdict("EnvelopeOpened", form=Form.PACKAGE if found.package_ok else Form.RAW)


def _unreadable(fault: Fault, cause: str) -> OpeningVerdict:
    return OpeningVerdict("EnvelopeUnreadable", fault, cause)
