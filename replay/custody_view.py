"""A view of the ledger, as a custodian is shown it, proves itself or is refused (envelope.md §10).

Checked in order: the note is signed by a configured key of the configured log; its tree continues
the pinned one; each stream is complete from version 1, canonical, one name, chained by `prev`; the
inclusion of its last entry; no stream is shorter than it was seen, nor other. Whoever sends a view
is not trusted with anything: the caller stores `Pin` and `Tip`s durably before it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crypto.canonical import Json
from crypto.errors import CryptoError
from crypto.merkle import EMPTY_ROOT, check_consistency, check_inclusion
from crypto.notes import Checkpoint, read_base64
from crypto.policies import Policy
from ledger.entry import LOG_STREAM, Entry, leaf, parse
from ledger.errors import LedgerError

_HASH_DIGITS: Final = 64
_VIEW_KEYS: Final = frozenset({"checkpoint", "consistency", "streams"})
_STREAM_KEYS: Final = frozenset({"entries", "inclusion", "position"})


class ViewRefused(Exception):
    """What a custodian was shown is not proven to continue the ledger that it knows."""

    code = "view"

    def __init__(self, reason: str) -> None:
        super().__init__(f"view refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Tip:
    """The last entry of a stream that was seen."""

    version: int
    leaf: str


@dataclass(frozen=True, slots=True)
class Pin:
    """The largest tree that was proven, and the leaf of entry 0, to which every stream links."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    genesis: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a custodian holds against a view: its configured log and origin, and what it saw."""

    policy: Policy
    origin: str
    pin: Pin = field(default_factory=Pin)
    tips: Mapping[str, Tip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream from version 1 to its last entry, with the leaf of each and the last position."""

    entries: tuple[Entry, ...]
    leaves: tuple[str, ...]
    position: int

    def latest(self, version: int) -> int:
        """Return the last position at which this version can stand: exact for the last one."""
        return self.position - (len(self.entries) - version)

    @property
    def tip(self) -> Tip:
        """Where the stream ends."""
        return Tip(len(self.entries), self.leaves[-1])

    def data_of(self, kind: str) -> list[Mapping[str, Json]]:
        """Return the data of every entry of a kind, in order."""
        return [entry.data for entry in self.entries if entry.kind == kind]


@dataclass(frozen=True, slots=True)
class VerifiedView:
    """Streams that are proven to stand, complete, in one tree; what to pin before answering."""

    note: bytes
    checkpoint: Checkpoint
    genesis: str
    streams: Mapping[str, Stream]

    @property
    def pin(self) -> Pin:
        """Return the pin that replaces the one the view was checked against."""
        return Pin(self.checkpoint.size, self.checkpoint.root, self.genesis)

    @property
    def tips(self) -> dict[str, Tip]:
        """Return the ends of the streams shown."""
        return {name: stream.tip for name, stream in self.streams.items()}

    def stream(self, name: str) -> Stream:
        """Return a stream that must have been shown, else raise ViewRefused."""
        found = self.streams.get(name)
        if found is None:
            raise ViewRefused(f"stream {name} is not in it")
        return found


def check_view(view: Mapping[str, Json], known: Known) -> VerifiedView:
    """Return the view once everything about it is proven, else raise ViewRefused."""
    try:
        return _check(view, known)
    except (CryptoError, LedgerError) as refusal:
        raise ViewRefused(str(refusal)) from refusal


def _check(view: Mapping[str, Json], known: Known) -> VerifiedView:
    # 1 the shape of the object
    _check_keys(view, _VIEW_KEYS)
    note = _text(view["checkpoint"]).encode()
    proof = [_hash(value) for value in _list(view["consistency"])]
    shown = _list(view["streams"])
    # 2 note signed by the configured key and origin
    checkpoint = known.policy.log_alone().verify(note).checkpoint
    if checkpoint.origin != known.origin:
        raise ViewRefused(f"origin {checkpoint.origin}, configured is {known.origin}")
    # 3 consistent with the pinned checkpoint
    pin = known.pin
    check_consistency(pin.size, checkpoint.size, pin.root, checkpoint.root, proof)
    # 4 every stream, proven under this very checkpoint
    genesis, streams = known.pin.genesis, {}
    for one in shown:
        stream = _stream(one, checkpoint)
        name = stream.entries[0].stream
        genesis = genesis or _start(stream)
        if _start(stream) != genesis:
            raise ViewRefused(f"stream {name} starts from another entry 0")
        _check_seen(name, stream, known.tips.get(name))
        if name in streams:
            raise ViewRefused(f"stream {name} is shown twice")
        streams[name] = stream
    return VerifiedView(note, checkpoint, genesis, streams)


def _stream(shown: Json, checkpoint: Checkpoint) -> Stream:
    if not isinstance(shown, Mapping):
        raise ViewRefused("a stream is an object")
    _check_keys(shown, _STREAM_KEYS)
    raw = [read_base64(_text(value)) for value in _list(shown["entries"])]
    if not raw:
        raise ViewRefused("a stream has at least one entry")
    entries = tuple(parse(data) for data in raw)
    leaves = tuple(leaf(data).hex() for data in raw)
    _check_chain(entries, leaves)
    position = shown["position"]
    if type(position) is not int:
        raise ViewRefused("a position is an integer")
    path = [_hash(value) for value in _list(shown["inclusion"])]
    check_inclusion(bytes.fromhex(leaves[-1]), position, checkpoint.size, path, checkpoint.root)
    return Stream(entries, leaves, position)


def _check_chain(entries: Sequence[Entry], leaves: Sequence[str]) -> None:
    name = entries[0].stream
    for index, entry in enumerate(entries):
        if entry.stream != name:
            raise ViewRefused(f"an entry of {entry.stream} stands in {name}")
        if entry.version != index + 1:
            raise ViewRefused(f"{name}: version {entry.version} at place {index + 1}")
        if index and entry.prev != leaves[index - 1]:
            raise ViewRefused(f"{name}: version {entry.version} links to another entry")
        if index and entry.at < entries[index - 1].at:
            raise ViewRefused(f"{name}: version {entry.version} goes back in time")


def _start(stream: Stream) -> str:
    """Return the leaf of entry 0 as this stream names it: none comes from another log."""
    first = stream.entries[0]
    return stream.leaves[0] if first.stream == LOG_STREAM else first.prev


def _check_seen(name: str, stream: Stream, seen: Tip | None) -> None:
    if seen is None:
        return
    if len(stream.entries) < seen.version:
        raise ViewRefused(f"{name}: {len(stream.entries)} entries, {seen.version} were seen")
    # a log may hold two entries of one version: the one that was seen is the one that counts
    if stream.leaves[seen.version - 1] != seen.leaf:
        raise ViewRefused(f"{name}: version {seen.version} is not the one that was seen")


def _check_keys(value: Mapping[str, Json], keys: frozenset[str]) -> None:
    if set(value) != keys:
        raise ViewRefused(f"the keys are {sorted(value)}")


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list):
        raise ViewRefused("a list is expected")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ViewRefused("a text is expected")
    return value


def _hash(value: Json) -> bytes:
    digits = _text(value)
    try:
        data = bytes.fromhex(digits)
    except ValueError as error:
        raise ViewRefused("a hash is hexadecimal") from error
    if len(digits) != _HASH_DIGITS or data.hex() != digits:
        raise ViewRefused("a hash has 64 lower-case digits")
    return data
