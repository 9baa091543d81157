"""The line between a browser and the platform: it can be cut, and it hears what is sent."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import quote

BLOCK = 65_536
# closing with this on sends a reset: what was on its way is lost, as when a cable is pulled
RESET = struct.pack("ii", 1, 0)


def written(word: str) -> set[bytes]:
    """Return how a word may stand in what is sent: plain, escaped, or encoded."""
    plain = word.encode()
    found = {plain, word.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()}
    found |= {quote(word).encode(), json.dumps(word)[1:-1].encode()}
    for shift in range(3):
        # the digits that depend on what stands before and behind are left out
        digits = base64.b64encode(bytes(shift) + plain)
        found.add(digits[-(-8 * shift // 6) : len(digits) // 4 * 4 - 4])
    return found


class Line:
    """Listens on a port and passes everything on to another one, until it is cut."""

    def __init__(self, port: int, target: int, words: set[str]) -> None:
        self.sent = 0
        self.heard: set[str] = set()
        self.cut = threading.Event()
        self._marks = {word: written(word) for word in words}
        self._longest = max(len(mark) for marks in self._marks.values() for mark in marks)
        self._cut_at: int | None = None
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """Cut the line once so many more bytes were sent."""
        self._cut_at = self.sent + count

    def mend(self) -> None:
        """Let everything through again."""
        self.cut.clear()

    def close(self) -> None:
        """Stop listening."""
        self._door.close()
        self._break()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._door.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                if not self._joined(here, there):
                    continue
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(
                        target=self._pass, args=(source, sink, source is here), daemon=True
                    ).start()

    def _joined(self, here: socket.socket, there: socket.socket) -> bool:
        """Keep both ends to be cut with the line, or reset them where it is cut already."""
        with self._lock:
            whole = not self.cut.is_set()
            if whole:
                self._open |= {here, there}
        if not whole:
            _reset(here)
            _reset(there)
        return whole

    def _pass(self, source: socket.socket, sink: socket.socket, sent: bool) -> None:
        tail = b""
        with suppress(OSError):
            while block := source.recv(BLOCK):
                if sent:
                    self._hear(tail + block)
                    tail = block[-self._longest :]
                    if self._count(len(block)):
                        self._break()
                        break
                sink.sendall(block)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _hear(self, data: bytes) -> None:
        for word, marks in self._marks.items():
            if any(mark in data for mark in marks):
                self.heard.add(word)

    def _count(self, size: int) -> bool:
        with self._lock:
            self.sent += size
            if self._cut_at is None or self.sent < self._cut_at:
                return False
            self._cut_at = None
            self.cut.set()  # in here, so that no connection joins between this and its break
        return True

    def _break(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            _reset(end)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.close()
