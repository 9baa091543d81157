"""Offline verifier of the export of a buyer that leaves: standard library and ``verifier`` alone.

    pli verify export DIR --policy P [--manifest SHA256] [--lang fr|en] [--json]

Exit status as ``verifier``. Proven by the keys of the reader's policy: each entry stands in the
log, each stream is unbroken from its first version, personal values, dossiers, minutes, sealed
files and their lists are those that the entries name. By the manifest alone (``--manifest`` pins
it): tables, scans, and that nothing was left off at the end of a stream; the log has the answer
to the last at this size and root, which ``BuyerLeft`` names.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from replay import verifier
from replay.verifier import Chain, Checkpoint, Entry, Policy, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replay.verifier import Json

MANIFEST = "manifest.json"
LARGEST = 1 << 28
"""Bytes of a manifest, a proof or a list that are read at most."""
KEYS = [
    *("entries", "files", "format", "left_out", "origin", "root", "singles", "size", "streams"),
    "tenant",
]
FILE = {"path": str, "sha256": str, "size": int}
VALUE = ["commitment", "field", "salt", "value"]
HEX64 = re.compile("[0-9a-f]{64}")
PROOF = re.compile(r"proofs/(0|[1-9][0-9]*)\.tlog-proof")
DEPOSIT = re.compile(r"deposits/([0-9a-f]{32})/(sealed\.pli|pieces\.json|documents/[0-9]{4,5})")
SEALED = frozenset({"DepositSealed", "LateDepositRecorded", "BackupCopyReceived"})


class Manifest(NamedTuple):
    """What an export says that it is."""

    tenant: str
    checkpoint: tuple[str, int, str]
    entries: int
    streams: list[str]
    singles: list[int]
    files: dict[str, tuple[str, int]]
    left_out: int


class Proof(NamedTuple):
    """One proven entry and where it stands."""

    position: int
    entry: Entry
    leaf: bytes


def parse_manifest(data: bytes) -> Manifest:
    """Return a manifest, strict as every text that is hashed here; raise Refused."""
    found = verifier.parse_object(data)
    if list(found) != KEYS or found["format"] != "pli-export/1":
        raise Refused("manifest", reason="form")
    files: dict[str, tuple[str, int]] = {}
    for row in rows(found["files"]):
        if {name: type(value) for name, value in row.items()} != FILE:
            raise Refused("manifest", reason="file")
        path = str(row["path"])
        parts = path.split("/")
        if path in files or path == MANIFEST or {"", ".", ".."} & {*parts} or "\\" in path:
            raise Refused("manifest", reason="path")
        files[path] = (str(row["sha256"]), int(str(row["size"])))
    streams, singles = strings(found["streams"]), numbers(found["singles"])
    size, entries = numbers([found["size"], found["entries"]])
    tenant, origin, root = strings([found["tenant"], found["origin"], found["root"]])
    left = rows(found["left_out"])
    return Manifest(tenant, (origin, size, root), entries, streams, singles, files, len(left))


def rows(value: Json) -> list[dict[str, Json]]:
    """Return a list of objects, or refuse."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Refused("manifest", reason="rows")
    return [row for row in value if isinstance(row, dict)]


def strings(value: Json) -> list[str]:
    """Return a list of texts, or refuse."""
    if not isinstance(value, list) or not all(isinstance(row, str) for row in value):
        raise Refused("manifest", reason="texts")
    return [str(row) for row in value]


def numbers(value: Json) -> list[int]:
    """Return a list of counts, or refuse."""
    if not isinstance(value, list) or not all(type(row) is int and row >= 0 for row in value):
        raise Refused("manifest", reason="numbers")
    return [row for row in value if isinstance(row, int)]


class Export:
    """One export in a folder, judged step by step."""

    def __init__(self, folder: Path, policy: Policy, pinned: str | None = None) -> None:
        self.folder, self.policy = folder, policy
        data = self.read(MANIFEST)
        self.hash = hashlib.sha256(data).hexdigest()
        if pinned not in {None, self.hash}:
            raise Refused("manifest", sha256=self.hash, reason="pin")
        self.manifest = parse_manifest(data)
        self.marks: set[str] = set()
        self.sealed: dict[str, Entry] = {}

    def read(self, path: str) -> bytes:
        """Return a file, or refuse what is absent or larger than any honest one."""
        file = self.folder / path
        if not file.is_file():
            raise Refused("missing", path=path)
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Refused("path", path=path)
        return data

    def check(self) -> dict[str, Json]:
        """Return what is proven; raise Refused for the first thing that is not."""
        self.check_files()
        note = self.read("checkpoint")
        head, seen = self.policy.verify(note)
        if (head.origin, head.size, head.root.hex()) != self.manifest.checkpoint:
            raise Refused("checkpoint", reason="manifest")
        proofs = self.proofs(head, note)
        self.check_streams(head, proofs)
        values = self.check_values()
        named = self.check_named()
        told = self.manifest
        return verifier.of_checkpoint(head, seen) | {
            "tenant": told.tenant,
            "entries": told.entries,
            "streams": len(told.streams),
            "personal_values": values,
            "named_files": named,
            "left_out": told.left_out,
            "manifest": self.hash,
        }

    def check_files(self) -> None:
        """Return if what lies here is what the manifest lists, byte for byte, and no more."""
        here = {
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if not path.is_dir()
        }
        for path in sorted(here ^ {MANIFEST, *self.manifest.files}):
            raise Refused("path" if path in here else "missing", path=path)
        for path, (expected, size) in sorted(self.manifest.files.items()):
            if (self.folder / path).stat().st_size != size or self.hashed(path) != expected:
                raise Refused("file", path=path)

    def hashed(self, path: str) -> str:
        """Return the hash of a file of any size."""
        with (self.folder / path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def proofs(self, head: Checkpoint, note: bytes) -> dict[bytes, Proof]:
        """Return every proven entry by its leaf, all under the one checkpoint."""
        found: dict[bytes, Proof] = {}
        for path in self.manifest.files:
            name = PROOF.fullmatch(path)
            if name is None:
                continue
            data = self.read(path)
            proven = verifier.check_receipt(data, self.policy)
            if proven.position != int(name[1]) or data.partition(b"\n\n")[2] != note:
                raise Refused("proof", path=path, reason="another place")
            found[proven.leaf] = Proof(proven.position, proven.entry, proven.leaf)
        founding = [proof for proof in found.values() if proof.position == 0]
        if not founding:
            raise Refused("missing", path="proofs/0.tlog-proof")
        Chain(head.origin).follow(0, founding[0].entry, founding[0].leaf.hex())
        return found

    def check_streams(self, head: Checkpoint, proofs: dict[bytes, Proof]) -> None:
        """Return if each stream is unbroken, of this tenant, and no proof is left over."""
        genesis = next(leaf for leaf, proof in proofs.items() if proof.position == 0)
        left = {leaf: proof for leaf, proof in proofs.items() if leaf != genesis}
        chain = Chain(head.origin)
        chain.genesis = genesis.hex()
        ordered: list[Proof] = []
        for number, name in enumerate(self.manifest.streams):
            for data in bundle(self.read(f"streams/{number}")):
                proof = left.pop(verifier.leaf_hash(data), None)
                if proof is None or proof.entry.stream != name:
                    raise Refused("chain", stream=name, reason="unproven")
                ordered.append(proof)
        for proof in sorted(ordered):
            chain.follow(proof.position, proof.entry, proof.leaf.hex())
        if sorted(chain.tips) != self.manifest.streams:
            raise Refused("chain", reason="streams")
        alone = sorted(proof.position for proof in left.values())
        if alone != sorted(self.manifest.singles):
            raise Refused("proof", reason="singles")
        owned = [*ordered, *left.values()]
        if len(owned) != self.manifest.entries:
            raise Refused("manifest", entries=len(owned))
        for proof in owned:
            self.take(proof.entry, alone=proof.leaf in left)

    def take(self, entry: Entry, *, alone: bool) -> None:
        """Note what an entry names; refuse one that is not of this tenant, nor its act."""
        data = verifier.parse_object(entry.data.encode())
        meta = data.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        actor = meta.get("actor")
        by = actor.get("org") if isinstance(actor, dict) else None
        if meta.get("tenant") != self.manifest.tenant and not (
            alone and by == self.manifest.tenant
        ):
            raise Refused("tenant", stream=entry.stream, version=entry.version)
        self.marks.update(HEX64.findall(entry.data))
        if entry.kind in SEALED:
            self.sealed[entry.stream.partition("/")[2]] = entry

    def check_values(self) -> int:
        """Return how many personal values are those behind commitments of the entries."""
        lines = self.read("private.ndjson").split(b"\n")[:-1]
        for line in lines:
            row = verifier.parse_object(line)
            salt, commitment = str(row.get("salt")), str(row.get("commitment"))
            if list(row) != VALUE or not HEX64.fullmatch(salt):
                raise Refused("value", reason="form")
            shown = {"field": row["field"], "value": row["value"]}
            text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
            message = b"pli/commitment/v1\x00" + text.encode()
            made = hmac.digest(bytes.fromhex(salt), message, "sha256").hex()
            if made != commitment or commitment not in self.marks:
                raise Refused("value", commitment=commitment)
        return len(lines)

    def check_named(self) -> int:
        """Return how many files are those that the entries name by hash or commitment."""
        count = 0
        for path, (sha256, _) in self.manifest.files.items():
            folder, _, name = path.partition("/")
            if folder == "files":
                if name != sha256 or name not in self.marks:
                    raise Refused("file", path=path, reason="unnamed")
                count += 1
            elif folder == "deposits":
                count += self.check_deposit(path)
        return count

    def check_deposit(self, path: str) -> int:
        """Return 1 if a file of a deposit is what its entry, or its proven list, says of it."""
        name = DEPOSIT.fullmatch(path)
        entry = self.sealed.get(name[1]) if name else None
        if name is None or entry is None:
            raise Refused("file", path=path, reason="unnamed")
        if name[2] == "sealed.pli":
            with (self.folder / path).open("rb") as file:
                verifier.check_file(file, entry)
        elif name[2] == "pieces.json":
            if entry.kind == "BackupCopyReceived":  # its entry names no root of documents
                return 0
            for number, piece in enumerate(verifier.check_pieces(self.read(path), entry), 1):
                document = f"deposits/{name[1]}/documents/{number:04}"
                told = self.manifest.files.get(document)
                if told is not None and isinstance(piece, dict) and piece["sha256"] != told[0]:
                    raise Refused("documents", path=document)
        return 1


def bundle(data: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle, nothing left over."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise Refused("bundle", bytes=len(data))
        yield data[at + 2 : end]
        at = end


def main(argv: Sequence[str]) -> int:
    """Verify one export: 0 proven, 1 refused, 2 usage, 3 something could not be read."""
    parser = argparse.ArgumentParser("pli verify export", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--manifest")
    parser.add_argument("--lang", choices=("fr", "en"), default="fr")
    parser.add_argument("--json", action="store_true")
    try:
        given = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    french, status = given.lang == "fr", 0
    said: dict[str, Json] = {"verb": "export", "verdict": "proven"}
    try:
        policy = Policy(given.policy.read_bytes())
        said |= Export(given.folder, policy, given.manifest).check()
        head = "PROUVÉ" if french else "PROVEN"
    except Refused as refusal:
        said |= {"verdict": "refused", "code": refusal.code, "facts": {**refusal.facts}}
        status, head = 1, "REFUSÉ" if french else "REFUSED"
    except OSError as error:
        said |= {"verdict": "unreadable", "facts": {"path": str(error.filename)}}
        status, head = 3, "ILLISIBLE" if french else "UNREADABLE"
    lines = [f"{name}: {verifier.shown(value)}" for name, value in said.items()]
    text = json.dumps(said, sort_keys=True) if given.json else "\n  ".join([head, *lines])
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    return status
