"""clamd as far as its protocol goes: VERSION and INSTREAM, a limit, and moods in which it fails."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VERSION = b"ClamAV 1.4.2/27500/Mon Nov  2 09:00:00 2026"
SIGNATURE = b"Win.Test.EICAR_HDB-1"


def eicar() -> bytes:
    """Return the test file of the trade, put together here: no scanner stops at this repository."""
    halves = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC", "AR-STANDARD-ANTIVI", "RUS-TEST-FILE!$H+H*")
    return "".join(halves).encode()


class FakeClamd:
    """Listens on a unix socket or on TCP; ``mood``: sound, silent, closing or babbling.

    ``dripping``: the command whose answer never ends.
    """

    def __init__(self, path: Path | None = None, limit: int = 1 << 30) -> None:
        self.limit = limit
        self.mood = "sound"
        self.dripping: bytes | None = None
        self.scanned: list[str] = []
        if path is None:
            self._door = socket.create_server(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        else:
            self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._door.bind(str(path))
            self._door.listen()
            self.address = str(path)
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._released.set()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError), line.makefile("rb") as read:
            command = _until_nul(read)
            if self.mood == "silent":
                self._released.wait(30)
            elif self.mood == "babbling":
                line.sendall(b"\xffno\nsense\0")
            elif command == self.dripping:  # a sign of life now and then, and never an answer
                while not self._released.wait(0.05):
                    line.sendall(b".")
            elif command == b"zVERSION":
                line.sendall(VERSION + b"\0")
            elif command == b"zINSTREAM" and self.mood != "closing":
                line.sendall(self._judged(read) + b"\0")

    def _judged(self, read) -> bytes:
        found = b""
        while size := int.from_bytes(read.read(4), "big"):
            if len(found) + size > self.limit:
                return b"INSTREAM size limit exceeded. ERROR"
            found += read.read(size)
        self.scanned.append(hashlib.sha256(found).hexdigest())
        return b"stream: " + (SIGNATURE + b" FOUND" if eicar() in found else b"OK")


def _until_nul(read) -> bytes:
    found = b""
    while (one := read.read(1)) not in {b"", b"\0"}:
        found += one
    return found


@contextmanager
def clamd(path: Path | None = None, **options) -> Iterator[FakeClamd]:
    made = FakeClamd(path, **options)
    try:
        yield made
    finally:
        made.close()
