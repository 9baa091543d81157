"""Every tampered copy of the known logs is judged as two independent verifiers judged it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crypto.errors import CryptoError
from crypto.policies import Policy
from ledger.errors import LedgerError
from ledger.exported import LogFolder, prove_growth, prove_inclusion, read_checkpoint
from ledger.fsck import LogUnsound, fsck

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger"
CASES = json.loads((VECTORS / "tampered" / "index.json").read_text())["cases"]


def apply(operation: dict[str, str | int], folder: Path) -> None:
    path = folder / str(operation["path"])
    match operation["op"]:
        case "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(VECTORS / "tampered" / str(operation["file"]), path)
        case "remove":
            path.unlink()
        case "truncate":
            path.write_bytes(path.read_bytes()[: int(operation["size"])])
        case "append":
            path.write_bytes(path.read_bytes() + bytes.fromhex(str(operation["value"])))
        case "xor":
            data = bytearray(path.read_bytes())
            for at, bits in enumerate(bytes.fromhex(str(operation["value"]))):
                data[int(operation["offset"]) + at] ^= bits
            path.write_bytes(data)
        case unknown:
            raise AssertionError(unknown)


def run(check: dict[str, str | int], folder: Path) -> None:
    def given(name: str) -> bytes:
        return (VECTORS / str(check[name])).read_bytes()

    log = LogFolder(folder)
    policy = Policy.parse(given("policy").decode())
    match check["run"]:
        case "fsck":
            fsck(log, policy, [given("pin")] if "pin" in check else [])
        case "checkpoint":
            policy.verify(read_checkpoint(log))
        case "include":
            entry = given("entry") if "entry" in check else None
            prove_inclusion(log, policy, int(check["index"]), entry)
        case "consistency":
            prove_growth(log, policy, given("old"))
        case unknown:
            raise AssertionError(unknown)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_tampered_copies(case: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "log"
    shutil.copytree(VECTORS / str(case["base"]), folder, copy_function=shutil.copyfile)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)
    for operation in case["ops"]:  # type: ignore[attr-defined]
        apply(operation, folder)
    for check in case["checks"]:  # type: ignore[attr-defined]
        if check["expect"] == "accept":
            run(check, folder)
            continue
        with pytest.raises((CryptoError, LedgerError)) as refusal:
            run(check, folder)
        found = refusal.value
        code = found.first.code if isinstance(found, LogUnsound) else found.code
        assert code == check.get("code", code), check
