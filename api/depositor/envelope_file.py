"""A sealed envelope as it lies on the depositor's disk: its record, head, chunks and their leaves.

What leaves is compared with what was planned: the commitment of the whole file before the first
call, and the leaf of each chunk when it is read again to be sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from api.depositor.errors import DocumentUnreadable, KitRefused, SealRefused
from api.depositor.sealing import record_path
from crypto.canonical import Json
from crypto.digests import sha256
from crypto.errors import CryptoError, DocumentsChanged
from crypto.forms import integer, octets, text
from crypto.pli1 import FULL, Frame, chunk_leaf, commitment_of_leaves, read_header
from crypto.pli1_header import PREFIX, Header
from crypto.streams import pieces


@dataclass(frozen=True)
class Record:
    """What `pli seal` noted beside the envelope."""

    path: Path
    deposit: str
    commitment: str
    bytes: int
    documents: int
    pieces: Path
    kit: Mapping[str, Json]
    transmission: str | None
    attempt: int

    @classmethod
    def read(cls, envelope: Path) -> Record:
        """Return the record of an envelope, or refuse."""
        path = record_path(envelope)
        try:
            raw = json.loads(path.read_bytes())
            kit = raw["kit"]
            return cls(
                path=path,
                deposit=octets(raw["deposit"], 16).hex(),
                commitment=octets(raw["commitment"], 32).hex(),
                bytes=integer(raw["bytes"], 1, 2**53 - 1),
                documents=integer(raw["documents_count"], 1, 65_536),
                pieces=path.with_name(text(raw["pieces"])),
                kit=cast("Mapping[str, Json]", kit),
                transmission=raw.get("transmission"),
                attempt=integer(raw.get("attempt", 1), 1, 2**31),
            )
        except OSError as error:
            raise DocumentUnreadable(path.name, error.strerror or str(error)) from error
        except (CryptoError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise KitRefused(f"{path.name}: {error}") from error

    def note(self, transmission: str | None, attempt: int) -> None:
        """Keep the transmission in the record, so that a second run resumes it."""
        raw = json.loads(self.path.read_bytes()) | {"attempt": attempt}
        raw.pop("transmission", None)
        if transmission is not None:
            raw["transmission"] = transmission
        data = json.dumps(raw, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
        temporary = self.path.with_name(self.path.name + ".part")
        temporary.write_bytes(data)
        temporary.replace(self.path)


@dataclass(frozen=True)
class EnvelopeFile:
    """A whole envelope whose bytes have the recorded commitment."""

    path: Path
    header: Header
    frame: Frame
    leaves: tuple[bytes, ...]
    commitment: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.header.head) + self.frame.body

    @classmethod
    def check(cls, path: Path, recorded: str) -> EnvelopeFile:
        """Return the envelope once its bytes are those that were sealed, else raise."""
        try:
            with path.open("rb", buffering=0) as file:
                encoded = read_header(file)
                leaves, body = [], 0
                for piece in pieces(file, FULL):
                    leaves.append(chunk_leaf(piece.view))
                    body += piece.size
        except OSError as error:
            raise DocumentUnreadable(path.name, error.strerror or str(error)) from error
        found = commitment_of_leaves(sha256(encoded), leaves).hex()
        if found != recorded:
            raise SealRefused(f"{path.name} changed since it was sealed: {found}, not {recorded}")
        return cls(path, Header.parse(encoded), Frame.of_body(body), tuple(leaves), found)

    def chunk(self, index: int) -> bytes:
        """Return a chunk; one that is not the planned one never leaves."""
        with self.path.open("rb") as file:
            file.seek(PREFIX + len(self.header.encoded) + index * FULL)
            data = file.read(self.frame.size(index))
        if chunk_leaf(data) != self.leaves[index]:
            raise DocumentsChanged(f"chunk {index} of {self.path.name}")
        return data


def manifest_of(record: Record, header: Header) -> list[Mapping[str, Json]]:
    """Return the list of documents kept beside the envelope, checked against its root."""
    from crypto.package import Manifest

    try:
        data = record.pieces.read_bytes()
    except OSError as error:
        raise DocumentUnreadable(record.pieces.name, error.strerror or str(error)) from error
    manifest = Manifest.parse(data)
    if (manifest.root, len(manifest.documents)) != (header.documents_root, header.documents_count):
        raise SealRefused(f"{record.pieces.name} is not the list of the documents inside")
    return [
        {"name": one.name, "sha256": one.sha256.hex(), "size": one.size}
        for one in manifest.documents
    ]
