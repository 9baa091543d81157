"""The head of a PLI1 file (envelope 5): magic, length, canonical header, closed list of suites.

A header is read in one order everywhere, so that every reader gives the same reason: canonical and
suite a string, suite known, keys and forms; then, for a server, the keyset and the capsule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crypto import canonical
from crypto.canonical import Json
from crypto.digests import sha256
from crypto.errors import (
    FormRefused,
    FramingRefused,
    HeaderRefused,
    KeysetMismatch,
    SuiteUnknown,
)
from crypto.forms import integer, members, octets
from crypto.label import Label
from crypto.log_errors import NotCanonical
from crypto.threshold import CAPSULE_SIZE, check_capsule

MAGIC: Final = b"PLI1"
CHUNK: Final = 1_048_576
SUITE: Final = "PLI1-edwards25519-TDH2-XChaCha20Poly1305"
MAX_HEADER: Final = 65_536
MAX_DOCUMENTS: Final = 65_536
PREFIX: Final = len(MAGIC) + 4
_KEYS: Final = (
    "capsule",
    "chunk",
    "commit",
    "documents_count",
    "documents_root",
    "label",
    "nonce",
    "suite",
)


@dataclass(frozen=True)
class Header:
    """A header of the specified form; ``encoded`` is what the file holds, ``hash`` its hh."""

    capsule: bytes
    commit: bytes
    documents_count: int
    documents_root: bytes
    label: Label
    nonce: bytes
    encoded: bytes

    @property
    def hash(self) -> bytes:
        """Hh, the additional data of every chunk."""
        return sha256(self.encoded)

    @property
    def head(self) -> bytes:
        """Everything before chunk 0."""
        return MAGIC + len(self.encoded).to_bytes(4, "big") + self.encoded

    @classmethod
    def parse(cls, encoded: bytes) -> Header:
        """Return the header of these bytes, or refuse: header, suite, header again."""
        try:
            fields = canonical.decode(encoded)
        except NotCanonical as refusal:
            raise HeaderRefused(str(refusal)) from refusal
        suite = fields.get("suite")
        if not isinstance(suite, str):
            raise HeaderRefused("the suite is no string")
        if suite != SUITE:
            raise SuiteUnknown(suite)
        try:
            return _parse(fields, encoded)
        except FormRefused as refusal:
            raise HeaderRefused(refusal.what) from refusal


def encode(header: Header) -> bytes:
    """Return the canonical bytes of a header that is being made; ``encoded`` is not looked at."""
    return canonical.encode(
        {
            "capsule": header.capsule.hex(),
            "chunk": CHUNK,
            "commit": header.commit.hex(),
            "documents_count": header.documents_count,
            "documents_root": header.documents_root.hex(),
            "label": canonical.decode(header.label.encoded),
            "nonce": header.nonce.hex(),
            "suite": SUITE,
        }
    )


def check_head(head: bytes, digest: bytes) -> Header:
    """Return the header of a head that a server may accept before any chunk.

    head is everything before chunk 0, exactly; digest is the keyset of the consultation.
    """
    length = header_length(head[:PREFIX])
    if len(head) != PREFIX + length:
        raise FramingRefused(f"a head of {len(head)} bytes, {PREFIX + length} announced")
    header = Header.parse(head[PREFIX:])
    if header.label.keyset != digest.hex():
        raise KeysetMismatch(header.label.keyset, digest.hex())
    check_capsule(digest, header.label.encoded, header.capsule)
    return header


def header_length(prefix: bytes) -> int:
    """Return the length that the first 8 bytes of a file announce, or raise FramingRefused."""
    if len(prefix) != PREFIX or not prefix.startswith(MAGIC):
        raise FramingRefused("the file does not begin with PLI1 and a length")
    length = int.from_bytes(prefix[len(MAGIC) :], "big")
    if length > MAX_HEADER:
        raise FramingRefused(f"a header of {length} bytes, at most {MAX_HEADER}")
    return length


def _parse(fields: Json, encoded: bytes) -> Header:
    known = members(fields, _KEYS)
    integer(known["chunk"], CHUNK, CHUNK)
    if len(encoded) > MAX_HEADER:
        raise FormRefused(f"{len(encoded)} bytes, at most {MAX_HEADER}")
    return Header(
        capsule=octets(known["capsule"], CAPSULE_SIZE),
        commit=octets(known["commit"], 32),
        documents_count=integer(known["documents_count"], 1, MAX_DOCUMENTS),
        documents_root=octets(known["documents_root"], 32),
        label=Label.parse(known["label"]),
        nonce=octets(known["nonce"], 16),
        encoded=encoded,
    )
