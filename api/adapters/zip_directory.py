"""ZIP directories read with bounds on work and memory (T22): nothing is unpacked to a disk.

The end record is read first, and judged, before the directory itself. Inner archives are unpacked
into memory, each and all together within the limits, as many bytes as they say and none more.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from typing import BinaryIO, Final

from domain.archives import (
    ArchiveContents,
    ArchiveEntry,
    ArchiveLimits,
    Archives,
    ArchiveUnreadable,
    check_count,
    check_depth,
    check_entries,
)
from domain.errors import DomainError

MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
END: Final = b"PK\x05\x06"
END_SIZE: Final = 22
LARGE_FORM: Final = b"PK\x06\x07"
LARGE_FORM_SIZE: Final = 20
"""What stands before the end record leads to another one, which the library believes instead."""
BUFFER: Final = 65_536
LONGEST_COMMENT: Final = 65_535
LOCAL: Final = 30
DIRECTORY_ROW: Final = 1_024
"""Bytes of a row of the directory that are read at most, on average."""
ENDINGS: Final = (
    *(".zip", ".jar", ".epub", ".asice"),
    *(".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp"),
)
ENCRYPTED: Final = 0x1
UTF_8: Final = 0x800
BROKEN: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)
"""What the library raises on archives that are none: forms, methods and sizes it does not know."""


class ZipDirectories:
    """Implements the port ``Archives`` for ZIP and what is built on it."""

    def contents(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> ArchiveContents | None:
        """Return what a ZIP holds, None for what is no ZIP; raise the reason it is refused."""
        file.seek(0)
        if file.read(4) not in MAGICS:
            return None
        try:
            return _Look(limits).contents(file, size, 1)
        except BROKEN as error:
            raise ArchiveUnreadable(type(error).__name__) from error


class _Look:
    """One look at one document, with the work that is left."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._left = limits.work

    def contents(self, file: BinaryIO, size: int, depth: int) -> ArchiveContents:
        check_depth(depth, self._limits)
        _check_end(file, size, self._limits)
        with zipfile.ZipFile(file) as archive:
            rows = archive.infolist()
            check_entries([_entry(row) for row in rows], archive.start_dir, self._limits)
            found = ArchiveContents(len(rows), sum(row.file_size for row in rows), 0)
            for row in rows:
                if row.filename.lower().endswith(ENDINGS):
                    found = _with(found, self._inner(archive, row, depth + 1))
        check_count(found.entries, self._limits)
        return found

    def _inner(self, archive: zipfile.ZipFile, row: zipfile.ZipInfo, depth: int) -> ArchiveContents:
        check_depth(depth, self._limits)
        hidden = row.flag_bits & ENCRYPTED
        if hidden or row.file_size > min(self._limits.inner, self._left):
            return ArchiveContents(0, 0, 1)
        self._left -= row.file_size
        with archive.open(row) as packed:
            data = packed.read(row.file_size)
        if data[:4] not in MAGICS:
            return ArchiveContents(0, 0, 0)
        return self.contents(io.BytesIO(data), len(data), depth)


def _check_end(file: BinaryIO, size: int, limits: ArchiveLimits) -> None:
    """Judge the number of entries and the size of the directory before either is read."""
    length = min(size, LARGE_FORM_SIZE + END_SIZE + LONGEST_COMMENT)
    file.seek(size - length)
    tail = file.read(length)
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < END_SIZE:
        raise ArchiveUnreadable("no end record")
    told, directory = struct.unpack_from("<HI", tail, place + 10)
    large = tail[max(0, place - LARGE_FORM_SIZE) : place].startswith(LARGE_FORM)
    if large or told == 0xFFFF or directory == 0xFFFF_FFFF:
        raise ArchiveUnreadable("a form for archives above 4 GiB")
    check_count(told, limits)
    if directory > max(told, 1) * DIRECTORY_ROW:
        raise ArchiveUnreadable("a directory larger than its entries")


def _entry(row: zipfile.ZipInfo) -> ArchiveEntry:
    start = row.header_offset
    # an old name is one byte a sign; counted as UTF-8 it would reach into the next entry
    name = row.orig_filename.encode("utf-8" if row.flag_bits & UTF_8 else "cp437")
    end = start + LOCAL + len(name) + row.compress_size
    return ArchiveEntry(row.filename, row.compress_size, row.file_size, start, end)


def _with(one: ArchiveContents, other: ArchiveContents) -> ArchiveContents:
    return ArchiveContents(
        one.entries + other.entries, one.size + other.size, one.unseen + other.unseen
    )


class Part(io.RawIOBase):
    """A range of a file as a file of its own, for reading."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._offset = offset
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Say that it is for reading."""
        return True

    def seekable(self) -> bool:
        """Say that its place can be moved."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the place of the next read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise io.UnsupportedOperation("before the beginning")  # as a file of the system does
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read from this place, never beyond the range."""
        self._file.seek(self._offset + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def archive_in(file: BinaryIO, offset: int, size: int) -> ArchiveContents | DomainError | None:
    """Return what a range of a file holds as an archive, or why not; None: it is none."""
    directories: Archives = ZipDirectories()
    with io.BufferedReader(Part(file, offset, size), BUFFER) as part:
        try:
            return directories.contents(part, size, ArchiveLimits())
        except DomainError as refusal:
            return refusal
