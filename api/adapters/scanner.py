"""clamd behind the port Scanner: INSTREAM over a unix socket or TCP, with bounds on all of it.

The protocol is that of clamd(8): a command with ``z`` before and NUL behind it, pieces with their
length in 4 bytes, an empty one at the end, one line as the answer. Whatever clamd does, this
returns: too slow, gone, unknown words are "not scanned", never an error of the opening. After a
silence it is left alone for a while, so that many envelopes do not wait for it one after another.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from api.journal import say
from domain.scanning import NoScanner, NotScanned, Scan, Scanner, ScanVerdict

PIECE: Final = 64 * 1024
LONGEST: Final = 4_096
"""Bytes of an answer that are read at most."""
SIGNATURE: Final = 200
FOUND: Final = re.compile(rb"stream: (.*) FOUND", re.DOTALL)
TCP: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class Bounds:
    """How much and how long, in bytes and seconds."""

    largest: int = 2 * 1024**3
    """Documents above are not sent; clamd's own limit (StreamMaxLength) is usually far lower."""
    connect_s: float = 3.0
    quiet_s: float = 20.0
    """Between two signs of life while the document is sent."""
    whole_s: float = 300.0
    """From the first byte sent to the answer."""
    rest_s: float = 60.0
    """After a silence it is not asked again for so long."""


class Clamd:
    """One clamd; used by many threads, each with a line of its own."""

    def __init__(self, address: str, bounds: Bounds | None = None) -> None:
        self._address = address
        self._bounds = bounds or Bounds()
        # guarded by _lock: until when it is left alone
        self._lock = threading.Lock()
        self._rests_until = 0.0

    def scan(self, parts: Iterable[bytes], size: int) -> Scan:
        """Return what clamd says of a document; NOT_SCANNED whenever it says nothing sound."""
        if size > self._bounds.largest:
            return _not(NotScanned.SIZE)
        with self._lock:
            if time.monotonic() < self._rests_until:
                return _not(NotScanned.SILENT)
        try:
            with closing(self._line()) as line:
                line.sendall(b"zVERSION\0")
                engine = shown(_answer(line, time.monotonic() + self._bounds.quiet_s), 100)
            with closing(self._line()) as line:
                answer = self._stream(line, parts)
        except OSError as error:
            with self._lock:
                self._rests_until = time.monotonic() + self._bounds.rest_s
            say("alarm", about="scanner", code=type(error).__name__)
            return _not(NotScanned.SILENT)
        return parse_answer(answer, engine)

    def _line(self) -> socket.socket:
        tcp = TCP.fullmatch(self._address)
        if tcp is not None:
            place = (tcp[1] or tcp[2], int(tcp[3]))
            line = socket.create_connection(place, self._bounds.connect_s)
        else:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.settimeout(self._bounds.connect_s)
            try:
                line.connect(self._address)
            except OSError:
                line.close()
                raise
        line.settimeout(self._bounds.quiet_s)
        return line

    def _stream(self, line: socket.socket, parts: Iterable[bytes]) -> bytes:
        """Send a document and return the answer; one that comes before the end is the answer."""
        ends = time.monotonic() + self._bounds.whole_s
        try:
            line.sendall(b"zINSTREAM\0")
            for part in parts:
                for start in range(0, len(part), PIECE):
                    if time.monotonic() > ends:
                        raise TimeoutError("clamd takes the document too slowly")
                    piece = part[start : start + PIECE]
                    line.sendall(len(piece).to_bytes(4, "big") + piece)
            line.sendall(bytes(4))
        except (BrokenPipeError, ConnectionResetError):
            # it closes its side once the document is larger than its own limit, and says so
            answer = b""
            with suppress(OSError):
                answer = _answer(line, ends)
            if not answer:
                raise
            return answer
        return _answer(line, ends)


def scanner_of(address: str | None) -> Scanner:
    """Return the scanner of the settings: one that scans nothing where none is named."""
    return NoScanner() if address is None else Clamd(address)


def parse_answer(data: bytes, engine: str) -> Scan:
    """Return what an answer to INSTREAM means; what is not understood was not scanned."""
    line = data.rstrip(b"\0\r\n")
    if line == b"stream: OK":
        return Scan(ScanVerdict.CLEAN, engine)
    if found := FOUND.fullmatch(line):
        return Scan(ScanVerdict.MALWARE, engine, shown(found[1], SIGNATURE) or "?")
    if b"size limit exceeded" in line:
        return _not(NotScanned.SIZE, engine)
    return _not(NotScanned.ANSWER, engine)


def shown(data: bytes, longest: int) -> str:
    """Return the words of an engine as an entry can hold them: printable ASCII, bounded."""
    text = data.rstrip(b"\0\r\n")[:longest].decode("ascii", "replace")
    return "".join(one if " " <= one <= "~" else "?" for one in text).strip()


def _answer(line: socket.socket, ends: float) -> bytes:
    """Return one answer: up to NUL, the end of the line, or as much as anybody needs.

    TimeoutError once the counter stands at ``ends``, however it comes.
    """
    found = b""
    while len(found) < LONGEST and b"\0" not in found:
        line.settimeout(max(0.001, ends - time.monotonic()))
        data = line.recv(LONGEST)
        if not data:
            break
        found += data
    if not found:
        raise ConnectionResetError("clamd closed without an answer")
    return found[:LONGEST].partition(b"\0")[0]


def _not(reason: NotScanned, engine: str = "") -> Scan:
    return Scan(ScanVerdict.NOT_SCANNED, engine, reason=reason)
