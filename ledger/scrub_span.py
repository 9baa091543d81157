"""The part of a scrub that spans the log: head, upper tiles, signed sizes, commands, strays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from crypto.errors import CryptoError
from crypto.merkle import HASH_BYTES, CompactRange
from crypto.notes import Checkpoint
from crypto.policies import Policy
from ledger.command_rows import is_sound
from ledger.entry import LOG_STREAM, parse
from ledger.errors import EntryRefused
from ledger.fsck import Finding
from ledger.rising_tree import RisingTree
from ledger.store import FOREVER, Head, Reads
from ledger.tiles import TILE_WIDTH, write_tile

_ROWS: Final = 4_096


class _Cosigned(NamedTuple):
    size: int
    witness: str
    line: str


def span_findings(reads: Reads, policy: Policy, mark: bytes | None) -> Iterator[Finding]:
    """Yield what is wrong with everything that one tile cannot show."""
    head = reads.head()
    if reads.connection.execute("SELECT id FROM head").fetchall() != [(1,)]:
        yield Finding("head", "the head is not row 1: nothing can be appended")
    signed: list[tuple[str, Checkpoint]] = []
    yield from _published(reads, policy, signed)
    if mark is not None:
        try:
            signed.append(("mark", policy.log_alone().verify(mark).checkpoint))
        except CryptoError as error:
            yield Finding("mark", str(error))
    yield from _tree(reads, head, signed)
    yield from _max_at(reads, head)
    yield from _commands(reads, head.size)
    for row in reads.rows(head.size, FOREVER):
        detail = f"a row stands at {row.position} in a log of {head.size}"
        yield Finding("stray", detail, row.position, row.stream, row.version)


def _published(
    reads: Reads, policy: Policy, signed: list[tuple[str, Checkpoint]]
) -> Iterator[Finding]:
    lines = [
        _Cosigned(*row)
        for row in reads.connection.execute(
            "SELECT size, witness, line FROM cosignatures ORDER BY size, witness"
        ).fetchall()
    ]
    sizes = set()
    for size, note in reads.connection.execute("SELECT size, note FROM checkpoints").fetchall():
        sizes.add(size)
        try:
            checkpoint = policy.log_alone().verify(note).checkpoint
        except CryptoError as error:
            yield Finding("checkpoint", f"published checkpoint {size}: {error}")
            continue
        if checkpoint.size == size:
            signed.append(("checkpoint", checkpoint))
        else:
            yield Finding("checkpoint", f"checkpoint {checkpoint.size} is stored as {size}")
        for each in lines:
            if each.size == size:
                yield from _cosigned(policy, note, each)
    for each in lines:
        if each.size not in sizes:
            yield Finding("cosignature", f"{each.witness} cosigned {each.size}, never published")


def _cosigned(policy: Policy, note: bytes, row: _Cosigned) -> Iterator[Finding]:
    """Verify one line; a reader would ignore one that a change has made unknown."""
    try:
        verified = policy.without_quorum().verify(note + f"{row.line}\n".encode())
    except CryptoError as error:
        yield Finding("cosignature", f"of {row.witness} for {row.size}: {error}")
        return
    if not verified.cosignatures or not row.line.startswith(f"\u2014 {row.witness} "):
        yield Finding("cosignature", f"of {row.witness} for {row.size}: it proves nothing")


def _tree(reads: Reads, head: Head, signed: list[tuple[str, Checkpoint]]) -> Iterator[Finding]:
    """Compare what the stored leaves lead to: upper tiles, edge, the last signed roots."""
    newest = dict(sorted(signed, key=lambda one: one[1].size))
    tree = RisingTree()
    for start in range(0, head.size, TILE_WIDTH):
        leaves = reads.leaves(start, min(head.size, start + TILE_WIDTH))
        end = start + len(leaves)
        here = [(code, one) for code, one in newest.items() if start < one.size <= end]
        for code, one in here:
            if tree.root(leaves[: one.size - start]) != one.root:
                yield Finding(code, f"another root was signed for size {one.size}")
        for level, number, hashes in tree.grow(leaves):
            yield from _upper_tile(reads, level, number, hashes)
    for code, one in newest.items():
        if one.size > head.size:
            yield Finding(code, f"size {one.size} was signed, the log has {head.size}")
    yield from _edge(head, tree.root())


def _edge(head: Head, root: bytes) -> Iterator[Finding]:
    edge = [head.edge[at : at + HASH_BYTES] for at in range(0, len(head.edge), HASH_BYTES)]
    try:
        stored = CompactRange.from_hashes(head.size, edge).root()
    except CryptoError as error:
        yield Finding("head", f"the edge: {error}")
        return
    if stored != root:
        yield Finding("head", f"size {head.size} and edge of the head are not those of the leaves")


def _upper_tile(reads: Reads, level: int, number: int, hashes: list[bytes]) -> Iterator[Finding]:
    if reads.tiles(level, number, number + 1).get(number) != write_tile(hashes):
        yield Finding("tile", f"tile {level}/{number} is not that of the tiles below")


def _max_at(reads: Reads, head: Head) -> Iterator[Finding]:
    """Look from the end for the entry that has the largest time; it is rarely far."""
    end = head.size
    while end > 0:
        start = max(0, end - _ROWS)
        for row in reads.rows(start, end):
            try:
                if parse(row.entry).at == head.max_at:
                    return
            except EntryRefused:
                continue  # named by its own slice
        end = start
    yield Finding("head", f"no entry has the largest time {head.max_at}")


def _commands(reads: Reads, size: int) -> Iterator[Finding]:
    """Commands name ranges side by side; old ones may have been forgotten, none in between."""
    sql = "SELECT first, count, key, digest FROM commands"
    rows = reads.connection.execute(sql).fetchall()
    following, keys = None, {}
    for first, count, key, stored in sorted(rows):
        if is_sound(key, bytes(stored), first, count):
            keys[first] = key
        else:
            yield Finding("command", f"{key} is not the row that was written")
        if following not in (None, first):
            yield Finding("command", f"{key} begins at {first}, the one before ends at {following}")
        following = first + count
        if count < 1 or first < 0:
            yield Finding("command", f"{key} names {count} entries from {first}")
    if rows and following != size:
        yield Finding("command", f"the commands end at {following}, the log at {size}")
    yield from _keys(reads, keys, size)


def _keys(reads: Reads, keys: Mapping[int, str], size: int) -> Iterator[Finding]:
    """Compare each key with the command of its first entry: rows of before have no check."""
    for n in sorted({first // TILE_WIDTH for first in keys}):
        for row in reads.rows(n * TILE_WIDTH, min(size, (n + 1) * TILE_WIDTH)):
            key = keys.get(row.position)
            if key is not None and not _names(row.entry, key, row.position):
                place = (row.position, row.stream, row.version)
                yield Finding("command", f"{key} is not the command of its first entry", *place)


def _names(data: bytes, key: str, position: int) -> bool:
    """Tell whether an entry names the command that has this key, or names none at all.

    A command may be recorded in parts: then the key goes on behind a stroke, and nothing else says
    how. The entries of the ledger itself have keys made from their place.
    """
    for whole in (key, key.rpartition("/")[0]):
        # quicker than to read the entry; `correlation` follows in the metadata of domain events
        if f'"command":"{whole}","correlation":"'.encode() in data:
            return True
    try:
        entry = parse(data)
    except EntryRefused:
        return True  # named by its own slice
    if entry.stream == LOG_STREAM:
        own = f"pad/{position}" if entry.kind == "LogPadded" else f"{entry.kind}/{entry.version}"
        return key == f"{LOG_STREAM}/{own}"
    meta = entry.data.get("meta")
    command = meta.get("command") if isinstance(meta, Mapping) else None
    return command is None or f"{key}/".startswith(f"{command}/")
