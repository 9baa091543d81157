"""Ports for servers that are started, killed and started again."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from random import SystemRandom
from typing import Any

ABOVE, BELOW = 12_000, 32_000
"""Below the range from which a kernel takes ports for its own ends of connections: a port of that
range may be gone when a killed server wants it back."""

TRIES = 6_000


def free_port(below: int = BELOW) -> int:
    """Return a port on which nothing listens."""
    chance = SystemRandom()
    for _ in range(1_000):
        port = chance.randrange(ABOVE, below)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def wait_listening(process: subprocess.Popen[Any], port: int, host: str = "127.0.0.1") -> None:
    """Return once something listens on a port; an error of the test if the process ends first."""
    for _ in range(TRIES):
        assert process.poll() is None, f"the server of port {port} left by itself"
        with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError(f"nothing listens on port {port}")
