"""Where blobs lie: the port of the vault's bytes, and the places that the settings name.

``PLI_BLOBS`` is a folder, or ``s3://BUCKET/PREFIX?endpoint=URL&region=NAME&credentials=FILE``; the
folder ``blobs`` of the home where nothing is set. ``PLI_BLOBS_COPY`` names a second place of either
kind. No secret stands in an address: keys come from the file (mode 0600), else from the
environment of the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from api.adapters.two_copies import TwoCopies
from ledger.errors import LedgerError
from ledger.ports import Halt, never_halt
from ledger.vault import BlobFolder, Vault

if TYPE_CHECKING:
    from api.adapters.object_store import ObjectStore
    from api.home import Home
    from api.settings import Settings

PART: Final = 1024 * 1024
"""Bytes moved at once."""
REGION: Final = "us-east-1"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_KEYS: Final = frozenset({"endpoint", "region", "credentials"})


class PlaceRefused(LedgerError):
    """A setting names no place where blobs can lie."""

    code = "vault.place"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: FOLDER | s3://BUCKET/PREFIX?endpoint=URL&credentials=FILE")
        self.why = why


class ObjectDriverAbsent(LedgerError):
    """An object store is configured, and the library that speaks to it is not installed."""

    code = "vault.no-driver"

    def __init__(self) -> None:
        super().__init__("an object store needs the extra s3: pip install 'pli[s3]'")


class BlobReads(Protocol):
    """Blobs by name, only read."""

    def size(self, name: str) -> int | None:
        """Return the number of bytes of a blob, None if it is not there."""

    def open(self, name: str) -> BinaryIO:
        """Return a blob for reading as it lies there, seekable, or raise BlobMissing."""

    def get(self, name: str) -> bytes:
        """Return the bytes of a blob once they have its hash, or raise BlobDiffers."""

    def names(self, first: str = "") -> Iterator[str]:
        """Yield the names of all blobs in order, or of those with a first byte (two digits)."""

    def scrub(self, first: str = "") -> Iterator[tuple[str, str]]:
        """Read blobs again; yield the name of each and the hash of what was found under it."""


class Blobs(BlobReads, Protocol):
    """Blobs by name: what was put is durable before its name is told (N1)."""

    def put(self, data: bytes | Iterable[bytes]) -> str:
        """Store bytes durably and return their name; the memory used is bounded.

        A name is written once. A repetition compares what lies there, and only what is no longer
        what its name says is replaced.
        """

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Make a file of this machine durable that will be adopted."""

    def adopt(self, name: str, path: Path) -> None:
        """Take over a file of this machine whose hash this is; the file is gone afterwards."""


@dataclass(frozen=True)
class Bucket:
    """A place in an object store; keys are read from the file when it is first used."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = REGION
    credentials: Path | None = None

    def __str__(self) -> str:
        """Return the place as an operator knows it, without its parameters."""
        return f"s3://{self.bucket}/{self.prefix}"


Place = Path | Bucket


def place_of(text: str) -> Place:
    """Return the place that a setting names, or raise PlaceRefused."""
    if not text.startswith("s3:"):
        if "://" in text or not text.strip():
            raise PlaceRefused("no folder and no bucket")
        return Path(text)
    try:
        parts = urlsplit(text)
        fields = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError as error:
        raise PlaceRefused("unreadable address") from error
    if set(fields) - _KEYS or any(len(values) != 1 for values in fields.values()):
        raise PlaceRefused("unknown or repeated parameter")
    prefix = parts.path.strip("/")
    if "@" in parts.netloc or not _BUCKET.fullmatch(parts.netloc) or parts.fragment:
        raise PlaceRefused("no name of a bucket")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise PlaceRefused("no prefix")
    given = {name: values[0] for name, values in fields.items()}
    endpoint = given.get("endpoint")
    if endpoint is not None and not re.fullmatch(r"https?://[^/?#@\s]+", endpoint):
        raise PlaceRefused("no endpoint")
    credentials = Path(given["credentials"]) if "credentials" in given else None
    return Bucket(parts.netloc, prefix, endpoint, given.get("region", REGION), credentials)


def places_of(home: Home, settings: Settings) -> tuple[Place, ...]:
    """Return the first place and, where there is one, the second."""
    first = home.blobs if settings.blobs is None else place_of(settings.blobs)
    if settings.blobs_copy is None:
        return (first,)
    second = place_of(settings.blobs_copy)
    if second in {first, home.blobs}:
        raise PlaceRefused("both copies in one place")
    return (first, second)


def endpoints(home: Home, settings: Settings) -> list[str]:
    """Return the addresses of the services that keep blobs, where the settings name any."""
    places = places_of(home, settings)
    return [one.endpoint for one in places if isinstance(one, Bucket) and one.endpoint]


class FolderElsewhere(Vault):
    """A folder that may be of another volume: what it takes over is copied, then let go of."""

    def adopt(self, name: str, path: Path) -> None:
        """Take over a file of this machine whose hash this is; the file is gone afterwards."""
        self.path(name)
        with path.open("rb") as file:
            self.put(iter(partial(file.read, PART), b""))
        path.unlink()


def blobs_of(home: Home, settings: Settings, *, halt: Halt = never_halt) -> Blobs:
    """Return the blobs of a home for writing; two places are one store of two copies."""
    made = [_written(home, place, halt) for place in places_of(home, settings)]
    return made[0] if len(made) == 1 else TwoCopies(made[0], made[1], home.envelopes)


def reads_of(home: Home, settings: Settings) -> BlobReads:
    """Return the blobs of a home for reading, beside a running server too: nothing is mended."""
    made = [_read(home, place) for place in places_of(home, settings)]
    if len(made) == 1:
        return made[0]
    return TwoCopies(cast("Blobs", made[0]), cast("Blobs", made[1]), home.envelopes, mends=False)


def _written(home: Home, place: Place, halt: Halt) -> Blobs:
    if isinstance(place, Bucket):
        return object_store(place, home.envelopes)
    return (Vault if place == home.blobs else FolderElsewhere)(place, halt=halt)


def _read(home: Home, place: Place) -> BlobReads:
    if isinstance(place, Bucket):
        return object_store(place, home.envelopes)
    return BlobFolder(place)


def object_store(place: Bucket, scratch: Path | None = None) -> ObjectStore:
    """Return an object store, or raise ObjectDriverAbsent."""
    try:
        from api.adapters.object_store import ObjectStore
    except ImportError as error:
        raise ObjectDriverAbsent from error
    return ObjectStore(place, scratch)
