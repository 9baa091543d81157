"""Start-up and recovery are one path (ledger.md §5); any mismatch refuses and says what to do.

1. The store agrees with itself: positions, head, edge, tiles, the last tile re-hashed.
2. The mark: nothing that was signed is missing, and it is the same history.
3. The witnesses know nothing larger and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from crypto.keys import LogKeys
from crypto.notes import VerifierKey
from ledger.checkpointer import Signed, read_mark
from ledger.entry import leaf, parse
from ledger.errors import (
    AnotherHistory,
    EntryRefused,
    ForeignKey,
    MarkMissing,
    MarkUnexpected,
    OlderBackup,
    StoreDamaged,
    WitnessAhead,
)
from ledger.log_keys import LogSigners
from ledger.ports import Witness
from ledger.store import Head, Reads
from ledger.tiles import TILE_WIDTH
from ledger.tree import TILE_BYTES, Levels

_TILES_AT_ONCE = 256


class Genesis(NamedTuple):
    """What entry 0 says."""

    origin: str
    pad: int
    beat_s: int
    clock: str


def load_levels(reads: Reads) -> Levels:
    """1: rebuild the tree from tiles and rows, and compare it with whatever else is stored."""
    head = reads.head()
    count, following = reads.counted()
    if not count == following == head.size:
        raise StoreDamaged(f"{count} rows, positions up to {following - 1}, head says {head.size}")
    levels = Levels()
    full = head.size // TILE_WIDTH
    for start in range(0, full, _TILES_AT_ONCE):
        _load_tiles(reads, levels, start, min(start + _TILES_AT_ONCE, full))
    levels.adopt(levels.grow(reads.leaves(full * TILE_WIDTH, head.size)))
    if head.edge != levels.grow(()).edge:
        raise StoreDamaged("the edge of the head is not the edge of the tiles and rows")
    _check_last_tile(reads, levels, head)
    return levels


def _load_tiles(reads: Reads, levels: Levels, start: int, end: int) -> None:
    stored = reads.tiles(0, start, end)
    for n in range(start, end):
        hashes = stored.get(n, b"")
        if len(hashes) != TILE_BYTES:
            raise StoreDamaged(f"tile 0/{n} is missing")
        growth = levels.grow([hashes[at : at + 32] for at in range(0, TILE_BYTES, 32)])
        for level, number, upper in growth.tiles[1:]:
            if reads.tiles(level, number, number + 1).get(number) != upper:
                raise StoreDamaged(f"tile {level}/{number} is not the tile of those below")
        levels.adopt(growth)


def _check_last_tile(reads: Reads, levels: Levels, head: Head) -> None:
    start = max(0, head.size - 1) // TILE_WIDTH * TILE_WIDTH
    for row in reads.rows(start, head.size):
        if not leaf(row.entry) == row.leaf == levels.hash_at(0, row.position):
            raise StoreDamaged(f"position {row.position} is not the entry of its leaf")


def read_genesis(reads: Reads, keys: LogKeys, key: VerifierKey) -> Genesis:
    """Return what entry 0 says once the signer's key is one of the log's."""
    try:
        entry = parse(reads.rows(0, 1)[0].entry)
    except EntryRefused as error:
        raise StoreDamaged(f"entry 0: {error}") from error
    match entry.data:
        case {
            "origin": str(origin),
            "keys": list(_),
            "pad": int(pad),
            "beat_s": int(beat_s),
            "clock": str(clock),
        }:
            pass
        case _:
            raise StoreDamaged("entry 0 does not say what a log is")
    if origin != key.name:
        raise ForeignKey(f"entry 0 names {origin}, the signer is {key.name}")
    if str(key) not in keys.since:
        raise ForeignKey(f"the signer is {key}: no key of entry 0, and none that was added")
    return Genesis(origin, pad, beat_s, clock)


def check_mark(levels: Levels, signers: LogSigners, mark: bytes | None) -> Signed:
    """2: return the mark once the store continues what was signed."""
    if mark is None:
        raise MarkMissing(levels.size)
    signed = read_mark(signers, mark)
    if levels.size == 0:
        raise MarkUnexpected(levels.size)
    check_ancestor(levels, signed, "the high-water mark")
    return signed


def check_ancestor(levels: Levels, signed: Signed, source: str) -> None:
    """Return quietly if the store holds this checkpoint's tree as its beginning."""
    size = signed.checkpoint.size
    if size > levels.size:
        raise OlderBackup(levels.size, size)
    if levels.root(size) != signed.checkpoint.root:
        raise AnotherHistory(size, source)


def check_witnesses(
    levels: Levels,
    signers: LogSigners,
    witnesses: Sequence[Witness],
    refresh: Callable[[], object] = lambda: None,
) -> list[str]:
    """3: refuse where a witness knows more or else; return the names of those that are silent.

    What another process published while they were asked is taken from the store by ``refresh``.
    """
    silent = []
    answers = _asked(witnesses)
    refresh()
    for witness, answer in zip(witnesses, answers, strict=True):
        if isinstance(answer, OSError):
            silent.append(witness.key.name)
            continue
        if answer is None:
            continue
        signed = read_mark(signers, answer)
        if signed.checkpoint.size > levels.size:
            raise WitnessAhead(witness.key.name, levels.size, signed.checkpoint.size)
        check_ancestor(levels, signed, f"witness {witness.key.name}")
    return silent


def _asked(witnesses: Sequence[Witness]) -> list[bytes | OSError | None]:
    """Ask all at once: a start waits for the slowest, not for the sum."""

    def ask(witness: Witness) -> bytes | OSError | None:
        try:
            return witness.checkpoint()
        except OSError as error:
            return error

    with ThreadPoolExecutor(max(1, len(witnesses))) as pool:
        return list(pool.map(ask, witnesses))


def verified_tiles(levels: Levels, mark: Signed) -> list[bytes]:
    """Return the roots of the tiles wholly below the mark: signed once, read back then."""
    return [levels.hash_at(8, n) for n in range(mark.checkpoint.size // TILE_WIDTH)]
