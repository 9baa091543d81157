"""Sealing (envelope 7): plan pass, self-check, send pass, each with constant memory.

The plan pass computes the commitment that is announced before the first byte leaves. In the send
pass a chunk leaves only if it is the planned one: were a document to change in between, the same
nonce would encrypt two texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from crypto.aead import TAG_SIZE
from crypto.canonical import Json
from crypto.errors import DocumentsChanged, KeysetMismatch
from crypto.group import random_scalar
from crypto.keyset import Keyset
from crypto.label import Label
from crypto.merkle import CompactRange
from crypto.pli1 import (
    Frame,
    chunk_leaf,
    chunk_nonce,
    deposit_commitment,
    key_commitment,
    open_envelope,
    payload_cipher,
)
from crypto.pli1_header import CHUNK, Header, check_head, encode
from crypto.streams import Piece, Reader, Writer, pieces
from crypto.threshold import encapsulate

LEAF_SIZE: Final = 32


@dataclass(frozen=True)
class Draw:
    """The random values of one envelope; never used for a second one, nor for changed documents."""

    r: bytes
    w: bytes
    nonce: bytes

    SIZE = 144

    @classmethod
    def of(cls, random: bytes) -> Draw:
        """Return the values made from 144 random bytes."""
        return cls(random_scalar(random[:64]), random_scalar(random[64:128]), random[128:144])


@dataclass(frozen=True)
class Documents:
    """What the header says about the package inside: how many documents, under which root."""

    count: int
    root: bytes


@dataclass(frozen=True)
class Plan:
    """The outcome of the plan pass: what will be announced, and the leaf of every chunk."""

    commitment: bytes
    root: bytes
    frame: Frame
    leaves: bytes
    file_size: int

    def leaf(self, index: int) -> bytes:
        """Return the planned leaf of this chunk."""
        return self.leaves[index * LEAF_SIZE : (index + 1) * LEAF_SIZE]


class Sealer:
    """One envelope being sealed; it holds K until the depositor has a verified receipt."""

    def __init__(self, keyset: Keyset, label: Json, draw: Draw, documents: Documents) -> None:
        checked = Label.parse(label)
        if checked.keyset != keyset.digest.hex():
            raise KeysetMismatch(checked.keyset, keyset.digest.hex())
        checked.check_purpose(keyset.ceremony.purpose)
        capsule, self.key = encapsulate(keyset, checked.encoded, draw.r, draw.w)
        header = Header(
            capsule=capsule,
            commit=key_commitment(self.key),
            documents_count=documents.count,
            documents_root=documents.root,
            label=checked,
            nonce=draw.nonce,
            encoded=b"",
        )
        # Reading back what was written: a header that no server would accept is never used.
        self.header = Header.parse(replace(header, encoded=encode(header)).encoded)
        self._digest = keyset.digest
        self._cipher = payload_cipher(self.key, self.header.hash)

    def plan(self, plaintext: Reader, sink: Writer | None = None, threads: int = 1) -> Plan:
        """Encrypt everything once; the sink, if any, receives the whole file."""
        tree = CompactRange()
        leaves = bytearray()
        size = 0
        _write(sink, self.header.head)
        for piece, leaf in self._encrypted(plaintext, threads):
            tree.append(leaf)
            leaves += leaf
            size += piece.size
            _write(sink, memoryview(piece.buffer)[: piece.size + TAG_SIZE])
        frame = Frame.of_plaintext(size)
        root = tree.root()
        return Plan(
            commitment=deposit_commitment(self.header.hash, root, frame.chunks),
            root=root,
            frame=frame,
            leaves=bytes(leaves),
            file_size=len(self.header.head) + frame.body,
        )

    def send(self, plaintext: Reader, plan: Plan) -> Iterator[bytes]:
        """Encrypt again, chunk by chunk; raise DocumentsChanged before a chunk that differs."""
        for piece, leaf in self._encrypted(plaintext, threads=1):
            if leaf != plan.leaf(piece.index):
                raise DocumentsChanged(f"chunk {piece.index} is not the planned one")
            yield bytes(memoryview(piece.buffer)[: piece.size + TAG_SIZE])

    def check(self, file: Reader, plan: Plan) -> None:
        """Return quietly if the written file opens: head, capsule, every chunk, commitment."""
        check_head(self.header.head, self._digest)
        open_envelope(file, self.header.label.encoded, self.key, plan.commitment, _Nowhere())

    def _encrypted(self, plaintext: Reader, threads: int) -> Iterator[tuple[Piece, bytes]]:
        """Yield the pieces in order with their leaves; each buffer holds the chunk."""
        if threads == 1:
            for piece in pieces(plaintext, CHUNK, TAG_SIZE):
                yield piece, self._encrypt(piece)
            return
        yield from self._encrypted_together(plaintext, threads)

    def _encrypted_together(self, plaintext: Reader, threads: int) -> Iterator[tuple[Piece, bytes]]:
        # One more than the workers, so that none waits while a chunk is written or read.
        ahead = threads + 1
        working: deque[tuple[Piece, Future[bytes]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for piece in pieces(plaintext, CHUNK, TAG_SIZE, in_flight=ahead):
                working.append((piece, pool.submit(self._encrypt, piece)))
                if len(working) > ahead:
                    yield _finished(working)
            while working:
                yield _finished(working)

    def _encrypt(self, piece: Piece) -> bytes:
        nonce = chunk_nonce(self.header.nonce, piece.index, int(piece.last))
        size = self._cipher.encrypt(piece.buffer, piece.size, nonce)
        return chunk_leaf(memoryview(piece.buffer)[:size])


class _Nowhere:
    """A sink that keeps nothing."""

    def write(self, data: memoryview, /) -> None:
        pass


def _finished(working: deque[tuple[Piece, Future[bytes]]]) -> tuple[Piece, bytes]:
    piece, leaf = working.popleft()
    return piece, leaf.result()


def _write(sink: Writer | None, data: bytes | memoryview) -> None:
    if sink is not None:
        sink.write(memoryview(data))
