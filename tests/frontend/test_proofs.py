"""Receipts and kits: what a browser believes is what Python believes, case by case.

The bytes of both sides are the same texts: the tlog-proofs of the ledger's vectors, one of them with a
bit changed at many places, and a kit with each of its fields changed. A browser knows the log's
signature alone, so both are asked under the policy of the log without witnesses.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from doubles.kits import KitCase, kit_case
from doubles.node import FRONT, ROOT, node, packages
from doubles.sizes import sized

from api.depositor.kit import Kit, KitRefused
from crypto.digests import sha256
from crypto.errors import CryptoError
from crypto.policies import Policy
from ledger.entry import Entry, parse
from ledger.errors import LedgerError
from ledger.proofs import TlogProof

RUNNER = ROOT / "tests" / "frontend" / "proofs.mjs"
LEDGER = ROOT / "tests" / "vectors" / "ledger"
FLIPS = sized(push=300, full=3000, night=16_000)
Case = dict[str, Any]
REFUSED: Mapping[str, Any] = {"got": "refuse", "out": {}}


def in_node(cases: list[Case], folder: Path, root: Path = ROOT) -> dict[str, Any]:
    """Return what the front end's sources say of each case, by its id."""
    asked = folder / "cases.ndjson"
    asked.write_text("".join(f"{json.dumps(one)}\n" for one in cases))
    done = node(root / "tests" / "frontend" / RUNNER.name, asked)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row.pop("id"): row for row in rows}


def in_python(cases: list[Case]) -> dict[str, Any]:
    """Return what the product's Python says of each case, by its id."""
    judges: Mapping[str, Callable[[Case], Case]] = {"receipt": receipt, "kit": kit}
    said: dict[str, Any] = {}
    for one in cases:
        try:
            said[one["id"]] = {"got": "accept", "out": judges[one["judge"]](one)}
        except (CryptoError, LedgerError, KitRefused):
            said[one["id"]] = REFUSED
    return said


def receipt(case: Case) -> Case:
    try:
        found = TlogProof.parse(case["proof"].encode()).verify(Policy.parse(case["policy"]))
    except UnicodeEncodeError as error:
        raise KitRefused(str(error)) from error
    entry = parse(found.entry)
    return {"entry": sha256(found.entry).hex(), "kind": entry.kind, "stream": entry.stream}


def kit(case: Case) -> Case:
    found = Kit.parse(case["kit"].encode())
    if found.bidder is None:
        raise KitRefused("a browser seals for somebody")
    return {
        "consultation": found.consultation,
        "bidder": found.bidder.tag,
        "dossier": found.dossier_root,
        "notBefore": found.not_before,
        "lots": list(found.lots),
        "keyset": found.keyset.digest.hex(),
        "canary": found.canary.digest.hex(),
        "padding": found.limits.padding.lower(),
        "maxFile": found.limits.max_file,
        "maxFiles": found.limits.max_files,
        "maxTotal": found.limits.max_total,
        "policy": found.policy_log,
        "level": found.level,
    }


def without_witnesses(policy: str) -> str:
    """Return the policy of the log alone, as a kit carries it for first receipts."""
    kept = [line for line in policy.splitlines() if line.split()[:1] == ["log"]]
    return "\n".join([*kept, "quorum none", ""])


def receipts() -> list[Case]:
    """Return the vectors of the ledger that carry their entry, then one with bits changed."""
    cases = [
        {"id": one["id"], "proof": one["proof"], "policy": without_witnesses(one["policy"])}
        for one in json.loads((LEDGER / "proofs.json").read_text())["cases"]
        if "entry_b64" not in one
    ]
    policy = (LEDGER / "policies" / "log.txt").read_text()
    for path in sorted((LEDGER / "extra" / "proofs").glob("*.tlog-proof")):
        cases.append({"id": path.name, "proof": path.read_text(), "policy": policy})
    whole, chance = cases[-1]["proof"], Random(9)
    for number in range(FLIPS):
        at = chance.randrange(len(whole))
        changed = chr(ord(whole[at]) ^ (1 << chance.randrange(6)))
        flipped = whole[:at] + changed + whole[at + 1 :]
        cases.append({"id": f"flip-{number}-{at}", "proof": flipped, "policy": policy})
    cases += [
        {"id": f"edit-{name}", "proof": edit(whole), "policy": policy}
        for name, edit in EDITS.items()
    ]
    return [{"judge": "receipt", **one} for one in cases]


def added(line: str) -> Callable[[str], str]:
    """Return what adds one line to the signatures."""
    return lambda whole: f"{whole}{line}\n"


EDITS: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "no-end": lambda whole: whole[:-1],
    "empty-line": lambda whole: f"{whole}\n",
    "unknown-key": added("— somebody AAAAAAAA"),
    "unknown-key-of-nothing": added("— somebody AAAAAA=="),
    "unknown-name-with-plus": added("— some+body AAAAAAAA"),
    "unknown-name-with-tab": added("— some\tbody AAAAAAAA"),
    "unknown-name-with-space": added("— some\u2003body AAAAAAAA"),
    "unknown-name-with-next-line": added("— some\x85body AAAAAAAA"),
    "hyphen": added("- somebody AAAAAAAA"),
    "spare-bits": added("— somebody AAAAAAB="),
    "100-signatures": lambda whole: whole + "— somebody AAAAAAAA\n" * (100 - signatures(whole)),
    "101-signatures": lambda whole: whole + "— somebody AAAAAAAA\n" * (101 - signatures(whole)),
    "extension": lambda whole: whole.replace("\n\n— ", "\nan extension\n\n— "),
    "accent-above": lambda whole: whole.replace("index ", "index é"),
    "step-short": lambda whole: whole.replace("\n\n", "\nAAAA\n\n", 1),
    "64-steps": lambda whole: whole.replace("\n\n", f"\n{STEP}" * 64 + "\n\n", 1),
    "index-zero-led": lambda whole: whole.replace("index ", "index 0"),
    "no-extra": lambda whole: "\n".join(
        line for line in whole.split("\n") if not line.startswith("extra ")
    ),
}
STEP = base64.b64encode(bytes(32)).decode()


def signatures(whole: str) -> int:
    """Return the number of signature lines."""
    return whole.count("\n— ")


def kits(made: KitCase) -> list[Case]:
    """Return the kit, then each of its fields changed, left out, or of another type."""
    other = kit_case(key_fingerprint="00" * 32).raw["ledger"]
    bidder, limits, ledger = (made.raw[name] for name in ("bidder", "limits", "ledger"))
    changes: dict[str, Case] = {
        "whole": {},
        "unknown-field": {"later": 1},
        "unpublished": {"ledger": {k: v for k, v in ledger.items() if k != "publication"}},
        "none-padded": {"limits": limits | {"padding": "NONE"}},
        "other-keyset-published": {"ledger": other},
        "keysets-exchanged": {"keyset": made.raw["canary"], "canary": made.raw["keyset"]},
        "other-operator": {"bidder": bidder | {"operator": "siret:20009320100016"}},
        "other-salt": {"bidder": bidder | {"salt": "00" * 16}},
        "other-consultation": {"consultation": "lille-2"},
        "policy-of-nobody": {"ledger": ledger | {"policy_log": "quorum none\n"}},
        "level-A2": {"level": "A2"},
        "version-2": {"v": 2},
        "local-hour": {"not_before": "2026-10-12T12:00:00.000000+02:00"},
        "short-root": {"dossier_root": "33" * 31},
        "upper-root": {"dossier_root": "AA" * 32},
        "padding-word": {"limits": limits | {"padding": "MUCH"}},
        "lots-one-text": {"lots": "001"},
        "lots-numbers": {"lots": [1, 2]},
        "lots-odd": {"lots": ["../1"]},
    }
    for name in ("max_file", "max_files", "max_total"):
        for value in (0, -1, 1.5, 2**53, "4", True):
            changes[f"{name}-{value!r}"] = {"limits": limits | {name: value}}
    needed = ("bidder", "consultation", "keyset", "canary", "ledger", "level", "limits", "lots")
    for name in (*needed, "dossier_root", "not_before", "v"):
        changes[f"without-{name}"] = {name: None}
    return [
        {"id": f"kit-{name}", "judge": "kit", "kit": made.bytes(**change).decode()}
        for name, change in changes.items()
    ]


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    assert one.keys() == other.keys()
    return [f"{name}: {one[name]} {other[name]}" for name in one if one[name] != other[name]]


def test_receipts_are_believed_alike(tmp_path: Path) -> None:
    cases = receipts()
    said = in_node(cases, tmp_path)
    assert not different(in_python(cases), said)
    believed = [name for name, row in said.items() if row["got"] == "accept"]
    assert len(believed) >= 5
    flips = [int(name.rpartition("-")[2]) for name in said if name.startswith("flip-")]
    assert len(flips) == FLIPS
    # the policy names the log alone, so whoever else has signed the checkpoint counts for nothing
    others = next(one["proof"] for one in cases if one["id"] == "edit-none").rindex("\n\u2014 ")
    spared = [int(name.rpartition("-")[2]) for name in believed if name.startswith("flip-")]
    assert all(at > others for at in spared)
    assert len(spared) <= sum(at > others for at in flips) < FLIPS


def test_kits_are_believed_alike(tmp_path: Path) -> None:
    cases = kits(kit_case())
    said = in_node(cases, tmp_path)
    assert not different(in_python(cases), said)
    accepted = {name for name, row in said.items() if row["got"] == "accept"}
    assert accepted == {
        *("kit-whole", "kit-unknown-field", "kit-unpublished", "kit-none-padded"),
    }


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("kit.ts", ".map((lot) => match(lot, LOT))", ".map(String)"),
        ("receipt.ts", "!NAME.test(name) || ", ""),
        ("receipt.ts", "!equal(reached, root)", "false"),
    ],
)
def test_a_front_end_that_believes_more_is_seen(
    tmp_path: Path, file: str, right: str, wrong: str
) -> None:
    """The control: the same cases over sources with one check left out."""
    shutil.copytree(FRONT / "src", tmp_path / "frontend" / "src")
    (tmp_path / "frontend" / "node_modules").symlink_to(packages())
    (tmp_path / "frontend" / "package.json").write_bytes((FRONT / "package.json").read_bytes())
    changed = tmp_path / "frontend" / "src" / file
    source = changed.read_text()
    assert source.count(right) == 1
    changed.write_text(source.replace(right, wrong))
    runner = tmp_path / "tests" / "frontend" / RUNNER.name
    runner.parent.mkdir(parents=True)
    shutil.copy(RUNNER, runner)
    cases = kits(kit_case()) if file == "kit.ts" else receipts()
    assert different(in_python(cases), in_node(cases, tmp_path, tmp_path))


def test_a_receipt_is_about_this_deposit_and_no_other(tmp_path: Path) -> None:
    policy = (LEDGER / "policies" / "log.txt").read_text()
    given = next(
        {"judge": "deposit", "proof": path.read_text(), "policy": policy}
        for path in sorted((LEDGER / "extra" / "proofs").glob("*.tlog-proof"))
        if proven(path.read_bytes(), policy).kind == "DepositSealed"
    )
    entry = proven(given["proof"].encode(), policy)
    told, due = [f"{entry.kind} {entry.stream}"], dict(entry.data)
    due.pop("meta")
    cases = [{"id": "whole", "told": told, "due": due}]
    cases += [{"id": f"not {name}", "told": told, "due": due | {name: "x"}} for name in due]
    cases += [{"id": "missing", "told": told, "due": due | {"another": 1}}]
    cases += [{"id": "elsewhere", "told": ["DepositSealed deposit/x"], "due": due}]
    said = in_node([given | one for one in cases], tmp_path)
    accepted = {name for name, row in said.items() if row["got"] == "accept"}
    assert accepted == {"whole"}
    assert len(said) > 8


def proven(proof: bytes, policy: str) -> Entry:
    return parse(TlogProof.parse(proof).verify(Policy.parse(policy)).entry)
