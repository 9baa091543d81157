"""Blobs in a bucket of an object store (S3), through obstore, the extra ``s3``.

A blob is the object ``PREFIX/ab/NAME``. Objects are created, never overwritten (``If-None-Match``),
so of two writers one is first; a name that is taken is compared with its hash, and only what is no
longer what its name says is replaced. An answer that was lost is no doubt: the same put again finds
what the first one left. S3 has no such creation for an upload in parts: what is larger than one
part is written whole or not at all, under its own hash, and read back before its name is told.
Every object sealed by a depositor (a head, a chunk) is smaller than that.

No message of the service is repeated: it may tell keys, addresses and names (N15).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final, cast

import obstore
from obstore import exceptions as refusals
from obstore.store import S3Store

from api.adapters.blobs import PART, Bucket
from api.adapters.bucket_keys import keys_of
from ledger.errors import BlobDiffers, BlobMissing, LedgerError, NameRefused
from ledger.vault import proven

PIECE: Final = 8 * 1024 * 1024
"""The largest object that is created in one request, and held in memory for it."""
PATIENCE_S: Final = 20
"""Seconds of silence that end a request, and after which it is no longer repeated."""
LONGEST: Final = timedelta(hours=6)
_HEX: Final = frozenset("0123456789abcdef")


class BlobsUnreachable(LedgerError):
    """The object store does not answer, or answers with a fault of its own: try again."""

    code = "vault.unreachable"

    def __init__(self) -> None:
        super().__init__("the object store does not answer; nothing was acknowledged")


class BlobsDenied(LedgerError):
    """The object store does not accept the keys, or they allow too little."""

    code = "vault.denied"

    def __init__(self) -> None:
        super().__init__("the object store refuses the keys that it was shown")


class BucketAbsent(LedgerError):
    """The bucket of the setting does not exist: nothing is said of what lies in it."""

    code = "vault.bucket"

    def __init__(self, bucket: str) -> None:
        super().__init__(f"there is no bucket {bucket}")
        self.bucket = bucket


class ObjectStore:
    """The blobs of one prefix of one bucket; every thread may use it."""

    def __init__(
        self, place: Bucket, scratch: Path | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._place = place
        self._scratch = str(scratch) if scratch is not None and scratch.is_dir() else None
        key, secret, token = keys_of(place.credentials, os.environ)
        self._store = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config={
                "access_key_id": key,
                "secret_access_key": secret,
                **({"session_token": token} if token else {}),
                "region": place.region,
                **({"endpoint": place.endpoint} if place.endpoint else {}),
                "checksum_algorithm": "SHA256",  # the service checks what arrives
                "conditional_put": "etag",
            },
            client_options={
                "allow_http": (place.endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                # of silence: a large blob may take as long as it comes
                "read_timeout": timedelta(seconds=patience_s),
                "timeout": LONGEST,
            },
            retry_config={
                "max_retries": 4,
                "retry_timeout": timedelta(seconds=patience_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=50),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    def put(self, data: bytes | Iterable[bytes]) -> str:
        """Store bytes durably and return their name; the memory used is that of one piece."""
        if isinstance(data, bytes) and len(data) <= PIECE:
            name = hashlib.sha256(data).hexdigest()
            self._create(name, data)
            return name
        digest = hashlib.sha256()
        with self._spooled() as file:
            for part in (data,) if isinstance(data, bytes) else data:
                file.write(part)
                digest.update(part)
            name = digest.hexdigest()
            self._keep(name, file)
        return name

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Let a file of this machine be read by its name; only in the bucket is it durable."""
        file.flush()

    def adopt(self, name: str, path: Path) -> None:
        """Take over a file of this machine whose hash this is; the file is gone afterwards."""
        with path.open("rb") as file:
            self._keep(name, file)
        path.unlink()

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a blob, None if it is not there."""
        try:
            with self._told(name):
                return int(obstore.head(self._store, _key(name))["size"])
        except BlobMissing:
            pass
        # An answer without a body does not tell a blob that is gone from a bucket that is.
        try:
            with self._told(name):
                return int(obstore.get(self._store, _key(name)).meta["size"])
        except BlobMissing:
            return None

    def open(self, name: str) -> BinaryIO:
        """Return a blob for reading as it lies there, fetched whole, or raise BlobMissing."""
        file = self._spooled()
        try:
            for part in self._parts(name):
                file.write(part)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def get(self, name: str) -> bytes:
        """Return the bytes of a blob once they have its hash, or raise BlobDiffers."""
        return proven(name, b"".join(self._parts(name)))

    def names(self, first: str = "") -> Iterator[str]:
        """Yield the names of all blobs in order, or of those with a first byte (two digits)."""
        with self._told(first):
            for rows in obstore.list(self._store, first or None):
                for row in rows:
                    folder, _, name = str(row["path"]).rpartition("/")
                    if folder == name[:2]:
                        yield name

    def scrub(self, first: str = "") -> Iterator[tuple[str, str]]:
        """Read blobs again; yield the name of each and the hash of what was found under it."""
        for name in self.names(first):
            yield name, self._hash(name, f"{name[:2]}/{name}")

    def check(self) -> None:
        """Return quietly if the bucket can be listed, or raise what is wrong with it."""
        with self._told(""):
            for _ in obstore.list(self._store, "check"):
                break

    def tried(self, data: bytes) -> str | None:
        """Create and drop a probe; return what is wrong, None for nothing."""
        return None if self.keeps_what_is_there(data) else "read differs"

    def keeps_what_is_there(self, data: bytes) -> bool:
        """Write a probe twice; say whether the second creation was refused. The probe goes."""
        key = f"check/{hashlib.sha256(data).hexdigest()}"
        try:
            with self._told(""):
                obstore.put(self._store, key, data, mode="create")
                try:
                    obstore.put(self._store, key, b"", mode="create")
                except refusals.AlreadyExistsError:
                    return bytes(obstore.get(self._store, key).bytes()) == data
                return False
        finally:
            with self._told(""):
                obstore.delete(self._store, key)

    # -- inner

    def _keep(self, name: str, file: BinaryIO) -> None:
        """Store a file of this machine whose hash this is."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= PIECE:
            self._create(name, file.read())
            return
        if self._is_sound(name):
            return
        with self._told(name):
            obstore.put(
                self._store,
                _key(name),
                file,
                use_multipart=True,
                chunk_size=PIECE,
                max_concurrency=2,
            )
        if not self._is_sound(name):
            raise BlobDiffers(name)

    def _create(self, name: str, data: bytes) -> None:
        with self._told(name):
            try:
                obstore.put(self._store, _key(name), data, mode="create")
            except refusals.AlreadyExistsError:
                if not self._is_sound(name):
                    obstore.put(self._store, _key(name), data, mode="overwrite")

    def _is_sound(self, name: str) -> bool:
        try:
            return self._hash(name, _key(name)) == name
        except BlobMissing:
            return False

    def _hash(self, name: str, key: str) -> str:
        digest = hashlib.sha256()
        for part in self._fetched(name, key):
            digest.update(part)
        return digest.hexdigest()

    def _parts(self, name: str) -> Iterator[bytes]:
        return self._fetched(name, _key(name))

    def _fetched(self, name: str, key: str) -> Iterator[bytes]:
        with self._told(name):
            for part in obstore.get(self._store, key).stream(min_chunk_size=PART):
                yield bytes(part)

    def _spooled(self) -> BinaryIO:
        return cast("BinaryIO", tempfile.SpooledTemporaryFile(PIECE, dir=self._scratch))

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Raise one class for each reason, without a word of the service."""
        try:
            yield
        except (FileNotFoundError, refusals.NotFoundError) as error:
            absent = "NoSuchBucket" in str(error)
            raise (BucketAbsent(self._place.bucket) if absent else BlobMissing(name)) from None
        except (refusals.PermissionDeniedError, refusals.UnauthenticatedError):
            raise BlobsDenied from None
        except refusals.BaseError as error:
            text = str(error)
            if "NoSuchBucket" in text:
                raise BucketAbsent(self._place.bucket) from None
            denied = any(f"status code: {status}" in text for status in (401, 403))
            raise (BlobsDenied if denied else BlobsUnreachable)() from None


def _key(name: str) -> str:
    if len(name) != 64 or not _HEX.issuperset(name):
        raise NameRefused(name)
    return f"{name[:2]}/{name}"
