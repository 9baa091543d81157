"""Anchors: what an outside clock stamps of a log, and on which days it did (ledger.md §9).

Stamped bytes = a published checkpoint with the log's own signature lines and no cosignature, so
that they are the same whenever they are made again. Who asks, and what carries the request, is the
caller's; nothing here opens a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from crypto import timestamps
from crypto.log_errors import SignatureRefused
from crypto.notes import VerifierKey, check_signature, join_note, parse_checkpoint, parse_note
from crypto.timestamps import Certificates, Stamp
from ledger.errors import AnchorDiffers
from ledger.ports import Timestamper

ALARM = timedelta(days=1)
"""A stamp that is due for longer is an alarm."""


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """An event CheckpointAnchored as stored, and the token found under its hash."""

    position: int
    stream: str
    version: int
    size: int
    root: str
    token_hash: str | None
    token: bytes | None


def stamped_bytes(note: bytes, keys: Sequence[VerifierKey]) -> bytes:
    """Return what is stamped of a checkpoint: its text and the verified lines of the log."""
    read = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    own = []
    for line in read.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            check_signature(key, read.text, line.signature)
            own.append(str(line))
    if not own:
        raise SignatureRefused(parse_checkpoint(read.text).origin, "no line of the log itself")
    return join_note(read.text, own)


def obtain(
    timestamper: Timestamper, note: bytes, keys: Sequence[VerifierKey], nonce: bytes
) -> tuple[bytes, Stamp]:
    """Return a verified answer over a checkpoint; OSError: nobody answered."""
    data = stamped_bytes(note, keys)
    answer = timestamper.stamp(timestamps.request(data, nonce))
    return answer, timestamps.verify(answer, data, timestamper.trusted, nonce)


def check_anchor(
    row: AnchorRow, note: bytes | None, keys: Sequence[VerifierKey], trusted: Certificates
) -> Stamp | None:
    """Return what the token of an anchor proves, None without one; else raise."""
    if note is None:
        raise AnchorDiffers(row.size, "nothing of this size was published")
    if parse_checkpoint(parse_note(note).text).root.hex() != row.root:
        raise AnchorDiffers(row.size, "the published root is another one")
    if row.token_hash is None:
        return None
    if row.token is None:
        raise AnchorDiffers(row.size, "its token is not in the vault")
    return timestamps.verify(row.token, stamped_bytes(note, keys), trusted)


def gaps(stamped: Iterable[date], first: date, last: date) -> list[date]:
    """Return the days from first to last, both included, on which nothing was stamped."""
    days = set(stamped)
    length = (last - first).days + 1
    return [day for each in range(length) if (day := first + timedelta(days=each)) not in days]


def day_of(instant: datetime) -> date:
    """Return the day of an anchor: of UTC, so that no day has 23 hours."""
    return instant.astimezone(UTC).date()
