"""The verifier judges every published known answer of the ledger as it must be judged."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from replay import verifier

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"


def cases(name):
    return [
        pytest.param(case, id=case["id"])
        for case in json.loads((VECTORS / name).read_text())["cases"]
    ]


def judged(case, run):
    """Run and compare with `expect`; return the refusal if there was one."""
    if case["expect"] == "accept":
        return run()
    with pytest.raises(verifier.Refused) as refused:
        run()
    return refused.value


@pytest.mark.parametrize("case", cases("roots.json"))
def test_roots(case):
    leaves = [bytes.fromhex(leaf) for leaf in case.get("leaves", [])] or [
        str(number).encode() for number in range(case["size"])
    ]
    row = b"".join(verifier.leaf_hash(leaf) for leaf in leaves)
    assert verifier.tree_root(row).hex() == case["root"]


@pytest.mark.parametrize("case", cases("inclusion.json"))
def test_inclusion(case):
    leaf, root = bytes.fromhex(case["leaf"]), bytes.fromhex(case["root"])
    proof = [bytes.fromhex(value) for value in case["hashes"]]
    refused = judged(
        case,
        lambda: verifier.check_inclusion(leaf, case["index"], case["size"], proof, root),
    )
    assert case.get("code") in {None, getattr(refused, "code", None)}


@pytest.mark.parametrize("case", cases("consistency.json"))
def test_consistency(case):
    roots = bytes.fromhex(case["root1"]), bytes.fromhex(case["root2"])
    proof = [bytes.fromhex(value) for value in case["hashes"]]
    refused = judged(
        case,
        lambda: verifier.check_consistency(case["first"], case["second"], *roots, proof),
    )
    assert case.get("code") in {None, getattr(refused, "code", None)}


OTHER_WORD = {"number-minus-only": "syntax", "number-nan": "number"}  # refused, code informative


@pytest.mark.parametrize("case", cases("canonical.json"))
def test_canonical(case):
    data = base64.b64decode(case["b64"])
    if case.get("writer_only"):
        assert verifier.read_entry(data).data  # Unicode tables differ: fsck refuses it, not this
        return
    if case["scope"] == "value":
        refused = judged(case, lambda: verifier.parse_object(b'{"a":' + data + b"}"))
    else:
        refused = judged(case, lambda: verifier.read_entry(data))
        with_slow_path = judged(case, lambda: verifier.strict_entry(data))
        if case["expect"] == "accept":
            assert refused == with_slow_path == verifier.read_entry(data)
    if case["expect"] == "refuse":
        assert refused.code == OTHER_WORD.get(case["id"], case["code"])


@pytest.mark.parametrize("case", cases("notes.json"))
def test_notes(case):
    policy = verifier.Policy(case["policy"].encode())
    refused = judged(case, lambda: policy.verify(case["note"].encode()))
    assert case.get("code") in {None, getattr(refused, "code", None)}


@pytest.mark.parametrize("case", cases("policies.json"))
def test_policies(case):
    judged(case, lambda: verifier.Policy(case["policy"].encode()).check_quorum(case["witnesses"]))


@pytest.mark.parametrize("case", cases("proofs.json"))
def test_proofs(case):
    policy = verifier.Policy(case["policy"].encode())
    entry = base64.b64decode(case["entry_b64"]) if "entry_b64" in case else None
    judged(case, lambda: verifier.check_receipt(case["proof"].encode(), policy, entry))


@pytest.mark.parametrize("case", cases("paths.json"))
def test_paths(case):
    assert verifier.tile_path(case["level"], case["n"], case["w"]) == case["path"]


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def changed(base, ops):
    """Return a copy of a served log after the operations of a tampered case."""
    files = files_of(VECTORS / base)
    for op in ops:
        path = op["path"]
        if op["op"] == "xor":
            data, at = bytearray(files[path]), op["offset"]
            for number, value in enumerate(bytes.fromhex(op["value"])):
                data[at + number] ^= value
            files[path] = bytes(data)
        elif op["op"] == "truncate":
            files[path] = files[path][: op["size"]]
        elif op["op"] == "append":
            files[path] += bytes.fromhex(op["value"])
        elif op["op"] == "remove":
            del files[path]
        else:
            files[path] = (VECTORS / "tampered" / op["file"]).read_bytes()
    return files


def run_of(check, files):
    policy = verifier.Policy((VECTORS / check["policy"]).read_bytes())
    given = {
        name: (VECTORS / check[name]).read_bytes()
        for name in ("pin", "old", "entry")
        if name in check
    }
    return {
        "fsck": lambda: verifier.check_log(files.get, policy, given.get("pin")),
        "checkpoint": lambda: verifier.read_checkpoint(files.get, policy),
        "include": lambda: verifier.check_include(
            files.get, policy, check["index"], given.get("entry")
        ),
        "consistency": lambda: verifier.check_growth(files.get, policy, given["old"]),
    }[check["run"]]


CHECKS = [
    pytest.param(case, check, id=f"{case['id']}-{number}-{check['run']}")
    for case in json.loads((VECTORS / "tampered/index.json").read_text())["cases"]
    for number, check in enumerate(case["checks"])
]


@pytest.mark.parametrize(("case", "check"), CHECKS)
def test_tampered_logs(case, check):
    refused = judged(check, run_of(check, changed(case["base"], case["ops"])))
    assert check.get("code") in {None, getattr(refused, "code", None)}


def test_the_honest_logs_are_proven_whole():
    policy = verifier.Policy((VECTORS / "policies/one.txt").read_bytes())
    checkpoint, seen, chain = verifier.check_log(files_of(VECTORS / "log").get, policy)
    assert (checkpoint.size, len(chain.tips), chain.clock) == (613, 20, "simulated")
    assert seen == {"a": 1772524800}
    told = json.loads((VECTORS / "extra/log.json").read_text())
    assert chain.genesis == told["genesis_leaf"]
    assert checkpoint.root.hex() == told["root"]


@pytest.mark.parametrize("path", sorted((VECTORS / "extra/proofs").iterdir()), ids=lambda p: p.name)
def test_receipts_prove_the_very_entry(path):
    policy = verifier.Policy((VECTORS / "policies/log.txt").read_bytes())
    proven = verifier.check_receipt(path.read_bytes(), policy)
    assert proven.position == int(path.name.split("-")[0].split(".")[0])
    entry = VECTORS / f"extra/entries/{proven.position}.json"
    if entry.exists():
        assert proven.leaf == verifier.leaf_hash(entry.read_bytes())


def test_the_published_consistency_proof_holds():
    policy = verifier.Policy((VECTORS / "policies/log.txt").read_bytes())
    old, _ = policy.verify((VECTORS / "extra/checkpoints/300").read_bytes())
    new, _ = policy.verify((VECTORS / "extra/checkpoints/613").read_bytes())
    lines = (VECTORS / "extra/consistency/300-613").read_text().split()
    proof = [base64.b64decode(line) for line in lines]
    verifier.check_consistency(old.size, new.size, old.root, new.root, proof)
    files = files_of(VECTORS / "log")
    assert verifier.tile_proof(files.get, new.size, old.size - 1, old.size) == proof
