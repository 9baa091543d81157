"""Whole-log work at the speed of a scan: statistics over all entries, aggregates stream by stream.

No aggregate and no event class is made: a handler gets the `Fact` of the kinds it names, and an
entry of any other kind is not even parsed. `Proof` may look at the same rows on their way: it
recomputes each leaf, follows each stream's chain and grows the tree, so that what was folded is
known to be what a signed root covers. It does not judge the profile of an entry: fsck does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from ledger.chains import NO_ENTRY
from ledger.entry import Row
from ledger.rising_tree import RisingTree
from ledger.tiles import TILE_WIDTH
from projections.facts import Fact

AT_ONCE = TILE_WIDTH
"""Few rows, so that they are looked at while the processor's cache still holds them."""
SALT_DIGITS = 32

S = TypeVar("S")
Handlers: TypeAlias = Mapping[str, Callable[[S, Fact], None]]
Look: TypeAlias = Callable[[Sequence[Row]], None]


class NotProven(Exception):
    """A row is not what its leaf, its chain or the signed root says."""

    code = "replay.not-proven"

    def __init__(self, position: int) -> None:
        super().__init__(f"the row at position {position}")
        self.position = position


class Rows(Protocol):
    """Where the rows of a log come from."""

    def read(self, after: int, limit: int) -> Sequence[Row]:
        """Return at most ``limit`` rows with positions above ``after``, in order."""


class Streams(Protocol):
    """Where the entries of one stream come from."""

    def stream(self, name: str) -> Sequence[Row]:
        """Return the entries of a stream by version."""


def fold(log: Rows, state: S, handlers: Handlers[S], look: Look = lambda rows: None) -> S:
    """Let the handlers change the state by every entry of their kinds, in order; return it."""
    handler_of = handlers.get
    after = -1
    while rows := log.read(after, AT_ONCE):
        look(rows)
        for row in rows:
            handler = handler_of(row[3])  # row.kind, at half the price
            if handler is not None:
                handler(state, Fact(row))
        after = rows[-1].position
    return state


def rebuilt(
    log: Streams, streams: Sequence[str], blank: Callable[[str], S], handlers: Handlers[S]
) -> Iterator[tuple[str, S]]:
    """Yield each of these streams with the state that its entries make."""
    for name in streams:
        state = blank(name)
        for row in log.stream(name):
            handler = handlers.get(row.kind)
            if handler is not None:
                handler(state, Fact(row))
        yield name, state


class Proof:
    """Proves the rows of a whole log: leaf, chain and, by ``finish``, the tree."""

    def __init__(self) -> None:
        self._tree = RisingTree()
        self._waiting: list[bytes] = []
        self._tips: dict[str, tuple[int, str]] = {}
        self._genesis = NO_ENTRY
        self._due = 0

    def __call__(self, rows: Sequence[Row]) -> None:
        """Take the next rows, or raise NotProven for the first that is not what it should be."""
        tips, genesis, leaves = self._tips, self._genesis, self._waiting
        due, sha256 = self._due, hashlib.sha256
        for position, stream, version, kind, leaf, entry in rows:
            # merkle.leaf_hash, without a call for each entry
            hashed = sha256(b"\x00" + entry).digest()
            before, prev = tips.get(stream) or (0, genesis)
            front = f',"kind":"{kind}","prev":"{prev}","salt":"'.encode()
            end = f'","stream":"{stream}","v":1,"version":{version}}}'.encode()
            if (
                hashed != leaf
                or position != due
                or version != before + 1
                or not (
                    (
                        entry.endswith(end)
                        and entry.startswith(front, -len(end) - SALT_DIGITS - len(front))
                    )
                    or _hangs(entry, kind, prev, stream, version)
                )
            ):
                raise NotProven(position)
            due += 1
            digits = hashed.hex()
            tips[stream] = version, digits
            if not position:
                genesis = self._genesis = digits
            leaves.append(hashed)
        self._due = due
        while len(leaves) >= TILE_WIDTH:
            for _ in self._tree.grow(leaves[:TILE_WIDTH]):
                pass
            del leaves[:TILE_WIDTH]

    @property
    def size(self) -> int:
        """The number of rows taken."""
        return self._due

    def finish(self, root: bytes) -> int:
        """Return the size once this is its root, else raise NotProven."""
        if self._tree.root(self._waiting) != root:
            raise NotProven(self._due)
        return self._due


_FRONT = len(',"kind":"","prev":"","salt":"') + 64
_WHOLE = _FRONT + SALT_DIGITS + len('","stream":"","v":1,"version":}')


def _hangs(entry: bytes, kind: str, prev: str, stream: str, version: int) -> bool:
    """Tell whether the end of an entry names these four, around a salt and a schema version.

    Nothing may stand between them: the same words inside of ``data`` are too far from the end.
    """
    number = str(version)
    more = len(kind) + len(stream) + len(number)
    # A schema version has one digit, or up to four more.
    for digits in range(5):
        tail = entry[-(_WHOLE + more + digits) :].decode("latin-1")
        salt = _FRONT + len(kind)
        schema = len(tail) - len(number) - len(',"version":}') - 1 - digits
        v = tail[schema : schema + 1 + digits]
        if (
            tail == f',"kind":"{kind}","prev":"{prev}","salt":"{tail[salt : salt + SALT_DIGITS]}"'
            f',"stream":"{stream}","v":{v},"version":{number}}}'
        ):
            return v.isdigit()
    return False
