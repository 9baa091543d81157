"""fsck over a home or an export: what is read, from where, in which order (``ledger.md`` §10).

Beside a running server too: the mark is read before the snapshot, so it is never ahead of it, and
no lock is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from api.adapters.rng import SystemRng
from api.adapters.scrub import blobs, connect_reading
from api.home import Home
from api.wiring import open_reader, subjects_of
from crypto.policies import Policy
from ledger.exported import LogFolder
from ledger.fsck import Finding, LogUnsound, fsck
from ledger.high_water import FolderHighWater
from ledger.home_check import CommandRow, PrivateRow, fsck_home
from ledger.home_check import Home as Checked
from ledger.sqlite import Reads
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


def inspect_home(place: Home, pins: Sequence[bytes], progress: Progress, scratch: Path) -> Shown:
    """Return what is proven of a home, views included, or raise LogUnsound.

    The views are built again in the scratch folder and compared there.
    """
    mark = FolderHighWater(place.highwater).load()
    with open_reader(place) as log:
        policy = Policy.parse(log.policies["policy.txt"])
        with log.reader.snapshot() as reads:
            checked = Checked(
                origin=policy.logs[0].name,
                reads=reads,
                mark=mark,
                checkpoints=published(reads),
                commands=commands(reads),
                blobs=blobs(place.blobs, place.uploads),
                private_rows=private_rows(place),
            )
            sound = fsck_home(checked, policy, pins, progress)
        views = compare(log, place.views, scratch / "views.db")
    if not views.equal:
        finding = Finding("views", "the views are not what the entries make of them")
        raise LogUnsound([finding], {"views": 1})
    shown: Shown = {
        "verdict": "sound",
        "origin": sound.head.origin,
        "size": sound.head.size,
        "streams": sound.streams,
        "views": "not built yet" if views.live is None else "equal",
    }
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
    """Return where the entries of each command stand."""
    rows = reads.connection.execute("SELECT key, first, count FROM commands").fetchall()
    return [CommandRow(str(key), int(first), int(count)) for key, first, count in rows]


def private_rows(place: Home) -> list[PrivateRow]:
    """Return the private rows of a home with the keys that open them."""
    if not place.holds(place.private):
        return []
    subjects = subjects_of(place, SystemRng(), connect_reading)
    try:
        return [PrivateRow(*row) for row in subjects.private_rows()]
    finally:
        subjects.close()
