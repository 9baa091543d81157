"""fsck over a home or an export: what is read, from where, in which order (``ledger.md`` §10).

Beside a running server too: the mark is read before the snapshot, so it is never ahead of it, and
no lock is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson

from api.adapters.blobs import BlobReads, reads_of
from api.adapters.rng import SystemRng
from api.adapters.scrub import blobs, connect_reading, kept_blob, scrubbed
from api.adapters.timestamps import trusted_roots
from api.home import Home
from api.settings import Settings
from api.wiring import open_reader, subjects_of
from crypto.local_authority import ORGANISATION
from crypto.notes import VerifierKey
from crypto.policies import Policy
from ledger.anchors import AnchorRow, stamped_bytes
from ledger.export import Anchored
from ledger.exported import LogFolder
from ledger.fsck import Finding, LogUnsound, fsck
from ledger.high_water import FolderHighWater
from ledger.home_check import CommandRow, PrivateRow, fsck_home
from ledger.home_check import Home as Checked
from ledger.scrub import Slice, scrub_slice
from ledger.store import Reads
from replay.rebuild import compare

Progress = Callable[[int], None]
Shown = dict[str, object]


def inspect_folder(folder: Path, policy: str, pins: Sequence[bytes], progress: Progress) -> Shown:
    """Return what is proven of an exported log, or raise LogUnsound."""
    sound = fsck(LogFolder(folder), Policy.parse(policy), pins, progress)
    return {
        "verdict": "sound",
        "origin": sound.checkpoint.origin,
        "size": sound.checkpoint.size,
        "root": sound.checkpoint.root.hex(),
        "streams": sound.streams,
        "cosignatures": sorted(sound.cosignatures),
    }


def scrub_home(place: Home, highwater: Path | None = None) -> Iterator[Finding]:
    """Read everything of a home again, slice by slice, beside a running server too."""
    with open_reader(place) as log:
        store = reads_of(place, Settings())
        stored = scrubbed(place, log.reader, log.policies["policy.txt"], highwater, store)
        here, findings = scrub_slice(stored, Slice())
        yield from findings
        while here != Slice():
            here, findings = scrub_slice(stored, here)
            yield from findings


def inspect_home(  # noqa: PLR0913 - a home, and what its copy has not
    place: Home,
    pins: Sequence[bytes],
    progress: Progress,
    scratch: Path,
    *,
    mark: bytes | None = None,
    store: BlobReads | None = None,
) -> Shown:
    """Return what is proven of a home, views included, or raise LogUnsound.

    The views are built again in the scratch folder and compared there. `mark` and `store`: of a
    home that has none of its own, because it is a copy whose blobs lie in it.
    """
    kept = store if store is not None else reads_of(place, Settings())
    if mark is None:
        mark = FolderHighWater(Settings().highwater or place.highwater).load()
    with open_reader(place) as log:
        policy = Policy.parse(log.policies["policy.txt"])
        with log.reader.snapshot() as reads:
            checked = Checked(
                origin=policy.logs[0].name,
                reads=reads,
                mark=mark,
                checkpoints=published(reads),
                commands=commands(reads),
                blobs=blobs(kept, place.uploads),
                private_rows=private_rows(place),
                anchors=anchors(reads, kept),
                trusted=trusted_roots(place.keys, Settings().tsa_certificates),
            )
            sound = fsck_home(checked, policy, pins, progress)
        views = compare(log.reader, place.views, scratch / "views.db")
    if not views.equal:
        finding = Finding("views", "the views are not what the entries make of them")
        raise LogUnsound([finding], {"views": 1})
    shown: Shown = {
        "verdict": "sound",
        "origin": sound.head.origin,
        "size": sound.head.size,
        "streams": sound.streams,
        "views": "not built yet" if views.live is None else "equal",
        "stamps": len(sound.stamps),
    }
    if test := sum(ORGANISATION in stamp.authority for stamp in sound.stamps.values()):
        shown["stamps_without_legal_value"] = test
    if sound.published is not None:
        shown |= {"published": sound.published.size, "root": sound.published.root.hex()}
    return shown


def published(reads: Reads) -> list[tuple[int, bytes]]:
    """Return every published checkpoint with its cosignatures, by size."""
    found: list[tuple[int, bytes]] = []
    while row := reads.checkpoint(found[-1][0] + 1 if found else 0):
        found.append(row)
    return found


def commands(reads: Reads) -> list[CommandRow]:
    """Return the row of each command."""
    rows = reads.connection.execute("SELECT key, first, count, digest FROM commands").fetchall()
    return [
        CommandRow(str(key), int(first), int(count), bytes(data))
        for key, first, count, data in rows
    ]


def anchors(reads: Reads, store: BlobReads) -> list[AnchorRow]:
    """Return every anchor of the log with its token, by position."""
    sql = "SELECT position, stream, version, entry FROM events WHERE kind = 'CheckpointAnchored'"
    found = []
    for position, stream, version, entry in reads.connection.execute(sql).fetchall():
        data = orjson.loads(entry)["data"]
        name = data.get("token_hash")
        token = kept_blob(store, name) if name else None
        found.append(AnchorRow(position, stream, version, data["size"], data["root"], name, token))
    return sorted(found, key=lambda row: row.position)


def stamps(reads: Reads, place: Home, keys: Sequence[VerifierKey]) -> list[Anchored]:
    """Return each stamped size with its first token, as an export carries them."""
    notes = dict(published(reads))
    found: dict[int, Anchored] = {}
    for row in anchors(reads, reads_of(place, Settings())):
        if row.token is not None and row.size in notes:
            own = stamped_bytes(notes[row.size], keys)
            found.setdefault(row.size, Anchored(row.size, own, row.token))
    return [found[size] for size in sorted(found)]


def private_rows(place: Home) -> list[PrivateRow]:
    """Return the private rows of a home with the keys that open them; none without its key."""
    if not (place.holds(place.private) and place.holds(place.subject_keys)):
        return []
    subjects = subjects_of(place, SystemRng(), connect_reading)
    try:
        return [PrivateRow(*row) for row in subjects.private_rows()]
    finally:
        subjects.close()
