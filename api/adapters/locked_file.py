"""A file of which only ciphertext ever lies on a disk: written once, then read from any place.

``"PLO1" || nonce (16) || piece 0 || … || piece n-1``: XChaCha20-Poly1305 by the piece, in the
STREAM style of PLI1 (``envelope.md`` §5): the nonce of a piece is that of the file, its place, and
1 for the last one. So no piece can be moved, and nothing can be cut off. ``bound``, the additional
data, says what the file is for: it cannot stand for another one under the same key.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

from crypto.aead import TAG_SIZE, Cipher
from crypto.pli1 import chunk_nonce
from ledger.errors import BlobDiffers

MAGIC: Final = b"PLO1"
NONCE_BYTES: Final = 16
HEAD: Final = len(MAGIC) + NONCE_BYTES
PIECE: Final = 256 * 1024
FULL: Final = PIECE + TAG_SIZE


class LockedFile(io.RawIOBase):
    """One such file; whoever has written it reads it back through the same object.

    Raises BlobDiffers where the bytes are not those that were written under this key for this
    purpose. Used by one thread at a time.
    """

    def __init__(self, file: BinaryIO, cipher: Cipher, nonce: bytes, name: str) -> None:
        super().__init__()
        self._file = file
        self._cipher = cipher
        self._nonce = nonce
        self._name = name
        self._piece = bytearray(FULL)
        self._filled = 0
        self._next: int | None = None
        """The piece that is being written, None once the file is whole."""
        self._held: int | None = None
        """The piece that lies open in ``_piece``."""
        self._size = 0
        self._at = 0

    @classmethod
    def create(
        cls, file: BinaryIO, key: bytes, bound: bytes, nonce: bytes, name: str
    ) -> LockedFile:
        """Begin an empty file at the place of the given one; the nonce serves once."""
        file.write(MAGIC + nonce)
        made = cls(file, Cipher(key, MAGIC + bound), nonce, name)
        made._next = 0
        return made

    @classmethod
    def whole(cls, file: BinaryIO, key: bytes, bound: bytes, name: str) -> LockedFile:
        """Return a file that was written before, for reading; it is closed with what it reads."""
        head = file.read(HEAD)
        if len(head) != HEAD or not head.startswith(MAGIC):
            raise BlobDiffers(name)
        made = cls(file, Cipher(key, MAGIC + bound), head[len(MAGIC) :], name)
        made._measure()
        return made

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say whether it is still being written."""
        return self._next is not None

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: memoryview | bytes) -> int:  # type: ignore[override]
        """Take all of the data; a full piece waits for what follows, for it may be the last."""
        if self._next is None:
            raise io.UnsupportedOperation("the file is whole")
        view, place = memoryview(data), 0
        while place < len(view):
            if self._filled == PIECE:
                self._put(self._next, last=False)
                self._next += 1
            count = min(PIECE - self._filled, len(view) - place)
            self._piece[self._filled : self._filled + count] = view[place : place + count]
            self._filled += count
            place += count
        return len(view)

    def finish(self) -> None:
        """Write what is in hand as the last piece; from here on the file is only read."""
        if self._next is not None:
            self._put(self._next, last=True)
            self._next = None
            self._measure()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the place of the next read; what was being written is whole from now on."""
        self.finish()
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise io.UnsupportedOperation("before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read from the piece at this place; the next one takes another call."""
        self.finish()
        if self._at >= self._size:
            return 0
        index, start = divmod(self._at, PIECE)
        self._load(index)
        count = min(len(buffer), self._filled - start)
        buffer[:count] = memoryview(self._piece)[start : start + count]
        self._at += count
        return count

    def close(self) -> None:
        """Give the file back."""
        if not self.closed:
            self._file.close()
        super().close()

    def _put(self, index: int, *, last: bool) -> None:
        nonce = chunk_nonce(self._nonce, index, int(last))
        size = self._cipher.encrypt(self._piece, self._filled, nonce)
        self._file.write(memoryview(self._piece)[:size])
        self._filled = 0

    def _measure(self) -> None:
        body = self._file.seek(0, os.SEEK_END) - HEAD
        self._pieces = max(1, -(-body // FULL))
        self._size = body - self._pieces * TAG_SIZE
        last = body - (self._pieces - 1) * FULL
        if last < TAG_SIZE or (self._pieces > 1 and last == TAG_SIZE):
            raise BlobDiffers(self._name)
        if not self._size:
            self._load(0)  # no read would ever look at it

    def _load(self, index: int) -> None:
        if self._held == index:
            return
        self._held = None  # the buffer holds nothing that may be read until it is proven
        self._file.seek(HEAD + index * FULL)
        size = self._file.readinto(self._piece)  # type: ignore[attr-defined]
        nonce = chunk_nonce(self._nonce, index, int(index == self._pieces - 1))
        plain = self._cipher.decrypt(self._piece, size, nonce)
        if plain is None:
            raise BlobDiffers(self._name)
        self._held, self._filled = index, plain
