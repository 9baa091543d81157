"""The file of the key that wraps the keys of subjects: one line in hexadecimal, two in a change.

A key that is no longer in force is overwritten.
"""

from __future__ import annotations

from pathlib import Path

from api.adapters.keys import Random, let_go, read_secret, supplant


class SubjectsKeyFile:
    """The wrapping keys of one home."""

    def __init__(self, path: Path, random: Random) -> None:
        self._path = path
        self._random = random

    def keys(self) -> list[bytes]:
        """Return the key in force; two while one takes the place of the other."""
        return [bytes.fromhex(line) for line in read_secret(self._path).decode().split()]

    def add(self, key: bytes) -> None:
        """Keep one more key, durably."""
        self._replace([*self.keys(), key])

    def keep(self, key: bytes) -> None:
        """Destroy every key but this one, durably."""
        let_go(self._path, self._random)
        if self.keys() != [key]:
            self._replace([key])

    def _replace(self, keys: list[bytes]) -> None:
        lines = "".join(f"{key.hex()}\n" for key in keys)
        supplant(self._path, lines.encode(), self._random)
