"""T21, T22: hostile archives and names cost bounded work; nothing is unpacked before time.

The control is a reader that trusts the sizes it is told and unpacks: the same bombs cost it what
they promise.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.bench import SOON, Bench, Envelope
from doubles.proofs import Proof

from api.adapters.rng import SystemRng
from api.adapters.zip_directory import Part, ZipDirectories, archive_in
from api.depositor.envelope_file import EnvelopeFile, Record
from api.depositor.sealing import Piece, Wish, seal
from domain.archives import (
    ArchiveContents,
    ArchiveEntry,
    ArchiveLimits,
    check_depth,
    check_entries,
)
from domain.errors import DomainError

pytestmark = pytest.mark.counted  # nothing else reads all of domain/archives.py

MIB = 1024**2
BOMB = 50 * MIB


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method, compresslevel=9) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def flat() -> bytes:
    """49 kB that hold 50 MB."""
    return zipped({"offre.txt": bytes(BOMB)})


def nested() -> bytes:
    inner = zipped({"x.txt": b"x"})
    for _ in range(6):
        inner = zipped({"inner.zip": inner})
    return inner


def crowded() -> bytes:
    return zipped({f"{number}": b"" for number in range(10_001)}, zipfile.ZIP_STORED)


def spread() -> bytes:
    """Many entries, each below the ratio of its own, together far too much."""
    return zipped({f"{number}.txt": bytes(MIB) for number in range(60)})


def overlapping() -> bytes:
    """One block of data that a hundred rows of the directory claim."""
    one = zipped({"a": b"data of the block" * 99}, zipfile.ZIP_STORED)
    place = one.rindex(b"PK\x01\x02")
    row = one[place : one.rindex(b"PK\x05\x06")]
    directory = b"".join(row[:46] + b"%c" % (97 + number % 26) + row[47:] for number in range(99))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 99, 99, len(directory), place, 0)
    return one[:place] + directory + end


def liar() -> bytes:
    """An inner archive that unpacks to more than both of its headers tell."""
    data = bytearray(zipped({"inner.zip": b"PK\x03\x04" + bytes(3 * MIB)}))
    told = struct.pack("<I", 3 * MIB + 4)
    while (place := data.find(told)) >= 0:
        data[place : place + 4] = struct.pack("<I", 100)
    return bytes(data)


def endless_directory() -> bytes:
    data = bytearray(zipped({"a": b"a"}))
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 2**31)
    return bytes(data)


def large_form() -> bytes:
    data = bytearray(zipped({"a": b"a"}))
    struct.pack_into("<H", data, data.rindex(b"PK\x05\x06") + 10, 0xFFFF)
    return bytes(data)


def two_ends() -> bytes:
    """The plain end record tells one entry, the one for large archives a hundred thousand."""
    one = zipped({"a": b"a"}, zipfile.ZIP_STORED)
    place, end = one.rindex(b"PK\x01\x02"), one.rindex(b"PK\x05\x06")
    directory = one[place:end] * 100_000
    count, size = 100_000, len(directory)
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place)
    leads = struct.pack("<4sLQL", b"PK\x06\x07", 0, place + size, 1)
    return one[:place] + directory + large + leads + one[end:]


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "50 MB in 49 kB": (flat, "archive.ratio"),
    "one in the other": (nested, "archive.depth"),
    "too many": (crowded, "archive.entries"),
    "many small bombs": (spread, "archive.ratio"),
    "overlapping": (overlapping, "archive.overlap"),
    "a liar": (liar, "archive.unreadable"),
    "endless directory": (endless_directory, "archive.unreadable"),
    "above 4 GiB": (large_form, "archive.unreadable"),
    "two ends": (two_ends, "archive.unreadable"),
    "no end": (lambda: b"PK\x03\x04" + bytes(100), "archive.unreadable"),
    "cut": (lambda: flat()[:-30], "archive.unreadable"),
}


def looked(data: bytes) -> tuple[str, int]:
    """Return the code that refuses an archive, "" for none, and the memory that the look took."""
    tracemalloc.start()
    found = archive_in(io.BytesIO(data), 0, len(data))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (found.code if isinstance(found, DomainError) else ""), most


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_bounded_memory(name: str) -> None:
    make, code = BOMBS[name]
    found, most = looked(make())
    assert found == code
    assert most < 32 * MIB, f"{most // MIB} MiB"


def test_old_names_are_one_byte_a_sign() -> None:
    """Accented names of older systems (code page 437) lie where they say."""
    made = zipped({"m_moire.txt": b"m", "d_lais.txt": b"d"})
    old = made.replace(b"m_moire", b"m\x82moire").replace(b"d_lais", b"d\x82lais")
    assert archive_in(io.BytesIO(old), 0, len(old)) == ArchiveContents(2, 2, 0)


def test_the_control_pays_what_the_bomb_promises(proof: Proof) -> None:
    data = flat()
    assert len(data) < 52_000
    tracemalloc.start()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = len(archive.read("offre.txt"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert unpacked == BOMB
    assert most > 32 * MIB
    proof("T22", f"{len(BOMBS)} hostile archives refused, each below 32 MiB")


def test_what_is_honest_is_listed() -> None:
    report = zipped({"word/document.xml": b"<w/>" * 50_000, "mimetype": b"x"})
    files = {"a/mémoire.docx": report, "prix.xlsx": zipped({"x": b"1"}), "b.zip": b"no archive"}
    data = b"before" + zipped(files) + b"behind"
    found = archive_in(io.BytesIO(data), 6, len(data) - 12)
    assert found == ArchiveContents(6, sum(map(len, files.values())) + 200_002, 0)
    assert archive_in(io.BytesIO(b"%PDF-1.7"), 0, 8) is None
    assert archive_in(io.BytesIO(b""), 0, 0) is None
    empty = zipped({})
    assert archive_in(io.BytesIO(empty), 0, len(empty)) == ArchiveContents(0, 0, 0)


def test_inner_archives_that_cost_too_much_are_counted_not_opened() -> None:
    inner = zipped({"x": bytes(range(256)) * 8_000}, zipfile.ZIP_STORED)
    data = zipped({f"{n}.zip": inner for n in range(3)}, zipfile.ZIP_STORED)
    limits = ArchiveLimits(work=5 * MIB)
    found = ZipDirectories().contents(io.BytesIO(data), len(data), limits)
    assert found is not None
    assert (found.entries, found.unseen) == (5, 1)
    secret = bytearray(zipped({"a.zip": zipped({"x": b"x"})}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        secret[secret.index(mark) + place] |= 1
    assert archive_in(io.BytesIO(bytes(secret)), 0, len(secret)) == ArchiveContents(1, 103, 1)


def test_the_bounds_are_reached_from_both_sides() -> None:
    limits = ArchiveLimits(entries=2, total=100, ratio=10, spared=1, depth=1)
    check_entries([], 0, limits)
    row = ArchiveEntry("x", 99, 100, 0, 99)
    check_entries([row], 99, limits)
    for wrong, code in (
        ([row, ArchiveEntry("y", 99, 1, 99, 198)], "archive.total"),
        ([row, row, row], "archive.entries"),
        ([ArchiveEntry("x", 9, 100, 0, 9)], "archive.ratio"),
        ([ArchiveEntry("x", 99, 100, 1, 100)], "archive.overlap"),
    ):
        with pytest.raises(DomainError) as refused:
            check_entries(wrong, 99, limits)
        assert refused.value.code == code
    check_depth(1, limits)
    with pytest.raises(DomainError, match="one inside the other"):
        check_depth(2, limits)
    part = Part(io.BytesIO(b"0123456789"), 2, 5)
    assert (part.read(), part.tell()) == (b"23456", 5)
    assert part.seek(-2, io.SEEK_END) == 3
    assert part.seek(-1, io.SEEK_CUR) == 2
    with pytest.raises(OSError, match="before"):
        part.seek(-1)


NAMES = ["CON.pdf", "end..", "x" * 250, "pièce\u00a0.pdf", "a/b/c.pdf", "<script>.pdf", '"; x="']


def sealed(bench: Bench, at: str) -> Envelope:
    """Seal a bomb, an honest archive, and documents under names that are data."""
    folder = bench.scratch / "hostile"
    folder.mkdir()
    contents = [flat(), zipped({"prix.txt": b"12"}), *[b"%PDF-1.7"] * len(NAMES)]
    pieces = []
    for number, (name, data) in enumerate(
        zip(["bombe.zip", "offre.zip", *NAMES], contents, strict=True)
    ):
        path = folder / str(number)
        path.write_bytes(data)
        pieces.append(Piece(name, path))
    made = seal(
        bench.kit(at), Wish("OFFER", ("0",)), pieces, folder / "o.pli", SystemRng(), lambda *_: None
    )
    return Envelope(made, EnvelopeFile.check(made.path, Record.read(made.path).commitment))


def test_an_opened_bid_says_which_archive_nobody_should_unpack(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.register()
    at = bench.publish(max_files=20)
    deposit = bench.deposit(sealed(bench, at))["deposit"]
    bench.forward(SOON)
    opening = bench.attend()
    bench.done(f"{opening}/plan", bench.tokens.buyer)
    bench.done(f"{opening}/envelopes", bench.tokens.buyer, {})
    path = f"{opening}/envelopes/{deposit}/documents"
    rows = bench.get(path, bench.tokens.buyer).json()["documents"]
    told = {row["name"]: row.get("archive") for row in rows}
    assert told["bombe.zip"] == {"refused": "archive.ratio"}
    assert told["offre.zip"] == {"entries": 1, "size": 2, "unseen": 0}
    assert {told[name] for name in told if name not in {"bombe.zip", "offre.zip"}} == {None}
    for row in rows:
        answer = bench.get(f"{path}/{row['number']}", bench.tokens.buyer)
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith('attachment; filename="')
        assert disposition.isascii()
        assert disposition.count('"') == 2
        assert answer.headers["content-type"] == "application/octet-stream"
    number = next(row["number"] for row in rows if row["name"] == "bombe.zip")
    given = bench.get(f"{path}/{number}", bench.tokens.buyer).content
    assert given == (bench.scratch / "hostile" / "0").read_bytes(), "handed over as deposited"
    bench.close()
