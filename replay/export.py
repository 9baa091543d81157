"""What a leaving buyer takes along: its entries, each proven under one published checkpoint.

The form is that of an evidence bundle (ledger.md §10) in which every entry is cited:
``checkpoint``, ``policy.txt``, ``anchors/``, ``streams/<n>``, ``proofs/<position>.tlog-proof``.
``manifest.json`` comes last and names everything else with its hash, so that a copy that was cut
short is none.

A stream is the buyer's if each of its entries is; what it spoke in a stream of others stands alone
(``singles``). Of other tenants nothing is in it but sibling hashes, which are salted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import orjson

from crypto.canonical import Json, encode
from ledger.entry import Row
from ledger.errors import NotPublished
from ledger.export import Anchored
from ledger.exported import CHECKPOINT
from ledger.proofs import TileHashes
from ledger.readers import StoredLog
from ledger.receipt import checkpoint_of, make_receipt
from ledger.tiles import write_bundle

FORMAT = "pli-export/1"
MANIFEST = "manifest.json"
STEP = 1_000
OF_COMPANIES = "operator/"
COMPANY = "CY"
Parts = Callable[[], Iterable[bytes]]


class Log(Protocol):
    """A log as it is read here."""

    def read(self, after: int, limit: int) -> list[Row]:
        """Return rows after a position, in order."""


class File(NamedTuple):
    """One file of an export: its path, and its bytes when they are asked for."""

    path: str
    parts: Parts


@dataclass
class Holding:
    """The entries of one buyer below a published size: whole streams, and single entries."""

    tenant: str
    served: StoredLog
    note: bytes
    founding: Row
    streams: dict[str, list[Row]] = field(default_factory=dict)
    singles: list[Row] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The published size under which everything is proven."""
        return self.served.size

    def rows(self) -> list[Row]:
        """Return every entry of the buyer by position; entry 0 is the log's."""
        held = [row for rows in self.streams.values() for row in rows]
        return sorted([*held, *self.singles], key=lambda row: row.position)


def holding(log: Log, served: StoredLog, tenant: str) -> Holding:
    """Return what a published log holds of a tenant."""
    note = served.read(CHECKPOINT)
    found: dict[str, list[Row]] = {}
    alone: list[Row] = []
    mixed: set[str] = set()
    founding: Row | None = None
    for row in _below(log, served.size):
        founding = founding or row
        of, by = whose(row.entry)
        if of == tenant and not row.stream.startswith(OF_COMPANIES):
            found.setdefault(row.stream, []).append(row)
        else:
            mixed.add(row.stream)
            alone += [row] if by == tenant else []
    if founding is None or note is None:
        raise NotPublished
    whole = {name: found[name] for name in sorted(found) if name not in mixed}
    alone += [row for name in found if name in mixed for row in found[name]]
    singles = sorted(alone, key=lambda row: row.position)
    return Holding(tenant, served, note, founding, whole, singles)


def whose(entry: bytes) -> tuple[str | None, str | None]:
    """Return the tenant of an entry and the organisation that acted, None for none.

    A buyer that bids itself has a second account under its SIRET, which is no part of the first.
    """
    meta = orjson.loads(entry)["data"].get("meta", {})
    actor = meta.get("actor", {})
    return meta.get("tenant"), None if actor.get("role") == COMPANY else actor.get("org")


def evidence(
    held: Holding, policies: Mapping[str, str], anchors: Iterable[Anchored]
) -> Iterator[File]:
    """Yield checkpoint, policies, stamps, streams and the proof of each entry."""
    hashes = TileHashes(held.size, held.served.tile)
    yield told(CHECKPOINT, held.note)
    for name, text in sorted(policies.items()):
        yield told(name, text.encode())
    for size, stamped, token in anchors:
        if size <= held.size:
            yield told(f"anchors/{size}.note", stamped)
            yield told(f"anchors/{size}.tsr", token)
    for number, rows in enumerate(held.streams.values()):
        yield told(f"streams/{number}", write_bundle([row.entry for row in rows]))
    for row in [held.founding, *held.rows()]:
        yield told(f"proofs/{row.position}.tlog-proof", make_receipt(row, held.note, hashes))


def told(path: str, data: bytes) -> File:
    """Return a file whose bytes are known."""
    return File(path, lambda: (data,))


def listed(
    held: Holding, files: Iterable[File], left_out: Iterable[tuple[str, str]]
) -> Iterator[File]:
    """Yield the files, and after all of them were read the manifest that names them."""
    rows: list[Json] = []
    for file in files:
        yield File(file.path, lambda file=file: _counted(file, rows))  # type: ignore[misc]
    head = checkpoint_of(held.note)
    told_out: list[Json] = [{"name": name, "reason": reason} for name, reason in left_out]
    manifest: dict[str, Json] = {
        "entries": len(held.rows()),
        "files": sorted(rows, key=lambda row: str(row["path"])),  # type: ignore[index,call-overload]
        "format": FORMAT,
        "left_out": told_out,
        "origin": head.origin,
        "root": head.root.hex(),
        "singles": [row.position for row in held.singles],
        "size": head.size,
        "streams": list(held.streams),
        "tenant": held.tenant,
    }
    yield told(MANIFEST, encode(manifest))


def _counted(file: File, rows: list[Json]) -> Iterator[bytes]:
    """Yield the bytes of a file and note, at its end, what it was."""
    digest, size = hashlib.sha256(), 0
    for data in file.parts():
        digest.update(data)
        size += len(data)
        yield data
    rows.append({"path": file.path, "sha256": digest.hexdigest(), "size": size})


def _below(log: Log, size: int) -> Iterator[Row]:
    after = -1
    while after + 1 < size:
        rows = log.read(after, min(STEP, size - after - 1))
        if not rows:
            return
        yield from rows
        after = rows[-1].position
