"""A server as its own process, and crowds of raw connections against it (H11).

Sockets of asyncio, no HTTP library: what a client sends, and when, is said byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVE = "from api.cli import main; main()"
UNGUARDED = """
import api.app
import api.adapters.bodies as bodies
import api.cli.serve as serve
api.app.BodyGuard = lambda app, **_options: app
bodies.Allowance.__init__.__defaults__ = (10**12,)
serve.HEAD_MS = 600_000
"""
"""The same server with its guards against slow and many clients taken out."""


class ServerProcess:
    """``pli serve`` on a free port of this machine."""

    def __init__(self, home: Path, before: str = "") -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        serve = ["serve", "--home", str(home), "--port", str(self.port)]
        self._command = [sys.executable, "-c", before + SERVE, *serve]
        self.start()

    def start(self) -> None:
        """Start it, again after it was killed; return once it listens."""
        self.process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PLI_CUSTODIANS_APART": "false", "PLI_KEYSET_POOL": "0"},
        )
        for _ in range(1_200):
            assert self.process.poll() is None, "the server left by itself"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.05)
        end_with_successors(self.process)
        raise AssertionError("the server does not listen")

    @property
    def serving(self) -> int:
        """The process that serves: forked from the first one."""
        return wait_for_serving(self.process.pid)

    def strike(self) -> None:
        """Kill what serves, and only that; return once its successor listens."""
        struck = self.serving
        os.kill(struck, signal.SIGKILL)
        for _ in range(6_000):
            if struck not in children(self.process.pid):
                break
            time.sleep(0.005)
        for _ in range(6_000):
            assert self.process.poll() is None, "the server left by itself"
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.005)
        raise AssertionError("no successor listens")

    def memory(self) -> int:
        """Return the resident bytes of the process that serves."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Return the most resident bytes that it ever held; of one that was struck down: none."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.serving}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024

    def kill(self) -> None:
        """End it at once."""
        end_with_successors(self.process)


def children(parent: int) -> list[int]:
    """Return the processes that one has started and that are not yet waited for."""
    try:
        return [
            int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        ]
    except OSError:
        return []


def wait_for_serving(first: int) -> int:
    """Return the process that serves for this first one, once there is one."""
    for _ in range(6_000):
        if found := children(first):
            return found[0]
        time.sleep(0.005)
    raise AssertionError("nobody serves")


def end_with_successors(process: subprocess.Popen[Any]) -> None:
    """Kill a server with what was forked from it; return once none of them holds anything."""
    forked = children(process.pid)
    process.kill()
    process.wait()
    for one in forked:
        for _ in range(6_000):
            if zombie(one):
                break
            time.sleep(0.005)


def zombie(process: int) -> bool:
    """Say whether a process has ended with all its threads, though nobody has waited for it."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len(list(Path(f"/proc/{process}/task").iterdir())) == 1
    except OSError:
        return True


@dataclass(frozen=True)
class Request:
    """One request as bytes: its head, and its body or a part of it."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    declared: int | None = None

    def head(self) -> bytes:
        """Return the head, with the length that is declared."""
        length = len(self.body) if self.declared is None else self.declared
        rows = [("Host", "pli"), ("Content-Length", str(length)), *self.headers]
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {text}" for name, text in rows)]
        return "\r\n".join([*lines, "", ""]).encode()


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a new connection; a full backlog is waited for."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
    raise AssertionError("no connection")


async def answered(port: int, request: Request) -> tuple[int, float]:
    """Send one request on a line of its own; return status and seconds to its first byte."""
    reader, writer = await opened(port)
    begun = time.monotonic()
    writer.write(request.head() + request.body)
    line = await reader.readline()
    took = time.monotonic() - begun
    writer.close()
    return int(line.split()[1]), took


async def dripping(
    port: int, begin: bytes, seconds: float, begun_with: asyncio.Semaphore | None = None
) -> float | None:
    """Send a beginning, then one byte a second; return after how long it was cut, None if never.

    The semaphore is released once the beginning is on its way whole, or was cut.
    """
    reader, writer = await opened(port)
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        writer.write(begin)
        await writer.drain()
    if begun_with is not None:
        begun_with.release()
    ended = asyncio.create_task(reader.read(1))
    try:
        while time.monotonic() - begun < seconds:
            done, _ = await asyncio.wait([ended], timeout=1)
            if done:
                return time.monotonic() - begun
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
        return None
    finally:
        ended.cancel()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await ended
        writer.close()


async def repeated(ask: Callable[[], Awaitable[float]], seconds: float) -> list[float]:
    """Ask again and again for so long; return how long each answer took."""
    found = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found.append(await ask())
    return found


def p99(seconds: Sequence[float]) -> float:
    """Return the value that one in a hundred exceeds."""
    return sorted(seconds)[int(len(seconds) * 0.99)]
