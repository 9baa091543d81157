"""Readers of an exported or served log: a checkpoint and its tiles, nothing else.

`LogFiles` is the port: bytes of a path, or None. `LogFolder` reads a folder as `pli ledger export`
writes it; what is read is untrusted, so no file is read beyond what its largest honest form needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from crypto import merkle
from crypto.log_errors import IndexOutside, TileMissing
from crypto.policies import Policy, VerifiedCheckpoint
from ledger.proofs import (
    ProvenEntry,
    TileHashes,
    check_growth,
    consistency,
    inclusion,
)
from ledger.tiles import ENTRIES, TILE_WIDTH, TILES, TilePath, is_tile_path, read_bundle, tile_at

CHECKPOINT: Final = "checkpoint"
_LARGEST_FILE: Final = TILE_WIDTH * (2 + 65_535)


class LogFiles(Protocol):
    """What a reader of a log needs."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes at a path, or None where nothing is served."""
        ...


class LogFolder:
    """A log in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None where there is none."""
        try:
            with (self._folder / path).open("rb") as file:
                # One byte more shows that a file is too long, whatever its real length.
                return file.read(_LARGEST_FILE + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def strays(self) -> list[str]:
        """Return what lies under `tile/` and is no tile: nobody reads it, so nobody judges it.

        Partial tiles of older sizes, and tiles beyond the checkpoint, are what a served log keeps.
        """
        return [name for name in self._names() if not is_tile_path(name)]

    def _names(self) -> list[str]:
        found = sorted((self._folder / TILES).rglob("*"))
        return [path.relative_to(self._folder).as_posix() for path in found if not path.is_dir()]


def read_checkpoint(files: LogFiles) -> bytes:
    """Return the served checkpoint, unverified."""
    note = files.read(CHECKPOINT)
    if note is None:
        raise TileMissing(CHECKPOINT)
    return note


def read_entries(files: LogFiles, path: TilePath) -> list[bytes]:
    """Return the entries of a bundle from its own file or, once grown, from the full one."""
    data = files.read(str(path))
    if data is not None:
        return read_bundle(data, path.width)
    data = files.read(str(path.full))
    if data is None:
        raise TileMissing(str(path))
    return read_bundle(data, TILE_WIDTH)[: path.width]


def hashes_of(files: LogFiles, size: int) -> TileHashes:
    """Return the tree of a log of this size, as its tiles have it."""
    return TileHashes(size, lambda path: files.read(str(path)))


def prove_inclusion(
    files: LogFiles, policy: Policy, index: int, entry: bytes | None = None
) -> ProvenEntry:
    """Return the entry at an index (which must be this one, where given) once it is proven."""
    verified = policy.verify(read_checkpoint(files))
    checkpoint = verified.checkpoint
    if not 0 <= index < checkpoint.size:
        raise IndexOutside(index, checkpoint.size)
    if entry is None:
        bundle = tile_at(ENTRIES, index // TILE_WIDTH, checkpoint.size)
        entry = read_entries(files, bundle)[index % TILE_WIDTH]
    proof = inclusion(index, checkpoint.size, hashes_of(files, checkpoint.size))
    leaf = merkle.leaf_hash(entry)
    merkle.check_inclusion(leaf, index, checkpoint.size, proof, checkpoint.root)
    return ProvenEntry(entry, index, checkpoint, verified.cosignatures)


def prove_growth(files: LogFiles, policy: Policy, old: bytes) -> VerifiedCheckpoint:
    """Return the served checkpoint once it is proven to continue an older one (a pin)."""
    new = policy.verify(read_checkpoint(files))
    first = policy.log_alone().verify(old).checkpoint
    proof: list[bytes] = []
    if first.size < new.checkpoint.size:
        hashes = hashes_of(files, new.checkpoint.size)
        proof = consistency(first.size, new.checkpoint.size, hashes)
    check_growth(first, new.checkpoint, proof)
    return new
