"""What the ledger does to files beside its database: few operations, each with its durability.

A port, so that a disk which loses, refuses or fills can stand under the real vault and the real
mark. A name is durable only once its folder is synced; a rename alone is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol


class Files(Protocol):
    """The file operations of a vault and of a mark."""

    def make(self, folder: Path) -> None:
        """Make a folder, and those above it; each new name is durable afterwards."""

    def create(self, path: Path) -> BinaryIO:
        """Open a file for writing that is new, or empty again."""

    def sync(self, file: BinaryIO) -> None:
        """Make the bytes of an open file durable."""

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of what had it."""

    def unlink(self, path: Path) -> None:
        """Take a name away, if it is there."""


class SystemFiles:
    """The operating system's files."""

    def __init__(self, fsync: Callable[[int], None] = os.fsync) -> None:
        self._fsync = fsync

    def make(self, folder: Path) -> None:
        """Make a folder, and those above it; each new name is durable afterwards."""
        if folder.is_dir():
            return
        self.make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)
        self.sync_folder(folder.parent)

    def create(self, path: Path) -> BinaryIO:
        """Open a file for writing that is new, or empty again."""
        return path.open("wb")

    def sync(self, file: BinaryIO) -> None:
        """Make the bytes of an open file durable."""
        file.flush()
        self._fsync(file.fileno())

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of what had it."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Take a name away, if it is there."""
        path.unlink(missing_ok=True)


SYSTEM = SystemFiles()
