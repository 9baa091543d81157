"""The static form of a log (ledger.md §10): checkpoint, tiles of exactly its size, keys, policies.

Tile by tile, so that memory does not grow with the log; a reader beside a running server sees the
same bytes, because nothing below a published size ever changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ledger.entry import parse
from ledger.errors import ExportRefused
from ledger.exported import CHECKPOINT
from ledger.readers import LogReader
from ledger.tiles import tiles_of

ANCHORS = "anchors"


class Anchored(NamedTuple):
    """A stamped size: the exact bytes that were stamped, and the token."""

    size: int
    stamped: bytes
    token: bytes


def log_vkey(reader: LogReader) -> str:
    """Return the first key that entry 0 names."""
    keys = parse(reader.row(0).entry).data["keys"]
    return str(keys[0])  # type: ignore[index]


def export(
    reader: LogReader,
    folder: Path,
    policies: Mapping[str, str],
    progress: Callable[[int], None] = lambda files: None,
    anchors: Iterable[Anchored] = (),
) -> int:
    """Write the last published log into a new folder; return its size.

    Anchors beyond the published size stay behind.
    """
    log = reader.files()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ExportRefused(str(folder))
    for written, path in enumerate(tiles_of(log.size), 1):
        target = folder / str(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(log.tile(path) or b"")
        progress(written)
    (folder / "vkey").write_text(f"{log_vkey(reader)}\n")
    for name, text in policies.items():
        (folder / name).write_text(text)
    (folder / ANCHORS).mkdir()
    for size, stamped, token in anchors:
        if size <= log.size:
            (folder / ANCHORS / f"{size}.note").write_bytes(stamped)
            (folder / ANCHORS / f"{size}.tsr").write_bytes(token)
    # Last: a folder without it is an export that was interrupted.
    (folder / CHECKPOINT).write_bytes(log.read(CHECKPOINT) or b"")
    return log.size
