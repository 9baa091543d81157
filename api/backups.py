"""Backup beside a running server, and restore that proves what it restores (ledger.md §5, T11).

A backup restores the log that it is a copy of only where nothing later is known of that log. An
older one goes on as a successor: a new log, with a new origin and key, whose second entry names the
one before; that one lies whole in `predecessor/`, to be read and proven, never to be written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from api.adapters.archive import (
    PART,
    POLICIES,
    ArchiveWriter,
    blob_name,
    connect_alone,
    databases_of,
    files_of,
    manifest_of,
    policy_of,
    unpack,
)
from api.adapters.blobs import BlobReads, blobs_of, places_of, reads_of
from api.adapters.keys import signing_key
from api.home import Home
from api.inspection import inspect_home, published
from api.settings import Settings
from api.wiring import create_successor, open_reader
from crypto.notes import LOG, Checkpoint, sign_text
from crypto.policies import Policy, VerifiedCheckpoint
from domain.clock import instant_text
from domain.ports import Clock
from ledger.errors import BackupDamaged, BackupTarget, NameRefused, SuccessorOrigin
from ledger.high_water import FolderHighWater
from ledger.recovery import load_levels
from ledger.store import Reads
from ledger.transfer import (
    Evidence,
    Manifest,
    check_newest,
    join_manifest,
    last_witnessed,
    read_evidence,
    read_manifest,
)
from ledger.vault import BlobFolder
from projections.rebuild import rebuild

PREDECESSOR = "predecessor"
Progress = Callable[[int], None]
Shown = dict[str, object]


def backup(place: Home, target: Path, *, clock: Clock, keys: bool = False) -> Manifest:
    """Write a home into one new file, also beside a running server; return what lies in it."""
    key = signing_key(place.log_key, LOG)
    # Before the snapshot, so that it is never larger than what is copied.
    mark = FolderHighWater(place.highwater).load()
    archive = ArchiveWriter(target)
    heads: list[Checkpoint] = []

    def judge(copy: Path) -> None:
        if not heads:  # the ledger comes first
            with closing(connect_alone(copy)) as connection:
                heads.append(_head(Reads(connection), key.name))

    try:
        for name in databases_of(place.folder, keys=keys):
            archive.snapshot(place.folder, name, judge)
        _add_blobs(archive, reads_of(place, Settings()))
        for name, path in files_of(place.folder, keys=keys):
            with path.open("rb") as file:
                archive.add(name, file)
        with open_reader(place) as log:
            policies = log.policies
        for name, text in policies.items():
            archive.text(name, text.encode())
        rows = tuple(sorted(archive.rows))
        at = instant_text(clock.now().latest)
        manifest = Manifest(heads[0], at, keys, mark, rows)
        archive.finish(join_manifest(manifest, sign_text(manifest.text(), key.name, key.seed)))
    except BaseException:
        archive.drop()
        raise
    return manifest


def _add_blobs(archive: ArchiveWriter, store: BlobReads) -> None:
    """Add every blob under the name that it has in a home, wherever it lies."""
    for blob in store.names():
        if blob.endswith(".new"):
            continue
        try:
            file = store.open(blob)
        except NameRefused as error:
            raise BackupDamaged(f"{blob!r} cannot be stored") from error
        with file:
            archive.add(blob_name(blob), file)


@dataclass(frozen=True)
class Restored:
    """A home that was restored and proven, and what it may do now."""

    head: Checkpoint
    witnessed: VerifiedCheckpoint
    goes_on: bool
    inspection: Mapping[str, object]
    policy_given: bool
    """Whether trust came from the user, or only from the archive itself."""

    def shown(self) -> Shown:
        """Return what is said of it."""
        return {
            "origin": self.head.origin,
            "size": self.head.size,
            "root": self.head.root.hex(),
            "witnessed_size": self.witnessed.checkpoint.size,
            "witnessed_root": self.witnessed.checkpoint.root.hex(),
            "witnesses": sorted(self.witnessed.cosignatures),
            "goes_on": self.goes_on,
            "policy": "given" if self.policy_given else "of the archive",
            "verdict": self.inspection["verdict"],
        }


def restore(  # noqa: PLR0913 - the evidence of one restore
    archive: Path,
    place: Home,
    *,
    policy: str | None = None,
    mark: bytes | None = None,
    evidence: Sequence[Evidence] = (),
    progress: Progress = lambda entries: None,
) -> Restored:
    """Restore a home once it is proven and nothing later is known of its log.

    With the mark that survived beside the lost database the home goes on as the same log; without
    one it can be read and proven, and goes on only through `pli ledger adopt`.
    """
    kept = [*evidence, *([Evidence("the high-water mark", mark)] if mark is not None else [])]
    return _restore(archive, place, policy, kept, mark, progress, older=False)


def restore_as_successor(  # noqa: PLR0913 - the evidence of one restore
    archive: Path,
    place: Home,
    *,
    origin: str,
    reason: str,
    policy: str | None = None,
    evidence: Sequence[Evidence] = (),
    progress: Progress = lambda entries: None,
) -> Restored:
    """Restore an older backup to be read, beside a new log that names it as the one before."""
    if place.folder.exists() and any(place.folder.iterdir()):
        raise BackupTarget(str(place.folder))
    trusted = Policy.parse(policy or policy_of(archive, POLICIES[0]))
    if origin in {key.name for key in trusted.logs}:
        raise SuccessorOrigin(origin)
    before = Home(place.folder / PREDECESSOR)
    found = _restore(archive, before, policy, evidence, None, progress, older=True)
    # A crash before the next line leaves a proven predecessor and no log: remove and repeat.
    create_successor(place, origin, found.head, reason)
    return replace(found, goes_on=True)


def _restore(  # noqa: PLR0913, PLR0917 - the evidence of one restore
    archive: Path,
    place: Home,
    policy: str | None,
    evidence: Sequence[Evidence],
    mark: bytes | None,
    progress: Progress,
    *,
    older: bool,
) -> Restored:
    if place.folder.exists():
        raise BackupTarget(str(place.folder))
    # 1 the manifest, under the user's policy or else the archive's own
    trusted = Policy.parse(policy or policy_of(archive, POLICIES[0]))
    manifest = read_manifest(manifest_of(archive), trusted.logs)
    # 2 nothing later is known; a successor is for just that case
    if not older:
        check_newest(manifest.head, trusted, evidence)
    pins = [one.note for one in evidence if _covered(trusted, one, manifest.head)]
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{place.folder.name}.", dir=place.folder.parent))
    try:
        # 3 every file by its hash
        unpack(archive, manifest.files, beside)
        # 4 entries, chains, tiles, root, blobs, rows, anchors; the witnessed checkpoint; the views
        found = _prove(Home(beside), manifest, trusted, pins, progress)
        _place_blobs(Home(beside), Settings())
        if mark is not None:
            FolderHighWater(beside / "highwater").swap(None, mark)
        # Named last: a crash before leaves nothing under the name of a home.
        beside.rename(place.folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return Restored(manifest.head, found[0], mark is not None, found[1], policy is not None)


def _prove(
    home: Home,
    manifest: Manifest,
    trusted: Policy,
    pins: Sequence[bytes],
    progress: Progress,
) -> tuple[VerifiedCheckpoint, Shown]:
    with tempfile.TemporaryDirectory(dir=home.folder) as scratch:
        shown = inspect_home(
            home,
            pins,
            progress,
            Path(scratch),
            mark=manifest.mark,
            store=BlobFolder(home.blobs),
        )
    with open_reader(home) as log, log.reader.snapshot() as reads:
        head = _head(reads, manifest.head.origin)
        notes = [note for _, note in published(reads)]
        rebuild(log, home.views)
    if head != manifest.head:
        raise BackupDamaged(f"the log has size {head.size}, the manifest {manifest.head.size}")
    return last_witnessed(trusted, notes), shown


def _place_blobs(home: Home, settings: Settings) -> None:
    """Bring the blobs of a proven home to where the settings want them; repeated, it goes on."""
    places = places_of(home, settings)
    if places == (home.blobs,):
        return
    here, store = BlobFolder(home.blobs), blobs_of(home, settings)
    for name in here.names():
        with here.open(name) as file:
            store.put(iter(partial(file.read, PART), b""))
    if home.blobs not in places:
        shutil.rmtree(home.blobs)
        home.blobs.mkdir(mode=0o700)


def _covered(policy: Policy, kept: Evidence, head: Checkpoint) -> bool:
    """Say whether the backup must contain what somebody kept."""
    return read_evidence(policy, kept).size <= head.size


def _head(reads: Reads, origin: str) -> Checkpoint:
    levels = load_levels(reads)
    return Checkpoint(origin, levels.size, levels.root(levels.size))
