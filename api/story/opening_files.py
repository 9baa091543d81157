"""What somebody needs to open one consultation again without us: ``DIR/opening``.

``keyset.json``, ``ceremony.json`` and per deposit the sealed file, its label, the recorded
commitment, the custodians' answers and the list of pieces: everything a second implementation of
the envelope's format asks for, and nothing that opens any other consultation.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from api.facts import facts
from api.platform import Platform
from api.story.sending import Sent
from domain.custody import Custody

HEAD = 8
COPIED = 1 << 20


def write(platform: Platform, folder: Path, consultation: str, sent: Sequence[Sent]) -> None:
    """Write the files of one opened consultation, replacing those of an earlier story."""
    custody = platform.desk.files.find(Custody, f"custody/{consultation}")
    if custody is None or custody.keyset is None:
        raise ValueError(f"{consultation} has no keyset")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    digest = custody.keyset.digest
    document = platform.keyset_document(digest)
    _json(folder / "keyset.json", document)
    _json(folder / "ceremony.json", ceremony(platform, document))
    for each in sent:
        opened = platform.vault.partials(each.deposit)
        if opened:
            envelope(platform, folder / each.deposit, each, opened)


def ceremony(platform: Platform, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the messages of the ceremony behind a keyset, as the ledger holds them."""
    name = document["ceremony"]["ceremony"]
    told = _stream_of(platform, document)
    round1 = [dict(fact.data) for fact in told if fact.kind == "CeremonyCommitted"]
    round2 = [dict(fact.data) for fact in told if fact.kind == "CeremonyShared"]
    for message in (*round1, *round2):
        message.pop("meta", None)
    if not round1 or not round2:
        raise ValueError(f"ceremony {name} is not in the ledger")
    return {
        "ceremony": document["ceremony"],
        "round1": sorted(round1, key=lambda message: message["index"]),
        "round2": sorted(round2, key=lambda message: message["index"]),
        "document": document,
    }


def _stream_of(platform: Platform, document: Mapping[str, Any]) -> list[Any]:
    """Return the facts of the ceremony that started with exactly this object."""
    wanted = document["ceremony"]
    after = -1
    while rows := platform.ledger.read(after, 1000):
        for row in rows:
            if row.kind != "CeremonyStarted":
                continue
            if orjson.loads(row.entry)["data"]["ceremony"] == wanted:
                return facts(platform.ledger, row.stream)
        after = rows[-1].position
    return []


def envelope(platform: Platform, folder: Path, sent: Sent, opened: Sequence[object]) -> None:
    """Write the sealed file, label, commitment, answers and pieces of one deposit."""
    folder.mkdir()
    place = platform.vault.sealed(sent.deposit)
    if place is None:
        raise ValueError(f"{sent.deposit} has lost its file")
    with place as source, (folder / "file.pli").open("wb") as target:
        shutil.copyfileobj(source, target, COPIED)
    with (folder / "file.pli").open("rb") as file:
        length = int.from_bytes(file.read(HEAD)[4:], "big")
        header = orjson.loads(file.read(length))
    _json(folder / "label.json", header["label"])
    (folder / "recorded").write_text(sent.commitment)
    _json(folder / "partials.json", opened)
    shutil.copyfile(sent.pieces, folder / "pieces.json")


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
