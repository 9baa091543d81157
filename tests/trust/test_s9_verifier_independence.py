"""S9: the offline verifier shares nothing with the platform, and judges alike.

Good receipts, logs and proofs are made by the platform from random small logs; then they are
changed, as bytes by anyone and as histories by an operator who holds the log's key. Positive
control: planted wrong verifiers must disagree with the platform on the same material.
"""

from __future__ import annotations

import ast
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from doubles.proofs import Proof
from doubles.sizes import sized

from crypto import merkle
from crypto.canonical import decode, encode
from crypto.errors import CryptoError
from crypto.notes import COSIGNATURE, LOG, Checkpoint, VerifierKey, cosign, note, sign, text
from crypto.policies import Policy
from ledger.entry import parse
from ledger.errors import LedgerError
from ledger.exported import prove_growth, prove_inclusion
from ledger.fsck import fsck
from ledger.proofs import TlogProof
from ledger.tiles import ENTRIES, tiles_of, write_bundle, write_tile
from replay import verifier

SOURCE = Path(verifier.__file__).read_text()
MOST_LINES = 905  # "about 900"
ORIGIN, OTHER = "log.example/1", "log.example/2"
SEED = {name: hashlib.sha256(name.encode()).digest() for name in (ORIGIN, OTHER, "a", "b", "c")}
KEYS = {name: VerifierKey.of_seed(name, LOG, SEED[name]) for name in (ORIGIN, OTHER)}
WITNESSES = {
    name: VerifierKey.of_seed(f"{name}.example", COSIGNATURE, SEED[name]) for name in "abc"
}
ALONE = f"log {KEYS[ORIGIN]}\nquorum none\n"
ALL = f"log {KEYS[ORIGIN]}\nlog {KEYS[OTHER]}\n" + "".join(
    f"witness {name} {key}\n" for name, key in WITNESSES.items()
)
POLICIES = [
    ALONE,
    f"{ALL}quorum a\n",
    f"{ALL}group g 2 a b c\nquorum g\n",
    f"{ALL}group g any a b\ngroup h all g c\nquorum h\n",
]
START = datetime(2026, 3, 2, 7, tzinfo=UTC)
LETTERS = 'abcXYZ019 _-./:,"\\\n\t\x01\x7f[]{}éàœ€😀'


def test_it_stands_alone() -> None:
    tree = ast.parse(SOURCE)
    names = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."] * (1 + 99 * node.level)
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not {"__import__", "eval", "exec", "open"} & called
    assert not {"importlib", "ctypes", "socket", "subprocess"} & names


def test_it_is_one_file_of_a_readable_length() -> None:
    assert SOURCE.count("\n") <= MOST_LINES
    assert [path.name for path in Path(verifier.__file__).parent.glob("verif*")] == ["verifier.py"]


# what is judged, and by whom


@dataclass(frozen=True)
class Case:
    """One thing to judge: a receipt, or files of a log with what is asked of them."""

    verb: str
    policy: str
    receipt: bytes = b""
    files: tuple[tuple[str, bytes], ...] = ()
    old: bytes = b""
    index: int = 0


class Served(dict[str, bytes]):
    """Files of a log as the platform reads them."""

    def read(self, path: str) -> bytes | None:
        return self.get(path)


def head_of(checkpoint: Checkpoint | verifier.Checkpoint) -> tuple[object, ...]:
    return checkpoint.origin, checkpoint.size, checkpoint.root


def by_platform(case: Case) -> object:
    """Return what the platform proves."""
    policy, files = Policy.parse(case.policy), Served(case.files)
    if case.verb == "receipt":
        proven = TlogProof.parse(case.receipt).verify(policy)
        parse(proven.entry)
        leaf = merkle.leaf_hash(proven.entry)
        return leaf, proven.index, head_of(proven.checkpoint), dict(proven.cosignatures)
    if case.verb == "include":
        proven = prove_inclusion(files, policy, case.index)
        parse(proven.entry)
        leaf = merkle.leaf_hash(proven.entry)
        return leaf, proven.index, head_of(proven.checkpoint), dict(proven.cosignatures)
    if case.verb == "growth":
        return head_of(prove_growth(files, policy, case.old).checkpoint)
    sound = fsck(files, policy, [case.old] if case.old else [])
    return head_of(sound.checkpoint), dict(sound.cosignatures), sound.streams


def by_verifier(case: Case) -> object:
    """Return what the offline verifier proves."""
    policy, read = verifier.Policy(case.policy.encode()), dict(case.files).get
    if case.verb in {"receipt", "include"}:
        proven = (
            verifier.check_receipt(case.receipt, policy)
            if case.verb == "receipt"
            else verifier.check_include(read, policy, case.index)
        )
        return proven.leaf, proven.position, head_of(proven.checkpoint), proven.cosignatures
    if case.verb == "growth":
        return head_of(verifier.check_growth(read, policy, case.old))
    checkpoint, seen, chain = verifier.check_log(read, policy, case.old or None)
    return head_of(checkpoint), seen, len(chain.tips)


Judge = Callable[[Case], object]


def verdict(judge: Judge, case: Case) -> object:
    """Return what is proven, or None if it is refused; any other exception is a fault."""
    try:
        return judge(case)
    except (verifier.Refused, CryptoError, LedgerError):
        return None


# good material, made by the platform


def words(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(20)))


def data_of(rng: random.Random) -> dict[str, object]:
    data: dict[str, object] = {"text": words(rng), "number": rng.randrange(-(10**15), 10**15)}
    if rng.random() < 0.3:
        data["list"] = [words(rng), rng.randrange(9), {"flag": rng.random() < 0.5}]
    return data


def history(rng: random.Random, size: int) -> list[dict[str, object]]:
    """Return the fields of a sound log but for `prev`, which follows from all before."""
    at, latest = START, dict[str, datetime]()
    versions = Counter[str]()
    entries = []
    for position in range(size):
        at += timedelta(microseconds=rng.randrange(4 * 10**6))
        stream = rng.choice(["log", "health/main", "deposit/D-1", "deposit/2", "lot/x.2a"])
        stream = stream if position else "log"
        moment = max(at - timedelta(seconds=rng.choice([0, 0, 3, 9.9])), latest.get(stream, START))
        versions[stream] += 1
        latest[stream] = moment
        founded = {"clock": "simulated", "format": "pli-entry/1", "origin": ORIGIN}
        entries.append(
            {
                "at": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}",
                "data": data_of(rng) if position else founded,
                "kind": rng.choice(["LogPadded", "ProbeSucceeded"]) if position else "LogCreated",
                "salt": rng.randbytes(16).hex(),
                "stream": stream,
                "v": rng.choice([1, 2, 65535]),
                "version": versions[stream],
            }
        )
    return entries


def written(fields: list[dict[str, object]]) -> list[bytes]:
    """Return the entries of a history, each linked to the one before in its stream."""
    tips: dict[object, str] = {}
    entries: list[bytes] = []
    for each in fields:
        genesis = merkle.leaf_hash(entries[0]).hex() if entries else "0" * 64
        prev = each.get("prev", tips.get(each["stream"], genesis))
        entries.append(encode({**each, "prev": prev}))  # type: ignore[dict-item]
        tips[each["stream"]] = merkle.leaf_hash(entries[-1]).hex()
    return entries


def signed(entries: list[bytes], size: int, cosigned: str, origin: str = ORIGIN) -> bytes:
    leaves = [merkle.leaf_hash(entry) for entry in entries[:size]]
    head = Checkpoint(origin, size, merkle.root(leaves))
    lines = [sign(head, ORIGIN, SEED[ORIGIN])]
    lines += [cosign(text(head), f"{name}.example", SEED[name], 1772524800) for name in cosigned]
    return note(head, lines)


def served(entries: list[bytes], checkpoint: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the files of a log over these entries, sound or not."""
    rows = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(rows[-1]) >= 256:
        row = rows[-1]
        rows.append([merkle.root(row[at : at + 256]) for at in range(0, len(row) - 255, 256)])
    files = {"checkpoint": checkpoint}
    for path in tiles_of(len(entries)):
        held = slice(path.n * 256, path.n * 256 + path.width)
        tile = path.level != ENTRIES
        files[str(path)] = (
            write_tile(rows[path.level][held]) if tile else write_bundle(entries[held])
        )
    return tuple(files.items())


def receipt_of(entries: list[bytes], index: int, checkpoint: bytes) -> bytes:
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    proof = merkle.inclusion_proof(leaves, index)
    return bytes(TlogProof(index, tuple(proof), checkpoint, entries[index]))


def good_cases(rng: random.Random) -> Iterator[Case]:
    """Yield what one random log gives to judge."""
    few = rng.random()
    size = rng.randrange(1, 12) if few < 0.8 else rng.randrange(12, 60)
    size = size if few < 0.99 else rng.choice([255, 256, 257, 300, 512, 513])
    policy = rng.choice(POLICIES)
    cosigned = rng.choice(["ac", "abc", "ac"])
    entries = written(history(rng, size))
    checkpoint = signed(entries, size, cosigned)
    files = served(entries, checkpoint)
    old = signed(entries, rng.randrange(size + 1), "")
    yield Case("log", policy, files=files, old=rng.choice([b"", old]))
    yield Case("growth", policy, files=files, old=old)
    for _ in range(8):
        index = rng.randrange(size)
        yield Case("receipt", policy, receipt_of(entries, index, checkpoint))
    yield Case("include", policy, files=files, index=rng.randrange(size))


def stream_of(make: Callable[[random.Random], Iterator[Case]], seed: int) -> Iterator[Case]:
    """Yield cases of one log after the other, without end."""
    rng = random.Random(seed)
    while True:
        yield from make(rng)


# changed material


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes with one change: a bit, a drop, a swap, a cut, a repetition, more."""
    at, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 32, 100])
    end, length = at + length, len(data)
    change = rng.randrange(6)
    if change == 0 and data:
        at = min(at, length - 1)
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    extra = rng.choice([b"\n", b" ", b"=", b"0", b"A", b"\xff", b"\xc3\xa9", b"\x00", b"\r\n"])
    return {
        1: data[:at] + data[end:],
        2: data[:at],
        3: data[:end] + data[at:],
        4: data[:at] + data[end : 2 * end - at] + data[at:end] + data[2 * end - at :],
        5: data[:at] + extra + data[at:],
    }.get(change, data)


def changed_lines(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes with lines dropped, doubled, swapped or put in."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    change = rng.randrange(4)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines.insert(at, lines[other])
    elif change == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines.insert(at, rng.choice([b"\n", b"extra AAAA\n", b"index 0\n", b"index 1\n"]))
    return b"".join(lines)


def changed_receipt(rng: random.Random, receipt: bytes) -> bytes:
    """Return the receipt changed anywhere, or where little stands and much depends on it."""
    head, _, rest = receipt.partition(b"\nindex ")
    index, newline, proof = rest.partition(b"\n")
    change = rng.random()
    if change < 0.2:
        index = b"%d" % rng.randrange(int(index) + 3)
    elif change < 0.5:
        proof = changed_bytes(rng, proof)
    elif change < 0.7:
        proof = changed_lines(rng, proof)
    else:
        return changed_bytes(rng, receipt)
    return head + b"\nindex " + index + newline + proof


def by_anyone(rng: random.Random, case: Case) -> Case:
    """Return the case with bytes changed by somebody who holds no key."""
    if rng.random() < 0.1:
        changed = changed_bytes(rng, case.policy.encode()).decode("utf-8", "replace")
        return replace(case, policy=changed)
    if case.verb == "receipt":
        return replace(case, receipt=changed_receipt(rng, case.receipt))
    if case.old and rng.random() < 0.2:
        return replace(case, old=changed_bytes(rng, case.old) or b"\n")
    files = dict(case.files)
    path = rng.choice([*files])
    files[path] = changed_bytes(rng, files[path])
    if rng.random() < 0.1:
        del files[path]
    if rng.random() < 0.05:
        files["tile/0/000.p/255"] = bytes(255 * 32)
    return replace(case, files=tuple(files.items()))


def edit_fields(rng: random.Random, fields: list[dict[str, object]]) -> None:
    """Change the history itself, as somebody could who writes the log."""
    at, other = rng.randrange(len(fields)), rng.randrange(len(fields))
    entry = fields[at]
    change = rng.randrange(9)
    if change == 0:
        fields[at], fields[other] = fields[other], fields[at]
    elif change == 1:
        fields.insert(at, dict(fields[other]))
    elif change == 2 and len(fields) > 1:
        del fields[at]
    elif change == 3:
        moment = START + timedelta(seconds=rng.choice([-1, 0, 1, 5, 9, 11, 60]))
        entry["at"] = f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
    elif change == 4:
        entry["version"] = rng.choice([1, 2, 3, 2**53 - 1])
    elif change == 5:
        entry["stream"] = rng.choice(["log", "health/main", "x", "a/b", "bad/", "Z"])
    elif change == 6:
        entry["prev"] = rng.choice(["0" * 64, "ab" * 32, "AB" * 32])
    elif change == 7:
        entry["data"] = {"format": "pli-entry/1", "origin": rng.choice([ORIGIN, OTHER])}
    else:
        entry[rng.choice(["kind", "salt", "v", "x"])] = rng.choice(["Other", "00" * 16, 1, 0, "é"])


def edit_entry(rng: random.Random, data: bytes) -> bytes:
    """Change the bytes of one entry, before the log is made over them."""
    old, new = rng.choice(
        [
            (b'":', b'": '),
            (b"{", b'{"a":1,'),
            (b'"v":1', b'"v":1.0'),
            (b'"v":2', b'"v":null'),
            (b'":"', b'":"\\u0041'),
            (b'":"', b'":"\\u000b'),
            (b'":"', b'":"\xff'),
            (b'":"', b'":"\xe2\x80\xa8'),
            (b'"number":', b'"number":0'),
            (b'"number":', b'"number":9999999999'),
            (b'"number":', b'"numbers":'),
            (b'"list":[', b'"list":[' + b"[" * 20 + b"]" * 20 + b","),
            (b'"list":[', b'"list":[' + b"[" * 12 + b"]" * 12 + b","),
            (b"}", b"}\n"),
            (b"Z", b"z"),
        ]
    )
    if rng.random() < 0.4:
        return changed_bytes(rng, data)
    return data.replace(old, new, 1)


def by_operator(rng: random.Random) -> Iterator[Case]:
    """Yield cases over a history that was changed and then signed with the log's key."""
    size = rng.randrange(1, 14)
    fields = history(rng, size)
    honest = written(fields)
    edit_fields(rng, fields)
    try:
        entries = written(fields)
    except CryptoError:  # the platform does not even write it
        return
    if entries == honest:
        return
    if rng.random() < 0.4:
        at = rng.randrange(len(entries))
        entries[at] = edit_entry(rng, entries[at])
    policy, count = rng.choice(POLICIES[:2]), len(entries)
    origin = ORIGIN if rng.random() < 0.95 else OTHER
    checkpoint = signed(entries, count, "a", origin)
    files = served(entries, checkpoint)
    old = signed(honest, rng.randrange(size + 1), "")
    yield Case("log", policy, files=files, old=rng.choice([b"", old]))
    yield Case("growth", policy, files=files, old=old)
    yield Case("receipt", policy, receipt_of(entries, rng.randrange(count), checkpoint))
    yield Case("include", policy, files=files, index=rng.randrange(-1, count + 1))


def mutated_cases(seed: int) -> Iterator[Case]:
    """Yield changed cases, half of them signed as if nothing had happened."""
    rng = random.Random(seed)
    good, operated = stream_of(good_cases, seed), stream_of(by_operator, seed + 1)
    while True:
        yield next(operated)
        case = next(good)
        changed = by_anyone(rng, case)
        if changed != case:
            yield changed


# agreement


def disagreements(
    judge: Judge, cases: Iterator[Case], count: int
) -> tuple[list[Case], Counter[str]]:
    """Return the cases that the judge and the platform see otherwise, and what was judged."""
    wrong, seen = [], Counter[str]()
    for _, case in zip(range(count), cases, strict=False):
        expected = verdict(by_platform, case)
        seen[f"{case.verb} {'refused' if expected is None else 'proven'}"] += 1
        if verdict(judge, case) != expected and not nfc_alone(case):
            wrong.append(case)
    return wrong, seen


def nfc_alone(case: Case) -> bool:
    """Say whether only the rule for writers (NFC) refuses: a stand-alone verifier may not."""
    try:
        by_platform(case)
    except (CryptoError, LedgerError) as refusal:
        return "nfc" in {refusal.code, *getattr(refusal, "counts", ())}
    return False


COUNT = sized(push=2000, full=10_000, night=10_000_000)


def test_what_the_platform_makes_is_proven_alike(proof: Proof) -> None:
    wrong, seen = disagreements(by_verifier, stream_of(good_cases, 900), COUNT)
    assert wrong == []
    assert {key.split()[1] for key in seen} == {"proven"}
    assert len(seen) == 4
    proof("S9", f"{COUNT} good bundles judged alike")


def test_what_was_changed_is_judged_alike(proof: Proof) -> None:
    wrong, seen = disagreements(by_verifier, mutated_cases(901), COUNT)
    assert wrong == []
    assert min(seen.values()) >= COUNT / 200  # each verb was refused, and proven, often enough
    assert len(seen) == 8
    proof("S9 changed", f"{COUNT} changed bundles judged alike, {sum(seen.values())} verdicts")


def without_index(case: Case) -> object:
    """A planted mistake: any place will do."""
    if case.verb != "receipt":
        return by_verifier(case)
    head, _, rest = case.receipt.partition(b"\nindex ")
    _, _, proof = rest.partition(b"\n")
    for index in range(64):
        try:
            return by_verifier(replace(case, receipt=head + b"\nindex %d\n" % index + proof))
        except verifier.Refused:
            continue
    raise verifier.Refused("proof")


def without_quorum(case: Case) -> object:
    """A planted mistake: no witness is asked for."""
    lines = [line for line in case.policy.split("\n") if not line.startswith("quorum")]
    return by_verifier(replace(case, policy="\n".join([*lines, "quorum none\n"])))


def without_pin(case: Case) -> object:
    """A planted mistake: the pin is not looked at."""
    return by_verifier(replace(case, old=b"") if case.verb == "log" else case)


def without_chains(case: Case) -> object:
    """A planted mistake: entries are proven one by one, their order by nothing."""
    if case.verb != "log" or case.old:
        return by_verifier(case)
    policy, read = verifier.Policy(case.policy.encode()), dict(case.files).get
    checkpoint, seen = verifier.read_checkpoint(read, policy)
    streams = {
        verifier.check_include(read, policy, index).entry.stream for index in range(checkpoint.size)
    }
    return head_of(checkpoint), seen, len(streams)


@pytest.mark.parametrize("judge", [without_index, without_quorum, without_pin, without_chains])
def test_a_wrong_verifier_disagrees(judge: Judge) -> None:
    wrong, _ = disagreements(judge, mutated_cases(901), 600)
    assert wrong


def test_hidden_index_changes_are_among_the_material() -> None:
    """The entry at another index of the same log, told with its own proof: refused by both."""
    rng = random.Random(5)
    entries = written(history(rng, 7))
    checkpoint = signed(entries, 7, "")
    receipt = receipt_of(entries, 3, checkpoint).replace(b"index 3", b"index 2")
    case = Case("receipt", ALONE, receipt)
    assert verdict(by_platform, case) is None
    assert verdict(by_verifier, case) is None
    assert verdict(without_index, case)


def test_a_sound_entry_decodes_as_the_platform_decodes_it() -> None:
    rng = random.Random(6)
    for data in written(history(rng, 200)):
        assert verifier.parse_object(data) == decode(data)
        entry, theirs = verifier.read_entry(data), parse(data)
        assert verifier.parse_object(entry.data.encode()) == theirs.data
        assert (entry.at, entry.kind, entry.prev, entry.salt, entry.stream) == (
            theirs.at,
            theirs.kind,
            theirs.prev,
            theirs.salt,
            theirs.stream,
        )
        assert (entry.v, entry.version) == (theirs.v, theirs.version)
