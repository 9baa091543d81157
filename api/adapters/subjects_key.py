"""The file of the key that wraps the keys of subjects: one line in hexadecimal, two in a change.

A key that is no longer in force is overwritten before its file is let go of: a name that is only
replaced leaves the former bytes on the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from api.adapters.keys import Random, destroy_file, read_secret, sync_folder, write_durably


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
        self._let_go()
        if self.keys() != [key]:
            self._replace([key])

    def _replace(self, keys: list[bytes]) -> None:
        os.link(self._path, self._former)
        write_durably(self._path, "".join(f"{key.hex()}\n" for key in keys).encode())
        self._let_go()

    def _let_go(self) -> None:
        """Overwrite the former file, unless a crash came before it had a follower."""
        if not self._former.exists():
            return
        if self._former.samefile(self._path):
            self._former.unlink()
            sync_folder(self._path.parent)
        else:
            destroy_file(self._former, self._random)

    @property
    def _former(self) -> Path:
        return self._path.with_name(f"{self._path.name}.old")
