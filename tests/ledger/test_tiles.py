"""Paths and bytes of tiles have one form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.log_errors import BundleRefused, PathRefused, TileRefused
from ledger.tiles import (
    ENTRIES,
    TilePath,
    read_bundle,
    read_tile,
    tile_at,
    tiles_of,
    write_bundle,
    write_tile,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
CASES = json.loads((VECTORS / "paths.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_known_paths(case: dict[str, int | str]) -> None:
    path = TilePath(int(case["level"]), int(case["n"]), int(case["w"]))
    assert str(path) == case["path"]
    assert TilePath.parse(str(path)) == path
    assert path.full.width == 256


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/0", "tile/0/0000", "tile/00/000", "tile/6/000", "tile/-1/000", "tile/0/001/000"),
        *("tile/0/x000/001", "tile/0/x1/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/٠٠٠"),
        *("tile/0/000.p/257", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000\n", "tile/0/x000"),
        *("/tile/0/000", "tile/entries/000/", "tile/data/000", "tile/0/../000", "checkpoint", ""),
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(PathRefused) as refusal:
        TilePath.parse(path)
    assert refusal.value.path == path


@given(st.integers(-1, 5), st.integers(0, 10**15), st.integers(1, 256))
def test_every_path_is_read_back(level: int, n: int, width: int) -> None:
    path = TilePath(level, n, width)
    assert TilePath.parse(str(path)) == path


def test_the_files_of_a_size() -> None:
    assert list(tiles_of(0)) == []
    assert [str(path) for path in tiles_of(613)] == [
        *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/101"),
        *("tile/0/000", "tile/0/001", "tile/0/002.p/101", "tile/1/000.p/2"),
    ]
    assert [path.level for path in tiles_of(65_536)].count(1) == 1
    assert TilePath(2, 0, 1) in tiles_of(65_536)
    assert tile_at(ENTRIES, 2, 613) == TilePath(ENTRIES, 2, 101)
    assert tile_at(1, 0, 613) == TilePath(1, 0, 2)


@given(st.lists(st.binary(max_size=5), max_size=9))
def test_bundles_are_read_back_and_nothing_else(entries: list[bytes]) -> None:
    data = write_bundle(entries)
    assert read_bundle(data) == read_bundle(data, len(entries)) == entries
    with pytest.raises(BundleRefused):
        read_bundle(data, len(entries) + 1)
    with pytest.raises(BundleRefused):
        read_bundle(data + b"\x00", len(entries))
    with pytest.raises(BundleRefused):
        read_bundle(data + b"\x00")
    if entries:
        with pytest.raises(BundleRefused):
            read_bundle(data[:-1])
        with pytest.raises(BundleRefused):
            read_bundle(data, len(entries) - 1)


def test_an_entry_has_a_length_in_two_bytes() -> None:
    largest = bytes(65_535)
    assert read_bundle(write_bundle([largest])) == [largest]
    with pytest.raises(BundleRefused, match="two bytes"):
        write_bundle([largest + b"x"])


def test_a_tile_has_its_width() -> None:
    hashes = [bytes([i]) * 32 for i in range(3)]
    assert read_tile(write_tile(hashes), 3) == hashes
    for data, width in ((b"", 1), (write_tile(hashes), 2), (write_tile(hashes)[:-1], 3)):
        with pytest.raises(TileRefused) as refusal:
            read_tile(data, width)
        assert (refusal.value.length, refusal.value.width) == (len(data), width)
