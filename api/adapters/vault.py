"""Stored envelopes behind the port Vault: chunks as blobs, and after the opening their plaintext.

A sealed file is never stored twice: its bytes are the head and the chunks in their order, read
through one seekable view. What was opened lies apart, under the deposit's name; names of documents
are data, never paths (N13).
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from api.adapters.keys import sync_folder, write_durably
from api.adapters.uploads import Uploads
from api.adapters.zip_directory import archive_in
from crypto.errors import CryptoError, PackageRefused
from crypto.names import shown_name
from crypto.package import MAGIC, MAX_MANIFEST, Manifest
from domain.archives import ArchiveContents
from domain.errors import DomainError
from ledger.vault import Vault as Blobs

PART = 1024 * 1024
"""Bytes moved at once."""


@dataclass(frozen=True)
class Document:
    """One document of an opened envelope: where its bytes lie in the plaintext."""

    name: str
    size: int
    sha256: str
    offset: int


class Spread(io.RawIOBase):
    """Blobs one after another, read as one seekable file."""

    def __init__(self, files: list[tuple[Path, int]]) -> None:
        self._files = files
        self._size = sum(size for _, size in files)
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the place of the next read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read from the blob at this place; the next one takes another call."""
        begin = 0
        for index, (path, size) in enumerate(self._files):
            if self._at < begin + size:
                file = self._blob(index, path)
                file.seek(self._at - begin)
                data = file.read(min(len(buffer), begin + size - self._at))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            begin += size
        return 0

    def close(self) -> None:
        """Give the blob back."""
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def _blob(self, index: int, path: Path) -> BinaryIO:
        if self._open is None or self._open[0] != index:
            if self._open is not None:
                self._open[1].close()
            self._open = (index, path.open("rb"))
        return self._open[1]


class Incoming:
    """A file that is being received: durable, and named by its hash, only when kept."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file = path.open("xb")
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def keep(self) -> tuple[str, int]:
        """Make the file durable under its hash; return hash and size."""
        self._blobs.sync(self._file, self._path)
        self._file.close()
        name = self._hash.hexdigest()
        self._blobs.adopt(name, self._path)
        return name, self._size

    def drop(self) -> None:
        """Let go of what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class EnvelopeVault:
    """The bytes of one home: dossiers, envelopes, answers of custodians, opened plaintext."""

    def __init__(
        self, blobs: Blobs, uploads: Uploads, folder: Path, reserve: int, fresh: Callable[[], str]
    ) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._folder = folder
        self._reserve = reserve
        self._fresh = fresh
        # guarded by _lock: the room promised to each announced transmission, kept answers
        self._lock = threading.Lock()
        self._promised: dict[str, int] = {}
        for part in ("incoming", "opened", "partials"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in (folder / "incoming").iterdir():
            left.unlink()

    def put(self, data: bytes) -> str:
        """Store bytes durably; return their name, the hash."""
        return self._blobs.put(data)

    def read(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        return self._blobs.get(name)

    def blob(self, name: str) -> Stored | None:
        """Return a blob to be served, None if it is not here."""
        path = self._blobs.path(name)
        return Stored(path, path.stat().st_size) if path.is_file() else None

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Give a place for a file of unknown size; what is not kept is dropped."""
        place = Incoming(self._blobs, self._folder / "incoming" / self._fresh())
        try:
            yield place
        finally:
            place.drop()

    def reserve(self, transmission: str, size: int) -> bool:
        """Keep room for this many bytes; False: there is none."""
        free = shutil.disk_usage(self._folder).free
        with self._lock:
            others = sum(room for name, room in self._promised.items() if name != transmission)
            if size + others + self._reserve > free:
                return False
            self._promised[transmission] = size
        return True

    def promised(self, transmission: str, size: int) -> None:
        """Keep room again after a restart for what is still to come: it was promised then."""
        with self._lock:
            self._promised[transmission] = size

    def set_reserve(self, reserve: int) -> None:
        """Change the room that no transmission may take."""
        with self._lock:
            self._reserve = reserve

    def release(self, transmission: str) -> None:
        """Give back the room of an ended transmission."""
        with self._lock:
            self._promised.pop(transmission, None)

    def sealed(self, deposit: str) -> AbstractContextManager[io.BufferedReader] | None:
        """Return the stored file ``.pli``, seekable; None: bytes are missing on every copy."""
        upload = self._uploads.of_deposit(deposit)
        if upload is None or upload.head is None:
            return None
        parts = self._uploads.parts(upload.transmission)
        rows = [(upload.head, upload.head_size), *((part.blob, part.size) for part in parts)]
        files = [(self._blobs.path(name), size) for name, size in rows]
        if len(parts) < upload.chunks or not all(path.is_file() for path, _ in files):
            return None
        return closing(io.BufferedReader(Spread(files), PART))

    @contextmanager
    def plaintext(self, deposit: str) -> Iterator[io.BufferedRandom]:
        """Give a place for a plaintext, published only when the block ends without error."""
        path = self._folder / "opened" / deposit
        place = self._folder / "incoming" / f"{deposit}.{self._fresh()}"
        try:
            with place.open("x+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            place.replace(path)
            sync_folder(path.parent)
        finally:
            place.unlink(missing_ok=True)

    def keep_partials(
        self, deposit: str, lot: str, plan_no: int, partials: Mapping[int, bytes]
    ) -> None:
        """Add the custodians' answers, by index, beside the envelope, durably; none is lost.

        The ledger names the hash of each answer given, so one that is kept is never replaced.
        """
        path = self._folder / "partials" / f"{deposit}.{lot}.{plan_no}.json"
        rows = [{"index": n, "partial": data.hex()} for n, data in partials.items()]
        with self._lock:
            write_durably(path, orjson.dumps(_distinct([*_rows(path), *rows])))

    def partials(self, deposit: str) -> list[dict[str, Any]]:
        """Return the stored answers of the custodians, of every lot and plan, each once."""
        paths = sorted((self._folder / "partials").glob(f"{deposit}.*.json"))
        return _distinct([row for path in paths for row in _rows(path)])

    def opened(self, deposit: str) -> list[Document]:
        """Return the documents of an opened envelope; a broken package is one raw document."""
        path = self._folder / "opened" / deposit
        if not path.is_file():
            return []
        try:
            return _documents(path)
        except CryptoError:
            return [Document("pli-brut.bin", path.stat().st_size, "", 0)]

    def opened_archive(
        self, deposit: str, document: Document
    ) -> ArchiveContents | DomainError | None:
        """Return what a document holds as an archive, or why it is refused; None: it is none."""
        with (self._folder / "opened" / deposit).open("rb") as file:
            return archive_in(file, document.offset, document.size)

    def opened_parts(self, deposit: str, document: Document) -> Iterator[bytes]:
        """Yield the bytes of one document."""
        with (self._folder / "opened" / deposit).open("rb") as file:
            file.seek(document.offset)
            left = document.size
            while left and (data := file.read(min(PART, left))):
                left -= len(data)
                yield data


@dataclass(frozen=True)
class Stored:
    """A blob on disk."""

    path: Path
    size: int

    def parts(self) -> Iterator[bytes]:
        """Yield its bytes."""
        with self.path.open("rb") as file:
            while data := file.read(PART):
                yield data


def _rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.is_file() else []
    return found


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each answer once, in the order of their indices."""
    once = {(row["index"], row["partial"]): row for row in rows}
    return sorted(once.values(), key=lambda row: int(row["index"]))


def _documents(path: Path) -> list[Document]:
    with path.open("rb") as file:
        prefix = file.read(8)
        length = int.from_bytes(prefix[4:8], "big")
        if prefix[:4] != MAGIC or length > MAX_MANIFEST:
            raise PackageRefused("no package")
        manifest = Manifest.parse(file.read(length))
    found, offset = [], 8 + length
    for number, row in enumerate(manifest.documents, 1):
        name = shown_name(row.name, number)
        found.append(Document(name, row.size, row.sha256.hex(), offset))
        offset += row.size
    return found
