"""The tree agrees with RFC 6962, and no altered proof is believed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import merkle_peer
from crypto.log_errors import HashLength, InconsistentTrees, IndexOutside, ProofError
from crypto.merkle import (
    EMPTY_ROOT,
    CompactRange,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"


def cases(file: str) -> list[dict[str, object]]:
    return list(json.loads((VECTORS / file).read_text())["cases"])


def hashes(texts: object) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]  # type: ignore[attr-defined]


# Certificate Transparency's known answers: eight leaves, the root of each size, and proofs.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CT_CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize(("size", "expected"), CT_ROOTS.items())
def test_roots_match_certificate_transparency(size: int, expected: str) -> None:
    assert root([leaf_hash(entry) for entry in CT_LEAVES[:size]]).hex() == expected


@pytest.mark.parametrize(("place", "expected"), CT_INCLUSION.items(), ids=str)
def test_audit_paths_match_certificate_transparency(
    place: tuple[int, int], expected: list[str]
) -> None:
    index, size = place
    leaves = [leaf_hash(entry) for entry in CT_LEAVES[:size]]
    assert inclusion_proof(leaves, index) == hashes(expected)
    check_inclusion(leaves[index], index, size, hashes(expected), bytes.fromhex(CT_ROOTS[size]))


@pytest.mark.parametrize(("sizes", "expected"), CT_CONSISTENCY.items(), ids=str)
def test_consistency_matches_certificate_transparency(
    sizes: tuple[int, int], expected: list[str]
) -> None:
    leaves = [leaf_hash(entry) for entry in CT_LEAVES]
    assert consistency_proof(leaves, *sizes) == hashes(expected)
    roots = [bytes.fromhex(CT_ROOTS[size]) for size in sizes]
    check_consistency(*sizes, *roots, hashes(expected))


@pytest.mark.parametrize("case", cases("roots.json"), ids=lambda case: case["id"])
def test_known_roots(case: dict[str, object]) -> None:
    if "leaves" in case:
        leaves = [leaf_hash(leaf) for leaf in hashes(case["leaves"])]
    else:
        leaves = [leaf_hash(b"%d" % i) for i in range(int(str(case["size"])))]
    edge = CompactRange()
    for leaf in leaves:
        edge.append(leaf)
    assert root(leaves) == edge.root() == bytes.fromhex(str(case["root"]))
    assert merkle_peer.root(leaves) == edge.root()


def check_case(case: dict[str, object]) -> None:
    proof = hashes(case["hashes"])
    if "leaf" in case:
        leaf, expected = hashes([case["leaf"], case["root"]])
        check_inclusion(leaf, int(str(case["index"])), int(str(case["size"])), proof, expected)
    else:
        roots = hashes([case["root1"], case["root2"]])
        check_consistency(int(str(case["first"])), int(str(case["second"])), *roots, proof)


@pytest.mark.parametrize(
    "case",
    cases("inclusion.json") + cases("consistency.json"),
    ids=lambda case: case["id"],
)
def test_known_proofs(case: dict[str, object]) -> None:
    if case["expect"] == "accept":
        check_case(case)
        return
    with pytest.raises(ProofError) as refusal:
        check_case(case)
    assert refusal.value.code == case.get("code", refusal.value.code)


trees = st.lists(st.binary(max_size=3), min_size=1, max_size=70).map(
    lambda entries: [leaf_hash(entry) for entry in entries]
)


@given(trees, st.data())
def test_every_leaf_proves_its_place_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    check_inclusion(leaves[index], index, len(leaves), proof, root(leaves))
    for wrong in (proof[1:], [*proof, EMPTY_ROOT]):
        if wrong != proof:
            with pytest.raises(ProofError):
                check_inclusion(leaves[index], index, len(leaves), wrong, root(leaves))
    with pytest.raises(ProofError):
        check_inclusion(leaf_hash(b"other leaf"), index, len(leaves), proof, root(leaves))


@given(trees, st.data())
def test_every_prefix_proves_its_growth(leaves: list[bytes], data: st.DataObject) -> None:
    second = data.draw(st.integers(0, len(leaves)))
    first = data.draw(st.integers(0, second))
    proof = consistency_proof(leaves, first, second)
    roots = [root(leaves[:first]), root(leaves[:second])]
    check_consistency(first, second, *roots, proof)
    if first != second:
        with pytest.raises(ProofError):
            check_consistency(first, second, leaf_hash(b"another history"), roots[1], proof)
        with pytest.raises(ProofError):
            check_consistency(first, second, *roots, [*proof, EMPTY_ROOT])


@given(trees)
def test_the_edge_is_the_tree(leaves: list[bytes]) -> None:
    edge = CompactRange()
    assert edge.root() == EMPTY_ROOT
    for count, leaf in enumerate(leaves, 1):
        before = edge.copy()
        edge.append(leaf)
        assert (edge.size, before.size) == (count, count - 1)
        again = CompactRange.from_hashes(edge.size, edge.hashes)
        assert again.root() == edge.root() == root(leaves[:count])


@given(trees)
def test_merkletools_finds_the_same_root(leaves: list[bytes]) -> None:
    tools = merkle_peer.load_tools()
    if tools is None:
        pytest.skip("merkletools is an optional extra")
    assert merkle_peer.root_by_tools(tools(), leaves) == root(leaves)


def test_without_merkletools_our_own_tree_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(merkle_peer, "import_module", absent)
    monkeypatch.setattr(merkle_peer, "_TOOLS", merkle_peer.load_tools())
    leaves = [leaf_hash(entry) for entry in CT_LEAVES]
    assert merkle_peer.root(leaves).hex() == CT_ROOTS[8]


def test_the_peer_refuses_what_is_no_hash() -> None:
    with pytest.raises(HashLength):
        merkle_peer.root([b"short"])
    assert merkle_peer.root([]) == EMPTY_ROOT


def test_the_place_after_the_last_is_refused() -> None:
    leaf = leaf_hash(b"only entry")
    with pytest.raises(ProofError, match="outside a tree of 1"):
        check_inclusion(leaf, 1, 1, [], leaf)
    with pytest.raises(IndexOutside):
        inclusion_proof([leaf], 1)
    with pytest.raises(IndexOutside):
        consistency_proof([leaf], 1, 2)
    with pytest.raises(InconsistentTrees):
        consistency_proof([leaf], 2, 1)


def test_a_node_is_no_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


def test_a_stored_edge_must_fit_its_size() -> None:
    leaf = leaf_hash(b"entry")
    for size, stored in ((3, [leaf]), (-1, []), (0, [leaf])):
        with pytest.raises(ProofError):
            CompactRange.from_hashes(size, stored)
    with pytest.raises(HashLength) as refusal:
        CompactRange.from_hashes(1, [b"short"])
    assert refusal.value.length == 5
    with pytest.raises(HashLength):
        CompactRange().append(b"")


def test_proofs_of_neighbouring_sizes_are_not_exchangeable() -> None:
    leaves = [leaf_hash(b"%d" % i) for i in range(40)]
    for first, second in pairwise(range(1, 40)):
        proof = consistency_proof(leaves, first, second)
        with pytest.raises(ProofError):
            check_consistency(first, second, root(leaves[:second]), root(leaves[:first]), proof)
