"""A disk that loses power, fails or fills, under the real SQLite, the real vault and the real mark.

`Disk` writes through to real files, so that the running program sees what an operating system
shows, and keeps beside it the list of everything that was done (`trust.md` H5). A power cut is
then a place in that list: `Platter` goes through it up to there, and an `image` is what a disk may
hold afterwards. Of what was not synced each write is kept, dropped, or torn at sectors of 512
bytes; each name of a folder that was not synced is there or not; nothing else is assumed, not even
that a synced file has its name.

A failed sync does what Linux does: the pages count as clean, so no later sync writes them.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections import defaultdict
from os.path import split
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, NamedTuple

import apsw

from ledger.files import SystemFiles

SECTOR = 512
BUSY_MS = 5_000
_NAMES = itertools.count()


class Op(NamedTuple):
    """One thing done to the disk: kind, the file or folder, where, with what."""

    kind: str
    what: Any
    at: Any = None
    data: Any = None


class Disk:
    """One folder of real files, and all that was done to it, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trace: list[Op] = []
        self.syncs = 0
        self.failing: set[int] = set()
        """Numbers of the syncs that fail, from 1."""
        self.repeats_sync = False
        """The planted mistake: a layer that asks again after a failed sync, and is told "done"."""
        self.capacity: int | None = None
        self._lock = threading.RLock()
        self._inodes = itertools.count(1)
        self._names: dict[str, int] = {}
        self._sizes: defaultdict[int, int] = defaultdict(int)
        self.vfs = PowerVfs(f"power-{next(_NAMES)}", self)

    def connect(self, path: str) -> Any:
        """Return a connection whose files stand on this disk."""
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(path, flags=flags, vfs=self.vfs.name)
        connection.set_busy_timeout(BUSY_MS)
        return connection

    def note(self, kind: str, value: Any) -> None:
        """Write down that somebody was told something at this moment."""
        with self._lock:
            self.trace.append(Op("told", kind, None, value))

    @property
    def used(self) -> int:
        """The bytes of all files that have a name."""
        return sum(self._sizes[inode] for inode in self._names.values())

    # -- what the files do -------------------------------------------------------------------

    def opened(self, path: str) -> tuple[int, bool]:
        """Return the inode of a path, and whether it is new."""
        with self._lock:
            if path in self._names:
                return self._names[path], False
            inode = self._names[path] = next(self._inodes)
            self.trace.append(Op("link", *split(path), inode))
            return inode, True

    def emptied(self, path: str) -> int:
        """Return the inode of a path that is opened for writing from nothing."""
        inode, new = self.opened(path)
        if not new:
            self.truncated(inode, 0)
        return inode

    def grows(self, inode: int, end: int) -> None:
        """Refuse what the disk has no room for."""
        more = end - self._sizes[inode]
        if self.capacity is not None and more > 0 and self.used + more > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device")

    def written(self, inode: int, at: int, data: bytes) -> None:
        with self._lock:
            self.trace.append(Op("write", inode, at, bytes(data)))
            self._sizes[inode] = max(self._sizes[inode], at + len(data))

    def truncated(self, inode: int, size: int) -> None:
        with self._lock:
            self.trace.append(Op("truncate", inode, size))
            self._sizes[inode] = size

    def synced(self, inode: int) -> None:
        """Make a file durable, or fail as planned and forget its pages."""
        with self._lock:
            self.syncs += 1
            fails = self.syncs in self.failing
            self.trace.append(Op("lost" if fails else "sync", inode))
        if fails and not self.repeats_sync:
            raise OSError(errno.EIO, "Input/output error")

    def folder_synced(self, folder: str) -> None:
        with self._lock:
            self.syncs += 1
            fails = self.syncs in self.failing
            if not fails:
                self.trace.append(Op("syncdir", folder))
        if fails and not self.repeats_sync:
            raise OSError(errno.EIO, "Input/output error")

    def made(self, path: str) -> None:
        with self._lock:
            self.trace.append(Op("link", *split(path), 0))

    def renamed(self, source: str, target: str) -> None:
        with self._lock:
            inode = self._names[target] = self._names.pop(source)
            self.trace.append(Op("rename", source, target, inode))

    def unlinked(self, path: str) -> None:
        with self._lock:
            if self._names.pop(path, None) is not None:
                self.trace.append(Op("unlink", *split(path)))


class PowerFiles(SystemFiles):
    """The file operations of vault and mark, on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(lambda handle: None)
        self.disk = disk

    def make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self.make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)
        self.disk.made(str(folder))
        self.sync_folder(folder.parent)

    def create(self, path: Path) -> BinaryIO:
        return _Written(path, self.disk)  # type: ignore[return-value]

    def sync(self, file: Any) -> None:
        self.disk.synced(file.inode)

    def sync_folder(self, folder: Path) -> None:
        self.disk.folder_synced(str(folder))

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)
        self.disk.renamed(str(source), str(target))

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.disk.unlinked(str(path))


class _Written:
    """A file that is being written, without a buffer."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._file = path.open("wb", buffering=0)
        self._disk = disk
        self.inode = disk.emptied(str(path))

    def write(self, data: bytes) -> int:
        at = self._file.tell()
        self._disk.grows(self.inode, at + len(data))
        self._disk.written(self.inode, at, data)
        return self._file.write(data)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class PowerVfs(apsw.VFS):
    """SQLite's own file layer with every write seen."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.name = name
        self.disk = disk
        super().__init__(name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's names
        if name is None:
            return apsw.VFSFile("unix", None, flags)
        return PowerFile(self.disk, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802 - SQLite's names
        super().xDelete(name, False)
        self.disk.unlinked(name)
        if sync_folder:
            _told(apsw.SQLITE_IOERR_DIR_FSYNC, self.disk.folder_synced, split(name)[0])


class PowerFile(apsw.VFSFile):
    """A file of SQLite on a `Disk`."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.disk = disk
        self.path = path
        journal = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_JOURNAL)
        super().__init__("unix", name, flags)
        self.inode, new = disk.opened(path)
        # SQLite's unix layer syncs the folder of a new journal or WAL with its first sync, and
        # ignores a failure. That of the WAL is left out here: the ledger must not rely on it.
        self.names_folder = new and journal

    def xWrite(self, data: bytes, at: int) -> None:  # noqa: N802 - SQLite's names
        _told(apsw.SQLITE_FULL, self.disk.grows, self.inode, at + len(data))
        super().xWrite(data, at)
        self.disk.written(self.inode, at, data)

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's names
        super().xTruncate(size)
        self.disk.truncated(self.inode, size)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's names
        _told(apsw.SQLITE_IOERR_FSYNC, self.disk.synced, self.inode)
        if self.names_folder:
            self.names_folder = False
            folder = split(self.path)[0]
            self.disk.trace.append(Op("syncdir", folder))


def _told(code: int, work: Any, *arguments: Any) -> None:
    """Do something; tell its failure in SQLite's words."""
    try:
        work(*arguments)
    except OSError as failed:
        error = (apsw.FullError if code == apsw.SQLITE_FULL else apsw.IOError)(str(failed))
        error.extendedresult = code  # type: ignore[attr-defined]
        raise error from None


# -- after the cut ---------------------------------------------------------------------------


class Platter:
    """What is certainly on the disk, and what may be, at one place of a trace."""

    def __init__(self, *, ignores_sync: bool = False) -> None:
        self.ignores_sync = ignores_sync
        self.told: list[tuple[str, Any]] = []
        self._bytes: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._pending: defaultdict[int, list[Op]] = defaultdict(list)
        self._names: defaultdict[str, dict[str, int]] = defaultdict(dict)
        # of each folder, in order: number of the step, name, inode or None
        self._steps: defaultdict[str, list[tuple[int, str, int | None]]] = defaultdict(list)
        self._number = itertools.count()
        self._moves: dict[int, tuple[str, str, int]] = {}

    def apply(self, op: Op) -> None:
        """Go one step on."""
        match op.kind:
            case "write" | "truncate":
                self._pending[op.what].append(op)
            case "sync" if not self.ignores_sync:
                for each in self._pending.pop(op.what, ()):
                    _carry_out(self._bytes[op.what], each)
            case "lost":
                self._pending.pop(op.what, None)
            case "link":
                self._steps[op.what].append((next(self._number), op.at, op.data))
            case "unlink":
                self._steps[op.what].append((next(self._number), op.at, None))
            case "rename":
                self._rename(op)
            case "syncdir" if not self.ignores_sync:
                self._settle(op.what)
            case "told":
                self.told.append((op.what, op.data))

    def _rename(self, op: Op) -> None:
        """One step of both folders: never neither name, until one is durable perhaps both."""
        number = next(self._number)
        source, target = split(op.what), split(op.at)
        self._steps[target[0]].append((number, target[1], op.data))
        self._steps[source[0]].append((number, source[1], None))
        if source[0] != target[0]:
            self._moves[number] = (target[0], target[1], op.data)

    def _settle(self, folder: str) -> None:
        for number, name, inode in self._steps.pop(folder, ()):
            _name(self._names[folder], name, inode)
            if number in self._moves:
                where, new, moved = self._moves.pop(number)
                if where != folder:  # the old name is gone for certain: then the new one is there
                    self._names[where][new] = moved

    def image(self, root: Path, copy: Path, chance: Random) -> None:
        """Write what the disk may hold now into another folder."""
        keep = chance.choice((0.0, 0.25, 0.5, 0.75, 1.0))
        kept = {
            number: chance.random() < keep
            for steps in list(self._steps.values())
            for number, _, _ in steps
        }
        folders = {folder: dict(names) for folder, names in self._names.items()}
        for folder, steps in self._steps.items():
            names = folders.setdefault(folder, {})
            for number, name, inode in steps:
                if kept[number] and not (inode is None and chance.random() < self._lingers(number)):
                    _name(names, name, inode)
        self._write(str(root), copy, folders, keep, chance)

    def _lingers(self, number: int) -> float:
        """Return how often an old name is still there although the new one is."""
        return 0.5 if number in self._moves else 0.0

    def _write(
        self,
        folder: str,
        copy: Path,
        folders: dict[str, dict[str, int]],
        keep: float,
        chance: Random,
    ) -> None:
        copy.mkdir()
        for name, inode in sorted(folders.get(folder, {}).items()):
            if inode == 0:
                self._write(f"{folder}/{name}", copy / name, folders, keep, chance)
                continue
            content = bytearray(self._bytes.get(inode, b""))
            for op in self._pending.get(inode, ()):
                _perhaps(content, op, keep, chance)
            (copy / name).write_bytes(content)


def _name(names: dict[str, int], name: str, inode: int | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def _carry_out(content: bytearray, op: Op) -> None:
    end = op.at if op.kind == "truncate" else op.at + len(op.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if op.kind == "truncate":
        del content[end:]
    else:
        content[op.at : end] = op.data


def _perhaps(content: bytearray, op: Op, keep: float, chance: Random) -> None:
    """Keep, drop or tear one write that was not synced."""
    fate = chance.random()
    if op.kind == "truncate" or fate < 0.8 or len(op.data) <= SECTOR:
        if chance.random() < keep:
            _carry_out(content, op)
        return
    for start in range(0, len(op.data), SECTOR):
        if chance.random() < 0.5:
            part = op.data[start : start + SECTOR]
            _carry_out(content, Op("write", op.what, op.at + start, part))
