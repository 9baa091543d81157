"""The complete export of one buyer: its entries proven, and what they stand for (art. 4, I-16).

Beside the evidence (``replay/export.py``) lie the values behind the commitments of its own people,
the files that its entries name, each opened envelope as it was deposited, and tables. Refused while
a lot of the buyer waits for its plan (N11): even places in the log would tell then.

What was erased, is gone or is in quarantine is left out by name in the manifest.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from api import openings
from api.inspection import stamps
from api.leaving_tables import tables
from api.standing import leaves
from crypto.canonical import encode
from crypto.policies import Policy
from domain.commands.leave_platform import check_unsealed
from domain.errors import DomainError, NotFound
from domain.identifiers import HEX64
from ledger.errors import ExportRefused
from ledger.receipt import checkpoint_of
from replay.export import File, Holding, evidence, holding, listed, told

if TYPE_CHECKING:
    from api.platform import Platform

PART = 1024 * 1024
OF_PERSONS = frozenset({"person", "member", "witness"})
"""Fields behind whose commitments a person stands; a bidder's is for its own eyes."""
NAMED = ("sha256", "minutes_hash", "token_hash", "trace_hash")
"""Fields that name a file of the vault by its hash."""
OPENED = frozenset({"EnvelopeOpened", "BackupCopyOpened"})
README = """\
Export complet d'un acheteur / Complete export of a buyer (pli-export/1)

Vérifier, hors ligne, avec la politique que vous avez reçue par une autre voie :
Verify, offline, under the policy that you got by another way:

    pli verify export DIR --policy policy.txt [--manifest SHA256]

Chaque proofs/<position>.tlog-proof se vérifie aussi seul / each proof verifies alone too:

    python3 -I -S verify.py receipt proofs/0.tlog-proof --policy policy.txt

checkpoint, policy*.txt, anchors/   tête signée, témoins, jetons / signed head, witnesses, stamps
streams/ proofs/                    écritures et preuves / entries and proofs
private.ndjson                      personnes derrière les engagements / persons behind commitments
files/                              pièces nommées par leur empreinte / files named by their hash
deposits/                           plis ouverts, tels que déposés / opened envelopes, as deposited
tables/                             tableaux lisibles / readable tables
manifest.json                       liste et empreintes, absences / list, hashes, what is absent
"""


@dataclass
class _Collected:
    """What a pass over the entries of a buyer names."""

    persons: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    opened: dict[str, None] = field(default_factory=dict)


@dataclass
class TenantExport:
    """The export of one buyer under the last published checkpoint; read it once, in order."""

    platform: Platform
    held: Holding
    left_out: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, platform: Platform, buyer: str) -> TenantExport:
        """Return the export of a buyer; raise ProceduresWait, NotPublished, NotFound."""
        check_unsealed(platform.desk, buyer)
        ledger = platform.ledger
        held = holding(ledger, ledger.files(), buyer)
        if not held.rows():
            raise NotFound("buyer", buyer)
        return cls(platform, held)

    def files(self) -> Iterator[File]:
        """Yield every file, the manifest last."""
        return listed(self.held, self._files(), self.left_out)

    def write(self, folder: Path) -> dict[str, object]:
        """Write it into a new folder; return size, root and the hash of the manifest."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ExportRefused(str(folder))
        last = hashlib.sha256()
        for file in self.files():
            target, last = folder / file.path, hashlib.sha256()
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as place:
                for data in file.parts():
                    last.update(data)
                    place.write(data)
        head = checkpoint_of(self.held.note)
        told_now = {"tenant": self.held.tenant, "size": head.size, "root": head.root.hex()}
        return {**told_now, "manifest": last.hexdigest(), "left_out": len(self.left_out)}

    def zipped(self) -> Iterator[bytes]:
        """Yield the same as one ZIP file, without a byte on the disk."""
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for file in self.files():
                # one date for all: two exports under one checkpoint have the same bytes
                info = zipfile.ZipInfo(file.path)
                with archive.open(info, "w", force_zip64=True) as place:
                    for data in file.parts():
                        place.write(data)
                        yield from sink.taken()
        yield from sink.taken()

    def _files(self) -> Iterator[File]:
        platform = self.platform
        keys = Policy.parse(platform.policies["policy-log.txt"]).logs
        with platform.ledger.reader.snapshot() as reads:
            stamped = stamps(reads, platform.home, keys)
        yield told("LISEZMOI.txt", README.encode())
        yield from evidence(self.held, platform.policies, stamped)
        found = self._collected()
        yield told("private.ndjson", self._values(found.persons))
        yield from self._named(found.files)
        for deposit in found.opened:
            yield from self._envelope(deposit)
        for name, text in tables(platform, self.held).items():
            yield told(f"tables/{name}.csv", text.encode())

    def _collected(self) -> _Collected:
        found = _Collected()
        for row in self.held.rows():
            data = orjson.loads(row.entry)["data"]
            texts = {path: value for path, value in leaves(data) if isinstance(value, str)}
            if data["meta"]["actor"]["org"] != self.held.tenant:
                own = row.stream.startswith("buyer/")  # whom the platform gave a role, not itself
                people = [v for path, v in texts.items() if own and not path.startswith("meta.")]
            else:
                people = list(texts.values())
            found.persons |= dict.fromkeys(filter(HEX64.fullmatch, people))
            for path, value in texts.items():
                if path.rpartition(".")[2] in NAMED and HEX64.fullmatch(value):
                    found.files[value] = None
            if row.kind in OPENED:
                found.opened[row.stream.partition("/")[2]] = None
        return found

    def _values(self, commitments: Mapping[str, None]) -> bytes:
        """Return who stands behind the commitments of the buyer's own acts, one line each."""
        lines = []
        for commitment in sorted(commitments):
            value = self.platform.privacy.personal(commitment)
            if value is not None and value.field in OF_PERSONS:
                lines.append(
                    encode(
                        {
                            "commitment": commitment,
                            "field": value.field,
                            "salt": value.salt.hex(),
                            "value": value.value,
                        }
                    )
                )
        return b"".join(line + b"\n" for line in lines)

    def _named(self, names: Mapping[str, None]) -> Iterator[File]:
        for name in names:
            stored = self.platform.vault.blob(name)
            if stored is None:
                self.left_out.append((f"files/{name}", "absent"))
            else:
                yield File(f"files/{name}", stored.parts)

    def _envelope(self, deposit: str) -> Iterator[File]:
        """Yield one opened envelope: as it was sealed, its list with salts, its documents."""
        platform, at = self.platform, f"deposits/{deposit}"
        if platform.vault.is_gone(deposit):
            self.left_out.append((at, "erased"))
            return
        if platform.vault.sealed(deposit) is None:
            self.left_out.append((f"{at}/sealed.pli", "absent"))
        else:
            yield File(f"{at}/sealed.pli", lambda: self._sealed(deposit))
        try:
            listing = openings.documents(platform, deposit)
        except DomainError as refusal:
            self.left_out.append((f"{at}/documents", refusal.code))
            return
        pieces = platform.vault.listed(deposit)
        if pieces is not None:
            yield told(f"{at}/pieces.json", pieces)
        if "malware" in listing:
            self.left_out.append((f"{at}/documents", "malware"))
            return
        for number, row in enumerate(platform.vault.opened(deposit), 1):
            yield File(
                f"{at}/documents/{number:04}",
                lambda row=row: platform.vault.opened_parts(deposit, row),  # type: ignore[misc]
            )

    def _sealed(self, deposit: str) -> Iterator[bytes]:
        file = self.platform.vault.sealed(deposit)
        if file is not None:
            with file as sealed:
                while data := sealed.read(PART):
                    yield data


class _Sink:
    """What a ZIP file is written to: it cannot seek, and gives what it was given."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Take bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was taken is given at the next turn."""

    def close(self) -> None:
        """Do nothing: what was taken is given at the next turn."""

    def taken(self) -> Iterator[bytes]:
        """Yield what came since the last time."""
        parts, self._parts = self._parts, []
        yield from parts
