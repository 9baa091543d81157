"""Stored envelopes behind the port Vault: chunks as blobs, and after the opening their plaintext.

A sealed file is never stored twice: its bytes are the head and the chunks in their order, read
through one seekable view. What was opened lies apart and locked (``api/adapters/opened.py``).
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from api.adapters.blobs import PART, BlobReads, Blobs
from api.adapters.buyer_keys import BuyerKeys
from api.adapters.locked_file import LockedFile
from api.adapters.opened import Document, OpenedFiles
from api.adapters.uploads import Uploads
from domain.archives import ArchiveContents
from domain.errors import DomainError
from domain.scanning import Piece


class Spread(io.RawIOBase):
    """Blobs one after another, read as one seekable file."""

    def __init__(self, blobs: BlobReads, rows: Sequence[tuple[str, int]]) -> None:
        self._blobs = blobs
        self._rows = rows
        self._size = sum(size for _, size in rows)
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
        for index, (name, size) in enumerate(self._rows):
            if self._at < begin + size:
                file = self._blob(index, name)
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

    def _blob(self, index: int, name: str) -> BinaryIO:
        if self._open is None or self._open[0] != index:
            if self._open is not None:
                self._open[1].close()
            self._open = None
            self._open = (index, self._blobs.open(name))
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

    @property
    def size(self) -> int:
        """The bytes that came so far."""
        return self._size

    def parts(self) -> Iterator[bytes]:
        """Yield what came so far, as a scanner reads it before anything is kept."""
        self._file.flush()
        with self._path.open("rb") as file:
            while data := file.read(PART):
                yield data

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

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a home that hold bytes
        self,
        blobs: Blobs,
        uploads: Uploads,
        folder: Path,
        reserve: int,
        fresh: Callable[[], str],
        keys: BuyerKeys,
        rooms: Sequence[Path] = (),
    ) -> None:
        self._blobs = blobs
        self._rooms = (folder, *rooms)
        self._uploads = uploads
        self._folder = folder
        self._reserve = reserve
        self._fresh = fresh
        self._keys = keys
        # guarded by _lock: the room promised to each announced transmission
        self._lock = threading.Lock()
        self._promised: dict[str, int] = {}
        incoming = folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in incoming.iterdir():
            left.unlink()
        self._opened = OpenedFiles(folder, keys, self._committed, incoming)

    @property
    def keys(self) -> BuyerKeys:
        """The keys under which opened documents lie."""
        return self._keys

    def put(self, data: bytes) -> str:
        """Store bytes durably; return their name, the hash."""
        return self._blobs.put(data)

    def read(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        return self._blobs.get(name)

    def blob(self, name: str) -> Stored | None:
        """Return a blob to be served, None if it is not here."""
        size = self._blobs.size(name)
        return None if size is None else Stored(self._blobs, name, size)

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
        # also where blobs lie elsewhere: what is opened of them will lie here
        free = min(shutil.disk_usage(room).free for room in self._rooms)
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
        if len(parts) < upload.chunks or any(self._blobs.size(name) is None for name, _ in rows):
            return None
        return closing(io.BufferedReader(Spread(self._blobs, rows), PART))

    def plaintext(self, deposit: str) -> AbstractContextManager[LockedFile]:
        """Give a place for a plaintext, published only when the block ends without error."""
        return self._opened.plaintext(deposit)

    def keep_partials(
        self, deposit: str, lot: str, plan_no: int, partials: Mapping[int, bytes]
    ) -> None:
        """Add the custodians' answers, by index, beside the envelope, durably; none is lost."""
        self._opened.keep_partials(deposit, lot, plan_no, partials)

    def kept_partials(self, deposit: str, lot: str, plan_no: int) -> Sequence[tuple[int, bytes]]:
        """Return the answers that are kept for an envelope under one plan of a lot, by index."""
        return self._opened.kept_partials(deposit, lot, plan_no)

    def keep_sitting(
        self, deposit: str, lot: str, plan_no: int, told: Sequence[Mapping[str, str]]
    ) -> None:
        """Keep what each custodian said when it was asked for an envelope, durably."""
        self._opened.keep_sitting(deposit, lot, plan_no, told)

    def sitting(self, deposit: str, lot: str, plan_no: int) -> list[dict[str, str]]:
        """Return what each custodian said when it was last asked for an envelope."""
        return self._opened.sitting(deposit, lot, plan_no)

    def pieces(self, deposit: str) -> Sequence[Piece]:
        """Return the documents of an opened envelope, as a scanner reads them."""
        return self._opened.pieces(deposit)

    def keep_scan(self, deposit: str, trace: bytes) -> None:
        """Add the trace of one scan, durably; none is replaced."""
        self._opened.keep_scan(deposit, trace)

    def scans(self, deposit: str) -> list[bytes]:
        """Return the traces of all scans of an envelope, the oldest first."""
        return self._opened.scans(deposit)

    def partials(self, deposit: str) -> list[dict[str, Any]]:
        """Return the stored answers of the custodians, of every lot and plan, each once."""
        return self._opened.partials(deposit)

    def opened(self, deposit: str) -> list[Document]:
        """Return the documents of an opened envelope; a broken package is one raw document."""
        return self._opened.documents(deposit)

    def listed(self, deposit: str) -> bytes | None:
        """Return the list of documents of an opened package with its salts, None of others."""
        return self._opened.listed(deposit)

    def opened_archive(
        self, deposit: str, document: Document
    ) -> ArchiveContents | DomainError | None:
        """Return what a document holds as an archive, or why it is refused; None: it is none."""
        return self._opened.archive(deposit, document)

    def opened_parts(self, deposit: str, document: Document) -> Iterator[bytes]:
        """Yield the bytes of one document."""
        return self._opened.parts(deposit, document)

    def lock_all(self) -> int:
        """Lock and overwrite what an earlier version left in clear; return how many files."""
        return self._opened.lock_all()

    def destroy_key(self, buyer: str, reason: str) -> None:
        """Make everything that was opened of a buyer unreadable, for ever."""
        self._keys.destroy(buyer, reason)

    def is_gone(self, deposit: str) -> bool:
        """Say whether what was opened of a deposit was erased with its buyer."""
        return self._keys.is_gone(deposit)

    def gone(self) -> list[tuple[str, str]]:
        """Return the buyers whose key was destroyed, with the reason."""
        return self._keys.gone()

    def _committed(self, deposit: str) -> str | None:
        upload = self._uploads.of_deposit(deposit)
        return None if upload is None else upload.commitment


@dataclass(frozen=True)
class Stored:
    """A blob that is here."""

    blobs: BlobReads
    name: str
    size: int

    def parts(self) -> Iterator[bytes]:
        """Yield its bytes."""
        with self.blobs.open(self.name) as file:
            while data := file.read(PART):
                yield data
