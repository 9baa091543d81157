"""What a rush left behind, judged by the offline verifier alone: log, receipts and stored bytes.

The platform is asked for nothing but an export of its log. Every receipt must prove its deposit in
that log, every deposit must stand there once, and the bytes on disk must have its commitment.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from doubles.rush_stock import Bid

from replay import verifier

SEALED = frozenset({"DepositSealed", "LateDepositRecorded"})


class Held(NamedTuple):
    """An entry of the log: its position, its bytes, and what they say."""

    position: int
    data: bytes
    entry: verifier.Entry


@dataclass(frozen=True)
class Verdict:
    """What became of the deposits of a rush, by their names."""

    sent: int
    receipts: int
    entries: int
    lost: frozenset[str]
    """Acknowledged, and not in the log."""
    unproven: frozenset[str]
    """Acknowledged by a receipt that does not prove it in this log."""
    spoiled: frozenset[str]
    """In the log, and their bytes are not what was recorded."""
    doubled: frozenset[str]
    """Recorded, or begun, more than once."""

    @property
    def clean(self) -> bool:
        """Whether each was sent, acknowledged and recorded once, with its bytes."""
        bad = self.lost | self.unproven | self.spoiled | self.doubled
        return not bad and self.sent == self.receipts == self.entries


class Export:
    """An exported log, proven whole by the keys of its own policy file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._policy = verifier.Policy((folder / "policy.txt").read_bytes())
        self._alone = verifier.Policy((folder / "policy-log.txt").read_bytes())
        checkpoint, _, _ = verifier.check_log(self._read, self._policy)
        bundles = range(-(-checkpoint.size // 256))
        whole = (data for n in bundles for data in self._bundle(n, checkpoint.size))
        self.entries = [
            Held(position, data, verifier.read_entry(data)) for position, data in enumerate(whole)
        ]
        self._continued: set[bytes] = set()

    def proves(self, receipt: bytes, stream: str) -> bool:
        """Say whether a receipt proves the deposit of this stream, in this very log."""
        try:
            proven = verifier.check_receipt(receipt, self._alone)
            self._continue(receipt.partition(b"\n\n")[2])
        except verifier.Refused:
            return False
        if proven.position >= len(self.entries):
            return False
        held = self.entries[proven.position]
        named = proven.entry.stream == stream and proven.entry.kind in SEALED
        return named and verifier.leaf_hash(held.data) == proven.leaf

    def _continue(self, note: bytes) -> None:
        """Return quietly if the log continues the checkpoint of a receipt."""
        if note not in self._continued:
            verifier.check_growth(self._read, self._policy, note)
            self._continued.add(note)

    def _bundle(self, n: int, size: int) -> list[bytes]:
        return verifier.read_bundle(self._read, n, size)

    @functools.cache  # noqa: B019 - lives as long as the judgement
    def _read(self, path: str) -> bytes | None:
        file = self._folder / path
        return file.read_bytes() if file.is_file() else None


class Parts:
    """Stored blobs one after another, as the verifier reads a file."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._left = list(paths)
        self._data = b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        while len(self._data) < size and self._left:
            self._data += self._left.pop(0).read_bytes()
        found, self._data = self._data[:size], self._data[size:]
        return found


def judge(folder: Path, blobs: Path, bids: Iterable[Bid], receipts: Mapping[str, bytes]) -> Verdict:
    """Return what became of these bids: by an exported log and the folder of stored bytes."""
    log = Export(folder)
    sent = {bid.deposit: bid for bid in bids}
    sealed = {
        held.entry.stream.partition("/")[2]: held.entry
        for held in log.entries
        if held.entry.kind in SEALED
    }
    known = sealed.keys() & sent.keys()
    unproven = {
        name for name, proof in receipts.items() if not log.proves(proof, f"deposit/{name}")
    }
    return Verdict(
        sent=len(sent),
        receipts=len(receipts),
        entries=len(known),
        lost=frozenset(receipts.keys() - sealed.keys()),
        unproven=frozenset(unproven),
        spoiled=frozenset(name for name in known if not stored(sent[name], blobs, sealed[name])),
        doubled=doubled(log.entries, sent),
    )


def stored(bid: Bid, blobs: Path, entry: verifier.Entry) -> bool:
    """Say whether the bytes on disk are those that the entry recorded."""
    parts = [bid.head, *(bid.chunk(index) for index in range(len(bid.sizes)))]
    names = [hashlib.sha256(part).hexdigest() for part in parts]
    try:
        verifier.check_file(cast("Any", Parts([blobs / name[:2] / name for name in names])), entry)
    except (OSError, verifier.Refused):
        return False
    return True


def doubled(entries: Iterable[Held], sent: Mapping[str, Bid]) -> frozenset[str]:
    """Return the deposits that were recorded twice, or for which two transmissions began."""
    names = {(bid.bidder, bid.lot): name for name, bid in sent.items()}
    seen: Counter[tuple[str, str]] = Counter()
    for held in entries:
        if held.entry.kind in SEALED:
            seen["sealed", held.entry.stream.partition("/")[2]] += 1
        elif held.entry.kind == "TransmissionStarted":
            data = cast("Any", verifier.parse_object(held.entry.data.encode()))
            seen["begun", names.get((data["bidder"], data["lots"][0]), "")] += 1
    return frozenset(name for (_, name), count in seen.items() if count > 1) & sent.keys()
