"""The export is exactly the last published log, also beside a running server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.counter import Counter
from doubles.ledger import START, Bench

from crypto.policies import Policy
from ledger.application import Ledger
from ledger.errors import ExportRefused, LedgerAbsent, NotPublished
from ledger.export import Anchored, export, log_vkey
from ledger.exported import LogFolder
from ledger.fsck import fsck
from ledger.proofs import TlogProof
from ledger.readers import open_reader
from ledger.sqlite import connect
from ledger.tiles import tiles_of

DIGEST = hashlib.sha256(b"").digest()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "home").mkdir()
    return Bench(tmp_path / "home", witnesses=3).create()


@pytest.fixture
def ledger(bench: Bench) -> Iterator[Ledger]:
    opened = bench.open()
    yield opened
    opened.close()
    assert not bench.halts


def fill(ledger: Ledger, count: int) -> None:
    names = [f"n{number}" for number in range(count)]
    made = [Counter(name=name, timestamp=START, meta={}) for name in names]
    ledger.save("fill", DIGEST, made)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_export_is_proven_by_a_stranger(ledger: Ledger, bench: Bench, tmp_path: Path) -> None:
    fill(ledger, 600)
    ledger.publish()
    fill_after = Counter(name="later", timestamp=START, meta={})
    ledger.save("later", DIGEST, [fill_after])
    reader = open_reader(bench.folder, connect)
    out = tmp_path / "out"
    written: list[int] = []
    sizes = {304: b"first", 608: b"second", 912: b"beyond"}
    stamped = [Anchored(size, b"note", token) for size, token in sizes.items()]
    assert export(reader, out, ledger.policies, written.append, stamped) == 608
    tokens = {path.name: path.read_bytes() for path in (out / "anchors").iterdir()}
    notes = {"304.note": b"note", "608.note": b"note"}
    assert tokens == notes | {"304.tsr": b"first", "608.tsr": b"second"}
    names = {str(path) for path in tiles_of(608)}
    others = {"checkpoint", "vkey", "policy.txt", "policy-log.txt"}
    assert files_of(out) == names | others | {f"anchors/{name}" for name in tokens}
    assert written == list(range(1, len(names) + 1))
    sound = fsck(LogFolder(out), Policy.parse((out / "policy.txt").read_text()))
    assert (sound.checkpoint.size, len(sound.cosignatures)) == (608, 3)
    assert (out / "vkey").read_text() == f"{bench.signer.key}\n" == f"{log_vkey(reader)}\n"
    receipt = TlogProof.parse(reader.published_receipt(300))
    assert receipt.verify(Policy.parse(bench.policy)).index == 300
    with pytest.raises(ExportRefused):
        export(reader, out, ledger.policies)
    reader.close()


def test_before_the_first_publication_there_is_nothing_to_export(
    ledger: Ledger, bench: Bench, tmp_path: Path
) -> None:
    reader = open_reader(bench.folder, connect)
    with pytest.raises(NotPublished):
        export(reader, tmp_path / "out", ledger.policies)
    with pytest.raises(NotPublished):
        reader.published_receipt(0)
    assert reader.published() is None
    reader.close()


def test_an_export_during_appends_is_of_one_size(
    ledger: Ledger, bench: Bench, tmp_path: Path
) -> None:
    """The positive control of ledger.md §3: appends and publications go on meanwhile."""
    ledger.publish()
    stop = threading.Event()

    def append() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            counter = Counter(name=f"m{number}", timestamp=START, meta={})
            ledger.save(f"c{number}", DIGEST, [counter])
            if number % 10 == 0:
                ledger.publish()

    appending = threading.Thread(target=append)
    appending.start()
    try:
        sizes = []
        for number in range(5):
            reader = open_reader(bench.folder, connect)
            out = tmp_path / f"out{number}"
            sizes.append(export(reader, out, ledger.policies))
            reader.close()
            fsck(LogFolder(out), Policy.parse(bench.policy))
    finally:
        stop.set()
        appending.join()
    assert sizes == sorted(sizes)


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerAbsent):
        open_reader(tmp_path, connect)


def test_a_log_of_another_time_is_read_at_its_size(ledger: Ledger) -> None:
    fill(ledger, 600)
    ledger.publish()
    older = ledger._store.reader.files(300)
    assert older.read("tile/0/001.p/44") is not None
    assert older.read("tile/0/001.p/45") is None
    assert len(older.read("tile/1/000.p/1") or b"") == 32
