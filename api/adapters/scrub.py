"""Reads every blob of a home again, beside a running server: it writes and removes nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from api.home import Home
from crypto.policies import Policy
from ledger.high_water import FolderHighWater
from ledger.readers import LogReader
from ledger.scrub import PARTS, Slice, Stored
from ledger.sqlite import connect
from ledger.store import Connection

PART = 1024 * 1024
MISSING = "missing"


def connect_reading(path: str) -> Connection:
    """Return a connection to a file which is never written."""
    return connect(f"file:{quote(str(Path(path).absolute()))}?mode=ro")


def scrubbed(place: Home, reader: LogReader, policy: str, highwater: Path | None) -> Stored:
    """Return what a scrub of a home reads."""
    return Stored(
        reader.snapshot,
        Policy.parse(policy),
        mark=FolderHighWater(highwater or place.highwater).load,
        blobs=lambda byte: blobs_from(place.blobs, byte),
        needed=lambda: needed_by(place.uploads),
    )


def blobs(folder: Path, uploads: Path) -> Iterator[tuple[str, str]]:
    """Yield each blob's name and the hash found under it, ``missing`` where there is none.

    What is needed is asked first: a server beside us names a blob only once it is there.
    """
    wanted = needed(uploads)
    for part in sorted(folder.iterdir()) if folder.is_dir() else ():
        if part.is_dir() and len(part.name) == 2:
            for path in sorted(part.iterdir()):
                wanted.discard(path.name)
                yield path.name, _hash(path)
    for name in sorted(wanted):
        yield name, MISSING


def kept_blob(folder: Path, name: str) -> bytes | None:
    """Return a blob that has the hash of its name, None where there is none."""
    path = folder / name[:2] / name
    data = path.read_bytes() if path.is_file() else b""
    return data if hashlib.sha256(data).hexdigest() == name else None


def needed(uploads: Path) -> set[str]:
    """Return the blobs of which the envelopes of this home are made."""
    if not uploads.exists():
        return set()
    opened = sqlite3.connect(f"file:{quote(str(uploads.absolute()))}?mode=ro", uri=True)
    try:
        heads = opened.execute("SELECT head FROM uploads WHERE head IS NOT NULL").fetchall()
        parts = opened.execute("SELECT DISTINCT blob FROM parts").fetchall()
    finally:
        opened.close()
    return {str(row[0]) for row in (*heads, *parts)}


def needed_by(uploads: Path) -> dict[str, str]:
    """Return the blobs of the envelopes of this home, each with the stream of its deposit."""
    if not uploads.exists():
        return {}
    with closing(sqlite3.connect(f"file:{quote(str(uploads.absolute()))}?mode=ro", uri=True)) as db:
        heads = db.execute("SELECT head, deposit FROM uploads WHERE head IS NOT NULL").fetchall()
        parts = db.execute(
            "SELECT blob, deposit FROM parts JOIN uploads USING (transmission)"
        ).fetchall()
    return {str(blob): f"deposit/{deposit}" for blob, deposit in (*heads, *parts) if deposit}


def blobs_from(folder: Path, byte: int) -> Iterator[tuple[str, str]]:
    """Yield the blobs whose names begin with this byte, each with the hash found under it."""
    part = folder / f"{byte:02x}"
    for path in sorted(part.iterdir()) if part.is_dir() else ():
        yield path.name, _hash(path)


def is_stored(folder: Path, name: str) -> bool:
    """Say whether a blob is there, without reading it."""
    return (folder / name[:2] / name).is_file()


class ScrubPlace:
    """Where the pass of a home is, across restarts; lost, a pass begins again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Slice:
        """Return the next slice to read."""
        try:
            part, n = self._path.read_text().split()
            return Slice(part, int(n)) if part in PARTS else Slice()
        except (OSError, ValueError):
            return Slice()

    def save(self, place: Slice) -> None:
        """Remember the next slice."""
        self._path.write_text(f"{place.part} {place.n}\n")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(PART):
            digest.update(data)
    return digest.hexdigest()
