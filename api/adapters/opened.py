"""What was opened, at rest: plaintexts, answers of custodians and scans, encrypted by buyer.

Plaintext never lies on the disk: it is locked while it is decrypted (``api/adapters/locked_file``)
under the key of its buyer, and unlocked by the piece while it is read. Answers of custodians are
locked too: with them and the sealed chunks anybody could open the envelope again. Names of
documents are data, never paths (N13).

A home of an earlier version holds both in clear, in ``opened`` and ``partials``: each such file is
locked, then overwritten, at the next start or when it is asked for, whichever comes first.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from api.adapters.buyer_keys import BuyerKeys
from api.adapters.keys import destroy_file, sync_folder, write_durably
from api.adapters.locked_file import NONCE_BYTES, LockedFile
from api.adapters.zip_directory import archive_in
from crypto.digests import H
from crypto.errors import CryptoError, PackageRefused
from crypto.names import shown_name
from crypto.package import MAGIC, MAX_MANIFEST, Manifest
from domain.archives import ArchiveContents
from domain.errors import DomainError
from domain.scanning import Piece

PART: Final = 1024 * 1024
"""Bytes moved at once."""
DOCUMENTS, ANSWERS, SCANS, SITTINGS = "documents", "answers", "scans", "sittings"
CLEAR: Final = {"opened": DOCUMENTS, "partials": ANSWERS}
"""Where an earlier version kept in clear what now lies locked."""


@dataclass(frozen=True)
class Document:
    """One document of an opened envelope: where its bytes lie in the plaintext."""

    name: str
    size: int
    sha256: str
    offset: int


class OpenedFiles:
    """The opened files of one home; ``commitment``: what the ledger recorded of a deposit."""

    def __init__(
        self,
        folder: Path,
        keys: BuyerKeys,
        commitment: Callable[[str], str | None],
        incoming: Path,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._commitment = commitment
        self._incoming = incoming
        # guarded by _lock: records that are read and written again, files that are locked late
        self._lock = threading.RLock()
        for part in (DOCUMENTS, ANSWERS, SCANS, SITTINGS):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)

    # -- plaintexts

    @contextmanager
    def plaintext(self, deposit: str) -> Iterator[LockedFile]:
        """Give a place for a plaintext, kept only when the block ends without error."""
        path = self._folder / DOCUMENTS / deposit
        nonce = self._keys.nonce(NONCE_BYTES)
        place = self._incoming / f"{deposit}.{nonce.hex()}"
        key, bound = self._keys.sealing(deposit), self._bound(DOCUMENTS, deposit)
        try:
            with place.open("x+b") as file:
                locked = LockedFile.create(file, key, bound, nonce, deposit)
                yield locked
                locked.finish()
                file.flush()
                os.fsync(file.fileno())
            place.replace(path)
            sync_folder(path.parent)
        finally:
            place.unlink(missing_ok=True)

    def documents(self, deposit: str) -> list[Document]:
        """Return the documents of an opened envelope; a broken package is one raw document."""
        if not self._is_here(deposit):
            return []
        with self._reading(deposit) as file:
            try:
                return _documents(file)
            except CryptoError:
                size = file.seek(0, os.SEEK_END)
                return [Document("pli-brut.bin", size, "", 0)]

    def listed(self, deposit: str) -> bytes | None:
        """Return the list of documents with its salts, which proves ``documents_root``."""
        if not self._is_here(deposit):
            return None
        with self._reading(deposit) as file:
            try:
                return _manifest(file)[0].encoded
            except CryptoError:
                return None

    def archive(self, deposit: str, document: Document) -> ArchiveContents | DomainError | None:
        """Return what a document holds as an archive, or why it is refused; None: it is none."""
        with self._reading(deposit) as file:
            return archive_in(file, document.offset, document.size)

    def parts(self, deposit: str, document: Document) -> Iterator[bytes]:
        """Yield the bytes of one document."""
        with self._reading(deposit) as file:
            file.seek(document.offset)
            left = document.size
            while left and (data := file.read(min(PART, left))):
                left -= len(data)
                yield data

    def pieces(self, deposit: str) -> Sequence[Piece]:
        """Return the documents as a scanner reads them."""
        found = self.documents(deposit)
        return [
            Piece(place, one.size, partial(self.parts, deposit, one))
            for place, one in enumerate(found, 1)
        ]

    # -- records

    def keep_partials(
        self, deposit: str, lot: str, plan_no: int, partials: Mapping[int, bytes]
    ) -> None:
        """Add the custodians' answers, by index, durably; none is lost.

        The ledger names the hash of each answer given, so one that is kept is never replaced.
        """
        rows = [{"index": n, "partial": data.hex()} for n, data in partials.items()]
        with self._lock:
            name = f"{deposit}.{lot}.{plan_no}"
            self._write(ANSWERS, name, _distinct([*self._rows(ANSWERS, name), *rows]))

    def partials(self, deposit: str) -> list[dict[str, Any]]:
        """Return the stored answers of the custodians, of every lot and plan, each once."""
        with self._lock:
            self._lock_clear("partials", f"{deposit}.*.json")
            names = sorted(path.name for path in (self._folder / ANSWERS).glob(f"{deposit}.*"))
            return _distinct([row for name in names for row in self._rows(ANSWERS, name)])

    def kept_partials(self, deposit: str, lot: str, plan_no: int) -> list[tuple[int, bytes]]:
        """Return the answers that are kept for an envelope under one plan of a lot, by index."""
        with self._lock:
            self._lock_clear("partials", f"{deposit}.*.json")
            rows = self._rows(ANSWERS, f"{deposit}.{lot}.{plan_no}")
        return [(row["index"], bytes.fromhex(row["partial"])) for row in rows]

    def keep_sitting(
        self, deposit: str, lot: str, plan_no: int, told: Sequence[Mapping[str, str]]
    ) -> None:
        """Keep what each custodian said when it was asked for an envelope, durably."""
        with self._lock:
            self._write(SITTINGS, f"{deposit}.{lot}.{plan_no}", [dict(row) for row in told])

    def sitting(self, deposit: str, lot: str, plan_no: int) -> list[dict[str, str]]:
        """Return what each custodian said when it was last asked; nothing once that is erased."""
        if self._keys.is_gone(deposit):
            return []
        with self._lock:
            return self._rows(SITTINGS, f"{deposit}.{lot}.{plan_no}")

    def keep_scan(self, deposit: str, trace: bytes) -> None:
        """Add the trace of one scan, durably; none is replaced."""
        with self._lock:
            rows = [*self._rows(SCANS, deposit), {"trace": trace.decode()}]
            self._write(SCANS, deposit, rows)

    def scans(self, deposit: str) -> list[bytes]:
        """Return the traces of all scans of an envelope, the oldest first; none once erased."""
        if self._keys.is_gone(deposit):
            return []
        with self._lock:
            return [str(row["trace"]).encode() for row in self._rows(SCANS, deposit)]

    # -- what an earlier version left in clear

    def lock_all(self) -> int:
        """Lock and overwrite every file that lies here in clear; return how many there were."""
        with self._lock:
            return sum(self._lock_clear(old, "*") for old in CLEAR)

    def _lock_clear(self, old: str, pattern: str) -> int:
        found = 0
        for path in sorted((self._folder / old).glob(pattern)):
            if path.name.endswith(".new"):
                path.unlink()
                continue
            deposit = path.name.partition(".")[0]
            if old == "opened":
                with path.open("rb") as clear, self.plaintext(deposit) as locked:
                    shutil.copyfileobj(clear, locked, PART)
            else:
                self._write(ANSWERS, path.stem, orjson.loads(path.read_bytes()))
            # after this line it lies locked, durably: only now may the clear bytes go
            destroy_file(path, self._keys.random)
            found += 1
        return found

    # -- inner

    def _is_here(self, deposit: str) -> bool:
        with self._lock:
            self._lock_clear("opened", deposit)
        return (self._folder / DOCUMENTS / deposit).is_file()

    @contextmanager
    def _reading(self, deposit: str) -> Iterator[io.BufferedReader[LockedFile]]:
        key, bound = self._keys.opening(deposit), self._bound(DOCUMENTS, deposit)
        with (
            (self._folder / DOCUMENTS / deposit).open("rb") as file,
            io.BufferedReader(LockedFile.whole(file, key, bound, deposit), PART) as reader,
        ):
            yield reader

    def _rows(self, part: str, name: str) -> list[dict[str, Any]]:
        path = self._folder / part / name
        if not path.is_file():
            return []
        deposit = name.partition(".")[0]
        key, bound = self._keys.opening(deposit), self._bound(part, name)
        with path.open("rb") as file:
            data = LockedFile.whole(file, key, bound, name).readall()
        found: list[dict[str, Any]] = orjson.loads(data)
        return found

    def _write(self, part: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        deposit = name.partition(".")[0]
        key, bound = self._keys.sealing(deposit), self._bound(part, name)
        out = io.BytesIO()
        locked = LockedFile.create(out, key, bound, self._keys.nonce(NONCE_BYTES), name)
        locked.write(orjson.dumps(list(rows)))
        locked.finish()
        write_durably(self._folder / part / name, out.getvalue())

    def _bound(self, part: str, name: str) -> bytes:
        """Return what a file is for; the recorded commitment is the hash of the sealed document."""
        commitment = self._commitment(name.partition(".")[0]) or ""
        return H("pli/v1/opened", part.encode(), name.encode(), commitment.encode())


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each answer once, in the order of their indices."""
    once = {(row["index"], row["partial"]): row for row in rows}
    return sorted(once.values(), key=lambda row: int(row["index"]))


def _manifest(file: BinaryIO) -> tuple[Manifest, int]:
    """Return the list of a package, and where its documents begin."""
    prefix = file.read(8)
    length = int.from_bytes(prefix[4:8], "big")
    if prefix[:4] != MAGIC or length > MAX_MANIFEST:
        raise PackageRefused("no package")
    return Manifest.parse(file.read(length)), 8 + length


def _documents(file: BinaryIO) -> list[Document]:
    manifest, offset = _manifest(file)
    found = []
    for number, row in enumerate(manifest.documents, 1):
        name = shown_name(row.name, number)
        found.append(Document(name, row.size, row.sha256.hex(), offset))
        offset += row.size
    return found
