"""The platform's own HTTP door, as a depositor meets it: what the probes knock at.

It calls this process's listening address and nothing else, so no name is resolved and no proxy of
the environment is asked; ``api/adapters/http.py`` stays the one client for what lies outside.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Protocol

ANSWER_S = 10.0
LONGEST = 4 * 1024 * 1024
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - to be replaced


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    body: bytes


class Door(Protocol):
    """Where the probes knock."""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        """Return the answer, whatever its status; raise OSError where there is none in time."""


class OwnDoor:
    """The address on which this process listens."""

    def __init__(self, host: str, port: int, seconds: float = ANSWER_S) -> None:
        self._host = EVERYWHERE.get(host, host)
        self._port = port
        self._seconds = seconds

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        """Return the answer, whatever its status; raise OSError where there is none in time."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        line = http.client.HTTPConnection(self._host, self._port, timeout=self._seconds)
        try:
            line.request(method, path, body or None, {"Connection": "close", **named})
            answer = line.getresponse()
            return Answered(answer.status, answer.read(LONGEST))
        except http.client.HTTPException as error:
            raise ConnectionError(type(error).__name__) from error
        finally:
            line.close()
