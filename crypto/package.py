"""The package inside every envelope (envelope 6): manifest, documents, zeros.

Each document has a salt, so that equal files of two bidders do not show, and its own leaf under
``documents_root``: after opening, one document can be proven without the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crypto import canonical, merkle_peer
from crypto.canonical import Json
from crypto.errors import (
    DocumentsChanged,
    DocumentsRefused,
    FormRefused,
    PackageRefused,
    PaddingRefused,
)
from crypto.forms import LARGEST, integer, items, members, octets, text, word
from crypto.log_errors import NotCanonical
from crypto.names import check_name
from crypto.padding import padded
from crypto.pli1_header import CHUNK, MAX_DOCUMENTS
from crypto.streams import Reader, read_exactly, read_into

MAGIC: Final = b"PLP1"
PIECE_KIND: Final = "piece/v1"
MAX_MANIFEST: Final = 16 * 1024 * 1024
PREFIX: Final = len(MAGIC) + 4
NO_PADDING: Final = "none"
PADME: Final = "padme"


@dataclass(frozen=True)
class Document:
    """One document as the manifest lists it."""

    name: str
    salt: bytes
    sha256: bytes
    size: int

    @property
    def encoded(self) -> Json:
        """The entry of the manifest."""
        return {
            "kind": PIECE_KIND,
            "name": self.name,
            "salt": self.salt.hex(),
            "sha256": self.sha256.hex(),
            "size": self.size,
        }

    @property
    def leaf(self) -> bytes:
        """The leaf of this document under ``documents_root``."""
        return hashlib.sha256(b"\x00" + canonical.encode_value(self.encoded)).digest()


@dataclass(frozen=True)
class Manifest:
    """The documents of one envelope in order, and how its length is hidden."""

    documents: tuple[Document, ...]
    padding: str

    @property
    def encoded(self) -> bytes:
        """The canonical bytes that stand in the package."""
        return canonical.encode(
            {
                "documents": [document.encoded for document in self.documents],
                "padding": self.padding,
                "v": 1,
            }
        )

    @property
    def root(self) -> bytes:
        """The ``documents_root`` of the header."""
        return documents_root(self.documents)

    @property
    def prefix(self) -> bytes:
        """Everything before the first document."""
        manifest = self.encoded
        return MAGIC + len(manifest).to_bytes(4, "big") + manifest

    @property
    def size(self) -> int:
        """The size of the whole plaintext."""
        return self.size_after(len(self.prefix))

    def size_after(self, prefix: int) -> int:
        """Return the size of the whole plaintext when so many bytes come before the documents."""
        length = prefix + sum(document.size for document in self.documents)
        return padded(length) if self.padding == PADME else length

    @classmethod
    def parse(cls, encoded: bytes) -> Manifest:
        """Return the manifest of these bytes, or raise PackageRefused."""
        try:
            return _parse(encoded)
        except (FormRefused, NotCanonical) as refusal:
            raise PackageRefused(str(refusal)) from refusal


@dataclass(frozen=True)
class Package:
    """A plaintext that is a good package; ``offsets`` tell where each document begins in it."""

    manifest: Manifest
    offsets: tuple[int, ...]


def documents_root(documents: Sequence[Document]) -> bytes:
    """Return the root over the documents, in order."""
    return merkle_peer.root([document.leaf for document in documents])


def make_manifest(documents: Iterable[Document], padding: str) -> Manifest:
    """Return the manifest of documents that may be sealed, or raise NameRefused, PackageRefused."""
    manifest = Manifest(tuple(documents), padding)
    for document in manifest.documents:
        check_name(document.name)
    # Reading back what will be written: a package that no reader accepts is never sealed.
    return Manifest.parse(manifest.encoded)


class PackageReader:
    """The plaintext of a package as a stream, made on the way; give it to a Sealer.

    ``contents`` yields each document's open stream, in the order of the manifest, when its turn
    comes. A document of another length than the manifest says raises DocumentsChanged.
    """

    def __init__(self, manifest: Manifest, contents: Iterable[Reader]) -> None:
        self._left = manifest.size
        self._parts = self._produce(manifest, contents)
        self._target = memoryview(b"")

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the buffer from its beginning; return how many bytes came, 0 at the end."""
        self._target = buffer
        return next(self._parts, 0)

    def _produce(self, manifest: Manifest, contents: Iterable[Reader]) -> Iterator[int]:
        yield from self._copy(manifest.prefix)
        for document, content in zip(manifest.documents, contents, strict=True):
            yield from self._document(document, content)
        while self._left:
            count = min(len(self._target), self._left)
            self._target[:count] = bytes(count)
            yield self._count(count)

    def _copy(self, data: bytes) -> Iterator[int]:
        place = 0
        while place < len(data):
            count = min(len(self._target), len(data) - place)
            self._target[:count] = data[place : place + count]
            place += count
            yield self._count(count)

    def _document(self, document: Document, content: Reader) -> Iterator[int]:
        due = document.size
        while due:
            count = read_into(content, self._target[:due])
            if not count:
                raise DocumentsChanged(f"{document.name} is {due} bytes shorter than announced")
            due -= count
            yield self._count(count)
        if read_exactly(content, 1):
            raise DocumentsChanged(f"{document.name} is longer than the {document.size} announced")

    def _count(self, count: int) -> int:
        self._left -= count
        return count


def read_package(plaintext: Reader, size: int, root: bytes, count: int) -> Package:
    """Return the package, or refuse: package, documents, padding, in this order.

    size is the length of the plaintext, root and count those of the header. After a good opening
    a refusal here loses no bid: the plaintext is handed over as one raw document.
    """
    manifest, prefix = _read_manifest(plaintext, size)
    if len(manifest.documents) != count:
        raise DocumentsRefused(f"{len(manifest.documents)} documents, {count} announced")
    if manifest.root != root:
        raise DocumentsRefused("the list of documents is not the announced one")
    offsets = []
    place = prefix
    for document in manifest.documents:
        if _sha256(plaintext, document.size) != document.sha256:
            raise DocumentsRefused(f"{document.name!r} has another SHA-256 than its list says")
        offsets.append(place)
        place += document.size
    if manifest.size_after(prefix) != size:
        raise PaddingRefused(size, f"{manifest.size_after(prefix)} bytes were due")
    _check_zeros(plaintext, size)
    return Package(manifest, tuple(offsets))


def _read_manifest(plaintext: Reader, size: int) -> tuple[Manifest, int]:
    prefix = read_exactly(plaintext, PREFIX)
    if len(prefix) != PREFIX or not prefix.startswith(MAGIC):
        raise PackageRefused("the plaintext does not begin with PLP1 and a length")
    length = int.from_bytes(prefix[len(MAGIC) :], "big")
    if length > min(MAX_MANIFEST, size - PREFIX):
        raise PackageRefused(f"a manifest of {length} bytes in {size}")
    manifest = Manifest.parse(read_exactly(plaintext, length))
    if PREFIX + length + sum(document.size for document in manifest.documents) > size:
        raise PackageRefused("the documents exceed the plaintext")
    return manifest, PREFIX + length


def _parse(encoded: bytes) -> Manifest:
    fields = members(canonical.decode(encoded), ("documents", "padding", "v"))
    integer(fields["v"], 1, 1)
    if len(encoded) > MAX_MANIFEST:
        raise FormRefused(f"a manifest of {len(encoded)} bytes")
    return Manifest(
        tuple(_document(entry) for entry in items(fields["documents"], 1, MAX_DOCUMENTS)),
        word(fields["padding"], (NO_PADDING, PADME)),
    )


def _document(entry: Json) -> Document:
    fields = members(entry, ("kind", "name", "salt", "sha256", "size"))
    word(fields["kind"], (PIECE_KIND,))
    return Document(
        name=text(fields["name"]),
        salt=octets(fields["salt"], 16),
        sha256=octets(fields["sha256"], 32),
        size=integer(fields["size"], 0, LARGEST),
    )


def _sha256(plaintext: Reader, size: int) -> bytes:
    state = hashlib.sha256()
    buffer = memoryview(bytearray(min(size, CHUNK)))
    while size and (count := read_into(plaintext, buffer[:size])):
        state.update(buffer[:count])
        size -= count
    return state.digest()


def _check_zeros(plaintext: Reader, size: int) -> None:
    """Return quietly if the rest is zeros; its length was settled before."""
    buffer = memoryview(bytearray(CHUNK))
    while count := read_into(plaintext, buffer):
        if any(buffer[:count]):
            raise PaddingRefused(size, "the padding is not zero")
