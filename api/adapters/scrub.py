"""Reads every blob of a home again, beside a running server: it writes and removes nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ledger.sqlite import Connection, connect

PART = 1024 * 1024
MISSING = "missing"


def connect_reading(path: str) -> Connection:
    """Return a connection to a file which is never written."""
    return connect(f"file:{quote(str(Path(path).absolute()))}?mode=ro")


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


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(PART):
            digest.update(data)
    return digest.hexdigest()
