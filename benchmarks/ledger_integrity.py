"""What chain, leaf, tree, second path and signature cost an entry, and what a proof costs."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.parcels import Signer
from crypto.notes import Checkpoint
from ledger.entry import leaf, splice
from ledger.proofs import consistency, inclusion
from ledger.second_path import SecondPath
from ledger.tree import Levels


def integrity_us() -> float:
    """Return the microseconds an entry costs in chain, leaf, tree and the second path."""
    count, tile = 25_600, 256
    state = json.dumps(
        {"at": "2026-03-02T07:10:14.121820Z", "data": {"fill": "x" * 480}, "v": 1},
        separators=(",", ":"),
    ).encode()
    prev = "ab" * 32
    levels, kept = Levels(), []
    started = time.perf_counter()
    for start in range(0, count, 16):  # a batch as 64 writers make it
        leaves = []
        for number in range(start, start + 16):
            entry = splice(state, "ParcelMoved", prev, "cd" * 16, "parcel/1", number + 1)
            hashed = leaf(entry)
            prev = hashed.hex()
            leaves.append(hashed)
            kept.append((entry, hashed))
        levels.adopt(levels.grow(leaves))
    chain = time.perf_counter() - started
    # the baseline of the same work without chain and tree: the bytes must be joined anyway
    started = time.perf_counter()
    for number in range(count):
        splice(state, "ParcelMoved", prev, "cd" * 16, "parcel/1", number + 1)
    joined = time.perf_counter() - started

    class Stored:
        def rows(self, start: int, end: int) -> list[Any]:
            return [Row(place, *kept[place]) for place in range(start, end)]

        def tiles(self, level: int, start: int, end: int) -> dict[int, bytes]:
            rows = kept[start * tile : end * tile]
            return {start: b"".join(hashed for _, hashed in rows)}

    @dataclass(frozen=True)
    class Row:
        position: int
        entry: bytes
        leaf: bytes

    stored: Any = Stored()
    started = time.perf_counter()
    root = SecondPath().root(stored, count)
    second = time.perf_counter() - started
    if root != levels.root(count):
        raise ValueError("the second path differs")
    return 1e6 * (chain - joined + second) / count


def signature_us() -> float:
    """Return the microseconds of signing one checkpoint."""
    signer = Signer()
    started = time.perf_counter()
    for size in range(1, 501):
        signer.sign(Checkpoint(signer.name, size, bytes(32)))
    return 1e6 * (time.perf_counter() - started) / 500


def proofs_us(entries: int) -> tuple[float, float]:
    """Return the CPU microseconds of one inclusion and one consistency proof, levels in memory."""
    levels = Levels()
    for start in range(0, entries, 4096):
        end = min(start + 4096, entries)
        leaves = [hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(start, end)]
        levels.adopt(levels.grow(leaves))
    places = [(n * 7_919_993) % entries for n in range(5_000)]
    started = time.process_time()
    for place in places:
        inclusion(place, entries, levels.hash_at)
    included = time.process_time()
    for place in places:
        consistency(place + 1, entries, levels.hash_at)
    ended = time.process_time()
    return 1e6 * (included - started) / len(places), 1e6 * (ended - included) / len(places)
