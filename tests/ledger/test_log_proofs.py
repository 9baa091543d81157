"""Proofs from tiles are the proofs of the whole tree; the text of a proof has one form."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import merkle
from crypto.errors import CryptoError
from crypto.log_errors import (
    BundleRefused,
    InconsistentTrees,
    IndexOutside,
    ProofError,
    TileMissing,
)
from crypto.notes import Checkpoint, parse_checkpoint, parse_note
from crypto.policies import Policy
from ledger.exported import LogFolder, hashes_of, prove_growth, prove_inclusion, read_checkpoint
from ledger.proofs import (
    TileHashes,
    TlogProof,
    check_growth,
    consistency,
    inclusion,
    read_hashes,
    root_at,
    write_hashes,
)
from ledger.tiles import TilePath, write_tile

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
LOG = LogFolder(VECTORS / "log")
PROOFS = json.loads((VECTORS / "proofs.json").read_text())["cases"]
FACTS = json.loads((VECTORS / "extra" / "log.json").read_text())
RECEIPTS = sorted((VECTORS / "extra" / "proofs").iterdir())


def policy(name: str) -> Policy:
    return Policy.parse((VECTORS / "policies" / f"{name}.txt").read_text())


@pytest.mark.parametrize("case", PROOFS, ids=lambda case: case["id"])
def test_known_proofs(case: dict[str, str]) -> None:
    entry = base64.b64decode(case["entry_b64"]) if "entry_b64" in case else None
    if case["expect"] == "accept":
        proof = TlogProof.parse(case["proof"].encode())
        assert bytes(proof) == case["proof"].encode()
        proven = proof.verify(Policy.parse(case["policy"]), entry)
        assert proven.entry == (proof.extra if entry is None else entry)
    else:
        with pytest.raises(CryptoError):
            TlogProof.parse(case["proof"].encode()).verify(Policy.parse(case["policy"]), entry)


@pytest.mark.parametrize("path", RECEIPTS, ids=lambda path: path.stem)
def test_known_receipts_are_made_again_from_tiles(path: Path) -> None:
    proof = TlogProof.parse(path.read_bytes())
    size = parse_checkpoint(parse_note(proof.note).text).size
    hashes = inclusion(proof.index, size, hashes_of(LOG, 613))
    assert (
        bytes(TlogProof(proof.index, tuple(hashes), proof.note, proof.extra)) == path.read_bytes()
    )
    assert proof.verify(policy("log")).index == proof.index


def test_known_roots_and_growth() -> None:
    hashes = hashes_of(LOG, 613)
    for size, root in FACTS["roots"].items():
        assert root_at(int(size), hashes).hex() == root
        note = VECTORS / "extra" / "checkpoints" / size
        if note.exists():
            assert prove_growth(LOG, policy("one"), note.read_bytes()).checkpoint.size == 613
    assert root_at(0, hashes) == merkle.EMPTY_ROOT
    expected = (VECTORS / "extra" / "consistency" / "300-613").read_text()
    assert write_hashes(consistency(300, 613, hashes)) == expected
    assert read_hashes(expected.splitlines()) == consistency(300, 613, hashes)


@given(st.integers(1, 1200), st.data())
def test_proofs_from_tiles_equal_those_of_the_whole_tree(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(b"%d" % i) for i in range(size)]
    rows = [leaves]
    while len(rows[-1]) >= 256:
        row = rows[-1]
        rows.append([merkle.root(row[i : i + 256]) for i in range(0, len(row) - 255, 256)])

    def read(path: TilePath) -> bytes | None:
        return write_tile(rows[path.level][path.n * 256 :][: path.width])

    hashes = TileHashes(size, read)
    index = data.draw(st.integers(0, size - 1))
    assert inclusion(index, size, hashes) == merkle.inclusion_proof(leaves, index)
    first = data.draw(st.integers(0, size))
    assert consistency(first, size, hashes) == merkle.consistency_proof(leaves, first)
    assert root_at(size, hashes) == merkle.root(leaves)


def test_hashes_beyond_the_size_are_not_given() -> None:
    hashes = hashes_of(LOG, 613)
    for level, index in ((0, 613), (0, -1), (8, 2), (10, 0)):
        with pytest.raises(IndexOutside):
            hashes(level, index)
    with pytest.raises(IndexOutside):
        prove_inclusion(LOG, policy("log"), 613)
    assert prove_inclusion(LOG, policy("one"), 0).cosignatures == {"a": 1772524800}


def test_a_full_tile_stands_in_for_the_partial_one(tmp_path: Path) -> None:
    assert hashes_of(LOG, 300)(0, 299) == hashes_of(LOG, 613)(0, 299)
    empty = LogFolder(tmp_path)
    with pytest.raises(TileMissing):
        hashes_of(empty, 300)(0, 299)
    with pytest.raises(TileMissing):
        read_checkpoint(empty)


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(17 * 2**20))
    (tmp_path / "folder").mkdir()
    files = LogFolder(tmp_path)
    read = files.read("long")
    assert read is not None
    assert len(read) == 256 * 65_537 + 1
    assert files.read("folder") is files.read("long/below") is files.read("absent") is None


def test_growth_is_within_one_log() -> None:
    old, new = Checkpoint("a", 1, bytes(32)), Checkpoint("b", 1, bytes(32))
    check_growth(old, old, [])
    with pytest.raises(InconsistentTrees, match="a is not b"):
        check_growth(old, new, [])


@pytest.mark.parametrize(
    "data",
    [
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v1\n\n",
        b"c2sp.org/tlog-proof@v1\nextra AA==\n\n",
        "c2sp.org/tlog-proof@v1\nindex ١\n\n".encode(),
    ],
)
def test_text_that_is_no_proof(data: bytes) -> None:
    with pytest.raises(ProofError):
        TlogProof.parse(data)


@given(st.data())
def test_no_bit_of_a_receipt_can_change(data: st.DataObject) -> None:
    receipt = bytearray((VECTORS / "extra" / "proofs" / "423.tlog-proof").read_bytes())
    at = data.draw(st.integers(0, len(receipt) - 1))
    receipt[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CryptoError):
        TlogProof.parse(bytes(receipt)).verify(policy("one"))


def test_a_bundle_must_hold_the_entry_it_proves(tmp_path: Path) -> None:
    for path in ("checkpoint", "tile/0/000", "tile/0/002.p/101", "tile/1/000.p/2"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((VECTORS / "log" / path).read_bytes())
    (tmp_path / "tile" / "entries").mkdir()
    (tmp_path / "tile" / "entries" / "000").write_bytes(b"\x00")
    with pytest.raises(BundleRefused):
        prove_inclusion(LogFolder(tmp_path), policy("log"), 5)
