"""Blobs in a folder, named by their SHA-256: durable before anybody is told (N1).

Temporary file → fsync → rename → fsync of the folder. A name is created once and never written
again; equal bytes share it. Only where what lies under a name is no longer what the name says do
the right bytes take its place, so that a repetition never acknowledges a damaged blob. A failed
fsync stops the process and is never repeated (N2).
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from ledger.errors import BlobDiffers, BlobMissing, NameRefused, StorageFull
from ledger.fail_stop import FailStop
from ledger.files import SYSTEM, Files
from ledger.ports import Halt, never_halt

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = 1024 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def proven(name: str, data: bytes) -> bytes:
    """Return the bytes of a blob if they have the hash that is its name, or raise BlobDiffers."""
    if hashlib.sha256(data).hexdigest() != name:
        raise BlobDiffers(name)
    return data


class BlobFolder:
    """One folder of blobs, only read: beside the process that writes it, or without any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return where a blob lies, whether it is there or not."""
        if not _NAME.fullmatch(name):
            raise NameRefused(name)
        return self._folder / name[:2] / name

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a blob, None if it is not there."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """Return a blob for reading as it lies there, or raise BlobMissing."""
        try:
            return self.path(name).open("rb")
        except FileNotFoundError as error:
            raise BlobMissing(name) from error

    def get(self, name: str) -> bytes:
        """Return the bytes of a blob once they have its hash, or raise BlobDiffers."""
        with self.open(name) as file:
            return proven(name, file.read())

    def names(self, first: str = "") -> Iterator[str]:
        """Yield the names of all blobs in order, or of those with a first byte."""
        for path in self._paths(first):
            yield path.name

    def scrub(self, first: str = "") -> Iterator[tuple[str, str]]:
        """Read blobs again; yield the name of each and the hash of what was found under it."""
        for path in self._paths(first):
            yield path.name, hash_of(path)

    def _paths(self, first: str) -> Iterator[Path]:
        for folder in sorted(self._folder.glob(f"{first}*")):
            if (
                len(folder.name) == 2 and folder.is_dir()
            ):  # beside them: names that are being written
                yield from sorted(folder.iterdir())


class Vault(BlobFolder):
    """One folder of blobs, written by one process; every thread may use it."""

    def __init__(self, folder: Path, *, halt: Halt = never_halt, files: Files = SYSTEM) -> None:
        super().__init__(folder)
        self._new = folder / "new"
        self._files = files
        self._fail_stop = FailStop(halt)
        self._numbers = itertools.count()
        self._making = threading.Lock()  # held until a new folder's own name is durable
        with self._guarded(self._new / "none"):
            files.make(self._new)
            for left in self._new.iterdir():  # of a process that was killed: nobody was told of it
                files.unlink(left)
            # A killed process may have made a folder here without making its name durable.
            files.sync_folder(folder)

    def put(self, data: bytes | Iterable[bytes]) -> str:
        """Store bytes durably and return their name; the memory used is that of one part."""
        place = self._new / str(next(self._numbers))
        digest = hashlib.sha256()
        with self._guarded(place):
            with self._files.create(place) as file:
                for part in (data,) if isinstance(data, bytes) else data:
                    file.write(part)
                    digest.update(part)
                self._files.sync(file)
            self._name(digest.hexdigest(), place)
        return digest.hexdigest()

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Make a file durable that will be adopted: a failure stops the process as any other."""
        with self._guarded(path):
            self._files.sync(file)

    def adopt(self, name: str, path: Path) -> None:
        """Take over a file of the same volume that is durable and whose hash this is."""
        self.path(name)
        with self._guarded(path):
            self._name(name, path)

    def open(self, name: str) -> BinaryIO:
        """Return a blob for reading as it lies there, or raise BlobMissing."""
        self._fail_stop.check()
        return super().open(name)

    def _name(self, name: str, source: Path) -> None:
        """Give durable bytes their name; after the last line the name is durable too."""
        target = self.path(name)
        with self._making:
            if not target.parent.is_dir():
                self._files.make(target.parent)
        if target.exists() and hash_of(target) == name:
            self._files.unlink(source)
        else:
            self._files.rename(source, target)
        # Also where another thread has just renamed its own copy: its name may not be durable yet.
        self._files.sync_folder(target.parent)

    @contextmanager
    def _guarded(self, temporary: Path) -> Iterator[None]:
        self._fail_stop.check()
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                self._files.unlink(temporary)
                raise StorageFull from error
            raise self._fail_stop.trip(f"vault: {error}") from error
        except BaseException:
            self._files.unlink(temporary)
            raise


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex; the memory used is that of one part."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()
