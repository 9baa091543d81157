"""One key for each buyer: what was opened of its procedures lies encrypted under it.

A file ``keys/buyer-<name>.key`` (one line in hexadecimal, mode 0600), made at the first opening.
Destroying it makes every document and every answer of custodians of that buyer unreadable at once,
in older copies of the home too; ``buyer-<name>.gone`` then says so, and no new key takes its place.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

from api.adapters.keys import KEY_BYTES, Random, destroy_file, read_secret, write_durably
from domain.errors import DocumentsGone
from domain.identifiers import ID

PREFIX = "buyer-"


class BuyerKeys:
    """The keys of one home by deposit; ``tenant``: which buyer a deposit belongs to."""

    def __init__(self, folder: Path, random: Random, tenant: Callable[[str], str | None]) -> None:
        self._folder = folder
        self.random = random
        self._tenant = tenant
        self._lock = threading.Lock()

    def nonce(self, size: int) -> bytes:
        """Return random bytes for one file."""
        return self.random.bytes(size)

    def sealing(self, deposit: str) -> bytes:
        """Return the key under which something of this deposit is written, made if it must be."""
        path = self._path(self._buyer(deposit), "key")
        with self._lock:
            if path.exists():
                return _key(path)
            if path.with_suffix(".gone").exists():
                raise DocumentsGone(deposit)
            key = self.random.bytes(KEY_BYTES)
            write_durably(path, key.hex().encode() + b"\n")
            return key

    def opening(self, deposit: str) -> bytes:
        """Return the key under which something of this deposit was written, or DocumentsGone."""
        path = self._path(self._buyer(deposit), "key")
        with self._lock:
            if not path.exists():
                raise DocumentsGone(deposit)
            return _key(path)

    def is_gone(self, deposit: str) -> bool:
        """Say whether the key of a deposit's buyer was destroyed."""
        path = self._path(self._buyer(deposit), "gone")
        return path.exists() and not path.with_suffix(".key").exists()

    def gone(self) -> list[tuple[str, str]]:
        """Return every buyer whose key was destroyed, or is to be, with the reason."""
        found = [json.loads(path.read_bytes()) for path in self._folder.glob(f"{PREFIX}*.gone")]
        return sorted((told["buyer"], told["reason"]) for told in found)

    def destroy(self, buyer: str, reason: str) -> None:
        """Overwrite and remove the key of a buyer; a second call finds nothing to do."""
        path = self._path(buyer, "key")
        told = path.with_suffix(".gone")
        with self._lock:
            if not told.exists():
                write_durably(told, json.dumps({"buyer": buyer, "reason": reason}).encode())
            # after this line no key is made any more; a crash leaves one to destroy again
            if path.exists():
                destroy_file(path, self.random)

    def _buyer(self, deposit: str) -> str:
        buyer = self._tenant(deposit)
        if buyer is None:
            raise LookupError(f"{deposit} belongs to no buyer")
        return buyer

    def _path(self, buyer: str, ending: str) -> Path:
        plain = ID.fullmatch(buyer) is not None
        name = buyer if plain else hashlib.sha256(buyer.encode()).hexdigest()
        return self._folder / f"{PREFIX}{name}.{ending}"


def _key(path: Path) -> bytes:
    return bytes.fromhex(read_secret(path).decode("ascii").strip())
