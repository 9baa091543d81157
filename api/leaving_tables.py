"""The readable tables of an export: acts, consultations, what was deposited, files of dossiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from api import views
from api.spreadsheets import written

if TYPE_CHECKING:
    from api.platform import Platform
    from ledger.entry import Row
    from replay.export import Holding

Cells = Mapping[str, object]
ACTS = ("position", "stream", "version", "kind", "at", "role", "org")
CONSULTATIONS = (
    *("id", "reference", "object", "nature", "procedure", "state", "published_at"),
    *("deadline_local", "zone", "opens_at"),
)
RECEIVED = ("DepositSealed", "LateDepositRecorded", "BackupCopyReceived")
OPENED = ("EnvelopeOpened", "EnvelopeUnreadable", "BackupCopyOpened")
DEPOSITS = (
    *("deposit", "consultation", "lots", "kind", "medium", "round", "received_at", "late_by_ms"),
    *("outcome", "operator", "documents_match", "commitment"),
)
DOSSIERS = ("consultation", "version", "name", "size", "sha256")


def tables(platform: Platform, held: Holding) -> dict[str, str]:
    """Return the tables of an export by name, all from its own entries."""
    return {
        "acts": written(ACTS, map(_act, held.rows())),
        "consultations": written(CONSULTATIONS, _consultations(platform, held)),
        "deposits": written(DEPOSITS, _deposits(held)),
        "dossiers": written(DOSSIERS, _dossiers(held)),
    }


def _data(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(row.entry)["data"]
    return data


def _act(row: Row) -> Cells:
    entry = orjson.loads(row.entry)
    actor = entry["data"]["meta"]["actor"]
    place = {"position": row.position, "stream": row.stream, "version": row.version}
    return place | {"kind": row.kind, "at": entry["at"], "role": actor["role"], "org": actor["org"]}


def _consultations(platform: Platform, held: Holding) -> Iterator[Cells]:
    for stream in held.streams:
        kind, _, name = stream.partition("/")
        if kind == "consultation":
            yield views.consultation(platform, name)


def _deposits(held: Holding) -> Iterator[Cells]:
    """Yield one row for each deposit and copy: what came, and what became of it."""
    for stream, rows in held.streams.items():
        kind, _, name = stream.partition("/")
        if kind not in {"deposit", "backup"}:
            continue
        cells: dict[str, object] = {"deposit": name}
        for row in rows:
            data = _data(row)
            if row.kind in RECEIVED:
                cells |= data | {"lots": " ".join(data["lots"])}
                cells["kind"] = data.get("kind", "BACKUP")
            else:
                cells["outcome"] = row.kind
            if row.kind in OPENED:
                cells |= {
                    name: data[name] for name in ("operator", "documents_match") if name in data
                }
        yield cells


def _dossiers(held: Holding) -> Iterator[Cells]:
    for stream, rows in held.streams.items():
        kind, _, name = stream.partition("/")
        if kind == "dossier":
            for row in rows:
                data = _data(row)
                for file in data["files"] if row.kind == "DossierFilesListed" else ():
                    yield {"consultation": name, "version": data["version"], **file}
