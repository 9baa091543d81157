"""A blob is durable before its name is told, is written once, and is read as it was or not."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import (
    BlobDiffers,
    BlobMissing,
    LedgerHalted,
    NameRefused,
    StorageFull,
)
from ledger.files import SystemFiles
from ledger.vault import BlobFolder, Vault

DATA = b"pli " * 1000
NAME = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "blobs")


def left_over(vault: Vault) -> list[Path]:
    return list((vault._folder / "new").iterdir())


def test_a_blob_is_named_by_its_hash(vault: Vault) -> None:
    assert vault.put(DATA) == NAME
    assert vault.get(NAME) == DATA
    with vault.open(NAME) as file:
        assert file.read(4) == b"pli "
    assert list(vault.names()) == [NAME]
    assert not left_over(vault)


def test_parts_are_stored_as_one_and_equal_bytes_once(vault: Vault) -> None:
    assert vault.put(DATA[at : at + 7] for at in range(0, len(DATA), 7)) == NAME
    before = vault.path(NAME).stat().st_mtime_ns
    assert vault.put(DATA) == NAME
    assert vault.path(NAME).stat().st_mtime_ns == before
    assert not left_over(vault)


def test_every_name_and_every_byte_is_synced_in_order(tmp_path: Path) -> None:
    synced: list[str] = []

    def sync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        os.fsync(handle)

    vault = Vault(tmp_path / "blobs", files=SystemFiles(sync))
    # a killed process may have left a folder whose name is not durable
    assert synced[-1] == "blobs"
    synced.clear()
    vault.put(DATA)
    # the file, the folder which got a new folder, the folder which got the name
    assert synced == ["0", "blobs", NAME[:2]]
    synced.clear()
    vault.put(b"other")
    assert len(synced) == 3
    # 257 blobs and more: folders are shared, their own names are durable already
    synced.clear()
    for number in range(300):
        vault.put(str(number).encode())
    assert synced.count("blobs") < 256


def test_a_durable_file_is_adopted(vault: Vault, tmp_path: Path) -> None:
    source = tmp_path / "received"
    source.write_bytes(DATA)
    vault.adopt(NAME, source)
    assert not source.exists()
    assert vault.get(NAME) == DATA


@pytest.mark.parametrize("name", ["", "x" * 64, NAME.upper(), f"{NAME}\n", "../" + NAME[3:]])
def test_a_name_is_a_hash(vault: Vault, name: str) -> None:
    with pytest.raises(NameRefused):
        vault.path(name)


def test_what_is_missing_or_changed_is_told(vault: Vault) -> None:
    with pytest.raises(BlobMissing):
        vault.open(NAME)
    vault.put(DATA)
    vault.put(b"sound")
    changed = bytearray(DATA)
    changed[5] ^= 1
    vault.path(NAME).write_bytes(bytes(changed))
    with pytest.raises(BlobDiffers):
        vault.get(NAME)
    assert [name for name, found in vault.scrub() if name != found] == [NAME]


def test_a_failed_fsync_stops_and_is_never_repeated(tmp_path: Path) -> None:
    calls: list[int] = []
    Vault(tmp_path / "blobs")
    works = [True]

    def broken(handle: int) -> None:
        if works and works.pop():
            return
        calls.append(handle)
        raise OSError(errno.EIO, "Input/output error")

    halts: list[LedgerHalted] = []
    vault = Vault(tmp_path / "blobs", halt=halts.append, files=SystemFiles(broken))
    with pytest.raises(LedgerHalted):
        vault.put(DATA)
    assert len(calls) == len(halts) == 1
    for call in (lambda: vault.put(DATA), lambda: vault.get(NAME)):
        with pytest.raises(LedgerHalted):
            call()
    assert len(calls) == len(halts) == 1
    # what was left is swept by the next process, and was never under its name
    assert left_over(vault)
    again = Vault(tmp_path / "blobs")
    assert not left_over(again)
    assert list(again.names()) == []


def test_a_full_disk_leaves_nothing_and_passes(tmp_path: Path) -> None:
    full: list[bool] = []

    def sync(handle: int) -> None:
        if full.pop() if full else False:
            raise OSError(errno.ENOSPC, "No space left on device")

    halts: list[LedgerHalted] = []
    vault = Vault(tmp_path / "blobs", halt=halts.append, files=SystemFiles(sync))
    full.append(True)
    with pytest.raises(StorageFull):
        vault.put(DATA)
    assert not left_over(vault)
    assert not halts
    assert vault.put(DATA) == NAME


def test_a_source_that_breaks_leaves_nothing(vault: Vault) -> None:
    def parts() -> Iterator[bytes]:
        yield b"first"
        raise ConnectionResetError("the client left")

    class Cut(Exception):
        pass

    def cut() -> Iterator[bytes]:
        yield b"first"
        raise Cut

    with pytest.raises(Cut):
        vault.put(cut())
    assert not left_over(vault)
    assert vault.put(DATA) == NAME


def test_a_repetition_never_acknowledges_a_damaged_blob(vault: Vault, tmp_path: Path) -> None:
    vault.put(DATA)
    vault.path(NAME).write_bytes(b"other")
    assert vault.put(DATA) == NAME
    assert vault.get(NAME) == DATA
    vault.path(NAME).write_bytes(b"other")
    (tmp_path / "received").write_bytes(DATA)
    vault.adopt(NAME, tmp_path / "received")
    assert vault.get(NAME) == DATA
    assert not left_over(vault)


def test_a_folder_is_read_beside_the_process_that_writes_it(vault: Vault, tmp_path: Path) -> None:
    assert list(BlobFolder(tmp_path / "none").names()) == []
    vault.put(DATA)
    (tmp_path / "blobs" / "new" / "7").write_bytes(b"of a write in progress")
    beside = BlobFolder(tmp_path / "blobs")
    assert list(beside.names()) == [NAME]
    assert (beside.size(NAME), beside.size("0" * 64)) == (len(DATA), None)
    assert beside.get(NAME) == DATA
    assert list(beside.scrub(NAME[:2])) == [(NAME, NAME)]
    assert left_over(vault), "whoever reads sweeps nothing"
