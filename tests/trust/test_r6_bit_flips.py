"""R6: not one changed bit of an exported log or of a receipt is believed (`trust.md` H12).

The verifier is imported once; its good signature checks are remembered by (key, message,
signature), the bad ones are computed each time. Positive control: a naive verifier, which decodes
base64 and hexadecimal as libraries do and hashes what it re-encodes, misses many.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doubles.proofs import Proof
from doubles.sizes import sized

from replay import verifier

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
PROOFS = VECTORS / "extra/proofs"
LOG = verifier.Policy((VECTORS / "policies/log.txt").read_bytes())
ONE = verifier.Policy((VECTORS / "policies/one.txt").read_bytes())
RECEIPTS = {"0-in-1": LOG, "0": ONE, "1": ONE, "511": ONE, "512": ONE}
LEAST = 8192  # bytes under attack at every size
Judge = Callable[[bytes], object]


def exported(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def first_hundred() -> dict[str, bytes]:
    """Return the log as it was at size 100, under its own checkpoint."""
    bundle = (VECTORS / "log/tile/entries/000").read_bytes()
    end = 0
    for _ in range(100):
        end += 2 + int.from_bytes(bundle[end : end + 2], "big")
    return {
        "checkpoint": (VECTORS / "extra/checkpoints/100").read_bytes(),
        "tile/entries/000.p/100": bundle[:end],
        "tile/0/000.p/100": (VECTORS / "log/tile/0/000").read_bytes()[:3200],
    }


def log_with(files: dict[str, bytes], path: str) -> Judge:
    return lambda data: verifier.check_log({**files, path: data}.get, LOG)


def under_attack() -> Iterator[tuple[str, bytes, Judge]]:
    """Yield name, bytes, and what judges a changed copy of them."""
    logs = [exported(VECTORS / "mini"), *sized(push=[], full=[], night=[first_hundred()])]
    for files in logs:
        for path, data in files.items():
            yield f"{len(files['checkpoint'])} {path}", data, log_with(files, path)
    names = sized(push=[*RECEIPTS], full=[*RECEIPTS, "255", "256", "423"], night=[*RECEIPTS, "423"])
    for name in names:
        policy = RECEIPTS.get(name, ONE)
        data = (PROOFS / f"{name}.tlog-proof").read_bytes()
        yield name, data, lambda data, policy=policy: verifier.check_receipt(data, policy)


TARGETS = list(under_attack())


def believed(judge: Judge, data: bytes) -> object:
    try:
        return judge(data)
    except verifier.Refused:
        return None


def flipped(data: bytes) -> Iterator[bytes]:
    copy = bytearray(data)
    for bit in range(8 * len(data)):
        copy[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(copy)
        copy[bit >> 3] ^= 1 << (bit & 7)


def test_enough_is_under_attack() -> None:
    assert sum(len(data) for _, data, _ in TARGETS) >= LEAST
    assert any("checkpoint" in name for name, _, _ in TARGETS)
    for _, data, judge in TARGETS:
        assert believed(judge, data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
def test_no_changed_bit_is_believed(target: tuple[str, bytes, Judge], proof: Proof) -> None:
    _, data, judge = target
    wrong = [copy for copy in flipped(data) if believed(judge, copy)]
    assert wrong == []
    proof(f"R6 {target[0]}", f"{8 * len(data)} flipped bits, 0 believed")


def edited(lines: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Yield structural edits of lines: drop, double, swap, cut, and bytes put in."""
    for n, line in enumerate(lines):
        yield "drop", lines[:n] + lines[n + 1 :]
        yield "double", lines[: n + 1] + lines[n:]
        yield "cut", lines[:n]
        yield "empty", [*lines[:n], b"\n", *lines[n:]]
        for other in range(n + 1, len(lines)):
            swapped = lines.copy()
            swapped[n], swapped[other] = lines[other], line
            yield "swap", swapped
        for at in (0, len(line) // 2, len(line) - 1):
            for inserted in (b" ", b"\r", b"\t", b"=", b"A", b"\x00", b"\xc2\xa0", b"0"):
                yield "insert", [*lines[:n], line[:at] + inserted + line[at:], *lines[n + 1 :]]
            yield "truncate", [*lines[:n], line[:at] + line[at + 1 :], *lines[n + 1 :]]


def statement(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if not line.startswith("—".encode())]


@pytest.mark.parametrize("name", RECEIPTS)
def test_no_edited_line_is_believed(name: str) -> None:
    """Only order and repetition of signature lines are free, and they change nothing proven."""
    data = (PROOFS / f"{name}.tlog-proof").read_bytes()
    honest = verifier.check_receipt(data, RECEIPTS[name])
    lines = data.splitlines(keepends=True)
    for edit, copy in edited(lines):
        if copy == lines:
            continue
        proven = believed(lambda data: verifier.check_receipt(data, RECEIPTS[name]), b"".join(copy))
        if proven:
            assert proven == honest, edit
            assert statement(copy) == statement(lines), edit
            assert edit in {"double", "swap"}


def test_no_edited_bundle_is_believed() -> None:
    files = exported(VECTORS / "mini")
    path = "tile/entries/000.p/9"
    entries = verifier.read_bundle(files.get, 0, 9)
    for edit, copy in edited([len(e).to_bytes(2, "big") + e for e in entries]):
        if b"".join(copy) != files[path]:
            assert not believed(log_with(files, path), b"".join(copy)), edit


def naive(data: bytes) -> object:
    """A verifier as one would write it in a hurry, over the same primitives."""
    head, _, note = data.decode("utf-8", "replace").partition("\n\n")
    values = dict(line.split(" ", 1) for line in head.split("\n")[1:3])
    hashes = [base64.b64decode(line) for line in head.split("\n")[3:]]
    entry = json.loads(base64.b64decode(values["extra"]))
    entry["prev"] = bytes.fromhex(entry["prev"]).hex()
    entry["salt"] = bytes.fromhex(entry["salt"]).hex()
    encoded = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    text, signatures = note.split("\n\n", 1)
    origin, size, root = text.split("\n")
    for line in signatures.splitlines():
        _, name, signature = line.split()
        raw = base64.b64decode(signature)[4:]
        if name == origin:
            key = next(key for (name, _), (key, witness, *_) in LOG.keys.items() if not witness)
            signed = f"{origin}\n{int(size)}\n{base64.b64encode(base64.b64decode(root)).decode()}\n"
            verifier.check_ed25519(key, signed.encode(), raw[:64])
            leaf = verifier.leaf_hash(encoded.encode())
            index = int(values["index"])
            verifier.check_inclusion(leaf, index, int(size), hashes, base64.b64decode(root))
            return leaf
    raise verifier.Refused("signature")


def test_a_naive_verifier_misses_changed_bits(proof: Proof) -> None:
    data = (PROOFS / "1.tlog-proof").read_bytes()
    assert naive(data)
    missed = 0
    for copy in flipped(data):
        try:
            missed += bool(naive(copy))
        except (verifier.Refused, ValueError, KeyError, TypeError, AttributeError):
            continue
    assert missed > 50
    proof("R6 control", f"a naive verifier believes {missed} of {8 * len(data)} flipped bits")
