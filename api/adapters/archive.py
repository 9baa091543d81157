"""A home in one file: a tar written beside a running server, and read back without any trust.

Order of writing: the ledger first, then whatever its entries name (private rows, blobs), all of
which was durable before its entry; so a copy made later holds at least that much. Databases are
copied through SQLite's backup interface, in one read snapshot. The manifest comes last: a file
without it is a backup that was interrupted.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from api.adapters.keys import sync_folder
from ledger.errors import BackupDamaged, BackupTarget
from ledger.sqlite import connect
from ledger.store import Connection
from ledger.transfer import MANIFEST, FileRow, is_file_name

PART = 1024 * 1024
MAX_MANIFEST = 256 * 1024 * 1024
DATABASES = ("ledger.db", "private.db", "uploads.db", "accounts.db", "refusals.db")
SECRET_DATABASES = ("keys/subjects.db",)
BLOBS = "blobs"
FOLDERS = ("envelopes",)
SECRET_FOLDERS = ("keys", "custodians")
PUBLIC = ("keys/timestamps.pem",)
UNFINISHED = ("envelopes/incoming",)
POLICIES = ("policy.txt", "policy-log.txt")


class ArchiveWriter:
    """Writes one archive; nothing is there under its name before it is whole and durable."""

    def __init__(self, target: Path) -> None:
        if target.exists():
            raise BackupTarget(str(target))
        self._target = target
        self._place = target.with_name(f".{target.name}.new")
        self._place.touch()
        self._place.chmod(0o600)  # keys may lie in it, and whatever the log does not say
        self._file = self._place.open("w+b")
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)
        self.rows: list[FileRow] = []

    def snapshot(self, home: Path, name: str, judge: Callable[[Path], None]) -> None:
        """Add a database as it is now; `judge` may read the copy before it is added."""
        copy = self._place.with_name(f"{self._place.name}.{name.replace('/', '-')}")
        copy.touch()
        copy.chmod(0o600)
        address = f"file:{quote(str((home / name).absolute()))}?mode=ro"
        try:
            with (
                closing(sqlite3.connect(address, uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            judge(copy)
            with copy.open("rb") as file:
                self.add(name, file)
        finally:
            copy.unlink(missing_ok=True)

    def add(self, name: str, file: BinaryIO) -> None:
        """Add a file with the bytes that it has now."""
        if not is_file_name(name):
            raise BackupDamaged(f"{name!r} cannot be stored")
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        hashed = _Hashed(file, size)
        self._tar.addfile(_entry(name, size), hashed)
        self.rows.append(FileRow(name, size, hashed.digest.hexdigest()))

    def text(self, name: str, data: bytes) -> None:
        """Add bytes under a name."""
        self._tar.addfile(_entry(name, len(data)), io.BytesIO(data))
        self.rows.append(FileRow(name, len(data), hashlib.sha256(data).hexdigest()))

    def finish(self, manifest: bytes) -> None:
        """Add the manifest, make all durable, and give the archive its name."""
        self._tar.addfile(_entry(MANIFEST, len(manifest)), io.BytesIO(manifest))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._place.rename(self._target)
        sync_folder(self._target.parent)

    def drop(self) -> None:
        """Let go of what was not finished."""
        self._file.close()
        self._place.unlink(missing_ok=True)


class _Hashed(io.RawIOBase):
    """A file of which exactly its first bytes are read, hashed on the way."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.digest = hashlib.sha256()
        self._file = file
        self._left = size

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        self.digest.update(data)
        return data


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def connect_alone(path: Path) -> Connection:
    """Return a connection to a database that nobody changes: no other file is made beside it."""
    return connect(f"file:{quote(str(path.absolute()))}?immutable=1")


def files_of(home: Path, *, keys: bool) -> Iterator[tuple[str, Path]]:
    """Yield name and path of what a backup copies as it lies beside the blobs, in order."""
    folders = FOLDERS + (SECRET_FOLDERS if keys else ())
    for folder in folders:
        for path in sorted((home / folder).rglob("*")):
            name = path.relative_to(home).as_posix()
            if path.is_file() and not _is_unfinished(name) and not _is_database(name):
                yield name, path
    for name in () if keys else PUBLIC:
        if (home / name).is_file():
            yield name, home / name


def blob_name(blob: str) -> str:
    """Return the name of a blob in an archive, and in the home that is restored from it."""
    return f"{BLOBS}/{blob[:2]}/{blob}"


def _is_database(name: str) -> bool:
    """Say whether a file belongs to a database that is copied in one read snapshot."""
    return name.startswith(SECRET_DATABASES)


def _is_unfinished(name: str) -> bool:
    """Say whether a file has not its name yet, or no longer: nothing speaks of it."""
    return name.endswith((".new", ".old")) or name.startswith(
        tuple(f"{each}/" for each in UNFINISHED)
    )


def databases_of(home: Path, *, keys: bool) -> list[str]:
    """Return the databases that a backup copies, the ledger first."""
    names = DATABASES + (SECRET_DATABASES if keys else ())
    return [name for name in names if (home / name).is_file()]


def manifest_of(archive: Path) -> bytes:
    """Return the manifest of an archive, unjudged."""
    with _opened(archive) as tar:
        for entry in tar:
            if entry.name == MANIFEST and entry.isreg() and entry.size <= MAX_MANIFEST:
                return _content(tar, entry).read()
    raise BackupDamaged("it has no manifest: the backup was interrupted")


def policy_of(archive: Path, name: str) -> str:
    """Return a policy that lies in an archive, unjudged."""
    with _opened(archive) as tar:
        for entry in tar:
            if entry.name == name and entry.isreg() and entry.size <= PART:
                return _content(tar, entry).read().decode("utf-8", "replace")
    raise BackupDamaged(f"it has no {name}")


def unpack(archive: Path, rows: tuple[FileRow, ...], folder: Path) -> None:
    """Write exactly the files of a manifest into a new folder, each judged by its hash."""
    wanted = {row.name: row for row in rows}
    with _opened(archive) as tar:
        for entry in tar:
            if entry.name == MANIFEST:
                break
            row = wanted.pop(entry.name, None)
            if row is None or not entry.isreg() or entry.size != row.size:
                raise BackupDamaged(f"{entry.name} is not the file of the manifest")
            _write(_content(tar, entry), row, folder / row.name)
        if tar.next() is not None:
            raise BackupDamaged("something follows the manifest")
    if wanted:
        raise BackupDamaged(f"{min(wanted)} is missing")


def _write(content: BinaryIO, row: FileRow, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while part := content.read(PART):
            digest.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != row.sha256:
        raise BackupDamaged(f"{row.name} has other bytes")


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> BinaryIO:
    content = tar.extractfile(entry)
    assert content is not None  # noqa: S101 - both callers ask for regular files only
    return content  # type: ignore[return-value]


class _opened:  # noqa: N801 - reads as the function that it is
    """An archive for reading; what is no tar is a damaged backup."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    def __enter__(self) -> tarfile.TarFile:
        try:
            self._tar = tarfile.open(self._archive, mode="r:")
        except (tarfile.TarError, OSError) as error:
            raise BackupDamaged(f"{self._archive.name} is no archive: {error}") from error
        return self._tar

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._tar.close()
        if isinstance(error, tarfile.TarError | EOFError):
            raise BackupDamaged(f"{self._archive.name}: {error}") from error
