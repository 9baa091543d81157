"""The envelope file PLI1 (envelope 5): framing, keyless commitment, opening.

The deposit commitment is over ciphertext, so whoever keeps the bytes can prove them without a key;
a difference there outranks every other reason, because it tells "the stored bytes changed" from
"it was sealed wrongly". Chunks are addressable: each is sent, checked and stored by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crypto.aead import TAG_SIZE, Cipher
from crypto.digests import H, sha256, u64
from crypto.errors import (
    ChunkRefused,
    CommitmentMismatch,
    CryptoError,
    FramingRefused,
    KeyRefused,
    LabelMismatch,
)
from crypto.merkle import CompactRange
from crypto.pli1_header import CHUNK, PREFIX, Header, header_length
from crypto.streams import Reader, Writer, pieces, read_exactly

FULL: Final = CHUNK + TAG_SIZE
MAX_CHUNKS: Final = 2**20


@dataclass(frozen=True)
class Frame:
    """How the body of a file is cut: number of chunks, size of the last one with its tag."""

    chunks: int
    last: int

    @classmethod
    def of_body(cls, size: int) -> Frame:
        """Return the frame of so many bytes after the header, or raise FramingRefused."""
        chunks = -(-size // FULL)
        last = size - (chunks - 1) * FULL
        if size < TAG_SIZE or chunks > MAX_CHUNKS or (chunks > 1 and last <= TAG_SIZE):
            raise FramingRefused(f"a body of {size} bytes")
        return cls(chunks, last)

    @classmethod
    def of_plaintext(cls, size: int) -> Frame:
        """Return the frame of a plaintext of this size."""
        chunks = max(1, -(-size // CHUNK))
        return cls.of_body(size + chunks * TAG_SIZE)

    @property
    def body(self) -> int:
        """Bytes after the header."""
        return (self.chunks - 1) * FULL + self.last

    @property
    def plaintext(self) -> int:
        """Bytes of the package inside."""
        return self.body - self.chunks * TAG_SIZE

    def size(self, index: int) -> int:
        """Return the size of this chunk, 0 to chunks - 1, with its tag."""
        return self.last if index == self.chunks - 1 else FULL


@dataclass(frozen=True)
class Committed:
    """What a file commits to; ``header`` is its raw header, not looked into."""

    commitment: bytes
    header: bytes
    header_hash: bytes
    root: bytes
    frame: Frame


@dataclass(frozen=True)
class Opened:
    """An envelope whose bytes, label, key and every chunk were verified."""

    header: Header
    frame: Frame


def chunk_leaf(chunk: bytes | bytearray | memoryview) -> bytes:
    """Return the leaf of one chunk of ciphertext, tag included, without copying it."""
    state = hashlib.sha256(b"\x00")
    state.update(chunk)
    return state.digest()


def chunk_nonce(nonce: bytes, index: int, last: int) -> bytes:
    """Return the nonce of a chunk: header nonce, place, 1 for the last chunk and else 0."""
    return nonce + index.to_bytes(7, "big") + bytes([last])


def payload_cipher(key: bytes, header_hash: bytes) -> Cipher:
    """Return the cipher of all chunks of the envelope with this K and header."""
    return Cipher(H("pli/v1/payload", key, header_hash), header_hash)


def key_commitment(key: bytes) -> bytes:
    """Return the ``commit`` of a header: the cipher alone would not commit to its key."""
    return H("pli/v1/key-commit", key)


def deposit_commitment(header_hash: bytes, root: bytes, chunks: int) -> bytes:
    """Return the commitment that the deposit records."""
    return H("pli/v1/deposit", header_hash, root, u64(chunks))


def commitment_of_leaves(header_hash: bytes, leaves: Iterable[bytes]) -> bytes:
    """Return the commitment from the leaves of all chunks in order, as a server has them."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return deposit_commitment(header_hash, tree.root(), tree.size)


def read_header(file: Reader) -> bytes:
    """Return the raw header of a file that stands at its beginning, or raise FramingRefused."""
    length = header_length(read_exactly(file, PREFIX))
    header = read_exactly(file, length)
    if len(header) != length:
        raise FramingRefused(f"a header of {length} bytes, {len(header)} are there")
    return header


def commitment(file: Reader) -> Committed:
    """Return what the file commits to, without any key and without reading its header's words."""
    header = read_header(file)
    tree = CompactRange()
    body = 0
    for piece in pieces(file, FULL):
        tree.append(chunk_leaf(piece.view))
        body += piece.size
    return _committed(header, tree, body)


def open_envelope(file: Reader, label: bytes, key: bytes, recorded: bytes, sink: Writer) -> Opened:
    """Write the plaintext to the sink and return what was verified, in one reading of the file.

    The sink MUST be a temporary place: only when this returns is the plaintext worth anything.
    Reasons in order of rank: commitment; header, suite; label; key; chunk.
    """
    try:
        encoded = read_header(file)
    except FramingRefused as refusal:
        raise CommitmentMismatch(None, recorded) from refusal
    opening = _Opening(encoded, label, key, sink)
    tree = CompactRange()
    body = 0
    for piece in pieces(file, FULL):
        tree.append(chunk_leaf(piece.view))
        body += piece.size
        opening.take(piece.index, piece.buffer, piece.size, last=piece.last)
    try:
        committed = _committed(encoded, tree, body)
    except FramingRefused as refusal:
        raise CommitmentMismatch(None, recorded) from refusal
    if committed.commitment != recorded:
        raise CommitmentMismatch(committed.commitment, recorded)
    return Opened(opening.result(), committed.frame)


class _Opening:
    """Decrypts as long as nothing is wrong; the first refusal waits for the commitment."""

    def __init__(self, encoded: bytes, label: bytes, key: bytes, sink: Writer) -> None:
        self._sink = sink
        self._refusal: CryptoError | None = None
        try:
            self._header = _matching_header(encoded, label, key)
        except CryptoError as refusal:
            self._refusal = refusal
        else:
            self._cipher = payload_cipher(key, self._header.hash)

    def take(self, index: int, buffer: bytearray, size: int, *, last: bool) -> None:
        if self._refusal is not None or size < TAG_SIZE:
            return
        nonce = chunk_nonce(self._header.nonce, index, int(last))
        plain = self._cipher.decrypt(buffer, size, nonce)
        if plain is None:
            self._refusal = ChunkRefused(index)
        else:
            self._sink.write(memoryview(buffer)[:plain])

    def result(self) -> Header:
        if self._refusal is not None:
            raise self._refusal
        return self._header


def _matching_header(encoded: bytes, label: bytes, key: bytes) -> Header:
    header = Header.parse(encoded)
    if header.label.encoded != label:
        raise LabelMismatch
    if header.commit != key_commitment(key):
        raise KeyRefused
    return header


def _committed(header: bytes, tree: CompactRange, body: int) -> Committed:
    frame = Frame.of_body(body)
    header_hash = sha256(header)
    root = tree.root()
    value = deposit_commitment(header_hash, root, frame.chunks)
    return Committed(value, header, header_hash, root, frame)
