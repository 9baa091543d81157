"""Reads every blob of a home again, beside a running server: it writes and removes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from api.adapters.blobs import BlobReads
from api.adapters.two_copies import TwoCopies
from api.home import Home
from crypto.policies import Policy
from ledger.errors import BlobDiffers, BlobMissing, NameRefused
from ledger.high_water import FolderHighWater
from ledger.readers import LogReader
from ledger.scrub import PARTS, Slice, Stored
from ledger.sqlite import connect
from ledger.store import Connection
from ledger.vault import BlobFolder

MISSING = "missing"


def connect_reading(path: str) -> Connection:
    """Return a connection to a file which is never written."""
    return connect(f"file:{quote(str(Path(path).absolute()))}?mode=ro")


def scrubbed(
    place: Home, reader: LogReader, policy: str, highwater: Path | None, store: BlobReads
) -> Stored:
    """Return what a scrub of a home reads."""
    return Stored(
        reader.snapshot,
        Policy.parse(policy),
        mark=FolderHighWater(highwater or place.highwater).load,
        blobs=lambda byte: store.scrub(f"{byte:02x}"),
        needed=lambda: needed_by(place.uploads),
        copies=store.weak if isinstance(store, TwoCopies) else tuple,
    )


def blobs(store: BlobReads, uploads: Path) -> Iterator[tuple[str, str]]:
    """Yield each blob's name and the hash found under it, ``missing`` where there is none.

    What is needed is asked first: a server beside us names a blob only once it is there.
    """
    wanted = needed(uploads)
    for name, found in store.scrub():
        wanted.discard(name)
        yield name, found
    for name in sorted(wanted):
        yield name, MISSING


def kept_blob(store: BlobReads, name: str) -> bytes | None:
    """Return a blob that has the hash of its name, None where there is none."""
    try:
        return store.get(name)
    except (BlobMissing, BlobDiffers, NameRefused):
        return None


def held(store: BlobReads, wanted: Collection[str]) -> Callable[[str], bool]:
    """Return what says whether a blob is there, without reading it.

    A file is looked for; of a store that is far the names are listed once.
    """
    if isinstance(store, TwoCopies):
        return store.level(wanted).__contains__
    if isinstance(store, BlobFolder):
        return lambda name: store.size(name) is not None
    return set(store.names()).intersection(wanted).__contains__


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
